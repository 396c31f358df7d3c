/* The byte-level alphabet; see byte_level.h. Bytes that print in Latin-1 stand for themselves, the other 68
 * are numbered from U+0100 on. */
#include "engine/text/byte_level.h"

#include "base/utf8.h"
#include "engine/text/unicode.h"

static uint32_t letter_of(unsigned char byte)
{
    if (byte <= 0x20) return 0x100u + byte;
    if (byte < 0x7F || byte > 0xAD || (byte > 0xA0 && byte < 0xAD)) return byte;
    if (byte == 0xAD) return 0x143;
    return 0x121u + (byte - 0x7Fu); /* 7F..A0 */
}

int as_byte_level_letter(unsigned char byte, char out[static 4])
{
    return as_utf8_put(letter_of(byte), out);
}

int as_byte_level_byte(uint32_t letter)
{
    if (letter >= 0x100 && letter <= 0x120) return (int)letter - 0x100;
    if (letter >= 0x121 && letter <= 0x142) return (int)letter - 0x121 + 0x7F;
    if (letter == 0x143) return 0xAD;
    if (letter < 0x100 && letter_of((unsigned char)letter) == letter) return (int)letter;
    return -1;
}

void as_byte_level_write(const char *bytes, size_t size, as_buf *out)
{
    char block[512];
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        used += (size_t)as_byte_level_letter((unsigned char)bytes[i], block + used);
        if (used > sizeof block - 4) {
            as_buf_add(out, block, used);
            used = 0;
        }
    }
    as_buf_add(out, block, used);
}

bool as_byte_level_read(const char *letters, size_t size, as_buf *out)
{
    size_t before = out->size;
    for (size_t at = 0; at < size;) {
        int length;
        int byte = as_byte_level_byte(as_unicode_read(letters + at, &length));
        if (byte < 0) {
            out->size = before;
            if (out->data) out->data[before] = 0;
            return false;
        }
        as_buf_char(out, (char)byte);
        at += (size_t)length;
    }
    return true;
}
