/* Classes and cases of characters as Python's str has them, from utf8proc and a few tables. */
#include <string.h>
#include <utf8proc.h>

#include "base/jinja/unicode_tables.h"
#include "base/jinja/value.h"
#include "base/utf8.h"

uint32_t as_jinja_next_codepoint(const char *data, size_t size, size_t *at)
{
    uint32_t c;
    int length = as_utf8_next(data + *at, size - *at, &c);
    *at += (size_t)(length < 0 ? -length : length);
    return c;
}

uint32_t as_jinja_previous_codepoint(const char *data, size_t *at)
{
    size_t end = *at;
    do (*at)--;
    while (*at > 0 && ((unsigned char)data[*at] & 0xC0) == 0x80);
    size_t from = *at;
    return as_jinja_next_codepoint(data, end, &from);
}

static bool in_ranges(uint32_t c, const as_jinja_code_range *ranges, int count)
{
    int low = 0, high = count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (c > ranges[middle].last) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && c >= ranges[low].first;
}

static utf8proc_category_t category(uint32_t c)
{
    return utf8proc_category((utf8proc_int32_t)c);
}

bool as_jinja_space(uint32_t c)
{
    if (c < 0x80) return (c >= 9 && c <= 13) || (c >= 28 && c <= 32);
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
           c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool as_jinja_alpha(uint32_t c)
{
    if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    utf8proc_category_t cat = category(c);
    return cat >= UTF8PROC_CATEGORY_LU && cat <= UTF8PROC_CATEGORY_LO;
}

bool as_jinja_decimal(uint32_t c)
{
    return c < 0x80 ? c >= '0' && c <= '9' : category(c) == UTF8PROC_CATEGORY_ND;
}

int as_jinja_decimal_value(uint32_t c)
{
    if (!as_jinja_decimal(c)) return -1;
    /* decimal digits come in runs of ten, the first of which is a zero */
    int run = 0;
    while (run < 50 && c > (uint32_t)run && as_jinja_decimal(c - (uint32_t)run - 1)) run++;
    return run % 10;
}

bool as_jinja_digit(uint32_t c)
{
    return as_jinja_decimal(c) ||
           (c >= 0x80 && in_ranges(c, as_jinja_digit_ranges, as_jinja_digit_range_count));
}

bool as_jinja_numeric(uint32_t c)
{
    if (as_jinja_digit(c)) return true;
    if (c < 0x80) return false;
    utf8proc_category_t cat = category(c);
    return cat == UTF8PROC_CATEGORY_NL || cat == UTF8PROC_CATEGORY_NO ||
           in_ranges(c, as_jinja_numeric_ranges, as_jinja_numeric_range_count);
}

bool as_jinja_word(uint32_t c)
{
    return c == '_' || as_jinja_alpha(c) || as_jinja_numeric(c);
}

bool as_jinja_lower(uint32_t c)
{
    return c < 0x80 ? c >= 'a' && c <= 'z' : utf8proc_islower((utf8proc_int32_t)c);
}

bool as_jinja_upper(uint32_t c)
{
    return c < 0x80 ? c >= 'A' && c <= 'Z' : utf8proc_isupper((utf8proc_int32_t)c);
}

bool as_jinja_title(uint32_t c)
{
    return c >= 0x80 && category(c) == UTF8PROC_CATEGORY_LT;
}

bool as_jinja_printable(uint32_t c)
{
    if (c < 0x80) return c >= 32 && c < 127;
    switch (category(c)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS: return false;
    default: return true;
    }
}

bool as_jinja_identifier_start(uint32_t c)
{
    return c == '_' || as_jinja_alpha(c) || (c >= 0x80 && category(c) == UTF8PROC_CATEGORY_NL);
}

bool as_jinja_identifier_part(uint32_t c)
{
    if (as_jinja_identifier_start(c) || as_jinja_decimal(c)) return true;
    if (c < 0x80) return false;
    utf8proc_category_t cat = category(c);
    return cat == UTF8PROC_CATEGORY_MN || cat == UTF8PROC_CATEGORY_MC || cat == UTF8PROC_CATEGORY_PC ||
           c == 0xB7 || c == 0x387;
}

/* --- cases --- */

bool as_jinja_put_codepoint(as_jinja_vm *vm, uint32_t c)
{
    char room[4];
    return as_jinja_put(vm, room, (size_t)as_utf8_put(c, room));
}

static const as_jinja_special_case *special_case(uint32_t c)
{
    int low = 0, high = as_jinja_special_case_count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (as_jinja_special_cases[middle].codepoint < c) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < as_jinja_special_case_count && as_jinja_special_cases[low].codepoint == c
               ? &as_jinja_special_cases[low]
               : NULL;
}

static bool put_three(as_jinja_vm *vm, const uint32_t three[3])
{
    for (int i = 0; i < 3 && three[i]; i++) AS_JINJA_TRY(as_jinja_put_codepoint(vm, three[i]));
    return true;
}

static bool put_upper_char(as_jinja_vm *vm, uint32_t c)
{
    const as_jinja_special_case *special = c < 0x80 ? NULL : special_case(c);
    if (special) return put_three(vm, special->upper);
    return as_jinja_put_codepoint(vm, (uint32_t)utf8proc_toupper((utf8proc_int32_t)c));
}

bool as_jinja_put_title_char(as_jinja_vm *vm, uint32_t c)
{
    const as_jinja_special_case *special = c < 0x80 ? NULL : special_case(c);
    if (special) return put_three(vm, special->title);
    return as_jinja_put_codepoint(vm, (uint32_t)utf8proc_totitle((utf8proc_int32_t)c));
}

bool as_jinja_put_upper(as_jinja_vm *vm, const char *data, size_t size)
{
    for (size_t at = 0; at < size;)
        AS_JINJA_TRY(put_upper_char(vm, as_jinja_next_codepoint(data, size, &at)));
    return true;
}

static bool is_cased(uint32_t c)
{
    return as_jinja_lower(c) || as_jinja_upper(c) || as_jinja_title(c);
}

static bool is_case_ignorable(uint32_t c)
{
    static const uint16_t others[] = {0x27,   0x2E,   0x3A,   0xB7,   0x387,  0x55F,  0x5F4,  0x2018, 0x2019,
                                      0x2024, 0x2027, 0xFE13, 0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (c == others[i]) return true;
    }
    switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: return false;
    }
}

/* A capital sigma at the end of a word has a form of its own (Unicode 3.13, Final_Sigma). */
static bool is_final_sigma(const as_jinja_str *s, size_t at, size_t behind)
{
    bool before = false;
    while (at > 0) {
        uint32_t c = as_jinja_previous_codepoint(s->data, &at);
        if (is_case_ignorable(c)) continue;
        before = is_cased(c);
        break;
    }
    while (before && behind < s->size) {
        uint32_t c = as_jinja_next_codepoint(s->data, s->size, &behind);
        if (is_case_ignorable(c)) continue;
        return !is_cased(c);
    }
    return before;
}

bool as_jinja_put_lower(as_jinja_vm *vm, const as_jinja_str *s, size_t from, size_t to)
{
    for (size_t at = from; at < to;) {
        size_t start = at;
        uint32_t c = as_jinja_next_codepoint(s->data, to, &at);
        if (c == 0x130) {
            AS_JINJA_TRY(as_jinja_put_text(vm, "i\xCC\x87"));
        } else if (c == 0x3A3) {
            AS_JINJA_TRY(as_jinja_step(vm, 1) &&
                         as_jinja_put_codepoint(vm, is_final_sigma(s, start, at) ? 0x3C2 : 0x3C3));
        } else {
            AS_JINJA_TRY(as_jinja_put_codepoint(vm, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c)));
        }
    }
    return true;
}

bool as_jinja_put_folded(as_jinja_vm *vm, uint32_t c)
{
    utf8proc_int32_t room[4];
    int last = 0;
    utf8proc_ssize_t count = utf8proc_decompose_char((utf8proc_int32_t)c, room, 4, UTF8PROC_CASEFOLD, &last);
    if (count < 1 || count > 4) return as_jinja_put_codepoint(vm, c);
    for (utf8proc_ssize_t i = 0; i < count; i++) AS_JINJA_TRY(as_jinja_put_codepoint(vm, (uint32_t)room[i]));
    return true;
}
