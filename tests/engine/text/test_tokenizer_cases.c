/* Every committed tokenizer against the ids and texts of the library it stands in for. */
#include "base/rng.h"
#include "tests/engine/text/support.h"

#define ROOT "fixtures/tokenizers/"

static json_t *texts;

static void encode_text(const as_tokenizer *t, size_t index, bool special, as_tokens *out, const char *what)
{
    const json_t *text = json_array_get(texts, index);
    as_encode_options options = {.no_special = !special};
    as_error err;
    out->count = 0;
    as_code rc =
        as_tokenizer_encode(t, json_string_value(text), json_string_length(text), &options, out, &err);
    cr_assert(rc == AS_OK, "%s, text %zu: %s", what, index, err.text);
}

static void check_text(const as_buf *out, const json_t *expected, const char *what, size_t index,
                       const char *how)
{
    cr_assert(out->size == json_string_length(expected) &&
                  memcmp(as_buf_text(out), json_string_value(expected), out->size) == 0,
              "%s, text %zu, %s: \"%s\" expected, \"%s\" found", what, index, how,
              json_string_value(expected), as_buf_text(out));
}

/* Decodes at once, and as a stream in steps of one to four ids. */
static void check_decoding(const as_tokenizer *t, const as_tokens *tokens, bool skip, const json_t *expected,
                           const char *what, size_t index)
{
    as_buf out;
    as_error err;
    as_decode_options options = {.skip_special = skip};
    as_buf_init(&out, 0);
    cr_assert(as_tokenizer_decode(t, tokens->ids, tokens->count, &options, &out, &err) == AS_OK, "%s",
              err.text);
    check_text(&out, expected, what, index, "decoded");
    as_token_stream *stream;
    as_buf_clear(&out);
    cr_assert(as_token_stream_open(t, &options, &stream, &err) == AS_OK);
    for (int round = 0; round < 2; round++) { /* a stream can be used again */
        as_buf_clear(&out);
        for (size_t at = 0, step = 1; at < tokens->count; at += step, step = step % 4 + 1) {
            if (step > tokens->count - at) step = tokens->count - at;
            cr_assert(as_token_stream_add(stream, tokens->ids + at, step, &out, &err) == AS_OK, "%s",
                      err.text);
        }
        cr_assert(as_token_stream_finish(stream, &out, &err) == AS_OK, "%s", err.text);
        check_text(&out, expected, what, index, "streamed");
    }
    as_token_stream_close(stream);
    as_buf_free(&out);
}

static as_tokenizer *open_case(const json_t *test)
{
    char path[256];
    as_buf text, model;
    as_error err;
    as_tokenizer *t = NULL;
    as_buf_init(&text, 0);
    as_buf_init(&model, 0);
    snprintf(path, sizeof path, ROOT "models/%s.json", json_string_value(json_object_get(test, "model")));
    cr_assert(as_file_read(path, &model, &err) == AS_OK, "%s", err.text);
    as_json_write(json_object_get(test, "tokenizer"), 0, &text);
    text.size--; /* the brace */
    as_buf_str(&text, ",\"version\":\"1.0\",\"model\":");
    as_buf_add(&text, model.data, model.size);
    as_buf_char(&text, '}');
    as_code rc = open_text(text.data, text.size, &t, &err);
    cr_assert(rc == AS_OK, "%s: %s", json_string_value(json_object_get(test, "name")), err.text);
    as_buf_free(&text);
    as_buf_free(&model);
    return t;
}

static void run_case(const json_t *test)
{
    enum { SPECIAL = 10 }; /* as in make_tokenizers.py */
    const char *name = json_string_value(json_object_get(test, "name"));
    const json_t *ids = json_object_get(test, "ids"), *decoded = json_object_get(test, "text");
    as_tokenizer *t = open_case(test);
    as_tokens tokens = {0};
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const json_t *expected = json_array_get(ids, i), *text = json_array_get(decoded, i);
        if (json_is_null(expected)) continue; /* the library fails */
        encode_text(t, i, false, &tokens, name);
        check_ids(&tokens, expected, name, i);
        if (json_is_string(text)) check_decoding(t, &tokens, false, text, name, i);
    }
    if (json_is_array(json_object_get(test, "special"))) {
        encode_text(t, SPECIAL, true, &tokens, name);
        check_ids(&tokens, json_object_get(test, "special"), name, SPECIAL);
        const json_t *skipped = json_object_get(test, "skipped");
        if (json_is_string(skipped)) check_decoding(t, &tokens, true, skipped, name, SPECIAL);
    }
    as_tokens_free(&tokens);
    as_tokenizer_close(t);
}

Test(tokenizer_cases, all)
{
    texts = read_json(ROOT "texts.json");
    json_t *cases = read_json(ROOT "cases.json");
    cr_assert(json_array_size(cases) > 100);
    for (size_t i = 0; i < json_array_size(cases); i++) run_case(json_array_get(cases, i));
    json_decref(cases);
    json_decref(texts);
}

static void check_id(const json_t *expected, const char *key, int32_t found, const char *dir)
{
    const json_t *value = json_object_get(expected, key);
    int32_t wanted = json_is_integer(value) ? (int32_t)json_integer_value(value) : -1;
    cr_assert(wanted == found, "%s: %s is %d, expected %d", dir, key, (int)found, (int)wanted);
}

static void run_dir(const char *name)
{
    char path[512];
    as_tokens tokens = {0};
    snprintf(path, sizeof path, ROOT "dirs/%s", name);
    as_tokenizer *t = must_open(path);
    strcat(path, "/expected.json");
    json_t *expected = read_json(path);
    for (size_t i = 0; i < json_array_size(texts); i++) {
        encode_text(t, i, true, &tokens, name);
        check_ids(&tokens, json_array_get(json_object_get(expected, "ids"), i), name, i);
        check_decoding(t, &tokens, true, json_array_get(json_object_get(expected, "text"), i), name, i);
    }
    const as_tokenizer_info *info = as_tokenizer_get_info(t);
    check_id(expected, "bos", info->bos, name);
    check_id(expected, "eos", info->eos, name);
    check_id(expected, "unk", info->unk, name);
    check_id(expected, "pad", info->pad, name);
    check_id(expected, "size", (int32_t)info->size, name);
    json_decref(expected);
    as_tokens_free(&tokens);
    as_tokenizer_close(t);
}

Test(tokenizer_cases, other_file_forms)
{
    char **names;
    size_t count;
    as_error err;
    texts = read_json(ROOT "texts.json");
    cr_assert(as_dir_list(ROOT "dirs", &names, &count, &err) == AS_OK, "%s", err.text);
    cr_assert(count > 10);
    for (size_t i = 0; i < count; i++) run_dir(names[i]);
    as_names_free(names, count);
    json_decref(texts);
}
