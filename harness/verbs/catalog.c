/* assay catalog: the architectures that load and the base models known. */
#include <string.h>

#include "base/json.h"
#include "engine/engine.h"
#include "harness/common.h"
#include "harness/verb.h"
#include "suites/catalog.h"

static const as_option *const tables[] = {as_output_options_table, NULL};

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

static as_code run(const as_verb *verb, int argc, char **argv, int *status, as_error *err)
{
    (void)status;
    as_text_list words;
    json_t *catalog;
    as_command_line line = {.usage = verb->usage, .tables = tables, .least = 0, .most = 0};
    AS_TRY(as_options_parse(&line, argc, argv, &words, err));
    AS_TRY(as_catalog_load(&catalog, err));
    json_t *all = listing(catalog);
    as_buf out;
    as_buf_init(&out, 0);
    if (as_common.json) {
        as_json_write(all, 2, &out);
        as_buf_char(&out, '\n');
    } else {
        describe(all, &out);
    }
    as_code rc = as_print(&out, err);
    as_buf_free(&out);
    json_decref(all);
    json_decref(catalog);
    return rc;
}

const as_verb as_verb_catalog = {
    .name = "catalog",
    .summary = "the architectures that run and the base models known",
    .usage = "assay catalog [--json]",
    .details =
        "Lists the architectures from the engine's own table and the base models with their dimensions.",
    .example = "assay catalog",
    .run = run,
    .options = options,
};
