/* UTF-8; see utf8.h. The table of well-formed sequences is Unicode 15, section 3.9, table 3-7. */
#include "base/utf8.h"

int as_utf8_next(const char *text, size_t size, uint32_t *codepoint)
{
    const unsigned char *s = (const unsigned char *)text;
    unsigned char lead = s[0];
    if (lead < 0x80) {
        *codepoint = lead;
        return 1;
    }
    *codepoint = AS_UTF8_REPLACEMENT;
    int length;
    unsigned char low = 0x80, high = 0xBF; /* bounds of the second byte */
    if (lead >= 0xC2 && lead <= 0xDF) {
        length = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        length = 3;
        if (lead == 0xE0) low = 0xA0;
        if (lead == 0xED) high = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        length = 4;
        if (lead == 0xF0) low = 0x90;
        if (lead == 0xF4) high = 0x8F;
    } else {
        return -1;
    }
    uint32_t value = lead & (0x7Fu >> length);
    for (int i = 1; i < length; i++) {
        if ((size_t)i >= size || s[i] < low || s[i] > high) return -i;
        value = value << 6 | (s[i] & 0x3Fu);
        low = 0x80;
        high = 0xBF;
    }
    *codepoint = value;
    return length;
}

int as_utf8_put(uint32_t codepoint, char *out)
{
    if (codepoint > 0x10FFFF || (codepoint >= 0xD800 && codepoint <= 0xDFFF)) codepoint = AS_UTF8_REPLACEMENT;
    if (codepoint < 0x80) {
        out[0] = (char)codepoint;
        return 1;
    }
    if (codepoint < 0x800) {
        out[0] = (char)(0xC0 | codepoint >> 6);
        out[1] = (char)(0x80 | (codepoint & 0x3F));
        return 2;
    }
    if (codepoint < 0x10000) {
        out[0] = (char)(0xE0 | codepoint >> 12);
        out[1] = (char)(0x80 | (codepoint >> 6 & 0x3F));
        out[2] = (char)(0x80 | (codepoint & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | codepoint >> 18);
    out[1] = (char)(0x80 | (codepoint >> 12 & 0x3F));
    out[2] = (char)(0x80 | (codepoint >> 6 & 0x3F));
    out[3] = (char)(0x80 | (codepoint & 0x3F));
    return 4;
}

size_t as_utf8_valid_prefix(const char *text, size_t size)
{
    size_t at = 0;
    while (at < size) {
        uint32_t codepoint;
        int length = as_utf8_next(text + at, size - at, &codepoint);
        if (length < 0) return at;
        at += (size_t)length;
    }
    return size;
}

bool as_utf8_is_valid(const char *text, size_t size)
{
    return as_utf8_valid_prefix(text, size) == size;
}

size_t as_utf8_length(const char *text, size_t size)
{
    size_t at = 0, count = 0;
    while (at < size) {
        uint32_t codepoint;
        int length = as_utf8_next(text + at, size - at, &codepoint);
        at += (size_t)(length < 0 ? -length : length);
        count++;
    }
    return count;
}
