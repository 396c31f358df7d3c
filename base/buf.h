/* Growing byte strings with a maximum.
 *
 * A failed append marks the buffer; later appends do nothing, and as_buf_check tells once at the end. The
 * bytes are always followed by a terminator that does not count. */
#ifndef AS_BASE_BUF_H
#define AS_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct as_buf {
    char *data; /* NULL while empty: use as_buf_text for a C string */
    size_t size;
    size_t room;
    size_t max; /* 0: none */
    as_code failed;
} as_buf;

void as_buf_init(as_buf *buf, size_t max);
void as_buf_free(as_buf *buf);  /* to the initial state, keeping max */
void as_buf_clear(as_buf *buf); /* size 0 and no failure; keeps the memory */

void as_buf_add(as_buf *buf, const void *bytes, size_t size);
void as_buf_str(as_buf *buf, const char *text);
void as_buf_char(as_buf *buf, char c);
void as_buf_printf(as_buf *buf, const char *format, ...) AS_PRINTF(2, 3);
void as_buf_codepoint(as_buf *buf, uint32_t codepoint); /* as UTF-8; an invalid one becomes U+FFFD */
void as_buf_json_string(as_buf *buf, const char *text,
                        size_t size); /* quoted and escaped; bad UTF-8 replaced */

const char *as_buf_text(const as_buf *buf); /* never NULL; valid until the next change */
/* AS_E_MEMORY or AS_E_LIMIT if an append failed; `what` names the thing built. */
AS_MUST_USE as_code as_buf_check(const as_buf *buf, const char *what, as_error *err);
/* Hands the bytes over (freed with as_free) and leaves the buffer empty; never NULL unless memory is out. */
char *as_buf_take(as_buf *buf, size_t *size);

#endif
