/* Building JSON for templates; see tree.h. */
#include "reports/tree.h"

#include <stdarg.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

enum { LONG = 200 }; /* a text cut at more than this says how much is missing */

static json_t *seen(as_tree *tree, json_t *value)
{
    if (!value) tree->failed = true;
    return value;
}

json_t *as_tree_object(as_tree *tree)
{
    return seen(tree, json_object());
}

json_t *as_tree_array(as_tree *tree)
{
    return seen(tree, json_array());
}

void as_tree_put(as_tree *tree, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0) tree->failed = true;
}

void as_tree_push(as_tree *tree, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0) tree->failed = true;
}

/* What stands in for a codepoint that must not be passed on; the codepoint itself if it may. */
static uint32_t visible(uint32_t c)
{
    if (c == '\n' || c == '\t') return c;
    if (c < 0x20) return 0x2400 + c; /* the control pictures */
    if (c == 0x7F) return 0x2421;
    if (c >= 0x80 && c < 0xA0) return AS_UTF8_REPLACEMENT;
    /* Overrides and isolates can make a failed check read as a passed one. */
    if ((c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069)) return AS_UTF8_REPLACEMENT;
    if (c == 0xFEFF || (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF)) return AS_UTF8_REPLACEMENT;
    return c;
}

void as_tree_clean(const char *text, size_t size, size_t most, as_buf *out)
{
    size_t at = 0;
    while (at < size && !(most && at >= most)) {
        uint32_t c;
        int step = as_utf8_next(text + at, size - at, &c);
        as_buf_codepoint(out, visible(c));
        at += (size_t)(step < 0 ? -step : step);
    }
    if (at == size) return;
    as_buf_str(out, "\xE2\x80\xA6");
    if (most >= LONG) as_buf_printf(out, " [%zu more bytes]", size - at);
}

json_t *as_tree_buf(as_tree *tree, as_buf *text)
{
    json_t *value =
        text->failed == AS_OK ? seen(tree, json_stringn(as_buf_text(text), text->size)) : seen(tree, NULL);
    as_buf_free(text);
    return value;
}

static json_t *cleaned(as_tree *tree, const char *text, size_t size, size_t most)
{
    as_buf out;
    as_buf_init(&out, 0);
    as_tree_clean(text, size, most, &out);
    return as_tree_buf(tree, &out);
}

json_t *as_tree_text(as_tree *tree, const char *text, size_t most)
{
    return cleaned(tree, text ? text : "", text ? strlen(text) : 0, most);
}

json_t *as_tree_string(as_tree *tree, const json_t *string, size_t most)
{
    const char *text = json_string_value(string);
    return cleaned(tree, text ? text : "", text ? json_string_length(string) : 0, most);
}

json_t *as_tree_printf(as_tree *tree, const char *format, ...)
{
    char room[512];
    va_list args;
    va_start(args, format);
    vsnprintf(room, sizeof room, format, args);
    va_end(args);
    return as_tree_text(tree, room, 0);
}

as_code as_tree_check(const as_tree *tree, const char *what, as_error *err)
{
    return tree->failed ? as_fail_memory(err, what) : AS_OK;
}
