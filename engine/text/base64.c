/* Base64; see base64.h. */
#include "engine/text/base64.h"

#include <string.h>

#include "base/mem.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

unsigned char *as_base64_decode(const char *text, size_t length, size_t *size)
{
    signed char values[256];
    memset(values, -1, sizeof values);
    for (int i = 0; i < 64; i++) values[(unsigned char)alphabet[i]] = (signed char)i;
    if (length % 4) return NULL;
    unsigned char *out = as_alloc(length / 4 * 3 + 1);
    if (!out) return NULL;
    size_t used = 0;
    size_t padding = length && text[length - 1] == '=' ? (text[length - 2] == '=' ? 2 : 1) : 0;
    for (size_t i = 0; i < length; i += 4) {
        unsigned bits = 0;
        for (size_t j = i; j < i + 4; j++) {
            int value = j >= length - padding ? 0 : values[(unsigned char)text[j]];
            if (value < 0) {
                as_free(out);
                return NULL;
            }
            bits = bits << 6 | (unsigned)value;
        }
        out[used++] = (unsigned char)(bits >> 16);
        out[used++] = (unsigned char)(bits >> 8);
        out[used++] = (unsigned char)bits;
    }
    *size = used - padding;
    out[*size] = 0;
    return out;
}

void as_base64_encode(const void *bytes, size_t size, as_buf *out)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned bits =
            (unsigned)at[i] << 16 | (left > 1 ? (unsigned)at[i + 1] << 8 : 0) | (left > 2 ? at[i + 2] : 0u);
        char four[4] = {alphabet[bits >> 18], alphabet[bits >> 12 & 63],
                        left > 1 ? alphabet[bits >> 6 & 63] : '=', left > 2 ? alphabet[bits & 63] : '='};
        as_buf_add(out, four, 4);
    }
}
