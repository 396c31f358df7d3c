/* What the tokenizer's tests share: fixtures, temporary directories, comparisons. */
#ifndef AS_TESTS_ENGINE_TEXT_SUPPORT_H
#define AS_TESTS_ENGINE_TEXT_SUPPORT_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "engine/text/tokenizer.h"

static inline json_t *read_json(const char *path)
{
    json_t *value = NULL;
    as_error err;
    as_code rc = as_json_read(path, AS_JSON_LENIENT, 0, &value, &err);
    cr_assert(rc == AS_OK, "%s", err.text);
    return value;
}

/* Opens a tokenizer.json that is given as text. */
static inline as_code open_text(const char *text, size_t size, as_tokenizer **out, as_error *err)
{
    char path[] = "/tmp/assay-tokenizer-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    cr_assert(write(fd, text, size) == (ssize_t)size);
    close(fd);
    as_code rc = as_tokenizer_open(path, out, err);
    unlink(path);
    return rc;
}

static inline as_tokenizer *must_open(const char *path)
{
    as_tokenizer *t = NULL;
    as_error err;
    cr_assert(as_tokenizer_open(path, &t, &err) == AS_OK, "%s", err.text);
    return t;
}

/* The first place where ids differ from the expected list, -1 where they are the same. */
static inline long first_difference(const as_tokens *tokens, const json_t *expected)
{
    size_t count = json_array_size(expected);
    for (size_t i = 0; i < count && i < tokens->count; i++) {
        if (json_integer_value(json_array_get(expected, i)) != tokens->ids[i]) return (long)i;
    }
    return tokens->count == count ? -1 : (long)(tokens->count < count ? tokens->count : count);
}

static inline void check_ids(const as_tokens *tokens, const json_t *expected, const char *what, size_t index)
{
    long at = first_difference(tokens, expected);
    cr_assert(at < 0, "%s, text %zu: at %ld: %lld expected, %d found; %zu ids expected, %zu found", what,
              index, at, (long long)json_integer_value(json_array_get(expected, (size_t)at)),
              (size_t)at < tokens->count ? (int)tokens->ids[at] : -1, json_array_size(expected),
              tokens->count);
}

#endif
