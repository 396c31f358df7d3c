/* GGUF files as models: each against the safetensors model that it was made of. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "engine/repository.h"
#include "engine/text/chat.h"
#include "tests/engine/gguf_build.h"
#include "tests/engine/golden.h"

enum { TOKENS = 40 };

/* Files that hold derived numbers instead of the checkpoint's, and so agree to rounding only: at the
 * reference level, which adds 1 to a norm's weight in double precision, those with the 1 added too. */
static bool is_derived(const char *name, const char *level)
{
    bool reference = level && strcmp(level, "ref") == 0;
    static const char *const derived[] = {"mamba", "freqs", "hybrid-dense", "nemotron-h"};
    for (size_t i = 0; i < sizeof derived / sizeof derived[0]; i++) {
        if (strstr(name, derived[i])) return true;
    }
    return reference && strstr(name, "gemma");
}

static float *compute(const char *path, const char *dtype, const char *level, int64_t *vocab)
{
    as_model *model = NULL;
    as_error err;
    int32_t tokens[TOKENS];
    as_model_options options = {.dtype = dtype, .level = level, .threads = 1, .without_tokenizer = true};
    as_code rc = as_model_open(path, &options, &model, &err);
    cr_assert_eq(rc, AS_OK, "%s", err.text);
    *vocab = as_model_facts(model)->vocab;
    for (int i = 0; i < TOKENS; i++) tokens[i] = (7 * i * i + 3 * i + 1) % 70;
    float *logits = golden_compute(model, tokens, TOKENS, 0, 1);
    as_model_close(model);
    return logits;
}

static void compare_paths(const char *path, const char *other_path, const char *dtype, const char *level)
{
    int64_t vocab = 0, other_vocab = 0;
    const char *name = strrchr(path, '/') + 1;
    float *found = compute(path, dtype, level, &vocab);
    float *expected = compute(other_path, dtype, level, &other_vocab);
    cr_assert_eq(vocab, other_vocab, "%s", name);
    double squares = 0, worst = 0;
    for (int64_t i = 0; i < TOKENS * vocab; i++) {
        squares += (double)expected[i] * expected[i];
        worst = fmax(worst, fabs((double)found[i] - expected[i]));
        if (isnan(found[i])) worst = INFINITY;
    }
    double allowed = is_derived(name, level) ? 1e-4 * sqrt(squares / (double)(TOKENS * vocab)) : 0;
    cr_assert(worst <= allowed, "%s at %s, %s: logits differ by %.3g, allowed are %.3g", name,
              level ? level : "the best level", dtype ? dtype : "as stored", worst, allowed);
    as_free(found);
    as_free(expected);
}

static void compare(const char *folder, const char *name, const char *other, const char *dtype,
                    const char *level)
{
    char path[512], other_path[512];
    snprintf(path, sizeof path, "fixtures/%s/%s", folder, name);
    snprintf(other_path, sizeof other_path, "%s%s", *other == '/' ? "" : "fixtures/", other);
    compare_paths(path, other_path, dtype, level);
}

/* The model with other fields in its config.json, in a folder of its own: what the file was made of. */
static void write_edited(const json_t *pair, char room[static 128])
{
    char path[512];
    as_buf weights;
    as_error err;
    json_t *config = NULL;
    as_buf_init(&weights, 0);
    snprintf(room, 128, "/tmp/assay-edited-XXXXXX");
    cr_assert(mkdtemp(room));
    const char *model = json_string_value(json_object_get(pair, "model"));
    snprintf(path, sizeof path, "fixtures/%s/model.safetensors", model);
    cr_assert_eq(as_file_read(path, &weights, &err), AS_OK, "%s", err.text);
    snprintf(path, sizeof path, "%s/model.safetensors", room);
    cr_assert_eq(as_file_write(path, weights.data, weights.size, &err), AS_OK, "%s", err.text);
    snprintf(path, sizeof path, "fixtures/%s/config.json", model);
    cr_assert_eq(as_json_read(path, AS_JSON_LENIENT, 0, &config, &err), AS_OK, "%s", err.text);
    json_object_update(config, json_object_get(pair, "config"));
    snprintf(path, sizeof path, "%s/config.json", room);
    cr_assert_eq(json_dump_file(config, path, 0), 0);
    json_decref(config);
    as_buf_free(&weights);
}

static void remove_edited(const char *room)
{
    char path[512];
    snprintf(path, sizeof path, "%s/model.safetensors", room);
    unlink(path);
    snprintf(path, sizeof path, "%s/config.json", room);
    unlink(path);
    rmdir(room);
}

static void compare_edited(const char *folder, const char *name, const json_t *pair, const char *dtype,
                           const char *level)
{
    char room[128];
    write_edited(pair, room);
    compare(folder, name, room, dtype, level);
    remove_edited(room);
}

static void compare_pairs(const char *folder, size_t least, const char *dtype, const char *level)
{
    char path[64];
    json_t *pairs = NULL, *other;
    const char *name;
    as_error err;
    snprintf(path, sizeof path, "fixtures/%s/pairs.json", folder);
    cr_assert_eq(as_json_read(path, AS_JSON_LENIENT, 0, &pairs, &err), AS_OK, "%s", err.text);
    cr_assert_geq(json_object_size(pairs), least);
    json_object_foreach(pairs, name, other)
    {
        if (json_is_object(other)) {
            compare_edited(folder, name, other, dtype, level);
        } else {
            compare(folder, name, json_string_value(other), dtype, level);
        }
    }
    json_decref(pairs);
}

static void compare_all(const char *dtype, const char *level)
{
    compare_pairs("gguf", 9, dtype, level);
    compare_pairs("gguf-converted", 34, dtype, level);
}

Test(gguf_model, gives_the_logits_of_the_safetensors_model)
{
    compare_all(NULL, NULL);
}

Test(gguf_model, at_the_reference_level)
{
    compare_all(NULL, "ref");
}

Test(gguf_model, at_the_avx2_level)
{
    as_model *probe = NULL;
    as_model_options options = {.level = "avx2", .threads = 1, .without_tokenizer = true};
    if (as_model_open("fixtures/gguf/llama-q8_0.gguf", &options, &probe, NULL) != AS_OK) cr_skip_test();
    as_model_close(probe);
    compare_all(NULL, "avx2");
}

Test(gguf_model, in_other_precisions)
{
    compare_all("f32", NULL);
    compare("gguf", "llama-q8_0.gguf", "gguf/llama-q8_0", "bf16", NULL);
    compare("gguf", "llama-q8_0.gguf", "gguf/llama-q8_0", "fp8-channel", NULL);
}

Test(gguf_model, says_what_it_is)
{
    as_model *model = NULL;
    as_error err;
    as_model_options options = {.threads = 1};
    cr_assert_eq(as_model_open("fixtures/gguf/llama-f32.gguf", &options, &model, &err), AS_OK, "%s",
                 err.text);
    const as_model_info *info = as_model_facts(model);
    cr_assert_str_eq(info->architecture, "LlamaForCausalLM");
    cr_assert_eq(info->context, 256);
    cr_assert(info->eos_count == 1 && info->eos[0] == 2);
    cr_assert_not_null(as_model_tokenizer(model));
    as_model_close(model);
    cr_assert_eq(as_model_open("fixtures/gguf/llama-q8_0.gguf", &options, &model, &err), AS_OK, "%s",
                 err.text);
    cr_assert_str_eq(as_model_facts(model)->dtype, "q8_0");
    /* held as it is in the file: 34 bytes for 32 weights, and norms in float32 */
    cr_assert_eq(as_model_facts(model)->weight_bytes, as_model_facts(model)->checkpoint_bytes);
    as_model_close(model);
}

static void render(const char *path, as_buf *out)
{
    as_chat *chat = NULL;
    as_error err;
    json_t *messages =
        json_pack("[{s:s,s:s},{s:s,s:s},{s:s,s:s}]", "role", "system", "content", "Be brief.", "role", "user",
                  "content", " Hello? ", "role", "assistant", "content", "Yes.");
    cr_assert_eq(as_chat_open(path, &chat, &err), AS_OK, "%s", err.text);
    cr_assert_eq(as_chat_render(chat, &(as_chat_input){.messages = messages}, out, &err), AS_OK, "%s",
                 err.text);
    as_chat_close(chat);
    json_decref(messages);
}

Test(gguf_model, gives_the_chat_template_with_its_tokens)
{
    as_buf found, expected;
    as_chat *chat = NULL;
    as_error err;
    as_buf_init(&found, 0);
    as_buf_init(&expected, 0);
    render("fixtures/gguf/llama-f32.gguf", &found);
    render("fixtures/models/llama-chat", &expected);
    cr_assert_str_eq(as_buf_text(&found), as_buf_text(&expected));
    cr_assert(strstr(as_buf_text(&found), "</s>"));
    cr_assert_eq(as_chat_open("fixtures/gguf/qwen3-f32.gguf", &chat, &err), AS_E_NOT_FOUND);
    as_buf_free(&found);
    as_buf_free(&expected);
}

/* ---- files made for a test ---- */

static char folder[64];

static const char *write_file(const char *name, const as_buf *b)
{
    static char path[128];
    as_error err;
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/assay-gguf-XXXXXX");
        cr_assert(mkdtemp(folder));
    }
    snprintf(path, sizeof path, "%s/%s", folder, name);
    cr_assert_eq(as_file_write(path, b->data, b->size, &err), AS_OK, "%s", err.text);
    return path;
}

static void remove_files(void)
{
    char **names, path[512];
    size_t count;
    if (!folder[0] || as_dir_list(folder, &names, &count, NULL) != AS_OK) return;
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    as_names_free(names, count);
    rmdir(folder);
}

static void expect_refusal(void (*make)(as_buf *b), as_code code, const char *phrase)
{
    as_buf b;
    as_model *model = NULL;
    as_error err;
    as_buf_init(&b, 0);
    make(&b);
    as_model_options options = {.threads = 1, .without_tokenizer = true};
    as_code rc = as_model_open(write_file("model.gguf", &b), &options, &model, &err);
    cr_assert_eq(rc, code, "%s", err.text);
    cr_assert(strstr(err.text, phrase), "no \"%s\" in: %s", phrase, err.text);
    as_buf_free(&b);
}

static void other_family(as_buf *b)
{
    put_header(b, 3, 0, 1);
    put_pair_text(b, "general.architecture", "starship");
}

static void block_type(as_buf *b)
{
    put_header(b, 3, 1, 1);
    put_pair_text(b, "general.architecture", "llama");
    put_tensor(b, "blk.0.attn_q.weight", 2, 256, 12, 0);
    put_data(b, 32, 288);
}

static void no_sizes(as_buf *b)
{
    put_header(b, 3, 1, 1);
    put_pair_text(b, "general.architecture", "qwen2");
    put_tensor(b, "blk.0.attn_q.weight", 2, 256, 0, 0);
    put_data(b, 32, 2048);
}

static void one_part(as_buf *b)
{
    put_header(b, 3, 0, 2);
    put_pair_text(b, "general.architecture", "llama");
    put_pair_u32(b, "split.count", 3);
}

static void near_family(as_buf *b)
{
    put_header(b, 3, 0, 1);
    put_pair_text(b, "general.architecture", "deepseek3");
}

static void no_number(as_buf *b)
{
    float value = NAN;
    put_header(b, 3, 0, 2);
    put_pair_text(b, "general.architecture", "llama");
    put_text(b, "llama.rope.freq_base");
    put_u32(b, AS_GGUF_F32);
    as_buf_add(b, &value, sizeof value);
}

static void wrong_type(as_buf *b)
{
    put_header(b, 3, 0, 2);
    put_pair_text(b, "general.architecture", "llama");
    put_pair_text(b, "llama.block_count", "two");
}

Test(gguf_model, refuses_with_a_reason, .fini = remove_files)
{
    expect_refusal(other_family, AS_E_UNSUPPORTED,
                   "architecture \"starship\" is not known here; the nearest");
    expect_refusal(near_family, AS_E_UNSUPPORTED,
                   "architecture \"deepseek3\" is not known here; the nearest known is \"deepseek");
    expect_refusal(block_type, AS_E_UNSUPPORTED, "tensor \"blk.0.attn_q.weight\" holds Q4_K, which is not");
    expect_refusal(no_sizes, AS_E_INPUT, "\"hidden_size\"");
    expect_refusal(one_part, AS_E_INPUT, "one of 3 parts, whose names must end in -00001-of-00003.gguf");
    expect_refusal(no_number, AS_E_INPUT, "\"llama.rope.freq_base\" is not a number");
    expect_refusal(wrong_type, AS_E_INPUT, "\"llama.block_count\" is not a number");
}

Test(gguf_model, a_folder_with_one_file_is_that_file, .fini = remove_files)
{
    as_buf b;
    as_model *model = NULL;
    as_error err;
    as_model_options options = {.threads = 1};
    as_buf_init(&b, 0);
    cr_assert_eq(as_file_read("fixtures/gguf/llama-f32.gguf", &b, &err), AS_OK, "%s", err.text);
    write_file("one.gguf", &b);
    cr_assert_eq(as_model_open(folder, &options, &model, &err), AS_OK, "%s", err.text);
    cr_assert_not_null(as_model_tokenizer(model));
    as_model_close(model);
    write_file("two.gguf", &b);
    cr_assert_eq(as_model_open(folder, &options, &model, &err), AS_E_INPUT);
    cr_assert(strstr(err.text, "several .gguf files (one.gguf, two.gguf)"), "%s", err.text);
    as_buf_free(&b);
}

/* ---- what others write: a file of the fixtures, otherwise put ---- */

typedef struct rewriting {
    const char *dropped[5]; /* keys that are left out */
    uint32_t version, alignment;
    bool backward;             /* tensors are listed from the last, and lie in the other order */
    void (*more)(as_buf *out); /* writes further pairs */
    int more_count;
} rewriting;

static bool is_dropped(const rewriting *how, const char *key)
{
    for (size_t i = 0; i < 5 && how->dropped[i]; i++) {
        if (strcmp(how->dropped[i], key) == 0) return true;
    }
    return false;
}

static void put_value(as_buf *out, const as_gguf_value *value)
{
    static const size_t bytes[] = {
#define AS_BYTES(id, name, size) [id] = size,
        AS_GGUF_TYPES(AS_BYTES)
#undef AS_BYTES
    };
    put_u32(out, value->type);
    bool array = value->type == AS_GGUF_ARRAY;
    if (array) put_u32(out, value->item);
    if (array || value->type == AS_GGUF_STRING) put_u64(out, value->count);
    if (array && value->item == AS_GGUF_STRING) {
        as_gguf_cursor cursor;
        const char *text;
        size_t size;
        as_gguf_first(&cursor, value);
        while (as_gguf_next(&cursor, &text, &size)) {
            put_u64(out, size);
            as_buf_add(out, text, size);
        }
        return;
    }
    size_t each = bytes[array ? value->item : value->type];
    as_buf_add(out, value->at, (size_t)value->count * (each ? each : 1));
}

static void put_tensors(as_buf *out, const as_gguf *gguf, const rewriting *how)
{
    int64_t count = gguf->tensor_count;
    uint64_t at[256] = {0}, end = 0, alignment = how->alignment;
    cr_assert_leq(count, 256);
    for (int64_t i = 0; i < count; i++) {
        at[i] = end;
        end += (gguf->tensors[i].bytes + alignment - 1) / alignment * alignment;
    }
    for (int64_t k = 0; k < count; k++) {
        int64_t i = how->backward ? count - 1 - k : k;
        const as_gguf_tensor *t = &gguf->tensors[i];
        put_text(out, t->name);
        put_u32(out, (uint32_t)t->dims);
        for (int d = 0; d < t->dims; d++) put_u64(out, (uint64_t)t->shape[d]);
        put_u32(out, t->kind->number);
        put_u64(out, at[i]);
    }
    for (int64_t i = 0; i < count; i++) {
        put_data(out, alignment, 0);
        as_buf_add(out, gguf->tensors[i].at, gguf->tensors[i].bytes);
    }
    put_data(out, alignment, 0);
}

/* The file's path. */
static const char *rewrite(const char *path, rewriting how)
{
    as_gguf_file file;
    as_error err;
    as_buf out;
    uint64_t pairs = 1 + (uint64_t)how.more_count;
    if (!how.version) how.version = 3;
    if (!how.alignment) how.alignment = 32;
    as_buf_init(&out, 0);
    cr_assert_eq(as_gguf_open(path, &file, &err), AS_OK, "%s", err.text);
    const as_gguf *gguf = &file.gguf;
    for (int64_t i = 0; i < gguf->pair_count; i++) pairs += !is_dropped(&how, gguf->pairs[i].key);
    put_header(&out, how.version, (uint64_t)gguf->tensor_count, pairs);
    put_pair_u32(&out, "general.alignment", how.alignment);
    for (int64_t i = 0; i < gguf->pair_count; i++) {
        if (is_dropped(&how, gguf->pairs[i].key)) continue;
        put_text(&out, gguf->pairs[i].key);
        put_value(&out, &gguf->pairs[i].value);
    }
    if (how.more) how.more(&out);
    put_tensors(&out, gguf, &how);
    as_gguf_close(&file);
    const char *written = write_file(strrchr(path, '/') + 1, &out);
    as_buf_free(&out);
    return written;
}

Test(gguf_model, the_order_of_tensors_the_alignment_and_the_version_say_nothing, .fini = remove_files)
{
    static const rewriting how[] = {{.version = 2},
                                    {.alignment = 64},
                                    {.alignment = 8},
                                    {.version = 2, .alignment = 4096, .backward = true}};
    for (size_t i = 0; i < sizeof how / sizeof how[0]; i++) {
        compare_paths(rewrite("fixtures/gguf/llama-f32.gguf", how[i]), "fixtures/models/llama-chat", NULL,
                      NULL);
    }
}

/* A list of one number for each of two layers. */
static void put_two(as_buf *b, const char *key, uint32_t number)
{
    put_array(b, key, AS_GGUF_U32, 2);
    put_u32(b, number);
    put_u32(b, number);
}

static void by_layer(as_buf *b)
{
    put_two(b, "llama.attention.head_count", 3);
    put_two(b, "llama.attention.head_count_kv", 1);
    put_two(b, "llama.feed_forward_length", 37);
}

Test(gguf_model, what_older_files_leave_out_or_write_by_layer, .fini = remove_files)
{
    static const rewriting how[] = {
        {.dropped = {"llama.rope.freq_base", "llama.attention.key_length", "llama.attention.value_length",
                     "llama.rope.dimension_count", "tokenizer.ggml.pre"}},
        {.dropped = {"llama.attention.head_count", "llama.attention.head_count_kv",
                     "llama.feed_forward_length"},
         .more = by_layer,
         .more_count = 3},
    };
    for (size_t i = 0; i < sizeof how / sizeof how[0]; i++) {
        const char *path = rewrite("fixtures/gguf/llama-f32.gguf", how[i]);
        as_model *model = NULL;
        as_error err;
        as_model_options options = {.threads = 1};
        cr_assert_eq(as_model_open(path, &options, &model, &err), AS_OK, "%s", err.text);
        cr_assert_not_null(as_model_tokenizer(model));
        as_model_close(model);
        compare_paths(path, "fixtures/models/llama-chat", NULL, NULL);
    }
}

/* The base is ten thousand where the file has none, whatever the class takes for itself. */
Test(gguf_model, a_base_that_is_not_stated, .fini = remove_files)
{
    char room[128];
    as_error err;
    json_t *pairs = NULL;
    cr_assert_eq(as_json_read("fixtures/gguf-converted/pairs.json", AS_JSON_LENIENT, 0, &pairs, &err), AS_OK,
                 "%s", err.text);
    write_edited(json_object_get(pairs, "phimoe-long.gguf"), room);
    rewriting how = {.dropped = {"phimoe.rope.freq_base"}};
    compare_paths(rewrite("fixtures/gguf-converted/phimoe-long.gguf", how), room, NULL, NULL);
    remove_edited(room);
    json_decref(pairs);
}

static void put_pair_f32(as_buf *b, const char *key, float value)
{
    put_text(b, key);
    put_u32(b, AS_GGUF_F32);
    as_buf_add(b, &value, sizeof value);
}

static void oldest_scaling(as_buf *b)
{
    put_pair_f32(b, "llama.rope.scale_linear", 4);
}

static void unnamed_scaling(as_buf *b)
{
    put_pair_f32(b, "llama.rope.scaling.factor", 4);
}

static void no_scaling(as_buf *b)
{
    put_pair_text(b, "llama.rope.scaling.type", "linear");
}

Test(gguf_model, scalings_in_older_words, .fini = remove_files)
{
    static const char path[] = "fixtures/gguf/llama-f32.gguf";
    char room[128];
    json_t *pair = json_pack("{s:s, s:{s:{s:s, s:f}}}", "model", "models/llama-chat", "config",
                             "rope_scaling", "type", "linear", "factor", 4.0);
    write_edited(pair, room);
    compare_paths(rewrite(path, (rewriting){.more = oldest_scaling, .more_count = 1}), room, NULL, NULL);
    compare_paths(rewrite(path, (rewriting){.more = unnamed_scaling, .more_count = 1}), room, NULL, NULL);
    compare_paths(rewrite(path, (rewriting){.more = no_scaling, .more_count = 1}),
                  "fixtures/models/llama-chat", NULL, NULL);
    remove_edited(room);
    json_decref(pair);
}

static as_code open_code(const char *path, as_error *err)
{
    as_model *model = NULL;
    as_model_options options = {.threads = 1, .without_tokenizer = true};
    as_code rc = as_model_open(path, &options, &model, err);
    if (rc == AS_OK) as_model_close(model);
    return rc;
}

/* Every head has keys of its own where the file does not say how many there are, whatever the class takes. */
Test(gguf_model, keys_that_are_not_counted, .fini = remove_files)
{
    as_error err;
    rewriting how = {.dropped = {"llama.attention.head_count_kv"}};
    cr_assert_eq(open_code(rewrite("fixtures/gguf/mixtral-f16.gguf", how), &err), AS_E_INPUT);
    cr_assert(strstr(err.text, "blk.0.attn_k.weight: shape [12,36], expected [36,36]"), "%s", err.text);
}

/* ---- stacks of experts whose counts are beyond reason ---- */

static uint32_t expert_count, expert_used_count;

static void put_counts(as_buf *b)
{
    put_pair_u32(b, "llama.expert_count", expert_count);
    put_pair_u32(b, "llama.expert_used_count", expert_used_count);
}

Test(gguf_model, refuses_counts_of_experts_that_the_stacks_do_not_hold, .fini = remove_files)
{
    static const uint32_t counts[][2] = {{0x7fffffff, 2}, {0xffffffff, 2}, {1 << 24, 2},   {16384, 2},
                                         {6, 2},          {4, 2},          {1, 1},         {0, 0},
                                         {5, 6},          {5, 0},          {5, 0xffffffff}};
    as_error err;
    rewriting how = {
        .dropped = {"llama.expert_count", "llama.expert_used_count"}, .more = put_counts, .more_count = 2};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        expert_count = counts[i][0];
        expert_used_count = counts[i][1];
        as_code rc = open_code(rewrite("fixtures/gguf/mixtral-f16.gguf", how), &err);
        cr_assert_neq(rc, AS_OK, "%u experts of which %u", expert_count, expert_used_count);
        cr_assert_eq(as_exit_status(rc), 3, "%u experts of which %u: %s", expert_count, expert_used_count,
                     err.text);
    }
    expert_count = 5; /* and takes those that they do */
    expert_used_count = 2;
    cr_assert_eq(open_code(rewrite("fixtures/gguf/mixtral-f16.gguf", how), &err), AS_OK, "%s", err.text);
}

static void put_stack(as_buf *b, uint64_t experts)
{
    put_header(b, 3, 1, 1);
    put_pair_text(b, "general.architecture", "llama");
    put_text(b, "blk.0.ffn_gate_exps.weight");
    put_u32(b, 3);
    put_u64(b, 32);
    put_u64(b, 16);
    put_u64(b, experts);
    put_u32(b, 0);
    put_u64(b, 0);
    put_data(b, 32, 4096);
}

static void vast_stack(as_buf *b)
{
    put_stack(b, UINT64_C(1) << 40);
}

static void stack_beyond_counting(as_buf *b)
{
    put_stack(b, UINT64_MAX / 64);
}

Test(gguf_model, refuses_stacks_that_the_file_cannot_hold, .fini = remove_files)
{
    expect_refusal(vast_stack, AS_E_INPUT, "blk.0.ffn_gate_exps.weight");
    expect_refusal(stack_beyond_counting, AS_E_INPUT, "blk.0.ffn_gate_exps.weight");
}

/* ---- parts ---- */

/* Part `number` (from 1) of a model of one tensor each: what its header says of the whole is given. */
static void put_part(as_buf *b, const char *tensor, uint32_t no, uint32_t count, uint32_t tensors)
{
    as_buf_clear(b);
    put_header(b, 3, 1, 4);
    put_pair_text(b, "general.architecture", "llama");
    put_pair_u32(b, "split.no", no);
    put_pair_u32(b, "split.count", count);
    put_pair_u32(b, "split.tensors.count", tensors);
    put_tensor(b, tensor, 2, 32, 0, 0);
    put_data(b, 32, 256);
}

static void expect_parts_refusal(const char *name, as_code code, const char *phrase)
{
    char path[192];
    as_model *model = NULL;
    as_error err;
    as_model_options options = {.threads = 1, .without_tokenizer = true};
    snprintf(path, sizeof path, "%s%s%s", folder, *name ? "/" : "", name);
    as_code rc = as_model_open(path, &options, &model, &err);
    cr_assert_eq(rc, code, "%s", err.text);
    cr_assert_eq(as_exit_status(rc), 3);
    cr_assert(strstr(err.text, phrase), "no \"%s\" in: %s", phrase, err.text);
}

Test(gguf_model, refuses_parts_that_contradict_each_other, .fini = remove_files)
{
    static const char one[] = "m-00001-of-00002.gguf", two[] = "m-00002-of-00002.gguf";
    as_buf b;
    as_buf_init(&b, 0);
    put_part(&b, "token_embd.weight", 0, 2, 2);
    write_file(one, &b);
    expect_parts_refusal(one, AS_E_NOT_FOUND, "m-00002-of-00002.gguf is missing: the model is in 2 parts");
    expect_parts_refusal("", AS_E_NOT_FOUND, "m-00002-of-00002.gguf is missing");
    put_part(&b, "output_norm.weight", 1, 2, 7);
    write_file(two, &b);
    expect_parts_refusal(one, AS_E_INPUT, "parts of different models");
    put_part(&b, "output_norm.weight", 1, 3, 2);
    write_file(two, &b);
    expect_parts_refusal(one, AS_E_INPUT, "parts of different models");
    put_part(&b, "output_norm.weight", 0, 2, 2);
    write_file(two, &b);
    expect_parts_refusal(two, AS_E_INPUT, "\"split.no\" is 0, expected 1");
    put_part(&b, "token_embd.weight", 1, 2, 2);
    write_file(two, &b);
    expect_parts_refusal(one, AS_E_INPUT, "tensor \"token_embd.weight\" stands in two parts");
    put_part(&b, "output_norm.weight", 1, 2, 2);
    write_file(two, &b);
    expect_parts_refusal("", AS_E_INPUT, "\"hidden_size\""); /* all parts are there, and no sizes */
    put_part(&b, "token_embd.weight", 0, 2, 9);
    write_file(one, &b);
    put_part(&b, "output_norm.weight", 1, 2, 9);
    write_file(two, &b);
    expect_parts_refusal(two, AS_E_INPUT, "\"split.tensors.count\" is 9, but the parts hold 2 tensors");
    put_part(&b, "token_embd.weight", 0, 3, 2);
    write_file(one, &b);
    expect_parts_refusal(one, AS_E_INPUT, "one of 3 parts");
    put_part(&b, "token_embd.weight", 5, 2, 2);
    write_file(one, &b);
    expect_parts_refusal(two, AS_E_INPUT, "\"split.no\" is 5 of \"split.count\" 2");
    char path[192];
    snprintf(path, sizeof path, "%s/%s", folder, one);
    unlink(path);
    expect_parts_refusal(two, AS_E_NOT_FOUND, "m-00001-of-00002.gguf is missing");
    as_buf_free(&b);
}

Test(gguf_model, reads_a_model_in_parts_by_any_of_them)
{
    static const char *const names[] = {"jais2-plain-00001-of-00003.gguf", "jais2-plain-00003-of-00003.gguf"};
    for (size_t i = 0; i < 2; i++) compare("gguf-split", names[i], "models/jais2-plain", NULL, NULL);
    compare("", "gguf-split", "models/jais2-plain", NULL, NULL);
}
