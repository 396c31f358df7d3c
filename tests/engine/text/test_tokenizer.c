/* The tokenizer's interface: look-ups, options, bad text, threads, long texts. */
#include <pthread.h>

#include "base/mem.h"
#include "tests/engine/text/support.h"

#define FULL  "tests/engine/text/full.json"
#define LLAMA "fixtures/tokenizers/dirs/llama_legacy"
#define QWEN  "fixtures/tokenizers/dirs/qwen2"

static void encode(const as_tokenizer *t, const char *text, size_t size, const as_encode_options *options,
                   as_tokens *out)
{
    as_error err;
    out->count = 0;
    cr_assert(as_tokenizer_encode(t, text, size, options, out, &err) == AS_OK, "%s", err.text);
}

Test(tokenizer, look_ups_and_info)
{
    as_tokenizer *t = must_open(FULL);
    const as_tokenizer_info *info = as_tokenizer_get_info(t);
    size_t size;
    cr_assert_str_eq(info->model, "BPE");
    cr_assert(info->size == 14 && info->max_id == 13);
    cr_assert(info->unk == 0 && info->bos == -1 && info->eos == -1 && info->adds_special);
    cr_assert(as_tokenizer_id(t, "ll", 2) == 10 && as_tokenizer_id(t, "<s>", 3) == 12 &&
              as_tokenizer_id(t, "xx", 2) == -1);
    cr_assert_str_eq(as_tokenizer_token(t, 11, &size), "_he");
    cr_assert(size == 3);
    cr_assert_str_eq(as_tokenizer_token(t, 13, NULL), "Word");
    cr_assert(!as_tokenizer_token(t, 14, NULL) && !as_tokenizer_token(t, -1, NULL));
    cr_assert(as_tokenizer_is_special(t, 12) && !as_tokenizer_is_special(t, 13) &&
              !as_tokenizer_is_special(t, 99));
    as_tokenizer_close(t);
    t = must_open("fixtures/tokenizers/dirs/llama_legacy/tokenizer.model");
    info = as_tokenizer_get_info(t);
    cr_assert_str_eq(info->source, "tokenizer.model");
    cr_assert_str_eq(info->class_name, "LlamaTokenizer");
    cr_assert(info->max_length == 4096 && info->bos == 1 && info->eos == 2);
    as_tokenizer_close(t);
    as_tokenizer_close(NULL);
}

/* Truncation and padding of the file are not applied; special tokens only where they are wanted. */
Test(tokenizer, options)
{
    as_tokenizer *t = must_open(FULL);
    as_tokens tokens = {0};
    as_encode_options plain = {.no_special = true};
    encode(t, "Hello hello", 11, NULL, &tokens);
    cr_assert(tokens.count == 7 && tokens.ids[0] == 12);
    encode(t, "Hello hello", 11, &plain, &tokens);
    cr_assert(tokens.count == 6 && tokens.ids[0] == 11);
    encode(t, "  <s>word", 9, &plain, &tokens);
    cr_assert(tokens.count == 2 && tokens.ids[0] == 12 && tokens.ids[1] == 13);
    encode(t, "", 0, &plain, &tokens);
    cr_assert(tokens.count == 0);
    as_tokens_free(&tokens);
    as_tokenizer_close(t);
}

/* Encoding appends; a failure leaves the list as it was. */
Test(tokenizer, appends)
{
    as_error err;
    as_tokenizer *t = NULL;
    const char *text = "{\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},\"model\":{\"type\":\"WordLevel\","
                       "\"vocab\":{\"a\":0},"
                       "\"unk_token\":\"?\"}}";
    cr_assert(open_text(text, strlen(text), &t, &err) == AS_OK, "%s", err.text);
    as_tokens tokens = {0};
    cr_assert(as_tokenizer_encode(t, "a a", 3, NULL, &tokens, &err) == AS_OK);
    cr_assert(as_tokenizer_encode(t, "a", 1, NULL, &tokens, &err) == AS_OK);
    cr_assert(tokens.count == 3);
    cr_assert(as_tokenizer_encode(t, "a b", 3, NULL, &tokens, &err) == AS_E_INPUT);
    cr_assert(tokens.count == 3 && strstr(err.text, "unknown token"), "%s", err.text);
    as_tokens_free(&tokens);
    as_tokenizer_close(t);
}

Test(tokenizer, invalid_utf8_becomes_the_replacement_character)
{
    as_tokenizer *t = must_open(QWEN);
    as_tokens bad = {0}, good = {0};
    static const char *const pairs[][2] = {
        {"a\xFF z", "a\xEF\xBF\xBD z"},
        {"\xE4\xBD", "\xEF\xBF\xBD"},
        {"\xF0\x9F\x98x\xC3", "\xEF\xBF\xBDx\xEF\xBF\xBD"},
        {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xC0\xAF\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        encode(t, pairs[i][0], strlen(pairs[i][0]), NULL, &bad);
        encode(t, pairs[i][1], strlen(pairs[i][1]), NULL, &good);
        cr_assert(bad.count == good.count && memcmp(bad.ids, good.ids, bad.count * sizeof *bad.ids) == 0,
                  "pair %zu", i);
    }
    as_tokens_free(&bad);
    as_tokens_free(&good);
    as_tokenizer_close(t);
}

/* What a stream has given so far is always whole characters. */
Test(tokenizer, streams_give_whole_characters)
{
    as_tokenizer *t = must_open(QWEN);
    as_tokens tokens = {0};
    as_token_stream *stream;
    as_error err;
    as_buf out;
    as_buf_init(&out, 0);
    const char *text = "na\xC3\xAFve \xF0\x9F\x98\x80\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD \xE4\xBD\xA0";
    encode(t, text, strlen(text), NULL, &tokens);
    cr_assert(as_token_stream_open(t, NULL, &stream, &err) == AS_OK);
    for (size_t i = 0; i < tokens.count; i++) {
        cr_assert(as_token_stream_add(stream, &tokens.ids[i], 1, &out, &err) == AS_OK);
        cr_assert(strncmp(as_buf_text(&out), text, out.size) == 0 &&
                  ((unsigned char)text[out.size] & 0xC0) != 0x80);
    }
    cr_assert_str_eq(as_buf_text(&out), text);
    as_buf_clear(&out);
    cr_assert(as_token_stream_finish(stream, &out, &err) == AS_OK && out.size == 0);
    cr_assert(as_token_stream_add(stream, tokens.ids, tokens.count - 1, &out, &err) == AS_OK);
    cr_assert(as_token_stream_finish(stream, &out, &err) == AS_OK); /* cut within the last character */
    cr_assert(strcmp(as_buf_text(&out) + out.size - 3, "\xEF\xBF\xBD") == 0);
    as_token_stream_close(stream);
    as_tokens_free(&tokens);
    as_buf_free(&out);
    as_tokenizer_close(t);
}

/* ---- threads ---- */

typedef struct work {
    const as_tokenizer *tokenizer;
    const json_t *texts;
    uint64_t hash;
} work;

static void *encode_all(void *context)
{
    work *w = context;
    as_tokens tokens = {0};
    as_error err;
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < json_array_size(w->texts); i++) {
            const json_t *text = json_array_get(w->texts, i);
            tokens.count = 0;
            as_code rc = as_tokenizer_encode(w->tokenizer, json_string_value(text), json_string_length(text),
                                             NULL, &tokens, &err);
            w->hash = w->hash * 31 + (uint64_t)rc;
            for (size_t j = 0; j < tokens.count; j++) w->hash = w->hash * 31 + (uint64_t)tokens.ids[j];
        }
    }
    as_tokens_free(&tokens);
    return NULL;
}

Test(tokenizer, threads_agree)
{
    enum { THREADS = 6 };
    as_tokenizer *t = must_open(LLAMA);
    json_t *texts = read_json("fixtures/tokenizers/texts.json");
    pthread_t threads[THREADS];
    work works[THREADS];
    for (int i = 0; i < THREADS; i++) {
        works[i] = (work){t, texts, 0};
        cr_assert(pthread_create(&threads[i], NULL, encode_all, &works[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    for (int i = 1; i < THREADS; i++) cr_assert(works[i].hash == works[0].hash);
    json_decref(texts);
    as_tokenizer_close(t);
}

/* ---- length ---- */

static void long_text(const char *path, const char *unit, size_t size, const char *end)
{
    as_buf text;
    as_tokens tokens = {0};
    as_buf_init(&text, 0);
    as_tokenizer *t = must_open(path);
    while (text.size < size) as_buf_str(&text, unit);
    as_buf_str(&text, end);
    encode(t, text.data, text.size, NULL, &tokens);
    cr_assert(tokens.count > 0);
    as_tokens_free(&tokens);
    as_buf_free(&text);
    as_tokenizer_close(t);
}

/* One word of megabytes: quadratic work would not end within the test's time. */
Test(tokenizer, long_words, .timeout = 240)
{
    static const char *const dirs[] = {LLAMA, QWEN, "fixtures/tokenizers/dirs/xlmr",
                                       "fixtures/tokenizers/dirs/bert"};
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        long_text(dirs[i], "ab", 3 << 20, "");
        long_text(dirs[i], " ", 3 << 20, "x");
        long_text(dirs[i], "a\xCC\x81\xCC\xA7", 1 << 20, "");
        long_text(dirs[i], "\xCC\x81\xCC\xA7", 1 << 20, "");
    }
}

/* A pattern that backtracks without end fails with a message. */
Test(tokenizer, endless_pattern)
{
    as_error err;
    as_tokenizer *t = NULL;
    as_tokens tokens = {0};
    const char *text =
        "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?:a|aa)+[0-9]\"},\"behavior\":"
        "\"Isolated\","
        "\"invert\":false},\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0},\"unk_token\":\"a\"}}";
    cr_assert(open_text(text, strlen(text), &t, &err) == AS_OK, "%s", err.text);
    char word[2001];
    memset(word, 'a', sizeof word);
    as_code rc = as_tokenizer_encode(t, word, sizeof word - 1, NULL, &tokens, &err);
    cr_assert(rc == AS_E_LIMIT, "%s", as_code_name(rc));
    cr_assert(strstr(err.text, "regular expression"), "%s", err.text);
    as_tokens_free(&tokens);
    as_tokenizer_close(t);
}

/* ---- plain data ---- */

Test(tokenizer, from_plain_data)
{
    static const as_vocab_token tokens[] = {
        {"a", 1, 0, 0}, {"b", 1, 1, 0}, {"c", 1, 2, 0}, {"bc", 2, 3, 0}, {"abc", 3, 7, 0}};
    static const as_vocab_merge merges[] = {{"b", "c", 1, 1}, {"a", "bc", 1, 2}};
    const char *parts = "{\"model\":{\"type\":\"BPE\"},\"decoder\":{\"type\":\"Fuse\"}}";
    as_tokenizer_spec spec = {"made", parts, strlen(parts), tokens, 5, merges, 2};
    as_tokenizer *t = NULL;
    as_tokens out = {0};
    as_error err;
    cr_assert(as_tokenizer_build(&spec, &t, &err) == AS_OK, "%s", err.text);
    encode(t, "babc", 4, NULL, &out);
    cr_assert(out.count == 2 && out.ids[0] == 1 && out.ids[1] == 7);
    cr_assert(as_tokenizer_get_info(t)->max_id == 7 && !as_tokenizer_token(t, 5, NULL));
    as_tokens_free(&out);
    as_tokenizer_close(t);
    spec.merges = (const as_vocab_merge[]){{"b", "x", 1, 1}};
    spec.merge_count = 1;
    t = NULL;
    cr_assert(as_tokenizer_build(&spec, &t, &err) == AS_E_INPUT && !t);
    cr_assert_str_eq(err.text, "made: model: merge 0: \"x\" is not in the vocabulary");
}
