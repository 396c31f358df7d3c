/* Tokenizer files and texts of any bytes. The input is a kind (0 tokenizer.json, 1 tokenizer.model read as a
 * LlamaTokenizer, 2 the same as no known class, 3 vocab.json with merges.txt after a NUL, 4 a regular
 * expression alone, 5 vocab.txt of WordPiece or of RWKV), the length of the text in two bytes, the text, and
 * the file.
 *
 * What opens must encode, decode the ids it gave, and give the same text as a stream. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/utf8.h"
#include "engine/text/regex.h"
#include "engine/text/tokenizer.h"
#include "engine/text/unicode.h"

static char dir[64];

static void put(const char *name, const void *bytes, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size) abort();
    fclose(file);
}

static void discard(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    unlink(path);
}

static void remove_dir(void)
{
    static const char *const names[] = {"tokenizer.json", "tokenizer.model", "vocab.json",
                                        "merges.txt",     "vocab.txt",       "tokenizer_config.json"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) discard(names[i]);
    rmdir(dir);
}

static void match(const char *pattern, size_t size, const char *text, size_t text_size)
{
    as_regex *regex = NULL;
    as_matcher *matcher = NULL;
    as_error err;
    as_buf room;
    as_unicode_prepare();
    as_buf_init(&room, 0);
    if (!as_utf8_is_valid(text, text_size)) text_size = as_utf8_valid_prefix(text, text_size);
    if (as_regex_open(pattern, size, AS_REGEX_PATTERN, &regex, &err) == AS_OK &&
        as_matcher_new(&matcher) == AS_OK) {
        as_finder finder;
        bool found = true;
        size_t start, end, last = 0;
        as_code rc = as_finder_start(&finder, regex, matcher, text, text_size, &room, &err);
        while (rc == AS_OK && (rc = as_finder_next(&finder, &found, &start, &end, &err)) == AS_OK && found) {
            if (start > end || end > text_size || start < last) abort();
            last = end;
        }
    }
    as_matcher_free(matcher);
    as_regex_close(regex);
    as_buf_free(&room);
}

static void use(const as_tokenizer *t, const char *text, size_t size)
{
    as_tokens tokens = {0};
    as_error err;
    as_buf whole, parts;
    as_token_stream *stream = NULL;
    as_buf_init(&whole, 0);
    as_buf_init(&parts, 0);
    if (as_tokenizer_encode(t, text, size, NULL, &tokens, &err) == AS_OK &&
        as_tokenizer_decode(t, tokens.ids, tokens.count, NULL, &whole, &err) == AS_OK) {
        if (!as_utf8_is_valid(as_buf_text(&whole), whole.size)) abort();
        if (as_token_stream_open(t, NULL, &stream, &err) != AS_OK) abort();
        for (size_t i = 0; i < tokens.count; i++) {
            if (as_token_stream_add(stream, &tokens.ids[i], 1, &parts, &err) != AS_OK) abort();
        }
        if (as_token_stream_finish(stream, &parts, &err) != AS_OK) abort();
        if (parts.size != whole.size || memcmp(as_buf_text(&parts), as_buf_text(&whole), whole.size) != 0)
            abort();
    }
    as_token_stream_close(stream);
    as_tokens_free(&tokens);
    as_buf_free(&whole);
    as_buf_free(&parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!dir[0]) {
        strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/assay-fuzz-XXXXXX" : "/tmp/assay-fuzz-XXXXXX");
        if (!mkdtemp(dir)) abort();
        atexit(remove_dir);
    }
    if (size < 3) return 0;
    int kind = data[0] % 6;
    size_t text_size = (size_t)data[1] << 8 | data[2];
    data += 3;
    size -= 3;
    if (text_size > size) text_size = size;
    const char *text = (const char *)data, *file = text + text_size;
    size_t file_size = size - text_size;
    const char *nul = kind == 3 ? memchr(file, 0, file_size) : NULL;
    if (kind == 4) {
        match(file, file_size, text, text_size);
        return 0;
    }
    size_t first = nul ? (size_t)(nul - file) : file_size;
    static const char *const names[] = {
        "tokenizer.json", "tokenizer.model", "tokenizer.model", "vocab.json", "", "vocab.txt"};
    put(names[kind], file, first);
    if (kind == 3) put("merges.txt", nul ? nul + 1 : file, nul ? file_size - first - 1 : 0);
    if (kind == 1)
        put("tokenizer_config.json", "{\"tokenizer_class\":\"LlamaTokenizer\",\"add_bos_token\":true}", 57);
    as_tokenizer *t = NULL;
    as_error err;
    if (as_tokenizer_open(dir, &t, &err) == AS_OK) use(t, text, text_size);
    as_tokenizer_close(t);
    discard(names[kind]);
    if (kind == 1) discard("tokenizer_config.json");
    return 0;
}
