/* Tokenizers of GGUF files: small ones against the same vocabulary in another file form, real ones against
 * the ids of their own tokenizers. */
#include <stdio.h>
#include <unistd.h>

#include "tests/engine/gguf_build.h"
#include "tests/engine/text/support.h"

static as_tokens encode(const as_tokenizer *t, const char *text, size_t size, bool special)
{
    as_tokens out = {0};
    as_error err;
    as_encode_options options = {.no_special = !special};
    cr_assert(as_tokenizer_encode(t, text, size, &options, &out, &err) == AS_OK, "%s", err.text);
    return out;
}

/* Both tokenizers give the same ids for every text, and the same text for them. */
static void same_ids(const char *path, const char *other, const json_t *texts, bool special)
{
    as_tokenizer *a = must_open(path), *b = must_open(other);
    size_t i;
    const json_t *text;
    as_error err;
    json_array_foreach((json_t *)texts, i, text)
    {
        const char *bytes = json_string_value(text);
        size_t size = json_string_length(text);
        as_tokens x = encode(a, bytes, size, special), y = encode(b, bytes, size, special);
        bool same = x.count == y.count;
        for (size_t k = 0; same && k < x.count; k++) same = x.ids[k] == y.ids[k];
        cr_assert(same, "%s, text %zu: \"%s\"", path, i, bytes);
        as_buf u, v;
        as_buf_init(&u, 0);
        as_buf_init(&v, 0);
        cr_assert(as_tokenizer_decode(a, x.ids, x.count, NULL, &u, &err) == AS_OK, "%s", err.text);
        cr_assert(as_tokenizer_decode(b, y.ids, y.count, NULL, &v, &err) == AS_OK, "%s", err.text);
        cr_assert_str_eq(as_buf_text(&u), as_buf_text(&v), "%s, text %zu", path, i);
        as_buf_free(&u);
        as_buf_free(&v);
        as_tokens_free(&x);
        as_tokens_free(&y);
    }
    as_tokenizer_close(a);
    as_tokenizer_close(b);
}

Test(gguf_vocab, gives_the_ids_of_the_same_vocabulary_elsewhere)
{
    static const struct {
        const char *name, *other;
        bool special;
    } pairs[] = {
        {"gguf/vocab-gpt2.gguf", "tokenizers/dirs/gpt2", false},
        {"gguf/vocab-qwen2.gguf", "tokenizers/dirs/qwen2", true},
        {"gguf/vocab-bert.gguf", "tokenizers/dirs/bert", true},
        {"gguf/vocab-t5.gguf", "tokenizers/dirs/t5_pad", true},
        {"gguf/vocab-world.gguf", "tokenizers/world", true},
        {"gguf/llama-f32.gguf", "models/llama-chat", true},
        {"tokenizers/world_lines", "tokenizers/world", true},
    };
    json_t *texts = read_json("fixtures/tokenizers/texts.json");
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char path[256], other[256];
        snprintf(path, sizeof path, "fixtures/%s", pairs[i].name);
        snprintf(other, sizeof other, "fixtures/%s", pairs[i].other);
        same_ids(path, other, texts, pairs[i].special);
    }
    json_decref(texts);
}

/* SentencePiece without its library: texts and ids by fixtures/make_gguf.py. */
Test(gguf_vocab, sentencepiece_gives_the_expected_ids)
{
    as_tokenizer *t = must_open("fixtures/gguf/vocab-llama.gguf");
    json_t *cases = read_json("fixtures/gguf/vocab-llama.json");
    const json_t *texts = json_object_get(cases, "texts"), *ids = json_object_get(cases, "ids");
    cr_assert_gt(json_array_size(texts), 40);
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const json_t *text = json_array_get(texts, i);
        as_tokens out = encode(t, json_string_value(text), json_string_length(text), false);
        cr_assert_eq(first_difference(&out, json_array_get(ids, i)), -1, "text %zu: \"%s\"", i,
                     json_string_value(text));
        as_tokens_free(&out);
    }
    json_decref(cases);
    as_tokenizer_close(t);
}

/* ---- real vocabularies: not part of the project, so the test runs where they lie ---- */

static const char *vocab_folder(void)
{
    const char *named = getenv("ASSAY_VOCAB");
    return named && *named ? named : "../shared/data/vocab";
}

static void check_line(const as_tokenizer *t, const char *name, int line, const char *text, size_t size,
                       const char *expected)
{
    as_tokens out = encode(t, text, size, false);
    size_t at = 0;
    for (const char *next = expected; *next && *next != '\n'; at++) {
        char *end;
        long id = strtol(next, &end, 10);
        if (end == next) break;
        cr_assert(at < out.count && out.ids[at] == id, "%s, string %d: token %zu is not %ld", name, line, at,
                  id);
        next = end + strspn(end, " ");
    }
    cr_assert_eq(at, out.count, "%s, string %d: %zu tokens, expected %zu", name, line, out.count, at);
    as_tokens_free(&out);
}

static int check_file(const char *folder, const char *name)
{
    static const char mark[] = "\n__ggml_vocab_test__\n";
    char path[AS_PATH_MAX + 8];
    as_buf in, out;
    as_error err;
    int line = 0;
    cr_assert_eq(as_path_join(path, folder, name, &err), AS_OK, "%s", err.text);
    as_tokenizer *t = must_open(path);
    size_t size = strlen(path);
    as_buf_init(&in, 0);
    as_buf_init(&out, 0);
    snprintf(path + size, sizeof path - size, ".inp");
    cr_assert_eq(as_file_read(path, &in, &err), AS_OK, "%s", err.text);
    snprintf(path + size, sizeof path - size, ".out");
    cr_assert_eq(as_file_read(path, &out, &err), AS_OK, "%s", err.text);
    const char *text = as_buf_text(&in), *end = text + in.size, *expected = as_buf_text(&out);
    while (text < end) {
        const char *stop = memmem(text, (size_t)(end - text), mark, sizeof mark - 1);
        check_line(t, name, ++line, text, (size_t)((stop ? stop : end) - text), expected);
        expected += strcspn(expected, "\n") + 1;
        if (!stop) break;
        text = stop + sizeof mark - 1;
    }
    as_buf_free(&in);
    as_buf_free(&out);
    as_tokenizer_close(t);
    return line;
}

Test(gguf_vocab, real_vocabularies_match_every_line)
{
    char **names;
    size_t count;
    int files = 0, lines = 0;
    if (!as_dir_exists(vocab_folder())) {
        fprintf(stderr, "skipped: no real vocabularies in %s (ASSAY_VOCAB names another folder)\n",
                vocab_folder());
        cr_skip_test("no real vocabularies");
    }
    cr_assert_eq(as_dir_list(vocab_folder(), &names, &count, NULL), AS_OK);
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(names[i]);
        if (size < 5 || strcmp(names[i] + size - 5, ".gguf") != 0) continue;
        int here = check_file(vocab_folder(), names[i]);
        cr_assert_gt(here, 1, "%s", names[i]);
        lines += here;
        files++;
    }
    as_names_free(names, count);
    fprintf(stderr, "%d real vocabularies, %d strings\n", files, lines);
}

/* ---- Gemma 4: letters as in SentencePiece, merges as in byte-level BPE ---- */

static void put_texts(as_buf *b, const char *key, const char *const *texts, size_t count)
{
    put_array(b, key, AS_GGUF_STRING, count);
    for (size_t i = 0; i < count; i++) put_text(b, texts[i]);
}

Test(gguf_vocab, merges_over_whole_texts)
{
    static const char *const tokens[] = {"<unk>",  "<0x21>", "a",        "b",
                                         "\u2581", "ab",     "\u2581ab", "b\u2581ab"};
    static const char *const merges[] = {"a b", "\u2581 ab", "b \u2581ab"};
    static const char path[] = "/tmp/assay-gemma4-vocab.gguf", text[] = "ab bb ab!";
    static const int32_t expected[] = {5, 4, 3, 7, 1};
    as_error err;
    as_buf b;
    as_buf_init(&b, 0);
    put_header(&b, 3, 0, 6);
    put_pair_text(&b, "general.architecture", "gemma4");
    put_pair_text(&b, "tokenizer.ggml.model", "gemma4");
    put_texts(&b, "tokenizer.ggml.tokens", tokens, sizeof tokens / sizeof tokens[0]);
    put_texts(&b, "tokenizer.ggml.merges", merges, sizeof merges / sizeof merges[0]);
    put_array(&b, "tokenizer.ggml.token_type", AS_GGUF_U32, 8);
    for (uint32_t i = 0; i < 8; i++) put_u32(&b, i == 0 ? 2 : i == 1 ? 6 : 1);
    put_pair_u32(&b, "tokenizer.ggml.unknown_token_id", 0);
    cr_assert_eq(as_file_write(path, b.data, b.size, &err), AS_OK, "%s", err.text);
    as_tokenizer *t = must_open(path);
    as_tokens found = encode(t, text, strlen(text), false);
    cr_assert_eq(found.count, sizeof expected / sizeof expected[0]);
    for (size_t i = 0; i < found.count; i++) cr_assert_eq(found.ids[i], expected[i], "place %zu", i);
    as_buf again;
    as_buf_init(&again, 0);
    cr_assert_eq(as_tokenizer_decode(t, found.ids, found.count, NULL, &again, &err), AS_OK, "%s", err.text);
    cr_assert_str_eq(as_buf_text(&again), text);
    as_buf_free(&again);
    as_tokens_free(&found);
    as_tokenizer_close(t);
    as_buf_free(&b);
    unlink(path);
}
