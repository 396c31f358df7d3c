/* Opening models: what is wrong with a checkpoint is said by name, what may differ gives the same numbers. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "tests/engine/checkpoint.h"
#include "tests/engine/golden.h"

/* ---- helpers ---------------------------------------------------------------------------------------------
 */

enum { TOKENS = 24 };

typedef struct store {
    float *out;
    int64_t vocab;
} store;

static as_code keep(void *context, int64_t feed, int64_t first, int64_t rows, const float *logits,
                    as_error *err)
{
    (void)feed, (void)err;
    store *s = context;
    memcpy(s->out + first * s->vocab, logits, (size_t)(rows * s->vocab) * sizeof *logits);
    return AS_OK;
}

/* Logits of tokens 3, 4, 5, ... with a cache of float32, so that the weights alone make a difference. */
static float *logits_of(const as_model *model)
{
    store s = {.vocab = as_model_facts(model)->vocab};
    int32_t tokens[TOKENS];
    int64_t sequence;
    as_session *session;
    as_error err;
    for (int i = 0; i < TOKENS; i++) tokens[i] = i + 3;
    s.out = as_alloc((size_t)(TOKENS * s.vocab) * sizeof *s.out);
    as_session_options options = {.threads = 1, .cache = "f32", .cache_tokens = TOKENS};
    cr_assert_eq(as_session_open(model, &options, &session, &err), AS_OK, "%s", err.text);
    cr_assert_eq(as_session_add(session, &sequence, &err), AS_OK);
    as_feed feed = {.sequence = sequence, .tokens = tokens, .count = TOKENS, .want = AS_LOGITS_ALL};
    cr_assert_eq(as_session_forward(session, &feed, 1, keep, &s, &err), AS_OK, "%s", err.text);
    as_session_close(session);
    return s.out;
}

static float *must_compute(checkpoint *c, const char *dtype)
{
    as_model *model;
    as_error err;
    cr_assert_eq(checkpoint_open(c, dtype, &model, &err), AS_OK, "%s", err.text);
    float *logits = logits_of(model);
    as_model_close(model);
    return logits;
}

static bool same(const float *a, const float *b, int64_t vocab)
{
    return memcmp(a, b, (size_t)(TOKENS * vocab) * sizeof *a) == 0;
}

static int64_t vocab_of(const checkpoint *c)
{
    return json_integer_value(json_object_get(c->config, "vocab_size"));
}

static void expect_failure(checkpoint *c, as_code code, const char *one, const char *two)
{
    as_model *model;
    as_error err = {.text = ""};
    as_code rc = checkpoint_open(c, "f32", &model, &err);
    cr_assert_eq(rc, code, "%s: %s", as_code_name(rc), err.text);
    cr_assert(strstr(err.text, c->path), "no path in: %s", err.text);
    cr_assert(strstr(err.text, one) && strstr(err.text, two), "no \"%s\" or \"%s\" in: %s", one, two,
              err.text);
}

static int64_t peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* ---- what is wrong ---------------------------------------------------------------------------------------
 */

Test(model, every_missing_tensor_is_named)
{
    static const char *const fixtures[] = {"llama-grouped", "mamba-biases", "neox-serial", "mixtral-window"};
    for (size_t f = 0; f < sizeof fixtures / sizeof fixtures[0]; f++) {
        checkpoint *whole = checkpoint_read(fixtures[f]);
        for (int64_t i = 0; i < whole->count; i++) {
            char name[128];
            snprintf(name, sizeof name, "%s", whole->tensors[i].name);
            if (strstr(name, "masked_bias") || strstr(name, "inv_freq") || strstr(name, "attention.bias"))
                continue;
            checkpoint *c = checkpoint_read(fixtures[f]);
            checkpoint_remove(c, name);
            bool head = strcmp(name, "lm_head.weight") == 0; /* which has other names too */
            expect_failure(c, AS_E_INPUT, head ? "output head" : name, "missing");
            checkpoint_free(c);
        }
        checkpoint_free(whole);
    }
}

Test(model, a_surplus_tensor_is_named)
{
    static const char *const names[] = {"model.layers.0.self_attn.q_proj.bias",
                                        "model.layers.3.input_layernorm.weight",
                                        "model.layers.0.mlp.down_proj.weight_scale", "extra"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        checkpoint *c = checkpoint_read("llama-grouped");
        checkpoint_copy(c, "model.norm.weight", names[i]);
        expect_failure(c, AS_E_INPUT, names[i], "model.safetensors");
        checkpoint_free(c);
    }
}

Test(model, buffers_of_older_checkpoints_are_ignored)
{
    checkpoint *c = checkpoint_read("llama-grouped");
    checkpoint_copy(c, "model.norm.weight", "model.layers.0.self_attn.rotary_emb.inv_freq");
    as_free(must_compute(c, "f32"));
    checkpoint_free(c);
}

/* transformers zeroes it when it has read the checkpoint. */
Test(model, the_row_of_a_padding_token_is_read_as_zero)
{
    for (int tied = 0; tied < 2; tied++) {
        checkpoint *c = checkpoint_read("youtu-tied");
        if (!tied) {
            checkpoint_copy(c, "model.embed_tokens.weight", "lm_head.weight");
            json_object_set_new(c->config, "tie_word_embeddings", json_false());
        }
        json_object_set_new(c->config, "pad_token_id", json_null());
        checkpoint_tensor *t = checkpoint_find(c, "model.embed_tokens.weight");
        size_t row = t->bytes / (size_t)t->shape[0];
        int64_t padding = 5, from_behind = padding - t->shape[0];
        float *plain = must_compute(c, "f32");
        json_object_set_new(c->config, "pad_token_id", json_integer(tied ? padding : from_behind));
        float *found = must_compute(c, "f32");
        json_object_set_new(c->config, "pad_token_id", json_null());
        memset(t->data + (size_t)padding * row, 0, row);
        float *expected = must_compute(c, "f32");
        cr_assert(same(found, expected, vocab_of(c)), "tied %d", tied);
        cr_assert_not(same(found, plain, vocab_of(c)), "tied %d: the row plays no part", tied);
        as_free(plain);
        as_free(found);
        as_free(expected);
        checkpoint_free(c);
    }
}

/* Checkpoints in 8 bits whose activations have scales of their own. */
Test(model, scales_of_activations_and_caches_are_ignored)
{
    static const char *const names[] = {"model.layers.0.mlp.down_proj.input_scale",
                                        "model.layers.0.mlp.down_proj.activation_scale",
                                        "model.layers.1.self_attn.k_scale"};
    checkpoint *c = checkpoint_read("llama-grouped");
    float *plain = must_compute(c, "f32");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        checkpoint_copy(c, "model.norm.weight", names[i]);
    float *found = must_compute(c, "f32");
    cr_assert(same(found, plain, vocab_of(c)));
    as_free(plain);
    as_free(found);
    checkpoint_free(c);
}

Test(model, wrong_shapes_are_told_with_the_right_one)
{
    checkpoint *c = checkpoint_read("llama-grouped");
    checkpoint_tensor *t = checkpoint_find(c, "model.layers.1.mlp.up_proj.weight");
    t->shape[0] = 32;
    t->shape[1] = 37;
    expect_failure(c, AS_E_INPUT, "model.layers.1.mlp.up_proj.weight: shape [32,37]", "expected [37,32]");
    t->dims = 1;
    t->shape[0] = 37 * 32;
    expect_failure(c, AS_E_INPUT, "shape [1184]", "expected [37,32]");
    t->dims = 3;
    t->shape[0] = 37;
    t->shape[1] = 32;
    t->shape[2] = 1;
    expect_failure(c, AS_E_INPUT, "shape [37,32,1]", "expected [37,32]");
    checkpoint_free(c);
    c = checkpoint_read("llama-grouped");
    json_object_set_new(c->config, "vocab_size", json_integer(92));
    expect_failure(c, AS_E_INPUT, "model.embed_tokens.weight: shape [91,32]", "expected [92,32]");
    checkpoint_free(c);
    c = checkpoint_read("llama-grouped");
    t = checkpoint_find(c, "model.norm.weight");
    t->shape[0] = 24;
    t->bytes = 24 * 4;
    expect_failure(c, AS_E_INPUT, "model.norm.weight: shape [24]", "32");
    checkpoint_free(c);
}

Test(model, integers_are_no_weights)
{
    static const as_dtype types[] = {AS_I32, AS_I8, AS_U8, AS_BOOL, AS_I64};
    static const char *const names[] = {"model.layers.2.self_attn.o_proj.weight", "model.norm.weight"};
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        for (size_t n = 0; n < 2; n++) {
            checkpoint *c = checkpoint_read("llama-grouped");
            checkpoint_convert(checkpoint_find(c, names[n]), types[t]);
            expect_failure(c, AS_E_UNSUPPORTED, names[n], as_dtype_name(types[t]));
            checkpoint_free(c);
        }
    }
}

Test(model, absurd_sizes_are_refused_without_memory)
{
    static const struct {
        const char *key;
        json_int_t value;
        const char *words;
    } cases[] = {
        {"hidden_size", (json_int_t)1 << 40, "hidden_size"},
        {"hidden_size", (json_int_t)1 << 22, "head_dim"},
        {"hidden_size", (json_int_t)1 << 16, "shape [91,32]"},
        {"num_hidden_layers", 1000000, "num_hidden_layers"},
        {"num_hidden_layers", 4096, "model.layers.3."},
        {"vocab_size", (json_int_t)1 << 24, "shape [91,32]"},
        {"intermediate_size", (json_int_t)1 << 22, "shape [37,32]"},
        {"head_dim", 1 << 14, "shape [32,32]"},
        {"max_position_embeddings", (json_int_t)1 << 40, "max_position_embeddings"},
    };
    checkpoint *sound = checkpoint_read("llama-grouped");
    as_free(must_compute(sound, "f32"));
    checkpoint_free(sound);
    int64_t before = peak_kib();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        checkpoint *c = checkpoint_read("llama-grouped");
        json_object_set_new(c->config, cases[i].key, json_integer(cases[i].value));
        expect_failure(c, AS_E_INPUT, cases[i].words, "");
        checkpoint_free(c);
    }
    checkpoint *c = checkpoint_read("mixtral-window");
    json_object_set_new(c->config, "num_local_experts", json_integer(1 << 14));
    expect_failure(c, AS_E_INPUT, "shape", "expected [16384,");
    checkpoint_free(c);
    cr_assert_leq(peak_kib() - before, 64 << 10, "%lld KiB taken", (long long)(peak_kib() - before));
}

Test(model, a_folder_without_a_model)
{
    as_model *model;
    as_error err;
    cr_assert_eq(as_model_open("/no/such/place", NULL, &model, &err), AS_E_NOT_FOUND);
    cr_assert(strstr(err.text, "/no/such/place"), "%s", err.text);
    cr_assert_eq(as_model_open("tests", NULL, &model, &err), AS_E_NOT_FOUND);
    cr_assert(strstr(err.text, "config.json"), "%s", err.text);
    cr_assert_eq(as_model_open("tests", NULL, &model, NULL), AS_E_NOT_FOUND);
    as_model_options options = {.dtype = "f17"};
    cr_assert_eq(as_model_open("fixtures/models/llama-grouped", &options, &model, &err), AS_E_USAGE);
    options = (as_model_options){.device = "abacus"};
    cr_assert_eq(as_model_open("fixtures/models/llama-grouped", &options, &model, &err), AS_E_UNSUPPORTED);
}

/* ---- what makes no difference ----------------------------------------------------------------------------
 */

Test(model, misaligned_data_gives_the_same_bits)
{
    static const as_dtype types[] = {AS_F32, AS_BF16, AS_F16};
    for (size_t t = 0; t < 3; t++) {
        checkpoint *c = checkpoint_read("llama-grouped");
        checkpoint_convert_all(c, types[t]);
        float *expected = must_compute(c, "f32");
        for (c->shift = 1; c->shift < 4; c->shift++) {
            float *found = must_compute(c, "f32");
            cr_assert(same(found, expected, vocab_of(c)), "shifted by %zu", c->shift);
            as_free(found);
        }
        as_free(expected);
        checkpoint_free(c);
    }
}

Test(model, names_without_a_prefix)
{
    static const struct {
        const char *fixture, *prefix;
    } cases[] = {{"llama-grouped", "model."}, {"neox-parallel", "gpt_neox."}, {"mamba-tied", "backbone."}};
    for (size_t i = 0; i < 3; i++) {
        checkpoint *c = checkpoint_read(cases[i].fixture);
        float *expected = must_compute(c, "f32");
        size_t size = strlen(cases[i].prefix);
        for (int64_t t = 0; t < c->count; t++) {
            char *name = c->tensors[t].name;
            if (strncmp(name, cases[i].prefix, size) == 0)
                memmove(name, name + size, strlen(name + size) + 1);
        }
        float *found = must_compute(c, "f32");
        cr_assert(same(found, expected, vocab_of(c)), "%s", cases[i].fixture);
        as_free(found);
        as_free(expected);
        checkpoint_free(c);
    }
}

/* Where the configuration promises scales, a matrix without them would be read wrong without a word. */
Test(model, matrices_in_8_bits_need_the_scales_that_the_configuration_promises)
{
    static const char ending[] = "_scale_inv";
    checkpoint *c = checkpoint_read("deepseek_v3-fp8");
    as_model *model = NULL;
    as_error err;
    char name[128] = "";
    for (int64_t i = 0; i < c->count && !*name; i++) {
        size_t size = strlen(c->tensors[i].name);
        if (size < sizeof ending || strcmp(c->tensors[i].name + size + 1 - sizeof ending, ending) != 0)
            continue;
        checkpoint_remove(c, strcpy(name, c->tensors[i].name));
    }
    cr_assert(*name, "the fixture has no scales");
    cr_assert_eq(checkpoint_open(c, NULL, &model, &err), AS_E_INPUT, "%s", err.text);
    cr_assert(strstr(err.text, name), "%s", err.text);
    checkpoint_free(c);
}

/* transformers computes with weights of its methods and reads those of one that it does not know as they are.
 */
Test(model, methods_of_quantization_are_read_or_named)
{
    static const struct {
        const char *quantization;
        as_code code;
        const char *word;
    } cases[] = {
        {"{\"quant_method\": \"gptq\", \"bits\": 4}", AS_E_UNSUPPORTED, "\"gptq\""},
        {"{\"load_in_8bit\": true}", AS_E_UNSUPPORTED, "bitsandbytes"},
        {"{\"bits\": 4}", AS_E_INPUT, "\"quant_method\""},
        {"{\"quant_method\": \"of another's\"}", AS_OK, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        checkpoint *c = checkpoint_read("llama-biases");
        as_model *model = NULL;
        as_error err = {.text = ""};
        json_object_set_new(c->config, "quantization_config", json_loads(cases[i].quantization, 0, NULL));
        cr_assert_eq(checkpoint_open(c, NULL, &model, &err), cases[i].code, "%s: %s", cases[i].quantization,
                     err.text);
        cr_assert(strstr(err.text, cases[i].word), "%s", err.text);
        as_model_close(model);
        checkpoint_free(c);
    }
}

Test(model, wider_and_narrower_storage)
{
    checkpoint *c = checkpoint_read("llama-grouped");
    float *expected = must_compute(c, "f32");
    checkpoint_convert_all(c, AS_F64);
    float *found = must_compute(c, "f32");
    cr_assert(same(found, expected, vocab_of(c)), "the same numbers as float64");
    as_free(found);
    as_free(expected);
    checkpoint_convert_all(c, AS_E4M3); /* without scales: the numbers as they are */
    expected = must_compute(c, "f32");
    checkpoint_convert_all(c, AS_F32);
    found = must_compute(c, "f32");
    cr_assert(same(found, expected, vocab_of(c)), "the numbers of float8 as float32");
    as_free(found);
    as_free(expected);
    checkpoint_free(c);
}

/* --dtype f16 and bf16 round every weight, norms and biases too: as if the checkpoint had been stored so. */
Test(model, sixteen_bits_mean_every_weight)
{
    static const struct {
        const char *fixture, *dtype;
        as_dtype stored, rounded;
    } cases[] = {
        {"llama-biases", "f16", AS_BF16, AS_F16},   {"llama-biases", "bf16", AS_F32, AS_BF16},
        {"llama-biases", "bf16", AS_F16, AS_BF16},  {"llama-biases", "f16", AS_F32, AS_F16},
        {"neox-serial", "f16", AS_BF16, AS_F16},    {"mamba-biases", "f16", AS_BF16, AS_F16},
        {"mixtral-window", "f16", AS_BF16, AS_F16}, {"qwen3-norms", "bf16", AS_F32, AS_BF16},
        {"gemma2-caps", "f16", AS_BF16, AS_F16},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        checkpoint *c = checkpoint_read(cases[i].fixture);
        checkpoint_convert_all(c, cases[i].stored);
        for (int64_t t = 0; t < c->count;
             t++) { /* numbers that float16 holds with fewer digits, or not at all */
            if (c->tensors[t].dtype == AS_BF16) {
                uint16_t small = as_bf16_from_f32(1.17e-6f);
                memcpy(c->tensors[t].data, &small, sizeof small);
            }
        }
        float *plain = must_compute(c, "f32"), *found = must_compute(c, cases[i].dtype);
        checkpoint_convert_all(c, cases[i].rounded);
        float *expected = must_compute(c, "f32");
        cr_assert(same(found, expected, vocab_of(c)), "%s as %s", cases[i].fixture, cases[i].dtype);
        cr_assert(!same(found, plain, vocab_of(c)), "%s as %s: nothing was rounded", cases[i].fixture,
                  cases[i].dtype);
        as_free(plain);
        as_free(found);
        as_free(expected);
        checkpoint_free(c);
    }
}

/* fp8 keeps embedding, head, norms and biases, and rounds the rest: so a checkpoint whose linear layers hold
 * e4m3 numbers with a row maximum of 448 gives the same numbers at fp8-weight as unrounded. */
Test(model, eight_bits_of_exact_weights_change_nothing)
{
    checkpoint *c = checkpoint_read("llama-grouped");
    for (int64_t i = 0; i < c->count; i++) {
        checkpoint_tensor *t = &c->tensors[i];
        if (!strstr(t->name, "_proj")) continue;
        checkpoint_convert(t, AS_E4M3);
        for (int64_t r = 0; r < t->shape[0]; r++) t->data[r * t->shape[1]] = 0x7E; /* 448 */
        checkpoint_convert(t, AS_F32);
    }
    float *expected = must_compute(c, "f32"), *found = must_compute(c, "fp8-weight");
    double most = 0;
    for (int64_t i = 0; i < TOKENS * vocab_of(c); i++) {
        double off = (double)(found[i] - expected[i]);
        most = off > most ? off : -off > most ? -off : most;
    }
    cr_assert_leq(most, 1e-4, "differs by %g", most);
    as_free(expected);
    as_free(found);
    checkpoint_free(c);
}

/* ---- the head --------------------------------------------------------------------------------------------
 */

Test(model, tied_heads)
{
    checkpoint *c = checkpoint_read("llama-tied-with-head");
    float *with_copy = must_compute(c, "f32");
    checkpoint_remove(c, "lm_head.weight");
    float *without = must_compute(c, "f32");
    cr_assert(same(with_copy, without, vocab_of(c)), "a copy of the embedding is the embedding");
    checkpoint_tensor *head = checkpoint_copy(c, "model.embed_tokens.weight", "lm_head.weight");
    head->data[1] ^= 0x80;
    float *with_other = must_compute(c, "f32");
    cr_assert(!same(with_copy, with_other, vocab_of(c)), "another head is used");
    json_object_set_new(c->config, "tie_word_embeddings", json_false());
    float *untied = must_compute(c, "f32");
    cr_assert(same(with_other, untied, vocab_of(c)), "as if it were not tied");
    checkpoint_remove(c, "lm_head.weight");
    expect_failure(c, AS_E_INPUT, "lm_head.weight", "missing");
    as_free(with_copy);
    as_free(without);
    as_free(with_other);
    as_free(untied);
    checkpoint_free(c);
}

Test(model, a_head_of_two_names)
{
    checkpoint *c = checkpoint_read("neox-parallel");
    float *expected = must_compute(c, "f32");
    checkpoint_copy(c, "embed_out.weight", "lm_head.weight");
    expect_failure(c, AS_E_INPUT, "lm_head.weight", "no place");
    checkpoint_remove(c, "embed_out.weight");
    float *found = must_compute(c, "f32");
    cr_assert(same(found, expected, vocab_of(c)));
    as_free(expected);
    as_free(found);
    checkpoint_free(c);
}

/* ---- other files -----------------------------------------------------------------------------------------
 */

Test(model, a_broken_file_that_is_not_loaded_does_not_matter)
{
    checkpoint *c = checkpoint_read("llama-grouped");
    as_free(must_compute(c, "f32"));
    checkpoint_file(c, "consolidated.safetensors", "cut");
    as_free(must_compute(c, "f32"));
    checkpoint_file(c, "model.safetensors.index.json",
                    "{\"weight_map\": {\"model.norm.weight\": \"consolidated.safetensors\"}}");
    expect_failure(c, AS_E_INPUT, "consolidated.safetensors", "too short");
    checkpoint_file(c, "model.safetensors.index.json",
                    "{\"weight_map\": {\"model.norm.weight\": \"other.safetensors\"}}");
    expect_failure(c, AS_E_NOT_FOUND, "other.safetensors", "not in the repository");
    checkpoint_free(c);
}

Test(model, end_tokens)
{
    static const struct {
        const char *config, *generation; /* the value of eos_token_id, NULL: absent */
        int count;
        int32_t ids[3];
    } cases[] = {
        {"2", NULL, 1, {2}},          {NULL, NULL, 0, {0}},
        {"2", "7", 1, {7}},           {"2", "[7, 9]", 2, {7, 9}},
        {"2", "null", 1, {2}},        {"[3, 4, 5]", NULL, 3, {3, 4, 5}},
        {"[]", NULL, 0, {0}},         {"[\"2\", null, 2.5, 5]", NULL, 1, {5}},
        {"-1", NULL, 0, {0}},         {"91", NULL, 0, {0}}, /* outside the vocabulary */
        {"4294967298", NULL, 0, {0}}, {"\"2\"", NULL, 0, {0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        checkpoint *c = checkpoint_read("llama-grouped");
        as_model *model;
        as_error err;
        char text[128];
        json_object_del(c->config, "eos_token_id");
        if (cases[i].config)
            json_object_set_new(c->config, "eos_token_id",
                                json_loads(cases[i].config, JSON_DECODE_ANY, NULL));
        checkpoint_write(c);
        if (cases[i].generation) {
            snprintf(text, sizeof text, "{\"eos_token_id\": %s}", cases[i].generation);
            checkpoint_file(c, "generation_config.json", text);
        }
        cr_assert_eq(checkpoint_open(c, NULL, &model, &err), AS_OK, "%s", err.text);
        const as_model_info *info = as_model_facts(model);
        cr_assert_eq(info->eos_count, cases[i].count, "case %zu: %lld", i, (long long)info->eos_count);
        for (int k = 0; k < cases[i].count; k++) cr_assert_eq(info->eos[k], cases[i].ids[k], "case %zu", i);
        as_model_close(model);
        checkpoint_free(c);
    }
}

/* ---- facts -----------------------------------------------------------------------------------------------
 */

static void digest_of(checkpoint *c, char room[static 65])
{
    as_model *model;
    as_error err;
    cr_assert_eq(checkpoint_open(c, NULL, &model, &err), AS_OK, "%s", err.text);
    const char *digest = as_model_facts(model)->digest;
    cr_assert_eq(strlen(digest), 64);
    memcpy(room, digest, 65);
    as_model_close(model);
}

Test(model, the_digest_tells_checkpoints_apart)
{
    char first[65], other[65];
    checkpoint *c = checkpoint_read("llama-grouped");
    digest_of(c, first);
    checkpoint_tensor swap = c->tensors[3];
    c->tensors[3] = c->tensors[7];
    c->tensors[7] = swap;
    c->shift = 3;
    digest_of(c, other);
    cr_assert_str_eq(first, other, "where a tensor lies does not matter");
    for (int64_t i = 0; i < c->count; i++) {
        c->tensors[i].data[c->tensors[i].bytes - 1] ^= 1;
        digest_of(c, other);
        cr_assert_str_neq(first, other, "%s", c->tensors[i].name);
        c->tensors[i].data[c->tensors[i].bytes - 1] ^= 1;
    }
    json_object_set_new(c->config, "rope_theta", json_real(10001));
    digest_of(c, other);
    cr_assert_str_neq(first, other, "the configuration");
    checkpoint_free(c);
}

static as_model *synth(const char *dtype, uint64_t seed, int threads)
{
    checkpoint *c = checkpoint_read("mixtral-window");
    as_model *model;
    as_error err;
    as_model_options options = {.dtype = dtype, .synth = c->config, .seed = seed, .threads = threads};
    cr_assert_eq(as_model_open("synth:test", &options, &model, &err), AS_OK, "%s", err.text);
    checkpoint_free(c);
    return model;
}

Test(model, generated_weights_depend_on_the_seed_alone)
{
    as_model *one = synth(NULL, 1, 1), *again = synth(NULL, 1, 2), *other = synth(NULL, 2, 1);
    float *a = logits_of(one), *b = logits_of(again), *c = logits_of(other);
    int64_t vocab = as_model_facts(one)->vocab;
    cr_assert(same(a, b, vocab));
    cr_assert(!same(a, c, vocab));
    cr_assert_str_eq(as_model_facts(one)->digest, as_model_facts(again)->digest);
    cr_assert_str_neq(as_model_facts(one)->digest, as_model_facts(other)->digest);
    as_free(a);
    as_free(b);
    as_free(c);
    as_model_close(one);
    as_model_close(again);
    as_model_close(other);
    static const char *const dtypes[] = {"f16", "bf16", "fp8-block", "fp8-tensor+kv8"};
    for (size_t i = 0; i < 4; i++) { /* converted in place of what was generated */
        one = synth(dtypes[i], 1, 2);
        as_free(logits_of(one));
        as_model_close(one);
    }
}

Test(model, a_copy_of_the_experts_counts_what_a_token_touches)
{
    as_model *model = synth(NULL, 1, 1);
    const as_model_info *info = as_model_facts(model);
    cr_assert_gt(info->parameters, info->active_parameters);
    cr_assert_gt(info->active_parameters, 0);
    as_model_close(model);
}

/* Gemma ties them without a word in config.json: one table, not two. */
Test(model, a_tied_head_is_counted_once_among_the_tables)
{
    static const struct {
        const char *name;
        int tables;
    } models[] = {{"fixtures/models/gemma2-caps", 1}, {"fixtures/models/gemma2-layer-types", 2}};
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        as_error err;
        as_model *model = NULL;
        cr_assert_eq(as_model_open(models[i].name, NULL, &model, &err), AS_OK, "%s", err.text);
        const as_model_info *info = as_model_facts(model);
        cr_assert_eq(info->table_elements, models[i].tables * info->vocab * info->hidden, "%s: %lld",
                     models[i].name, (long long)info->table_elements);
        as_model_close(model);
    }
}

/* Whatever is converted or made after the flag is set is not whole, so that no model may come of it. */
Test(model, opening_gives_up_when_told_to_stop)
{
    static const atomic_bool stop = true;
    static const char *const dtypes[] = {NULL, "fp8-channel"};
    for (size_t i = 0; i < 2; i++) {
        checkpoint *c = checkpoint_read("mixtral-window");
        as_model_options options = {.dtype = dtypes[i], .synth = c->config, .stop = &stop};
        as_model *model = NULL;
        as_error err;
        cr_assert_eq(as_model_open("synth:test", &options, &model, &err), AS_E_CANCELLED, "%s", err.text);
        options.synth = NULL;
        cr_assert_eq(as_model_open("fixtures/models/gemma2-caps", &options, &model, &err), AS_E_CANCELLED);
        cr_assert_null(model);
        checkpoint_free(c);
    }
}
