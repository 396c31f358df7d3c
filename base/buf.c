/* Growing byte strings; see buf.h. */
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

void as_buf_init(as_buf *buf, size_t max)
{
    *buf = (as_buf){.max = max};
}

void as_buf_free(as_buf *buf)
{
    as_free(buf->data);
    *buf = (as_buf){.max = buf->max};
}

void as_buf_clear(as_buf *buf)
{
    buf->size = 0;
    buf->failed = AS_OK;
    if (buf->data) buf->data[0] = 0;
}

/* Room for `more` bytes and a terminator; false when the buffer has failed. */
static bool reserve(as_buf *buf, size_t more)
{
    if (buf->failed != AS_OK) return false;
    size_t need;
    if (!as_add_size(buf->size, more, &need) || (buf->max && need > buf->max)) {
        buf->failed = AS_E_LIMIT;
        return false;
    }
    if (need < buf->room) return true;
    size_t room = buf->room ? buf->room : 64;
    while (room <= need) room += room / 2 + 64;
    char *data = as_realloc(buf->data, room);
    if (!data) {
        buf->failed = AS_E_MEMORY;
        return false;
    }
    buf->data = data;
    buf->room = room;
    return true;
}

void as_buf_add(as_buf *buf, const void *bytes, size_t size)
{
    if (!reserve(buf, size)) return;
    if (size) memcpy(buf->data + buf->size, bytes, size);
    buf->size += size;
    buf->data[buf->size] = 0;
}

void as_buf_str(as_buf *buf, const char *text)
{
    as_buf_add(buf, text, strlen(text));
}

void as_buf_char(as_buf *buf, char c)
{
    as_buf_add(buf, &c, 1);
}

void as_buf_printf(as_buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size >= 0 && reserve(buf, (size_t)size)) {
        vsnprintf(buf->data + buf->size, (size_t)size + 1, format, again);
        buf->size += (size_t)size;
    }
    va_end(again);
}

void as_buf_codepoint(as_buf *buf, uint32_t codepoint)
{
    char bytes[4];
    as_buf_add(buf, bytes, (size_t)as_utf8_put(codepoint, bytes));
}

void as_buf_json_string(as_buf *buf, const char *text, size_t size)
{
    as_buf_char(buf, '"');
    for (size_t at = 0; at < size;) {
        uint32_t c;
        int length = as_utf8_next(text + at, size - at, &c);
        if (c == '"' || c == '\\') {
            as_buf_printf(buf, "\\%c", (char)c);
        } else if (c == '\n') {
            as_buf_str(buf, "\\n");
        } else if (c == '\t') {
            as_buf_str(buf, "\\t");
        } else if (c < 0x20 || c == 0x7F) {
            as_buf_printf(buf, "\\u%04x", (unsigned)c);
        } else {
            as_buf_codepoint(buf, c);
        }
        at += (size_t)(length < 0 ? -length : length);
    }
    as_buf_char(buf, '"');
}

const char *as_buf_text(const as_buf *buf)
{
    return buf->data ? buf->data : "";
}

as_code as_buf_check(const as_buf *buf, const char *what, as_error *err)
{
    if (buf->failed == AS_E_LIMIT) {
        return as_fail(err, AS_E_LIMIT, "%s is larger than the allowed %zu bytes", what, buf->max);
    }
    return buf->failed == AS_OK ? AS_OK : as_fail_memory(err, what);
}

char *as_buf_take(as_buf *buf, size_t *size)
{
    if (!buf->data && !reserve(buf, 0)) return NULL;
    buf->data[buf->size] = 0;
    char *data = buf->data;
    if (size) *size = buf->size;
    *buf = (as_buf){.max = buf->max};
    return data;
}
