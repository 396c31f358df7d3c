/* Error records; see error.h. */
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Cut `text` of `size` bytes so that it does not end inside a UTF-8 sequence. */
static void trim_partial_utf8(char *text, size_t size)
{
    size_t len = strlen(text);
    if (len + 1 < size) return; /* nothing was cut */
    size_t back = len;
    while (back > 0 && ((unsigned char)text[back - 1] & 0xC0) == 0x80) back--;
    if (back > 0 && ((unsigned char)text[back - 1] & 0x80)) back--;
    text[back] = 0;
}

as_code as_fail_at(as_error *err, as_code code, int sys, const char *file, int line, const char *format, ...)
{
    if (!err) return code;
    /* The arguments may point into err->text, so format beside it. */
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (sys) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, ": %s", strerror(sys));
    }
    trim_partial_utf8(text, sizeof text);
    err->code = code;
    err->sys = sys;
    err->file = file;
    err->line = line;
    memcpy(err->text, text, sizeof text);
    return code;
}

as_code as_wrap(as_error *err, const char *format, ...)
{
    if (!err) return AS_E_INTERNAL;
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, ": %s", err->text);
    trim_partial_utf8(text, sizeof text);
    memcpy(err->text, text, sizeof text);
    return err->code;
}

static const struct {
    const char *name;
    int status;
} codes[] = {
#define AS_CODE_ROW(code, name, status) [code] = {name, status},
    AS_CODES(AS_CODE_ROW)
#undef AS_CODE_ROW
};

const char *as_code_name(as_code code)
{
    return (size_t)code < sizeof codes / sizeof codes[0] ? codes[code].name : "unknown code";
}

int as_exit_status(as_code code)
{
    return (size_t)code < sizeof codes / sizeof codes[0] ? codes[code].status : 4;
}

void as_bug_at(const char *file, int line, const char *what)
{
    fprintf(stderr, "assay: a fault of assay's own at %s:%d: %s\n", file, line, what);
    abort();
}
