/* Base64 as RFC 4648 has it, with padding. */
#ifndef AS_ENGINE_TEXT_BASE64_H
#define AS_ENGINE_TEXT_BASE64_H

#include <stddef.h>

#include "base/buf.h"

/* The bytes (as_free), with a terminator behind them, or NULL for a text that is none or when memory is out.
 */
unsigned char *as_base64_decode(const char *text, size_t length, size_t *size);
void as_base64_encode(const void *bytes, size_t size, as_buf *out);

#endif
