/* assay plan: what a model takes in memory, and on which accelerators it fits. From the configuration alone:
 * no weights are read. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "harness/common.h"
#include "harness/resolve.h"
#include "harness/verb.h"
#include "suites/catalog.h"

enum { MOST_CONTEXTS = 8, MOST_DEVICES = 64 };

/* What a server leaves free for its own work, of a device's memory. */
static const double usable = 0.9;
static const double billion = 1e9;

static struct {
    const char *context;
    int64_t sequences;
} given;

static const as_option own_options[] = {
    {"--context", AS_OPTION_TEXT, &given.context, "N,N",
     "lengths to plan for (default: those up to what the model's class promises)"},
    {"--sequences", AS_OPTION_INT, &given.sequences, "N", "served at a time (default 1)", 1, 65536},
    {NULL, AS_OPTION_FLAG, NULL, NULL, NULL},
};
static const as_option *const tables[] = {own_options, as_model_options_table, as_output_options_table, NULL};

static const as_option *const *options(void)
{
    return tables;
}

typedef struct plan {
    as_resolved found;
    json_t *catalog;
    as_model *model; /* sizes alone, at the precision asked for */
    const as_model_info *info;
    int64_t contexts[MOST_CONTEXTS];
    int context_count;
    int cache_element; /* bytes of a number in the cache */
    double work_bytes;
} plan;

/* ---- measuring -------------------------------------------------------------------------------------------
 */

static as_code open_sizes(const plan *p, const char *name, const char *dtype, as_model **out, as_error *err)
{
    as_model_options open = {
        .dtype = dtype, .synth = p->found.synth, .seed = p->found.seed, .sizes_only = true};
    return as_model_open(p->found.synth ? name : p->found.path, &open, out, err);
}

/* Weights at a precision, or -1 where the model does not open at it. */
static double weights_at(const plan *p, const char *name, const char *dtype)
{
    as_model *model = NULL;
    if (open_sizes(p, name, dtype, &model, NULL) != AS_OK) return -1;
    double bytes = (double)as_model_facts(model)->weight_bytes;
    as_model_close(model);
    return bytes;
}

/* Work space of one pass: what a session takes beside its cache and states. */
static as_code measure_work(plan *p, as_error *err)
{
    as_session *session = NULL;
    as_session_options one = {.cache_tokens = 1, .threads = 1};
    AS_TRY(as_session_open(p->model, &one, &session, err));
    p->work_bytes = (double)as_session_bytes(session) - (double)p->info->state_bytes;
    as_session_close(session);
    return AS_OK;
}

/* The class's promise, or the model's own context. */
static int64_t promised(const plan *p)
{
    json_t *dims = NULL;
    int64_t most = p->info->context;
    as_class_match match = {0};
    if (as_catalog_config_dims(p->catalog, as_model_config(p->model), &dims, NULL) == AS_OK) {
        as_catalog_match(p->catalog, dims, &match);
        const json_t *served =
            match.model_class ? json_object_get(match.model_class, "served_context") : NULL;
        if (json_is_integer(served)) most = json_integer_value(served);
    }
    json_decref(dims);
    return most;
}

static void choose_contexts(plan *p)
{
    static const int64_t usual[] = {4096, 8192, 16384, 32768};
    if (p->context_count) return; /* as asked for */
    int64_t most = promised(p);
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        if (most == 0 || usual[i] <= most) p->contexts[p->context_count++] = usual[i];
    }
    if (p->context_count == 0) p->contexts[p->context_count++] = most;
}

/* ---- devices ---------------------------------------------------------------------------------------------
 */

/* Bytes on each of n devices that share every layer: weights and states divide; key/value heads divide until
 * each device has one; the work space does not divide. */
static double bytes_each(const plan *p, int64_t context, int64_t n)
{
    const as_model_info *info = p->info;
    double cache = as_model_cache_bytes(p->model, context, given.sequences, p->cache_element);
    double heads = info->kv_heads > 0 ? (double)info->kv_heads : 1;
    double states = (double)info->state_bytes * (double)given.sequences;
    return ((double)info->weight_bytes + states) / (double)n + cache / fmin((double)n, heads) + p->work_bytes;
}

/* The least power of two of devices on which it fits; 0: not on MOST_DEVICES. */
static int64_t devices_needed(const plan *p, int64_t context, double memory)
{
    for (int64_t n = 1; n <= MOST_DEVICES; n *= 2) {
        if (bytes_each(p, context, n) <= memory * usable) return n;
    }
    return 0;
}

static json_t *accelerators(const plan *p)
{
    json_t *all = json_array(), *device;
    size_t i;
    json_array_foreach(json_object_get(p->catalog, "accelerators"), i, device)
    {
        json_t *row = json_deep_copy(device), *needed = json_array();
        double memory = json_number_value(json_object_get(device, "memory_gb")) * 1024 * 1024 * 1024;
        for (int c = 0; c < p->context_count; c++) {
            int64_t n = devices_needed(p, p->contexts[c], memory);
            json_array_append_new(needed, n ? json_integer(n) : json_null());
        }
        json_object_set_new(row, "needed", needed);
        json_array_append_new(all, row);
    }
    return all;
}

/* ---- the document ----------------------------------------------------------------------------------------
 */

static json_t *document(const plan *p, const char *name)
{
    static const char *const precisions[] = {"f16", "fp8"};
    const as_model_info *info = p->info;
    json_t *weights = json_object(), *cache = json_array();
    json_object_set_new(weights, info->precision, json_integer(info->weight_bytes));
    for (size_t i = 0; i < sizeof precisions / sizeof precisions[0]; i++) {
        double bytes = weights_at(p, name, precisions[i]);
        if (bytes >= 0 && !json_object_get(weights, precisions[i])) {
            json_object_set_new(weights, precisions[i], json_integer((json_int_t)bytes));
        }
    }
    for (int c = 0; c < p->context_count; c++) {
        double bytes = as_model_cache_bytes(p->model, p->contexts[c], 1, p->cache_element);
        json_array_append_new(cache, json_pack("{s:I, s:I, s:I}", "context", (json_int_t)p->contexts[c],
                                               "cache_bytes", (json_int_t)bytes, "total_bytes",
                                               (json_int_t)bytes_each(p, p->contexts[c], 1)));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:o, s:o}", "model", name,
                     "architecture", info->architecture, "precision", info->precision, "dtype", info->dtype,
                     "parameters", (json_int_t)info->parameters, "active_parameters",
                     (json_int_t)info->active_parameters, "layers", (json_int_t)info->layers, "sequences",
                     (json_int_t)given.sequences, "weight_bytes", weights, "cache_bytes_per_token",
                     (json_int_t)(info->kv_bytes_per_token / 2 * p->cache_element), "state_bytes",
                     (json_int_t)info->state_bytes, "work_bytes", (json_int_t)p->work_bytes, "contexts",
                     cache, "accelerators", accelerators(p));
}

static void print_count(as_buf *out, double count)
{
    if (count >= billion) {
        as_buf_printf(out, "%.2fB", count / billion);
    } else {
        as_buf_printf(out, "%.1fM", count / 1e6);
    }
}

static void print_bytes(as_buf *out, double bytes)
{
    if (bytes >= billion) {
        as_buf_printf(out, "%.2f GB", bytes / billion);
    } else if (bytes >= 1e6) {
        as_buf_printf(out, "%.1f MB", bytes / 1e6);
    } else {
        as_buf_printf(out, "%.1f kB", bytes / 1e3);
    }
}

static void describe_memory(const plan *p, const json_t *doc, as_buf *out)
{
    const as_model_info *info = p->info;
    const char *precision;
    json_t *bytes;
    as_buf_printf(out, "%s: %s, ", json_string_value(json_object_get(doc, "model")), info->architecture);
    print_count(out, (double)info->parameters);
    as_buf_str(out, " parameters");
    if (info->active_parameters != info->parameters) {
        as_buf_str(out, ", ");
        print_count(out, (double)info->active_parameters);
        as_buf_str(out, " active for a token");
    }
    as_buf_printf(out, ", %lld layers\n\nweights      ", (long long)info->layers);
    const char *before = "";
    json_object_foreach(json_object_get(doc, "weight_bytes"), precision, bytes)
    {
        as_buf_str(out, before);
        print_bytes(out, json_number_value(bytes));
        bool native = strcmp(precision, "native") == 0;
        as_buf_printf(out, " at %s", native ? info->dtype : precision);
        before = ", ";
    }
    double token = (double)info->kv_bytes_per_token / 2 * p->cache_element;
    as_buf_str(out, "\ncache        ");
    print_bytes(out, token);
    as_buf_printf(out, " a token, %d bytes a number\n", p->cache_element);
    if (info->state_bytes > 0) {
        as_buf_str(out, "state        ");
        print_bytes(out, (double)info->state_bytes);
        as_buf_str(out, " a sequence\n");
    }
    as_buf_str(out, "work space   ");
    print_bytes(out, p->work_bytes);
    as_buf_printf(out, "\n\n%-22s", "context");
    for (int c = 0; c < p->context_count; c++) as_buf_printf(out, "%12lld", (long long)p->contexts[c]);
}

static void print_row(as_buf *out, const char *label, const plan *p, bool all)
{
    as_buf_printf(out, "\n%-22s", label);
    for (int c = 0; c < p->context_count; c++) {
        double bytes =
            all ? bytes_each(p, p->contexts[c], 1)
                : as_model_cache_bytes(p->model, p->contexts[c], given.sequences, p->cache_element);
        as_buf_printf(out, "%9.2f GB", bytes / billion);
    }
}

static void describe(const plan *p, const json_t *doc, as_buf *out)
{
    json_t *device;
    size_t i;
    describe_memory(p, doc, out);
    print_row(out, "cache", p, false);
    print_row(out, "all", p, true);
    as_buf_printf(out, "\n\ndevices needed (%.0f%% of their memory used, %lld sequence%s, %s):\n",
                  usable * 100, (long long)given.sequences, given.sequences == 1 ? "" : "s",
                  p->info->precision);
    json_array_foreach(json_object_get(doc, "accelerators"), i, device)
    {
        as_buf_printf(out, "%-22s", json_string_value(json_object_get(device, "name")));
        json_t *n;
        size_t c;
        json_array_foreach(json_object_get(device, "needed"), c, n)
        {
            if (json_is_null(n)) {
                as_buf_printf(out, "%12s", "-");
            } else {
                as_buf_printf(out, "%12lld", (long long)json_integer_value(n));
            }
        }
        as_buf_char(out, '\n');
    }
}

static as_code make(plan *p, const char *name, as_buf *out, as_error *err)
{
    AS_TRY(as_resolve(name, &p->found, err));
    AS_TRY(as_catalog_load(&p->catalog, err));
    AS_TRY(open_sizes(p, name, as_common.dtype, &p->model, err));
    p->info = as_model_facts(p->model);
    p->cache_element = as_common.dtype && strstr(as_common.dtype, "+kv8") ? 1 : 2;
    AS_TRY(measure_work(p, err));
    choose_contexts(p);
    json_t *doc = document(p, name);
    if (!doc) return as_fail_memory(err, "the plan");
    if (as_common.json) {
        as_json_write(doc, 2, out);
        as_buf_char(out, '\n');
    } else {
        describe(p, doc, out);
    }
    json_decref(doc);
    return AS_OK;
}

static as_code run(const as_verb *verb, int argc, char **argv, int *status, as_error *err)
{
    (void)status;
    as_text_list words;
    given.sequences = 1;
    as_command_line line = {.usage = verb->usage, .tables = tables, .least = 1, .most = 1};
    AS_TRY(as_options_parse(&line, argc, argv, &words, err));
    plan p = {0};
    if (given.context) {
        AS_TRY(as_parse_counts("--context", given.context, p.contexts, MOST_CONTEXTS, &p.context_count, err));
    }
    as_buf out;
    as_buf_init(&out, 0);
    as_code rc = make(&p, words.items[0], &out, err);
    if (rc == AS_OK) rc = as_print(&out, err);
    as_buf_free(&out);
    as_model_close(p.model);
    json_decref(p.catalog);
    as_resolved_free(&p.found);
    return rc;
}

const as_verb as_verb_plan = {
    .name = "plan",
    .summary = "memory, and on which accelerators it fits",
    .usage = "assay plan MODEL [--context 4096,32768] [--sequences 1] [--dtype TYPE] [--json]",
    .details =
        "Reckons from the configuration alone what the weights, the cache at each context, the recurrent\n"
        "states and the work space take, and how many of each accelerator are needed when every layer\n"
        "is shared between them. A layer with a window keeps no more than its window.",
    .example = "assay plan synth:meta-llama/Llama-3.1-8B --context 8192,32768",
    .run = run,
    .options = options,
};
