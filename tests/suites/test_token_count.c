/* Counting a tokenizer's ids without building it, on good and hostile files. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "suites/rules/rules.h"

typedef as_code counter(const char *text, size_t size, int64_t *out, as_error *err);

typedef struct sample {
    const char *text;
    int64_t expected; /* -1: refused */
} sample;

static void check(counter *count, const sample *samples, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int64_t found = -1;
        as_error err = {0};
        as_code rc = count(samples[i].text, strlen(samples[i].text), &found, &err);
        cr_assert_eq(found, samples[i].expected, "%s: %lld, %s", samples[i].text, (long long)found, err.text);
        cr_assert_eq(rc, samples[i].expected < 0 ? AS_E_INPUT : AS_OK);
    }
}

Test(token_count, tokenizer_json)
{
    static const sample samples[] = {
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"\\\"\":9},\"merges\":[[\"a\",\"b\"]]}}", 10},
        {"{\"added_tokens\":[{\"id\":12,\"content\":\"<s>\"},{\"content\":\"id\",\"id\":3}],\"model\":{"
         "\"vocab\":{\"a\":0}}}",
         13},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1.5],[\"b]\",0.0],[\"c\",1e-5]]}}", 3},
        {" { \"model\" : { \"vocab\" : { } } , \"x\" : [ { \"id\" : 99 } ] , \"added_tokens\" : [ ] } ", -1},
        {"{\"model\":null,\"added_tokens\":null}", -1},
        {"{\"model\":{\"vocab\":{\"a\":99999999999999999999}}}", -1},
        {"{\"model\":{\"vocab\":{\"a\":\"1\",\"b\":null}}}", -1},
        {"{\"model\":{\"vocab\":{\"a\":0", -1},
        {"{\"model\"", -1},
        {"{\"a\":[}", -1},
        {"[]", -1},
        {"", -1},
    };
    check(as_token_count_json, samples, sizeof samples / sizeof samples[0]);
}

Test(token_count, vocabularies)
{
    static const sample json[] = {{"{\"a\":0,\"b\":41}", 42}, {"{}", -1}, {"{\"a\":0,}", -1}};
    static const sample lines[] = {
        {"[PAD]\n[UNK]\nthe\n", 3}, {"1 'a' 1\n2 'b' 1\n65529 'c' 1\n", 65530}, {"", -1}};
    check(as_token_count_vocab_json, json, sizeof json / sizeof json[0]);
    check(as_token_count_lines, lines, sizeof lines / sizeof lines[0]);
}

Test(token_count, sentencepiece)
{
    /* two pieces, another field of each kind, and what a hostile file does with lengths */
    static const sample samples[] = {
        {"\x0a\x01x\x0a\x02yz\x12\x01t\x18\x07\x25wxyz", 2},   {"\x12\x01t", -1}, {"\x0a\x7fx", -1},
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x", -1}, {"\x0b", -1},      {"\xff", -1},
    };
    check(as_token_count_sentencepiece, samples, sizeof samples / sizeof samples[0]);
}

Test(token_count, depth_is_the_files_to_choose)
{
    size_t size = 1 << 22;
    char *text = as_alloc(size + 1);
    memset(text, '[', size);
    memcpy(text, "{\"a\":", 5);
    text[size] = 0;
    int64_t found;
    as_error err;
    cr_assert_eq(as_token_count_json(text, size, &found, &err), AS_E_INPUT);
    as_free(text);
}
