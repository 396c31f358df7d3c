/* For comparing with other tokenizers: tokenize_tool PATH reads commands on standard input and answers on
 * standard output until the input ends.
 *
 *     e SIZE FLAG\n TEXT     encode; FLAG 1: with special tokens
 *     d COUNT FLAG ID ID...  decode; FLAG 1: without special tokens
 *     s COUNT FLAG ID ID...  the same as a stream, one id at a time
 *
 * The answer is one line: "ok" and the ids, or "ok", the size and (after a newline) the bytes; or "error" and
 * the message. `tokenize_tool --time PATH FILE [ROUNDS]` measures processor time
 * instead, for the text at once and in parts of 10,000 bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "engine/text/tokenizer.h"

static int answer_error(const as_error *err)
{
    printf("error %s\n", err->text);
    fflush(stdout);
    return 0;
}

static int encode(const as_tokenizer *t, size_t size, int special)
{
    char *text = as_alloc(size + 1);
    as_tokens tokens = {0};
    as_error err;
    as_encode_options options = {.no_special = !special};
    if (!text || fread(text, 1, size, stdin) != size) return 1;
    as_code rc = as_tokenizer_encode(t, text, size, &options, &tokens, &err);
    if (rc == AS_OK) {
        fputs("ok", stdout);
        for (size_t i = 0; i < tokens.count; i++) printf(" %d", (int)tokens.ids[i]);
        putchar('\n');
    } else {
        answer_error(&err);
    }
    as_tokens_free(&tokens);
    as_free(text);
    fflush(stdout);
    return 0;
}

static as_code stream(const as_tokenizer *t, const as_tokens *tokens, const as_decode_options *options,
                      as_buf *out, as_error *err)
{
    as_token_stream *s;
    AS_TRY(as_token_stream_open(t, options, &s, err));
    as_code rc = AS_OK;
    for (size_t i = 0; i < tokens->count && rc == AS_OK; i++)
        rc = as_token_stream_add(s, tokens->ids + i, 1, out, err);
    if (rc == AS_OK) rc = as_token_stream_finish(s, out, err);
    as_token_stream_close(s);
    return rc;
}

static int decode(const as_tokenizer *t, size_t count, int skip, bool streaming)
{
    as_tokens tokens = {0};
    as_error err;
    as_buf out;
    as_buf_init(&out, 0);
    as_decode_options options = {.skip_special = skip};
    as_code rc = AS_OK;
    for (size_t i = 0; i < count && rc == AS_OK; i++) {
        int id;
        if (scanf("%d", &id) != 1) return 1;
        int32_t value = id;
        rc = as_tokens_add(&tokens, &value, 1, &err);
    }
    if (rc == AS_OK) {
        rc = streaming ? stream(t, &tokens, &options, &out, &err)
                       : as_tokenizer_decode(t, tokens.ids, tokens.count, &options, &out, &err);
    }
    if (rc == AS_OK) {
        printf("ok %zu\n", out.size);
        fwrite(as_buf_text(&out), 1, out.size, stdout);
        putchar('\n');
    } else {
        answer_error(&err);
    }
    as_buf_free(&out);
    as_tokens_free(&tokens);
    fflush(stdout);
    return 0;
}

static double processor_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Encodes the text in parts of at most `part` bytes, cut between characters. */
static as_code encode_parts(const as_tokenizer *t, const as_buf *text, size_t part, as_tokens *tokens,
                            as_error *err)
{
    tokens->count = 0;
    for (size_t at = 0; at < text->size;) {
        size_t end = text->size - at > part ? at + part : text->size;
        while (end < text->size && ((unsigned char)text->data[end] & 0xC0) == 0x80) end--;
        AS_TRY(as_tokenizer_encode(t, text->data + at, end - at, NULL, tokens, err));
        at = end;
    }
    return AS_OK;
}

static int measure(const char *path, const char *file, int rounds)
{
    as_tokenizer *t;
    as_error err;
    as_buf text;
    as_tokens tokens = {0};
    as_buf_init(&text, 0);
    double begin = processor_seconds();
    if (as_tokenizer_open(path, &t, &err) != AS_OK) return answer_error(&err);
    printf("opened in %.1f ms\n", (processor_seconds() - begin) * 1e3);
    if (as_file_read(file, &text, &err) != AS_OK) return answer_error(&err);
    for (int i = 0; i < 2 * rounds; i++) {
        size_t part = i < rounds ? text.size : 10000;
        begin = processor_seconds();
        if (encode_parts(t, &text, part, &tokens, &err) != AS_OK) return answer_error(&err);
        double seconds = processor_seconds() - begin;
        printf("%zu bytes in parts of %zu, %zu tokens, %.1f ms, %.2f MB/s\n", text.size, part, tokens.count,
               seconds * 1e3, (double)text.size / seconds / 1e6);
    }
    as_tokens_free(&tokens);
    as_buf_free(&text);
    as_tokenizer_close(t);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 4 && strcmp(argv[1], "--time") == 0)
        return measure(argv[2], argv[3], argc > 4 ? atoi(argv[4]) : 3);
    if (argc != 2) return 2;
    as_tokenizer *t;
    as_error err;
    if (as_tokenizer_open(argv[1], &t, &err) != AS_OK) return answer_error(&err);
    printf("ok\n");
    fflush(stdout);
    char kind;
    size_t size;
    int flag;
    while (scanf(" %c %zu %d", &kind, &size, &flag) == 3) {
        if (kind == 'e') getchar();
        if (kind == 'e' ? encode(t, size, flag) : decode(t, size, flag, kind == 's')) break;
    }
    as_tokenizer_close(t);
    return 0;
}
