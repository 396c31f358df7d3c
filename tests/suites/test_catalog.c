/* The catalogue: its numbers agree with each other, by arithmetic; configurations find their class. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "suites/catalog.h"
#include "suites/catalog/expression.h"

static json_t *catalog;

static void load(void)
{
    as_error err;
    cr_assert_eq(as_catalog_load(&catalog, &err), AS_OK, "%s", err.text);
}

static void unload(void)
{
    json_decref(catalog);
}

TestSuite(catalog, .init = load, .fini = unload);

static int64_t whole(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
    const char *found = json_string_value(json_object_get(object, key));
    return found ? found : "";
}

/* Of models whose full layers, every so many, have heads of their own, and whose last layers share caches. */
static int64_t cache_bytes_of_kinds(const json_t *model, const json_t *full)
{
    int64_t layers = whole(model, "layers") - whole(model, "shared_kv_layers"),
            full_layers = layers / whole(full, "every");
    return 4 * (full_layers * whole(full, "kv_heads") * whole(full, "head_dim") +
                (layers - full_layers) * whole(model, "kv_heads") * whole(model, "head_dim"));
}

/* layers x 2 x key/value heads x head size x 2 bytes; the latent of MLA instead, once */
static int64_t cache_bytes(const json_t *model)
{
    const json_t *full = json_object_get(model, "full_attention");
    if (full) return cache_bytes_of_kinds(model, full);
    int64_t layers = whole(model, "layers");
    const json_t *mla = json_object_get(model, "mla");
    const json_t *attention = json_object_get(json_object_get(model, "layer_types"), "attention");
    if (mla) return layers * 2 * (whole(mla, "kv_lora_rank") + whole(mla, "qk_rope_head_dim"));
    if (json_is_true(json_object_get(model, "recurrent"))) return 0;
    if (attention) layers = (int64_t)json_array_size(attention);
    layers -= (int64_t)json_array_size(json_object_get(model, "cross_attention_layers"));
    return layers * 2 * whole(model, "kv_heads") * whole(model, "head_dim") * 2;
}

Test(catalog, the_other_numbers_of_a_model_follow_from_its_dimensions)
{
    size_t i;
    json_t *model;
    json_array_foreach(json_object_get(catalog, "models"), i, model)
    {
        const char *id = text(model, "id");
        int64_t params = whole(model, "params");
        cr_assert_eq(cache_bytes(model), whole(model, "kv_bytes_per_token_16bit"), "%s", id);
        cr_assert_eq(params < 5000000000, strcmp(text(model, "size_class"), "<5B") == 0, "%s", id);
        cr_assert(whole(model, "active_params") <= params, "%s", id);
        json_t *parts = json_object_get(model, "params_by_part");
        int64_t sum = 0;
        const char *part;
        json_t *size;
        json_object_foreach(parts, part, size) sum += json_integer_value(size);
        cr_assert(!parts || sum == params, "%s", id);
        const char *same = text(model, "same_shape_as");
        cr_assert(!*same || as_catalog_model(catalog, same), "%s: %s", id, same);
        cr_assert_eq(as_catalog_model(catalog, id), model, "%s stands twice", id);
    }
}

Test(catalog, classes_agree_with_their_bases)
{
    size_t i, k;
    json_t *entry, *id;
    json_array_foreach(json_object_get(catalog, "classes"), i, entry)
    {
        const char *name = text(entry, "class");
        cr_assert(json_array_size(json_object_get(entry, "base_models")) > 0, "%s", name);
        json_array_foreach(json_object_get(entry, "base_models"), k, id)
        {
            const json_t *model = as_catalog_model(catalog, json_string_value(id));
            cr_assert_not_null(model, "%s: %s", name, json_string_value(id));
            if (k == 0) cr_assert_eq(whole(model, "params"), whole(entry, "params"), "%s", name);
            if (k == 0)
                cr_assert_eq(whole(model, "native_context"), whole(entry, "native_context"), "%s", name);
            cr_assert(json_is_true(json_object_get(model, "recurrent")) ||
                          whole(model, "native_context") >= 32768 ||
                          whole(model, "native_context") >= whole(entry, "served_context"),
                      "%s", name);
        }
        const char *precision = whole(entry, "params") < 5000000000 ? "fp16" : "fp8";
        cr_assert_str_eq(text(entry, "served_precision"), precision, "%s", name);
        cr_assert_eq(as_catalog_class(catalog, name), entry, "%s stands twice", name);
    }
}

/* Every base finds its own class, or one whose dimensions are the same. */
Test(catalog, every_base_finds_its_class)
{
    size_t i, k;
    json_t *entry, *id;
    json_array_foreach(json_object_get(catalog, "classes"), i, entry)
    {
        json_array_foreach(json_object_get(entry, "base_models"), k, id)
        {
            as_error err;
            json_t *dims = NULL;
            const json_t *model = as_catalog_model(catalog, json_string_value(id));
            cr_assert_eq(as_catalog_model_dims(catalog, model, &dims, &err), AS_OK, "%s", err.text);
            as_class_match match;
            as_catalog_match(catalog, dims, &match);
            bool own = match.model_class == entry;
            for (int a = 0; a < match.alike_count; a++)
                own = own || strcmp(match.alike[a], text(entry, "class")) == 0;
            cr_assert(own, "%s is not found to be a %s", json_string_value(id), text(entry, "class"));
            cr_assert_not(match.layers_differ);
            json_decref(dims);
        }
    }
}

static json_t *dims_of(const char *config_text)
{
    as_error err = {0};
    json_t *config = NULL, *dims = NULL;
    cr_assert_eq(as_json_parse(config_text, strlen(config_text), AS_JSON_LENIENT, "c", &config, &err), AS_OK);
    cr_assert_eq(as_catalog_config_dims(catalog, config, &dims, &err), AS_OK, "%s", err.text);
    json_decref(config);
    return dims;
}

Test(catalog, rotary_settings_tell_classes_of_equal_dimensions_apart)
{
#define LLAMA_8B                                                                                             \
    "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"num_hidden_layers\":32,"           \
    "\"hidden_size\":4096,\"num_attention_heads\":32,\"num_key_value_heads\":8,\"intermediate_size\":14336," \
    "\"vocab_size\":128256,"
    static const struct {
        const char *config, *expected;
    } cases[] = {
        {LLAMA_8B "\"rope_theta\":500000.0,\"max_position_embeddings\":8192}", "llama3-8b-8k"},
        {LLAMA_8B "\"rope_theta\":500000.0,\"max_position_embeddings\":131072,\"rope_scaling\":{\"rope_"
                  "type\":\"llama3\"}}",
         "llama31-8b-16k"},
        {LLAMA_8B "\"max_position_embeddings\":131072,\"rope_parameters\":{\"rope_type\":\"llama3\",\"rope_"
                  "theta\":500000.0}}",
         "llama31-8b-16k"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *dims = dims_of(cases[i].config);
        as_class_match match;
        as_catalog_match(catalog, dims, &match);
        cr_assert_str_eq(text(match.model_class, "class"), cases[i].expected);
        cr_assert_eq(match.alike_count, 1);
        json_decref(dims);
    }
}

Test(catalog, a_nested_text_config_with_little_in_it_is_filled_up)
{
    json_t *dims =
        dims_of("{\"architectures\":[\"Gemma3ForConditionalGeneration\"],\"model_type\":\"gemma3\","
                "\"text_config\":{\"hidden_size\":3840,\"intermediate_size\":15360,\"num_hidden_layers\":48,"
                "\"num_attention_heads\":16,\"num_key_value_heads\":8}}");
    as_class_match match;
    as_catalog_match(catalog, dims, &match);
    cr_assert_str_eq(text(match.model_class, "class"), "gemma3-12b");
    cr_assert_not(match.vocab_differs);
    json_decref(dims);
}

Test(catalog, hostile_configurations_are_refused_with_the_field)
{
    static const struct {
        const char *config, *expected;
        as_code code;
    } cases[] = {
        {"{}", "\"architectures\" is missing", AS_E_INPUT},
        {"{\"architectures\":[\"NoSuchModel\"]}", "NoSuchModel", AS_E_UNSUPPORTED},
        {"{\"model_type\":\"llama\"}", "num_attention_heads", AS_E_INPUT},
        {LLAMA_8B "\"num_hidden_layers\":0}", "\"num_hidden_layers\" is 0", AS_E_INPUT},
        {LLAMA_8B "\"num_hidden_layers\":1e30}", "beyond all measure", AS_E_INPUT},
        {LLAMA_8B "\"num_attention_heads\":0}", "divides by zero", AS_E_INPUT},
        {"{\"architectures\":[\"Gemma3ForConditionalGeneration\"],\"text_config\":3}", "\"text_config\"",
         AS_E_INPUT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        as_error err = {0};
        json_t *config = NULL, *dims = NULL;
        cr_assert_eq(
            as_json_parse(cases[i].config, strlen(cases[i].config), AS_JSON_LENIENT, "c", &config, &err),
            AS_OK);
        cr_assert_eq(as_catalog_config_dims(catalog, config, &dims, &err), cases[i].code, "case %zu", i);
        cr_assert(strstr(err.text, cases[i].expected), "case %zu: %s", i, err.text);
        json_decref(config);
    }
}

static bool look_up(const void *context, const char *name, size_t size, int64_t *out)
{
    (void)context;
    *out = 7;
    return size == 5 && memcmp(name, "seven", 5) == 0;
}

Test(catalog, expressions)
{
    static const struct {
        const char *text;
        int64_t expected;
        as_code code;
    } cases[] = {
        {"1 + 2 * 3", 7, AS_OK},
        {"(1 + 2) * 3", 9, AS_OK},
        {"seven / 2 * 2", 6, AS_OK},
        {"10 - 3 - 2", 5, AS_OK},
        {"seven % 4 == 3", 1, AS_OK},
        {"seven >= 8", 0, AS_OK},
        {"2 < 3", 1, AS_OK},
        {"eight", 0, AS_E_NOT_FOUND},
        {"1 / 0", 0, AS_E_INPUT},
        {"9223372036854775807 + 1", 0, AS_E_INPUT},
        {"92233720368547758070", 0, AS_E_INPUT},
        {"(1", 0, AS_E_INPUT},
        {"1 +", 0, AS_E_INPUT},
        {"1 2", 0, AS_E_INPUT},
        {"", 0, AS_E_INPUT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t value = 0;
        as_error err;
        cr_assert_eq(as_expression_evaluate(cases[i].text, look_up, NULL, &value, &err), cases[i].code, "%s",
                     cases[i].text);
        cr_assert_eq(value, cases[i].expected, "%s", cases[i].text);
    }
}

Test(catalog, survives_failing_allocations)
{
    static const char config_text[] = LLAMA_8B "\"rope_theta\":5}";
    for (uint64_t n = 1; n < 3000; n += n < 100 ? 1 : 31) {
        as_error err;
        json_t *config = NULL, *dims = NULL;
        cr_assert_eq(as_json_parse(config_text, sizeof config_text - 1, AS_JSON_LENIENT, "c", &config, &err),
                     AS_OK);
        as_alloc_fail_after(n);
        as_code rc = as_catalog_config_dims(catalog, config, &dims, &err);
        as_alloc_fail_after(0);
        json_decref(dims);
        json_decref(config);
        if (rc == AS_OK) return;
        cr_assert_eq(rc, AS_E_MEMORY, "allocation %d: %s", (int)n, err.text);
    }
    cr_assert_fail("never succeeded");
}
