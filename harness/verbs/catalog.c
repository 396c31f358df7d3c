/* assay catalog: the architectures that load and the base models known. */
#include <string.h>

#include "base/json.h"
#include "engine/engine.h"
#include "harness/common.h"
#include "harness/verb.h"
#include "suites/catalog.h"

static struct {
    bool markdown;
} given;

static const as_option own_options[] = {
    {"--markdown", AS_OPTION_FLAG, &given.markdown, NULL,
     "the whole table as docs/architectures.md holds it"},
    {NULL, AS_OPTION_FLAG, NULL, NULL, NULL},
};
static const as_option *const tables[] = {own_options, as_output_options_table, NULL};

static const as_option *const *options(void)
{
    return tables;
}

static bool loads(const char *architecture)
{
    for (int64_t i = 0; as_architecture_at(i); i++) {
        if (architecture && strcmp(as_architecture_at(i), architecture) == 0) return true;
    }
    return false;
}

static json_t *listing(const json_t *catalog)
{
    json_t *all = json_pack("{s:[], s:[]}", "architectures", "models"), *model;
    size_t i;
    for (int64_t a = 0; as_architecture_at(a); a++) {
        json_array_append_new(json_object_get(all, "architectures"), json_string(as_architecture_at(a)));
    }
    json_array_foreach(json_object_get(catalog, "models"), i, model)
    {
        json_t *row = json_copy(model);
        json_object_set_new(row, "loads",
                            json_boolean(loads(json_string_value(json_object_get(model, "architecture")))));
        json_array_append_new(json_object_get(all, "models"), row);
    }
    return all;
}

static void describe(const json_t *all, as_buf *out)
{
    size_t i;
    json_t *item;
    as_buf_str(out, "architectures that this engine runs:\n");
    json_array_foreach(json_object_get(all, "architectures"), i, item)
        as_buf_printf(out, "  %s\n", json_string_value(item));
    as_buf_str(out, "\nbase models known (* runs here; `synth:ID` makes one with generated weights):\n");
    json_array_foreach(json_object_get(all, "models"), i, item)
    {
        as_buf_printf(out, "%s %-50s %8.2fB  %s\n", json_is_true(json_object_get(item, "loads")) ? "*" : " ",
                      json_string_value(json_object_get(item, "id")),
                      json_number_value(json_object_get(item, "params")) * 1e-9,
                      json_string_value(json_object_get(item, "architecture")));
    }
}

/* ---- markdown --------------------------------------------------------------------------------------------
 */

static as_code open_sizes(const json_t *catalog, const json_t *model, as_model **out, as_error *err)
{
    json_t *config = NULL;
    AS_TRY(as_catalog_model_config(catalog, model, 0, &config, err));
    as_model_options options = {.synth = config, .sizes_only = true};
    as_code rc = as_model_open(json_string_value(json_object_get(model, "id")), &options, out, err);
    json_decref(config);
    return rc;
}

static void model_row(const json_t *model, const as_model_info *info, as_buf *out)
{
    as_buf_printf(out, "| %s | %.2fB | ", json_string_value(json_object_get(model, "id")),
                  (double)info->parameters * 1e-9);
    if (info->active_parameters != info->parameters) {
        as_buf_printf(out, "%.2fB", (double)info->active_parameters * 1e-9);
    }
    as_buf_printf(out, " | %lld | %lld | %lld | ", (long long)info->layers, (long long)info->hidden,
                  (long long)info->vocab);
    if (info->context) as_buf_printf(out, "%lld", (long long)info->context);
    as_buf_printf(out, " | %.1f | ", (double)info->kv_bytes_per_token / 1024);
    if (info->state_bytes) as_buf_printf(out, "%.1f", (double)info->state_bytes / 1024);
    as_buf_str(out, " |\n");
}

/* One architecture: the layers of the first of its base models, and a row for each that is unlike those
 * before it. */
static as_code architecture_part(const json_t *catalog, const char *name, as_buf *out, as_error *err)
{
    json_t *model;
    size_t i;
    bool any = false;
    as_buf_printf(out, "\n## %s\n\n", name);
    json_array_foreach(json_object_get(catalog, "models"), i, model)
    {
        const char *architecture = json_string_value(json_object_get(model, "architecture"));
        if (strcmp(architecture, name) != 0 || json_object_get(model, "same_shape_as")) continue;
        as_model *sizes = NULL;
        AS_TRY(open_sizes(catalog, model, &sizes, err));
        if (!any) {
            as_model_describe(sizes, out);
            as_buf_str(out,
                       "\n\n| base model | parameters | active | layers | hidden | vocabulary | context | "
                       "cache, KiB a token | state, KiB |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n");
        }
        any = true;
        model_row(model, as_model_facts(sizes), out);
        as_model_close(sizes);
    }
    if (!any) as_buf_str(out, "No base model of it is in the catalogue.\n");
    return AS_OK;
}

static as_code markdown(const json_t *catalog, as_buf *out, as_error *err)
{
    int64_t count = 0;
    while (as_architecture_at(count)) count++;
    as_buf_printf(
        out,
        "# Architectures\n\nMade by `assay catalog --markdown` from the engine's own specs; a test "
        "fails when it is stale. The engine runs\n%lld architectures. For each: its layers, as the first "
        "base model has them, and the base models of the\ncatalogue with the sizes that the engine "
        "reckons (cache at 16 bits).\n",
        (long long)count);
    for (int64_t i = 0; i < count; i++) AS_TRY(architecture_part(catalog, as_architecture_at(i), out, err));
    return AS_OK;
}

static as_code run(const as_verb *verb, int argc, char **argv, int *status, as_error *err)
{
    (void)status;
    as_text_list words;
    json_t *catalog;
    as_command_line line = {.usage = verb->usage, .tables = tables, .least = 0, .most = 0};
    AS_TRY(as_options_parse(&line, argc, argv, &words, err));
    if (as_common.json && given.markdown)
        return as_fail(err, AS_E_USAGE, "only one of --json and --markdown is possible");
    AS_TRY(as_catalog_load(&catalog, err));
    json_t *all = listing(catalog);
    as_buf out;
    as_buf_init(&out, 0);
    as_code rc = AS_OK;
    if (as_common.json) {
        as_json_write(all, 2, &out);
        as_buf_char(&out, '\n');
    } else if (given.markdown) {
        rc = markdown(catalog, &out, err);
    } else {
        describe(all, &out);
    }
    if (rc == AS_OK) rc = as_print(&out, err);
    as_buf_free(&out);
    json_decref(all);
    json_decref(catalog);
    return rc;
}

const as_verb as_verb_catalog = {
    .name = "catalog",
    .summary = "the architectures that run and the base models known",
    .usage = "assay catalog [--json | --markdown]",
    .details =
        "Lists the architectures from the engine's own table and the base models with their dimensions.",
    .example = "assay catalog",
    .run = run,
    .options = options,
};
