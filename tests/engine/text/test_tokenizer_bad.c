/* Files that must be refused with a message that says why, and openings for which memory runs out. */
#include "base/mem.h"
#include "tests/engine/text/support.h"

#define ROOT "fixtures/bad/tokenizers/"

Test(tokenizer_bad, every_file_is_refused_with_its_reason)
{
    json_t *messages = read_json(ROOT "messages.json");
    const char *name;
    json_t *phrase;
    cr_assert(json_object_size(messages) > 50);
    json_object_foreach(messages, name, phrase)
    {
        char path[512];
        as_tokenizer *t = NULL;
        as_error err = {0};
        const char *slash = strchr(name, '/');
        /* what lies in a folder of its own is opened as a directory */
        snprintf(path, sizeof path, ROOT "%.*s", slash ? (int)(slash - name) : (int)strlen(name), name);
        as_code rc = as_tokenizer_open(path, &t, &err);
        cr_assert(rc != AS_OK, "%s was taken", name);
        cr_assert(t == NULL, "%s: the out-parameter was touched", name);
        cr_assert(rc == AS_E_INPUT || rc == AS_E_LIMIT || rc == AS_E_UNSUPPORTED, "%s: %s", name,
                  as_code_name(rc));
        cr_assert(strstr(err.text, json_string_value(phrase)), "%s: \"%s\" expected in the message \"%s\"",
                  name, json_string_value(phrase), err.text);
    }
    json_decref(messages);
}

Test(tokenizer_bad, nothing_there)
{
    as_tokenizer *t = NULL;
    as_error err;
    cr_assert(as_tokenizer_open("fixtures/bad", &t, &err) == AS_E_NOT_FOUND);
    cr_assert(strstr(err.text, "tokenizer.json"), "%s", err.text);
    cr_assert(as_tokenizer_open("fixtures/no/such", &t, &err) == AS_E_NOT_FOUND);
}

/* A file cut at every place is refused or opens; never more. */
Test(tokenizer_bad, cut_files)
{
    as_buf text;
    as_error err;
    as_buf_init(&text, 0);
    const char *whole =
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"\\u00e9\":1,\"a\\u00e9\":2},\"merges\":[\"a "
        "\\u00e9\"]},\"decoder\":{\"type\":\"Fuse\"},\"added_tokens\":[]}";
    for (size_t size = 0; size <= strlen(whole); size++) {
        as_tokenizer *t = NULL;
        as_code rc = open_text(whole, size, &t, &err);
        cr_assert((rc == AS_OK) == (size == strlen(whole)), "cut at %zu", size);
        if (rc != AS_OK) cr_assert(err.text[0]);
        as_tokenizer_close(t);
    }
}

/* Opens, encodes and decodes with the n-th allocation failing, for every n. */
static void starve(const char *path)
{
    const char *text = "Hello  w\xC3\xB6rld <s> e\xCC\x81 \xE4\xBD\xA0 \xFF it's";
    for (uint64_t n = 1;; n++) {
        as_tokenizer *t = NULL;
        as_tokens tokens = {0};
        as_buf out;
        as_error err;
        as_buf_init(&out, 0);
        as_alloc_fail_after(n);
        as_code rc = as_tokenizer_open(path, &t, &err);
        if (rc == AS_OK) rc = as_tokenizer_encode(t, text, strlen(text), NULL, &tokens, &err);
        if (rc == AS_OK) rc = as_tokenizer_decode(t, tokens.ids, tokens.count, NULL, &out, &err);
        as_alloc_fail_after(0);
        cr_assert(rc == AS_OK || rc == AS_E_MEMORY, "%s, allocation %llu: %s", path, (unsigned long long)n,
                  err.text);
        as_buf_free(&out);
        as_tokens_free(&tokens);
        as_tokenizer_close(t);
        if (rc == AS_OK) return;
    }
}

Test(tokenizer_bad, memory_runs_out, .timeout = 300)
{
    static const char *const dirs[] = {"llama_legacy", "llama_plain", "no_class_unigram",
                                       "xlmr",         "qwen2",       "bert"};
    char path[256];
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        snprintf(path, sizeof path, "fixtures/tokenizers/dirs/%s", dirs[i]);
        starve(path);
    }
    starve("tests/engine/text/full.json");
}
