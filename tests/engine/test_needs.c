/* What a configuration asks of a repository: for every fixture model exactly its tensors. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "tests/engine/golden.h"

static bool is_trace(const as_weight_file *file)
{
    return strcmp(file->name, "golden.safetensors") == 0;
}

/* Every tensor of the model is needed, with its shape, or may be ignored; every need is met. */
static void check_tensors(const golden *g, const as_needs *needs)
{
    for (int64_t f = 0; f < g->repository->weight_count; f++) {
        const as_weight_file *file = &g->repository->weights[f];
        for (int64_t t = 0; !is_trace(file) && t < file->tensor_count; t++) {
            const as_tensor *tensor = &file->tensors[t];
            const as_need *need = as_needs_find(needs, tensor->name);
            cr_assert(need || as_needs_ignores(needs, tensor->name), "%s: %s is not known", g->name,
                      tensor->name);
            cr_assert(!need || as_need_fits(need, tensor), "%s: %s has another shape", g->name, tensor->name);
        }
    }
    for (int64_t i = 0; i < as_needs_count(needs); i++) {
        const as_need *need = as_needs_at(needs, i);
        cr_assert(need->optional || as_repository_find(g->repository, need->name), "%s: %s is not there",
                  g->name, need->name);
    }
}

Test(needs, of_every_fixture_model_are_its_tensors)
{
    char **names = NULL;
    size_t count = 0;
    golden_list(&names, &count);
    for (size_t i = 0; i < count; i++) {
        golden g;
        as_error err;
        as_needs *needs = NULL;
        golden_open(names[i], &g);
        cr_assert_eq(as_needs_open(g.repository, g.repository->config.value, &needs, &err), AS_OK, "%s: %s",
                     names[i], err.text);
        check_tensors(&g, needs);
        cr_assert_eq(as_needs_vocab(needs), g.vocab, "%s", names[i]);
        as_needs_close(needs);
        golden_close(&g);
    }
    as_names_free(names, count);
}

/* Opening the model counts the same parameters. */
Test(needs, parameters_are_those_of_the_model)
{
    static const char *const cases[] = {"llama-grouped", "mamba-auto-rank", "mixtral-window"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        golden g;
        as_error err;
        as_needs *needs = NULL;
        golden_open(cases[i], &g);
        as_model *model = golden_model(&g, NULL, NULL);
        cr_assert_eq(as_needs_open(g.repository, as_model_config(model), &needs, &err), AS_OK);
        cr_assert_eq(as_needs_parameters(needs), as_model_facts(model)->parameters, "%s: %lld, expected %lld",
                     cases[i], (long long)as_needs_parameters(needs),
                     (long long)as_model_facts(model)->parameters);
        as_needs_close(needs);
        as_model_close(model);
        golden_close(&g);
    }
}

static json_t *llama(const char *changes)
{
    char text[1024];
    as_error err;
    json_t *config = NULL;
    snprintf(text, sizeof text,
             "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"num_hidden_layers\":32,"
             "\"hidden_size\":4096,\"num_attention_heads\":32,\"num_key_value_heads\":8,"
             "\"intermediate_size\":14336,\"vocab_size\":128256,\"rope_theta\":500000.0%s}",
             changes);
    cr_assert_eq(as_json_parse(text, strlen(text), AS_JSON_LENIENT, "c", &config, &err), AS_OK, "%s",
                 err.text);
    return config;
}

Test(needs, without_a_repository_have_the_usual_names)
{
    as_error err;
    as_needs *needs = NULL;
    json_t *config = llama("");
    cr_assert_eq(as_needs_open(NULL, config, &needs, &err), AS_OK, "%s", err.text);
    const as_need *need = as_needs_find(needs, "model.layers.31.self_attn.k_proj.weight");
    cr_assert(need && need->dims == 2 && need->shape[0] == 1024 && need->shape[1] == 4096);
    cr_assert_null(as_needs_find(needs, "model.layers.32.self_attn.k_proj.weight"));
    cr_assert(as_needs_find(needs, "lm_head.weight")->embedding);
    cr_assert_eq(as_needs_parameters(needs), 8030261248);
    as_needs_close(needs);
    json_decref(config);
}

Test(needs, a_configuration_cannot_ask_for_endless_tensors)
{
    static const char *const changes[] = {
        ",\"num_hidden_layers\":1000000000000", ",\"num_hidden_layers\":150000",
        ",\"hidden_size\":4611686018427387904,\"head_dim\":128", ",\"vocab_size\":9000000000000000000"};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        as_error err = {0};
        as_needs *needs = NULL;
        json_t *config = llama(changes[i]);
        as_code rc = as_needs_open(NULL, config, &needs, &err);
        cr_assert(rc == AS_E_LIMIT || rc == AS_E_INPUT, "case %zu: %d %s", i, (int)rc, err.text);
        cr_assert_null(needs);
        json_decref(config);
    }
}

/* Blocks derive vectors from others: that too has an end, and soon. */
Test(needs, of_vectors_without_end_are_refused)
{
    static const char text[] =
        "{\"architectures\":[\"MambaForCausalLM\"],\"num_hidden_layers\":4000,\"hidden_size\":1048576,"
        "\"intermediate_size\":2097152,\"state_size\":64,\"conv_kernel\":4,\"time_step_rank\":16,"
        "\"vocab_size\":100}";
    as_error err;
    as_needs *needs = NULL;
    json_t *config = NULL;
    cr_assert_eq(as_json_parse(text, sizeof text - 1, AS_JSON_LENIENT, "c", &config, &err), AS_OK);
    cr_assert_eq(as_needs_open(NULL, config, &needs, &err), AS_E_LIMIT, "%s", err.text);
    cr_assert(strstr(err.text, "vectors of more than"), "%s", err.text);
    json_decref(config);
}

Test(needs, survive_failing_allocations)
{
    for (uint64_t n = 1; n < 100000; n += n < 100 ? 1 : 31) {
        as_error err;
        as_needs *needs = NULL;
        json_t *config = llama("");
        as_alloc_fail_after(n);
        as_code rc = as_needs_open(NULL, config, &needs, &err);
        as_alloc_fail_after(0);
        as_needs_close(needs);
        json_decref(config);
        if (rc == AS_OK) return;
        cr_assert_eq(rc, AS_E_MEMORY, "allocation %d: %s", (int)n, err.text);
    }
    cr_assert_fail("never succeeded");
}
