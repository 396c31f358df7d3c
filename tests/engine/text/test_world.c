/* RWKV's world vocabulary: ids by the second way of fixtures/make_world.py, and files that break the form. */
#include <stdio.h>

#include "tests/engine/text/support.h"

#define DIR "fixtures/tokenizers/world"

Test(world, gives_the_longest_token_at_each_place)
{
    as_tokenizer *t = must_open(DIR);
    json_t *cases = read_json("fixtures/tokenizers/world.json");
    const json_t *texts = json_object_get(cases, "texts"), *ids = json_object_get(cases, "ids");
    as_error err;
    cr_assert_gt(json_array_size(texts), 50);
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const json_t *text = json_array_get(texts, i);
        as_tokens out = {0};
        as_code rc =
            as_tokenizer_encode(t, json_string_value(text), json_string_length(text), NULL, &out, &err);
        cr_assert(rc == AS_OK, "%s", err.text);
        cr_assert_eq(first_difference(&out, json_array_get(ids, i)), -1, "text %zu: \"%s\"", i,
                     json_string_value(text));
        as_buf back;
        as_buf_init(&back, 0);
        cr_assert(as_tokenizer_decode(t, out.ids, out.count, NULL, &back, &err) == AS_OK, "%s", err.text);
        cr_assert(back.size == json_string_length(text) &&
                      memcmp(as_buf_text(&back), json_string_value(text), back.size) == 0,
                  "text %zu", i);
        as_buf_free(&back);
        as_tokens_free(&out);
    }
    json_decref(cases);
    as_tokenizer_close(t);
}

Test(world, ends_a_document_with_id_0)
{
    as_tokenizer *t = must_open(DIR "/rwkv_vocab_v20230424.txt");
    static const char text[] = "model<|endoftext|>";
    as_tokens out = {0};
    as_error err;
    cr_assert(as_tokenizer_encode(t, text, sizeof text - 1, NULL, &out, &err) == AS_OK, "%s", err.text);
    cr_assert(out.count == 2 && out.ids[1] == 0);
    cr_assert(as_tokenizer_is_special(t, 0));
    cr_assert_eq(as_tokenizer_get_info(t)->eos, 0);
    cr_assert_str_eq(as_tokenizer_get_info(t)->model, "World");
    as_tokens_free(&out);
    as_tokenizer_close(t);
}

static const struct {
    const char *text, *phrase;
} refused[] = {
    {"1 'a' 2\n", "line 1: the token has 1 bytes, the line says 2"},
    {"1 'a' 1\n2 b'\\xff' x\n", "line 2: expected a number, a Python string and its length"},
    {"1 'a' 1\n2 'a 1\n", "line 2: 'a is not a Python string"},
    {"1 'a' 1\n2 'b'c' 3\n", "is not a Python string"},
    {"1 'a' 1\n2 'b\\' 3\n", "is not a Python string"},
    {"1 'a' 1\n2 '\\q' 3\n", "line 2: \"\\q\" has an escape that is not known"},
    {"1 '\\ud800' 3\n", "has an escape that is not known"},
    {"1 b'\\u0041' 1\n", "has an escape that is not known"},
    {"1 'a' 1\n1 'b' 1\n", "vocabulary"},
    {"99999999999 'a' 1\n", "line 1: expected a number"},
    {"'a'\nb\n", "line 2: b is not a Python string"},
};

Test(world, refuses_what_breaks_the_form)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        char path[] = "/tmp/assay-world-XXXXXX.txt";
        as_tokenizer *t = NULL;
        as_error err;
        int fd = mkstemps(path, 4);
        cr_assert(fd >= 0);
        cr_assert(write(fd, refused[i].text, strlen(refused[i].text)) == (ssize_t)strlen(refused[i].text));
        close(fd);
        as_code rc = as_tokenizer_open(path, &t, &err);
        unlink(path);
        cr_assert_eq(rc, AS_E_INPUT, "%zu: %d", i, (int)rc);
        cr_assert(strstr(err.text, refused[i].phrase), "%zu: no \"%s\" in: %s", i, refused[i].phrase,
                  err.text);
    }
}
