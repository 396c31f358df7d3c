/* Rules about the tensors, by what the weight files' headers declare. */
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "suites/rules/rules.h"

/* Calls `visit` for every tensor of the model's weight files. */
typedef void tensor_visitor(void *context, const as_tensor *tensor, const as_weight_file *file);

static void for_each_tensor(const as_rule_facts *facts, tensor_visitor *visit, void *context)
{
    for (int64_t i = 0; i < facts->repo->weight_count; i++) {
        const as_weight_file *file = &facts->repo->weights[i];
        for (int64_t t = 0; facts->used[i] && t < file->tensor_count; t++) {
            visit(context, &file->tensors[t], file);
        }
    }
}

static void write_shape(const int64_t *shape, int dims, char room[static 128])
{
    size_t used = 0;
    room[0] = 0;
    for (int i = 0; i < dims && used < 100; i++) {
        used += (size_t)snprintf(room + used, 128 - used, "%s%" PRId64, i ? "," : "", shape[i]);
    }
}

/* Complete weights. */

static bool is_adapter_tensor(const char *name)
{
    static const char *const parts[] = {".lora_A", ".lora_B", "lora_embedding", "base_model.model."};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (strstr(name, parts[i])) return true;
    }
    return false;
}

typedef struct presence {
    const as_needs *needs;
    bool *found; /* for each of the needs */
    int64_t adapters;
    const char *first_adapter;
} presence;

static void note_presence(void *context, const as_tensor *tensor, const as_weight_file *file)
{
    presence *seen = context;
    (void)file;
    if (is_adapter_tensor(tensor->name) && seen->adapters++ == 0) seen->first_adapter = tensor->name;
    const as_need *entry = seen->needs ? as_needs_find(seen->needs, tensor->name) : NULL;
    if (entry) seen->found[entry - as_needs_at(seen->needs, 0)] = true;
}

static void list_missing(const presence *seen, as_rule_list *missing, const char **first)
{
    for (int64_t i = 0; seen->needs && i < as_needs_count(seen->needs); i++) {
        const as_need *entry = as_needs_at(seen->needs, i);
        if (seen->found[i] || entry->optional) continue;
        if (missing->count == 0) *first = entry->name;
        as_rule_list_add(missing, as_result_text(entry->name));
    }
}

static void say_complete(as_rule_call *call, const presence *seen)
{
    const char *first = NULL;
    as_rule_list missing = {0};
    list_missing(seen, &missing, &first);
    int64_t count = missing.count;
    as_rule_show_list(call, "missing", &missing);
    if (seen->adapters) {
        as_rule_say(call, AS_FAIL,
                    "%" PRId64 " tensor%s of an adapter, the first is %.200s; merge it into the weights",
                    seen->adapters, AS_PLURAL(seen->adapters), seen->first_adapter);
    } else if (count) {
        as_rule_say(call, AS_FAIL, "%" PRId64 " tensor%s missing, the first is %.200s", count,
                    AS_PLURAL(count), first);
    } else if (!seen->needs) {
        as_rule_say(call, AS_SKIP, "which tensors this model needs is not known: %.800s",
                    call->facts->config ? call->facts->own_error.text : "there is no config.json");
    } else {
        as_rule_say(call, AS_PASS, "all %" PRId64 " tensors that the model needs are there%s",
                    as_needs_count(seen->needs),
                    call->facts->adapters.count ? "; the adapter beside them is not part of it" : "");
    }
}

void as_rule_full_weights(as_rule_call *call)
{
    const as_rule_facts *facts = call->facts;
    if (facts->adapters.count && facts->used_count == 0) {
        as_rule_show(call, "files", as_rule_files(&facts->adapters));
        as_rule_say(call, AS_FAIL,
                    "there is an adapter (%.200s) and no weights of a whole model; merge it into its base",
                    facts->adapters.names[0]);
        return;
    }
    if (as_rule_skip_without_weights(call)) return;
    presence seen = {.needs = facts->expected ? facts->expected : facts->own};
    seen.found = AS_NEW_ARRAY(bool, seen.needs ? as_needs_count(seen.needs) : 1);
    if (!seen.found) {
        as_rule_say(call, AS_ERROR, "out of memory");
        return;
    }
    for_each_tensor(facts, note_presence, &seen);
    say_complete(call, &seen);
    as_free(seen.found);
}

/* Precision. */

/* True for a class whose bases are published at 8 bits. */
static bool is_fp8_class(const as_rule_call *call)
{
    return as_rule_parameter_has(call, "fp8_classes", as_rule_class_name(call->facts));
}

/* config.json states the quantization that the bases of an fp8 class are published with. */
static bool is_published_form(const as_rule_call *call)
{
    const json_t *config = json_object_get(call->facts->config, "quantization_config");
    const char *method = json_string_value(json_object_get(config, "quant_method"));
    return method && strcmp(method, "fp8") == 0 && is_fp8_class(call);
}

static void say_published_form(as_rule_call *call)
{
    as_rule_say(call, AS_SKIP,
                "the bases of %s are themselves published at 8 bits, so it is not known what is asked",
                as_rule_class_name(call->facts));
}

void as_rule_no_quantization(as_rule_call *call)
{
    const as_rule_facts *facts = call->facts;
    const json_t *config = json_object_get(facts->config, "quantization_config");
    if (!facts->config && facts->used_count == 0) {
        as_rule_say(call, AS_SKIP, "neither config.json nor weights are there to tell");
        return;
    }
    if (!facts->is_quantized) {
        as_rule_say(call, AS_PASS, "no quantization_config, and no packed tensors");
        return;
    }
    const char *method = json_string_value(json_object_get(config, "quant_method"));
    if (config) as_rule_show(call, "quantization_config", json_incref((json_t *)config));
    call->check->measured = as_result_text(method ? method : "packed");
    if (is_published_form(call)) {
        say_published_form(call);
    } else if (config) {
        as_rule_say(call, AS_FAIL,
                    "config.json has a quantization_config (%.60s): these are not full weights",
                    method ? method : "no method");
    } else {
        as_rule_say(call, AS_FAIL,
                    "there are matrices of whole numbers or of blocks: these are packed, not full weights");
    }
}

typedef struct type_count {
    const as_rule_call *call;
    int64_t tensors[AS_DTYPE_COUNT];
    as_rule_list wrong;
    char first[320];
} type_count;

/* Small float32 tensors (norms, biases, state matrices) cost nothing and are often kept so on purpose. */
static bool is_small(const type_count *count, const as_tensor *tensor)
{
    size_t i;
    json_t *pattern;
    if (tensor->dims < 2) return true;
    json_array_foreach(json_object_get(count->call->parameters, "small_f32"), i, pattern)
    {
        if (json_is_string(pattern) && fnmatch(json_string_value(pattern), tensor->name, 0) == 0) return true;
    }
    return false;
}

static void note_type(void *context, const as_tensor *tensor, const as_weight_file *file)
{
    type_count *count = context;
    const as_needs *own = count->call->facts->own;
    const char *name = as_dtype_name(tensor->dtype);
    if (own && as_needs_ignores(own, tensor->name)) return;
    if (tensor->dtype == AS_F32 && is_small(count, tensor)) return;
    count->tensors[tensor->dtype]++;
    if (as_rule_parameter_has(count->call, "accept", name)) return;
    if (count->wrong.count == 0)
        snprintf(count->first, sizeof count->first, "%.200s is %s", tensor->name, name);
    json_t *row = json_object();
    (void)json_object_set_new(row, "tensor", as_result_text(tensor->name));
    (void)json_object_set_new(row, "type", json_string(name));
    (void)json_object_set_new(row, "file", as_result_text(file->name));
    as_rule_list_add(&count->wrong, row);
}

/* The type that config.json declares, when loaders would widen the weights to it. */
static bool declares_wider(const as_rule_call *call, const char **declared)
{
    const json_t *config = call->facts->config;
    *declared = json_string_value(json_object_get(config, "torch_dtype"));
    if (!*declared) *declared = json_string_value(json_object_get(config, "dtype"));
    as_dtype type;
    return *declared && as_dtype_parse(*declared, &type) && as_dtype_bits(type) > 16;
}

/* "F16 or BF16": what the profile accepts. */
static const char *accepted_types(const as_rule_call *call, char room[static 128])
{
    size_t i, used = 0;
    json_t *name;
    room[0] = 0;
    json_array_foreach(json_object_get(call->parameters, "accept"), i, name)
    {
        if (!json_is_string(name) || used >= 100) continue;
        used +=
            (size_t)snprintf(room + used, 128 - used, "%s%.20s", used ? " or " : "", json_string_value(name));
    }
    return used ? room : "anything that the profile accepts";
}

static void say_types(as_rule_call *call, type_count *count)
{
    char accepted[128];
    const char *declared, *remark = NULL;
    json_t *measured = json_object();
    int64_t wrong = count->wrong.count;
    for (int i = 0; i < AS_DTYPE_COUNT; i++) {
        const char *name = as_dtype_name((as_dtype)i);
        if (count->tensors[i] == 0) continue;
        (void)json_object_set_new(measured, name, json_integer(count->tensors[i]));
        if (as_rule_parameter_has(call, "remark", name)) remark = name;
    }
    call->check->measured = measured;
    call->check->expected = json_incref(json_object_get(call->parameters, "accept"));
    call->check->unit = "tensors";
    as_rule_show_list(call, "other_types", &count->wrong);
    if (wrong && wrong == count->tensors[AS_E4M3] && is_fp8_class(call)) {
        say_published_form(call);
    } else if (wrong) {
        as_rule_say(call, AS_FAIL, "%" PRId64 " tensor%s not stored as %s; %s", wrong, AS_PLURAL(wrong),
                    accepted_types(call, accepted), count->first);
    } else if (declares_wider(call, &declared)) {
        as_rule_say(call, AS_WARN,
                    "the tensors are stored at 16 bits, but config.json declares %.40s, to which "
                    "loaders widen them",
                    declared);
    } else if (remark) {
        const char *why = json_string_value(json_object_get(call->parameters, "remark_why"));
        as_rule_say(call, AS_PASS, "%s is accepted, with the remark: %.300s", remark,
                    why ? why : "not what is asked");
    } else {
        as_rule_say(call, AS_PASS, "every matrix is stored as %s", accepted_types(call, accepted));
    }
}

void as_rule_16_bit(as_rule_call *call)
{
    if (is_published_form(call)) {
        say_published_form(call);
        return;
    }
    if (as_rule_skip_without_weights(call)) return;
    type_count count = {.call = call};
    for_each_tensor(call->facts, note_type, &count);
    say_types(call, &count);
}

/* Names and shapes. */

typedef struct comparison {
    const as_needs *needs;
    bool embedding_too; /* else the rows of the vocabulary are another rule's */
    int64_t compared, ignored;
    as_rule_list differences;
    char first[512];
} comparison;

static void add_difference(comparison *c, const as_tensor *tensor, const as_need *expected)
{
    char found_shape[128], wanted_shape[128];
    write_shape(tensor->shape, tensor->dims, found_shape);
    if (expected) write_shape(expected->shape, expected->dims, wanted_shape);
    if (c->differences.count == 0) {
        if (expected) {
            snprintf(c->first, sizeof c->first, "%.200s has the shape [%s], expected [%s]", tensor->name,
                     found_shape, wanted_shape);
        } else {
            snprintf(c->first, sizeof c->first, "%.200s [%s] does not belong to the model", tensor->name,
                     found_shape);
        }
    }
    json_t *row = json_object();
    (void)json_object_set_new(row, "tensor", as_result_text(tensor->name));
    (void)json_object_set_new(row, "found", as_rule_shape(tensor->shape, tensor->dims));
    (void)json_object_set_new(row, "expected",
                              expected ? as_rule_shape(expected->shape, expected->dims) : json_null());
    as_rule_list_add(&c->differences, row);
}

static void compare_tensor(void *context, const as_tensor *tensor, const as_weight_file *file)
{
    comparison *c = context;
    (void)file;
    const as_need *expected = as_needs_find(c->needs, tensor->name);
    if (!expected && (is_adapter_tensor(tensor->name) || as_needs_ignores(c->needs, tensor->name))) {
        c->ignored++;
        return;
    }
    if (expected && expected->embedding && !c->embedding_too) return;
    c->compared++;
    if (!expected || !as_need_fits(expected, tensor)) add_difference(c, tensor, expected);
}

static void compare_with(as_rule_call *call, const as_needs *needs, bool embedding_too, const char *what)
{
    comparison c = {.needs = needs, .embedding_too = embedding_too};
    for_each_tensor(call->facts, compare_tensor, &c);
    int64_t count = c.differences.count;
    as_rule_show_list(call, "differences", &c.differences);
    if (c.ignored) as_rule_show(call, "not_compared", json_integer(c.ignored));
    call->check->measured = json_integer(count);
    call->check->expected = json_integer(0);
    call->check->unit = "differences";
    if (count) {
        as_rule_say(call, AS_FAIL, "of %" PRId64 " tensors %" PRId64 " not as in %.120s; %s", c.compared,
                    count, what, c.first);
    } else {
        as_rule_say(call, AS_PASS, "%" PRId64 " tensors have the names and shapes of %.120s", c.compared,
                    what);
    }
}

void as_rule_shape_unchanged(as_rule_call *call)
{
    const as_rule_facts *facts = call->facts;
    if (as_rule_skip_without_class(call) || as_rule_skip_without_weights(call)) return;
    const char *base = json_string_value(json_object_get(facts->match.base, "id"));
    if (facts->match.stand_in) {
        as_rule_say(call, AS_SKIP, "the base of %s is not known; %s only stands for it",
                    as_rule_class_name(facts), base);
    } else if (!facts->expected) {
        as_rule_say(call, AS_SKIP, "the tensors of %s are not known", base);
    } else {
        compare_with(call, facts->expected, false, base);
    }
}

void as_rule_shapes_implied(as_rule_call *call)
{
    if (as_rule_skip_without_config(call) || as_rule_skip_without_weights(call)) return;
    if (!call->facts->own) {
        as_rule_say(call, call->facts->own_error.code == AS_E_UNSUPPORTED ? AS_SKIP : AS_FAIL, "%.900s",
                    call->facts->own_error.text);
        return;
    }
    compare_with(call, call->facts->own, !as_rule_in_profile(call->facts, "embedding-rows"), "config.json");
}

/* The vocabulary's rows. */

typedef struct rows {
    const as_needs *needs;
    int64_t wanted;
    json_t *found; /* name -> rows */
    const char *first;
    int64_t first_rows, differing;
} rows;

static void note_rows(void *context, const as_tensor *tensor, const as_weight_file *file)
{
    rows *r = context;
    (void)file;
    const as_need *expected = as_needs_find(r->needs, tensor->name);
    if (!expected || !expected->embedding || tensor->dims < 1) return;
    (void)json_object_set_new(r->found, tensor->name, json_integer(tensor->shape[0]));
    if (tensor->shape[0] == r->wanted || r->differing++) return;
    r->first = tensor->name;
    r->first_rows = tensor->shape[0];
}

static void say_rows(as_rule_call *call, int64_t wanted, int64_t stated, const char *whose)
{
    rows r = {.needs = call->facts->own, .wanted = wanted, .found = json_object()};
    for_each_tensor(call->facts, note_rows, &r);
    bool empty = json_object_size(r.found) == 0;
    call->check->measured = r.found;
    call->check->expected = json_integer(wanted);
    call->check->unit = "rows";
    if (r.differing) {
        as_rule_say(call, AS_FAIL, "%.200s has %" PRId64 " rows, %s %" PRId64, r.first, r.first_rows, whose,
                    wanted);
    } else if (stated != wanted) {
        as_rule_say(call, AS_FAIL, "config.json has a vocab_size of %" PRId64 ", %s %" PRId64, stated, whose,
                    wanted);
    } else if (empty) {
        as_rule_say(call, AS_SKIP, "no embedding is among the weights");
    } else {
        as_rule_say(call, AS_PASS, "embedding and head have %" PRId64 " rows", wanted);
    }
}

static int64_t whole(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

void as_rule_embedding_unchanged(as_rule_call *call)
{
    const as_rule_facts *facts = call->facts;
    if (as_rule_skip_without_class(call) || as_rule_skip_without_weights(call)) return;
    if (!facts->own) {
        as_rule_say(call, AS_SKIP, "%.900s", facts->own_error.text);
    } else if (facts->match.stand_in) {
        as_rule_say(call, AS_SKIP, "the base of %s is not known", as_rule_class_name(facts));
    } else {
        say_rows(call, whole(facts->match.base, "vocab"), as_needs_vocab(facts->own), "the base");
    }
}

void as_rule_embedding_rows(as_rule_call *call)
{
    const as_rule_facts *facts = call->facts;
    if (as_rule_skip_without_config(call) || as_rule_skip_without_weights(call)) return;
    if (!facts->own) {
        as_rule_say(call, AS_SKIP, "%.900s", facts->own_error.text);
    } else {
        say_rows(call, as_needs_vocab(facts->own), as_needs_vocab(facts->own), "config.json counts");
    }
}

/* The tokenizer. */

void as_rule_tokenizer_present(as_rule_call *call)
{
    call->check->expected = json_string("tokenizer.json, tokenizer.model or a vocabulary");
    call->check->measured = as_result_text(call->facts->tokenizer);
    if (call->facts->tokenizer) {
        as_rule_say(call, AS_PASS, "the tokenizer is %.200s", call->facts->tokenizer);
    } else if (call->facts->is_unread_gguf) {
        as_rule_say(call, AS_SKIP, "the GGUF file cannot be read: weights-safetensors tells why");
    } else if (call->facts->is_gguf) {
        as_rule_say(call, AS_FAIL, "the GGUF file holds no tokenizer (tokenizer.ggml.tokens)");
    } else {
        as_rule_say(call, AS_FAIL, "there is no tokenizer.json, tokenizer.model, vocab.json or vocab.txt");
    }
}

static void say_ids(as_rule_call *call, int64_t rows_there, const char *where)
{
    const as_rule_facts *facts = call->facts;
    call->check->measured = json_integer(facts->tokenizer_ids);
    call->check->expected = json_integer(rows_there);
    call->check->unit = "ids";
    if (facts->tokenizer_ids > rows_there) {
        as_rule_say(call, AS_FAIL, "the largest id of %.100s is %" PRId64 ", %s has %" PRId64 " rows",
                    facts->tokenizer, facts->tokenizer_ids - 1, where, rows_there);
    } else {
        as_rule_say(call, AS_PASS, "%" PRId64 " ids in %.100s, %" PRId64 " rows", facts->tokenizer_ids,
                    facts->tokenizer, rows_there);
    }
}

void as_rule_tokenizer_within_embedding(as_rule_call *call)
{
    const as_rule_facts *facts = call->facts;
    rows r = {.needs = facts->own, .wanted = -1, .found = NULL};
    if (!facts->tokenizer) {
        bool told = as_rule_in_profile(facts, "tokenizer-present");
        as_rule_say(call, told ? AS_SKIP : AS_FAIL, "there is no tokenizer%s",
                    told ? ": tokenizer-present tells of it" : "");
        return;
    }
    if (facts->tokenizer_ids == 0) {
        as_rule_say(call, AS_FAIL, "%.900s", facts->tokenizer_error.text);
        return;
    }
    if (r.needs) {
        r.found = json_object();
        for_each_tensor(facts, note_rows, &r);
        json_decref(r.found);
    }
    if (r.first) {
        say_ids(call, r.first_rows, r.first);
    } else if (facts->own) {
        say_ids(call, as_needs_vocab(facts->own), "config.json's vocabulary");
    } else {
        as_rule_say(call, AS_SKIP, "the number of rows is not known: %.800s",
                    facts->config ? facts->own_error.text : "there is no config.json");
    }
}
