/* Tokenizer files, as far as counting their ids goes. The first byte chooses the kind of file. */
#include <stdint.h>
#include <stdlib.h>

#include "suites/rules/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static as_code (*const counters[])(const char *text, size_t size, int64_t *out, as_error *err) = {
        as_token_count_json, as_token_count_vocab_json, as_token_count_sentencepiece, as_token_count_lines};
    if (size == 0) return 0;
    int64_t count = 0;
    as_error err;
    as_code rc = counters[data[0] & 3]((const char *)data + 1, size - 1, &count, &err);
    if (rc == AS_OK && count < 1) abort();
    return 0;
}
