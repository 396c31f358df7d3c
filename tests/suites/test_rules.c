/* The rules suite: every spoiled repository fails its rule and no other. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "rules_run.h"

#define REPOS "fixtures/repos/"

Test(rules, every_spoiled_repository_fails_exactly_its_rule)
{
    as_error err;
    json_t *expected = NULL, *rule;
    const char *name;
    cr_assert_eq(as_json_read(REPOS "expected.json", AS_JSON_LENIENT, 0, &expected, &err), AS_OK, "%s",
                 err.text);
    cr_assert(json_object_size(expected) > 30);
    json_object_foreach(expected, name, rule)
    {
        char path[256], wanted[128] = "", found[1024];
        snprintf(path, sizeof path, REPOS "%s", name);
        if (json_is_string(rule)) snprintf(wanted, sizeof wanted, "reference/%s", json_string_value(rule));
        json_t *result = run_rules("reference", path, NULL);
        cr_assert_str_eq(failures(result, found), wanted, "%s: failed \"%s\", expected \"%s\"", name, found,
                         wanted);
        json_decref(result);
    }
    json_decref(expected);
}

/* A trainer leaves pickles beside any model; they are no weights, and hide neither a GGUF nor an adapter. */
Test(rules, what_a_trainer_left_is_not_taken_for_weights)
{
    static const struct {
        const char *repository, *failures;
    } cases[] = {{"good", ""},
                 {"gguf-only", "reference/no-gguf-only"},
                 {"adapter-only", "reference/full-weights"},
                 {"no-weights", "reference/weights-safetensors"},
                 {"pickle-only", "reference/no-pickle-only"}};
    static const char *const left[] = {"training_args.bin", "optimizer.pt", "scheduler.pt",
                                       "rng_state_0.pth"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char folder[] = "/tmp/assay-left-XXXXXX", command[256], found[1024];
        cr_assert_not_null(mkdtemp(folder));
        snprintf(command, sizeof command, "cp -r " REPOS "%s/. %s", cases[i].repository, folder);
        cr_assert_eq(system(command), 0);
        for (size_t k = 0; k < sizeof left / sizeof left[0]; k++) {
            char path[256];
            as_error err;
            snprintf(path, sizeof path, "%s/%s", folder, left[k]);
            cr_assert_eq(as_file_write(path, "\x80\x02}.", 4, &err), AS_OK, "%s", err.text);
        }
        json_t *result = run_rules("reference", folder, NULL);
        cr_assert_str_eq(failures(result, found), cases[i].failures, "%s: failed \"%s\"", cases[i].repository,
                         found);
        json_decref(result);
        snprintf(command, sizeof command, "rm -rf %s", folder);
        cr_assert_eq(system(command), 0);
    }
}

/* A GGUF file by itself: what it holds is judged, what stands around it is not known. */
Test(rules, a_gguf_file_is_judged_by_what_it_holds)
{
    static const struct {
        const char *path, *failures, *tokenizer;
    } files[] = {
        {"fixtures/gguf/gptneox-f16.gguf", "reference/tokenizer-present", "fail"},
        {"fixtures/gguf/llama-freqs-bf16.gguf", "reference/tokenizer-present", "fail"},
        {"fixtures/gguf/llama-q8_0.gguf", "reference/no-qlora reference/tokenizer-present", "fail"},
        {"fixtures/gguf/llama-f32.gguf", "reference/fp16-precision", "pass"},
        {"fixtures/gguf/vocab-gpt2.gguf", "reference/weights-safetensors", "pass"},
        {"fixtures/gguf/vocab-world.gguf", "reference/weights-safetensors", "pass"},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char found[1024];
        json_t *result = run_rules("reference", files[i].path, NULL);
        cr_assert_str_eq(failures(result, found), files[i].failures, "%s: failed \"%s\", expected \"%s\"",
                         files[i].path, found, files[i].failures);
        cr_assert_str_eq(verdict_of(result, "reference/tokenizer-present"), files[i].tokenizer);
        cr_assert_str_eq(verdict_of(result, "reference/model-card"), "skip");
        cr_assert_str_eq(verdict_of(result, "reference/no-gguf-only"), "skip");
        json_decref(result);
    }
}

Test(rules, code_of_the_repository_is_told_and_not_run)
{
    json_t *result = run_rules("reference", REPOS "own-code", NULL);
    cr_assert_str_eq(verdict_of(result, "reference/remote-code"), "warn");
    json_decref(result);
}

/* A profile of a user's own: bfloat16 alone. */
Test(rules, the_types_that_a_profile_accepts_are_named)
{
    static const char profile[] =
        "{\"schema\": \"assay.profile/1\", \"id\": \"mine\", \"title\": \"t\", \"rules\": [{\"id\": "
        "\"fp16-precision\", \"title\": \"t\", \"suite\": \"rules\", \"parameters\": {\"accept\": "
        "[\"BF16\"]}}]}";
    char path[] = "/tmp/assay-profile-XXXXXX.json";
    int fd = mkstemps(path, 5);
    cr_assert(fd >= 0 && write(fd, profile, sizeof profile - 1) == (ssize_t)sizeof profile - 1);
    close(fd);
    json_t *result = run_rules(path, "fixtures/repos/good", NULL);
    unlink(path);
    const char *why =
        json_string_value(json_object_get(as_result_find_check(result, "mine/fp16-precision"), "why"));
    cr_assert_str_eq(verdict_of(result, "mine/fp16-precision"), "fail");
    cr_assert(strstr(why, "not stored as BF16") && strstr(why, "is F16"), "%s", why);
    json_decref(result);
}

/* A profile without a rule about config.json itself: what cannot be known at all must not hold. */
Test(rules, a_repository_without_config_fails_where_no_rule_asks_for_it)
{
    static const struct {
        const char *repo, *failures;
    } repos[] = {{"no-config", "featherless/text-generation"},
                 {"broken-config", "featherless/base-architecture"},
                 {"no-weights", "featherless/base-architecture featherless/weights-safetensors"}};
    for (size_t i = 0; i < sizeof repos / sizeof repos[0]; i++) {
        char path[256], found[1024];
        snprintf(path, sizeof path, REPOS "%s", repos[i].repo);
        json_t *result = run_rules("featherless", path, NULL);
        cr_assert_str_eq(failures(result, found), repos[i].failures, "%s: failed \"%s\", expected \"%s\"",
                         repos[i].repo, found, repos[i].failures);
        json_decref(result);
    }
}

/* Evidence may be lost for want of memory, a verdict must not be. */
Test(rules, survives_failing_allocations)
{
    static const char *const repos[] = {REPOS "good", REPOS "wrong-shape", REPOS "index-moves-tensor"};
    for (size_t i = 0; i < 3; i++) {
        char expected[1024], found[1024];
        json_t *result = run_rules("reference", repos[i], NULL);
        failures(result, expected);
        json_decref(result);
        for (uint64_t n = 1, whole = 0; whole < 12; n += n < 100 ? 1 : 41) {
            as_code rc;
            cr_assert(n < 100000, "never succeeded");
            result = try_rules("reference", repos[i], NULL, n, &rc);
            cr_assert(rc == AS_OK || rc == AS_E_MEMORY, "allocation %d: %s", (int)n, as_code_name(rc));
            if (rc != AS_OK) continue;
            whole++;
            cr_assert(strstr(failures(result, found), expected),
                      "%s, allocation %d: \"%s\" instead of \"%s\"", repos[i], (int)n, found, expected);
            json_decref(result);
        }
    }
}

/* The featherless profile on models of real dimensions, whose weights are holes in the file. */

static void set(json_t *config, const char *key, int64_t value)
{
    (void)json_object_set_new(config, key, json_integer(value));
}
static void deeper(json_t *config)
{
    set(config, "num_hidden_layers", 40);
}
static void sixty_layers(json_t *config)
{
    set(config, "num_hidden_layers", 60);
}
static void more_tokens(json_t *config)
{
    set(config, "vocab_size", 128258);
}
static void wider(json_t *config)
{
    set(config, "intermediate_size", 14592);
}
static void short_context(json_t *config)
{
    set(config, "max_position_embeddings", 4096);
}
static void nameless(json_t *config)
{
    (void)json_object_del(config, "architectures");
}
static void quantized(json_t *config)
{
    (void)json_object_set_new(config, "quantization_config",
                              json_pack("{s:s}", "quant_method", "bitsandbytes"));
}
static void other_shape(const char *name, int64_t *shape, int *dims)
{
    if (strcmp(name, "model.layers.3.self_attn.k_proj.weight") == 0) shape[0] = *dims == 2 ? 4096 : 0;
}
static void drop_tensor(const char *name, int64_t *shape, int *dims)
{
    if (strcmp(name, "model.layers.3.mlp.up_proj.weight") == 0 && shape[0]) *dims = -1;
}
static void larger_head(const char *name, int64_t *shape, int *dims)
{
    if (strcmp(name, "lm_head.weight") == 0 && *dims == 2) shape[0] += 64;
}

/* As the bases of DeepSeek V3 are published. */
static void block_fp8(json_t *config)
{
    (void)json_object_set_new(config, "quantization_config", json_pack("{s:s}", "quant_method", "fp8"));
}

#define DEEPSEEK "DeepseekV3ForCausalLM", "deepseek_v3", "deepseek-ai/DeepSeek-V3"
#define LLAMA3   "LlamaForCausalLM", "llama", "meta-llama/Meta-Llama-3-8B-Instruct"
#define LLAMA31  "LlamaForCausalLM", "llama", "meta-llama/Llama-3.1-8B"
#define SOLAR    "LlamaForCausalLM", "llama", "upstage/SOLAR-10.7B-v1.0"
#define QWEN2_72 "Qwen2ForCausalLM", "qwen2", "Qwen/Qwen2-72B-Instruct"

static const struct {
    const char *name;
    big_repo big;
    const char *expected;
} cases[] = {
    {"llama 3", {LLAMA3, NULL, NULL, NULL}, ""},
    {"llama 3.1", {LLAMA31, NULL, NULL, "BF16"}, ""},
    {"solar", {SOLAR, NULL, NULL, NULL}, ""},
    {"qwen 2 72b", {QWEN2_72, NULL, NULL, "BF16"}, ""},
    {"qwen 3 8b", {"Qwen3ForCausalLM", "qwen3", "Qwen/Qwen3-8B", NULL, NULL, NULL}, ""},
    {"glm 4", {"Glm4ForCausalLM", "glm4", "zai-org/GLM-4-9B-0414", NULL, NULL, "BF16"}, ""},
    {"nemo",
     {"MistralForCausalLM", "mistral", "mistralai/Mistral-Nemo-Instruct-2407", NULL, NULL, "BF16"},
     ""},
    {"text part of mistral 3.1",
     {"MistralForCausalLM", "mistral", "mistralai/Mistral-Small-3.1-24B-Base-2503", NULL, NULL, "BF16"},
     ""},
    {"unsupported class",
     {"Gemma2ForCausalLM", "gemma2", "google/gemma-2-2b", NULL, NULL, NULL},
     "featherless/supported-list"},
    {"class of no table",
     {"LlamaForCausalLM", "llama", "meta-llama/Llama-2-70b-hf", NULL, NULL, NULL},
     "featherless/supported-list"},
    {"no base", {LLAMA3, wider, NULL, NULL}, "featherless/base-architecture"},
    {"changed depth", {LLAMA3, deeper, NULL, NULL}, "featherless/depth-upscale"},
    {"an up-scale whose depth is not stated", {LLAMA3, sixty_layers, NULL, NULL}, ""},
    {"resized embedding", {LLAMA3, more_tokens, NULL, NULL}, "featherless/embedding-unchanged"},
    {"padded head", {LLAMA3, NULL, larger_head, NULL}, "featherless/embedding-unchanged"},
    {"wrong shape", {LLAMA3, NULL, other_shape, NULL}, "featherless/shape-unchanged"},
    {"missing tensor", {LLAMA3, NULL, drop_tensor, NULL}, "featherless/full-weights"},
    {"float32", {LLAMA3, NULL, NULL, "F32"}, "featherless/fp16-precision"},
    {"quantized", {LLAMA3, quantized, NULL, NULL}, "featherless/no-qlora"},
    {"no architecture named", {LLAMA3, nameless, NULL, NULL}, "featherless/text-generation"},
    {"context below served", {LLAMA31, short_context, NULL, NULL}, "featherless/context-within-native"},
};

static json_t *run_big(const big_repo *big, as_target *target)
{
    char folder[] = "/tmp/assay-big-XXXXXX", command[256];
    cr_assert_not_null(mkdtemp(folder));
    make_big_repo(folder, big);
    json_t *result = run_rules("featherless", folder, target);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
    return result;
}

Test(rules, featherless_on_models_of_real_dimensions)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char found[1024];
        json_t *result = run_big(&cases[i].big, NULL);
        cr_assert_str_eq(failures(result, found), cases[i].expected, "%s: failed \"%s\", expected \"%s\"",
                         cases[i].name, found, cases[i].expected);
        json_decref(result);
    }
}

/* The bases of this class are published at 8 bits; at any other type it is known what is asked. */
Test(rules, eight_bits_are_unknown_only_where_the_weights_have_them)
{
    static const struct {
        big_repo big;
        const char *verdict;
    } stored[] = {
        {{DEEPSEEK, NULL, NULL, "F16"}, "pass"},      {{DEEPSEEK, NULL, NULL, "BF16"}, "pass"},
        {{DEEPSEEK, NULL, NULL, "F32"}, "fail"},      {{DEEPSEEK, NULL, NULL, "F8_E4M3"}, "skip"},
        {{DEEPSEEK, block_fp8, NULL, "F16"}, "skip"}, {{DEEPSEEK, quantized, NULL, "F16"}, "skip"},
        {{LLAMA3, NULL, NULL, "F8_E4M3"}, "fail"},
    };
    for (size_t i = 0; i < sizeof stored / sizeof stored[0]; i++) {
        json_t *result = run_big(&stored[i].big, NULL);
        cr_assert_str_eq(verdict_of(result, "featherless/fp16-precision"), stored[i].verdict, "case %zu", i);
        json_decref(result);
    }
}

Test(rules, featherless_knows_the_examples_of_its_page)
{
    json_t *result = run_big(&(big_repo){SOLAR, NULL, NULL, NULL}, NULL);
    cr_assert_str_eq(verdict_of(result, "featherless/context-example-solar"), "pass");
    cr_assert_str_eq(verdict_of(result, "featherless/context-example-qwen2-72b"), "skip");
    cr_assert_str_eq(verdict_of(result, "featherless/depth-upscale"), "pass");
    json_decref(result);
    result = run_big(&(big_repo){QWEN2_72, NULL, NULL, NULL}, NULL);
    cr_assert_str_eq(verdict_of(result, "featherless/context-example-qwen2-72b"), "pass");
    cr_assert_str_eq(verdict_of(result, "featherless/context-within-native"), "pass");
    json_decref(result);
}

Test(rules, precision_is_that_of_the_target)
{
    as_target target = {.facts = {.kind = "engine", .precision = "bf16"}};
    big_repo small = {"Qwen2ForCausalLM", "qwen2", "Qwen/Qwen2.5-0.5B", NULL, NULL, NULL};
    json_t *result = run_big(&small, &target);
    cr_assert_str_eq(verdict_of(result, "featherless/serve-fp16-under-5b"), "pass");
    cr_assert_str_eq(verdict_of(result, "featherless/serve-fp8"), "skip");
    cr_assert_str_eq(verdict_of(result, "featherless/precision-threshold"), "pass");
    json_decref(result);
    static const struct {
        const char *dtype, *verdict;
    } stored[] = {{"float16", "pass"}, {"bfloat16", "pass"}, {"float32", "skip"}};
    for (size_t i = 0; i < 3; i++) { /* weights as they are stored */
        as_model_info info = {.dtype = stored[i].dtype};
        target.facts.precision = "native";
        target.facts.info = &info;
        result = run_big(&small, &target);
        cr_assert_str_eq(verdict_of(result, "featherless/serve-fp16-under-5b"), stored[i].verdict);
        json_decref(result);
    }
    target.facts.info = NULL;
    target.facts.precision = "fp8-channel";
    result = run_big(&small, &target);
    cr_assert_str_eq(verdict_of(result, "featherless/serve-fp16-under-5b"), "fail");
    json_decref(result);
    result = run_big(&(big_repo){LLAMA3, NULL, NULL, NULL}, &target);
    cr_assert_str_eq(verdict_of(result, "featherless/serve-fp8"), "pass");
    json_decref(result);
}

Test(rules, without_a_repository_everything_is_skipped)
{
    json_t *result = run_rules("featherless", NULL, NULL);
    cr_assert_str_eq(json_string_value(json_object_get(result, "verdict")), "skip");
    json_decref(result);
}

Test(rules, every_rule_of_the_shipped_profiles_is_answered)
{
    static const struct {
        const char *profile;
        size_t rules;
    } profiles[] = {{"featherless", 29}, {"reference", 16}}; /* of 37, eight belong to other suites */
    for (size_t i = 0; i < 2; i++) {
        json_t *result = run_rules(profiles[i].profile, REPOS "good", NULL);
        const json_t *checks =
            json_object_get(json_array_get(json_object_get(result, "suites"), 0), "checks");
        size_t k;
        json_t *check;
        cr_assert_eq(json_array_size(checks), profiles[i].rules);
        json_array_foreach(checks, k, check)
        {
            const char *why = json_string_value(json_object_get(check, "why"));
            cr_assert_null(strstr(why, "no check"), "%s", why);
            cr_assert(*why);
        }
        json_decref(result);
    }
}
