/* The byte-level alphabet of GPT-2: a printable character for each byte. */
#ifndef AS_ENGINE_TEXT_BYTE_LEVEL_H
#define AS_ENGINE_TEXT_BYTE_LEVEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* The letter of a byte as UTF-8; returns its length, 1 or 2. */
int as_byte_level_letter(unsigned char byte, char out[static 4]);
/* The byte that a letter stands for, -1 if none. */
int as_byte_level_byte(uint32_t letter);

/* Appends the letters of the bytes. */
void as_byte_level_write(const char *bytes, size_t size, as_buf *out);
/* Appends the bytes of the letters; false (and nothing appended) if any character is not of the alphabet. */
bool as_byte_level_read(const char *letters, size_t size, as_buf *out);

#endif
