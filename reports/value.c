/* Values as a reader meets them; see value.h. */
#include "reports/value.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "reports/tree.h"

bool as_value_number(const json_t *value, as_number *out)
{
    as_number number = {0};
    const json_t *inner = json_object_get(value, "value");
    if (!as_json_number(inner ? inner : value, &number.value)) return false;
    if (inner) {
        bool low = as_json_number(json_object_get(value, "low"), &number.low);
        bool high = as_json_number(json_object_get(value, "high"), &number.high);
        if (!low) number.low = -INFINITY;
        if (!high) number.high = INFINITY;
        number.has_interval = (low || high) && number.low <= number.high;
        number.n = json_integer_value(json_object_get(value, "n"));
        if (!as_json_number(json_object_get(value, "level"), &number.level)) number.level = 0;
    }
    *out = number;
    return true;
}

/* What a gate may be called, in an object's key or in front of a number in a text. Longer ones first where
 * one begins another. */
static const struct {
    const char *word;
    bool is_max, strict;
} gate_words[] = {
    {"min", false, false},
    {"max", true, false},
    {"above", false, true},
    {"below", true, true},
    {">=", false, false},
    {"<=", true, false},
    {">", false, true},
    {"<", true, true},
    {"\xE2\x89\xA5", false, false},
    {"\xE2\x89\xA4", true, false},
    {"at least", false, false},
    {"at most", true, false},
    {"more than", false, true},
    {"less than", true, true},
    {"over", false, true},
    {"under", true, true},
};

static void gate_set(as_expected *gate, bool is_max, bool strict, double bound)
{
    if (is_max) {
        gate->has_max = true;
        gate->max = bound;
    } else {
        gate->has_min = true;
        gate->min = bound;
    }
    gate->strict = gate->strict || strict;
}

static bool gate_from_text(const char *text, as_expected *gate)
{
    for (size_t i = 0; i < sizeof gate_words / sizeof gate_words[0]; i++) {
        size_t size = strlen(gate_words[i].word);
        if (strncmp(text, gate_words[i].word, size) != 0) continue;
        char *end;
        double bound = strtod(text + size, &end);
        if (end == text + size || !isfinite(bound) || (*end && *end != ' ' && *end != '%')) return false;
        gate_set(gate, gate_words[i].is_max, gate_words[i].strict, bound);
        return true;
    }
    return false;
}

static bool read_expected(const json_t *expected, as_expected *out)
{
    as_expected gate = {0};
    double bound;
    if (json_is_string(expected)) {
        gate_from_text(json_string_value(expected), &gate);
    } else {
        for (size_t i = 0; i < sizeof gate_words / sizeof gate_words[0]; i++) {
            if (!as_json_number(json_object_get(expected, gate_words[i].word), &bound)) continue;
            gate_set(&gate, gate_words[i].is_max, gate_words[i].strict, bound);
        }
    }
    if (!gate.has_min && !gate.has_max) return false;
    *out = gate;
    return true;
}

static as_better better_from_name(const json_t *name)
{
    const char *text = json_string_value(name);
    if (text && strcmp(text, "higher") == 0) return AS_BETTER_HIGHER;
    if (text && strcmp(text, "lower") == 0) return AS_BETTER_LOWER;
    return AS_BETTER_UNKNOWN;
}

/* What is said, without looking at the gate. */
static as_better said_better(const json_t *check)
{
    as_better better = better_from_name(json_object_get(check, "better"));
    return better ? better : better_from_name(json_object_get(json_object_get(check, "evidence"), "better"));
}

bool as_value_expected(const json_t *check, as_expected *out)
{
    const json_t *expected = json_object_get(check, "expected");
    double bound;
    if (!as_json_number(expected, &bound)) return read_expected(expected, out);
    as_expected gate = {0};
    const char *sense = json_string_value(json_object_get(json_object_get(check, "evidence"), "sense"));
    for (size_t i = 0; sense && i < sizeof gate_words / sizeof gate_words[0]; i++) {
        if (strcmp(sense, gate_words[i].word) != 0) continue;
        gate_set(&gate, gate_words[i].is_max, gate_words[i].strict, bound);
        *out = gate;
        return true;
    }
    as_better better = said_better(check);
    if (better != AS_BETTER_LOWER) gate_set(&gate, false, false, bound);
    if (better != AS_BETTER_HIGHER) gate_set(&gate, true, false, bound);
    *out = gate;
    return true;
}

as_better as_value_better(const json_t *check)
{
    as_better better = said_better(check);
    as_expected gate;
    if (better || !as_value_expected(check, &gate)) return better;
    if (gate.has_min && gate.has_max) return AS_BETTER_UNKNOWN;
    return gate.has_min ? AS_BETTER_HIGHER : AS_BETTER_LOWER;
}

/* The bound that the number is on the wrong side of, or NULL. */
static const double *broken_bound(const as_number *number, const as_expected *gate)
{
    double x = number->value;
    if (gate->has_min && (gate->strict ? !(x > gate->min) : !(x >= gate->min))) return &gate->min;
    if (gate->has_max && (gate->strict ? !(x < gate->max) : !(x <= gate->max))) return &gate->max;
    return NULL;
}

double as_value_excess(const as_number *number, const as_expected *gate)
{
    const double *bound = broken_bound(number, gate);
    if (!bound) return 0;
    double excess = fabs(number->value - *bound);
    return isfinite(excess) ? (*bound != 0 ? excess / fabs(*bound) : excess) : INFINITY;
}

void as_value_write_excess(const as_number *number, const as_expected *gate, as_buf *out)
{
    const double *bound = broken_bound(number, gate);
    if (!bound || !isfinite(number->value)) return;
    double x = number->value;
    bool exact = gate->has_min && gate->has_max && gate->min == gate->max;
    bool whole = x == floor(x) && *bound == floor(*bound);
    if (x == *bound) {
        as_buf_str(out, "exactly the limit, which it must clear");
    } else if (*bound > 0 && x >= 2 * *bound) {
        as_value_write_real(x / *bound, out);
        as_buf_str(out, exact ? " times what is expected" : " times the limit");
    } else if (*bound > 0 && x > 0 && !(whole && fabs(x - *bound) < 0.01 * *bound)) {
        double percent = 100 * fabs(x - *bound) / *bound;
        as_buf_printf(out, percent < 0.1 ? "%.2g%%" : "%.1f%%", percent);
        as_buf_str(out, x < *bound ? " below" : " above");
    } else {
        as_value_write_real(fabs(x - *bound), out);
        as_buf_str(out, x < *bound ? " below" : " above");
    }
}

/* Puts commas between the thousands of the digits in front of a point. */
static void write_grouped(const char *digits, as_buf *out)
{
    if (*digits == '-') {
        as_buf_str(out, "\xE2\x88\x92"); /* the minus sign, not the hyphen */
        digits++;
    }
    size_t whole = strcspn(digits, ".");
    for (size_t i = 0; i < whole; i++) {
        if (i && (whole - i) % 3 == 0) as_buf_char(out, ',');
        as_buf_char(out, digits[i]);
    }
    as_buf_str(out, digits + whole);
}

void as_value_write_real(double x, as_buf *out)
{
    char room[64];
    double size = fabs(x);
    if (!isfinite(x)) {
        as_buf_str(out, isnan(x) ? "not a number" : x > 0 ? "infinite" : "minus infinite");
    } else if (size < 1e15 && x == floor(x)) {
        snprintf(room, sizeof room, "%.0f", x);
        write_grouped(room, out);
    } else if (size >= 1e15 || size < 1e-4) {
        snprintf(room, sizeof room, "%.3g", x);
        as_buf_str(out, room);
    } else {
        int decimals = 3 - (int)floor(log10(size));
        snprintf(room, sizeof room, "%.*f", decimals > 0 ? decimals : 0, x);
        if (strchr(room, '.')) { /* 0.0500 says no more than 0.05 here */
            size_t end = strlen(room);
            while (room[end - 1] == '0') room[--end] = 0;
            if (room[end - 1] == '.') room[--end] = 0;
        }
        write_grouped(room, out);
    }
}

/* Of a unit in words, one of which there are many ("files", but not "ms" or "tokens/s"), the length without
 * its plural. */
static size_t singular(const char *unit)
{
    size_t size = strlen(unit);
    bool words = size > 3 && unit[size - 1] == 's' && unit[size - 2] != 's';
    for (size_t i = 0; words && i < size; i++) words = islower((unsigned char)unit[i]) || unit[i] == ' ';
    return size - words;
}

static void write_unit(const char *unit, bool one, as_buf *out)
{
    if (!unit || !*unit) return;
    if (strcmp(unit, "%") != 0) as_buf_str(out, "\xC2\xA0"); /* a number and its unit stay on one line */
    as_tree_clean(unit, one ? singular(unit) : strlen(unit), 40, out);
}

void as_value_write_expected(const as_expected *gate, const char *unit, as_buf *out)
{
    if (gate->has_min && gate->has_max) {
        as_value_write_real(gate->min, out);
        if (gate->min != gate->max) {
            as_buf_str(out, " to ");
            as_value_write_real(gate->max, out);
        }
    } else {
        static const char *const words[2][2] = {{"at least ", "more than "}, {"at most ", "less than "}};
        as_buf_str(out, words[gate->has_max][gate->strict]);
        as_value_write_real(gate->has_max ? gate->max : gate->min, out);
    }
    write_unit(unit, (gate->has_max ? gate->max : gate->min) == 1, out);
}

void as_value_write_interval(const as_number *number, as_buf *out)
{
    if (number->has_interval) {
        bool low = isfinite(number->low), high = isfinite(number->high);
        if (!low || !high) as_buf_str(out, low ? "from " : "up to ");
        if (low) as_value_write_real(number->low, out);
        if (low && high) as_buf_str(out, " to ");
        if (high) as_value_write_real(number->high, out);
        if (number->level > 0 && number->level < 1) as_buf_printf(out, " at %.4g%%", 100 * number->level);
    }
    if (number->n > 0) {
        as_buf_str(out, number->has_interval ? ", n\xC2\xA0=\xC2\xA0" : "n\xC2\xA0=\xC2\xA0");
        as_value_write_real((double)number->n, out);
    }
}

/* A list of plain values reads as one; anything deeper is shown as JSON. */
static bool is_plain_list(const json_t *value)
{
    size_t index;
    json_t *item;
    if (!json_is_array(value) || json_array_size(value) == 0) return false;
    json_array_foreach(value, index, item)
    {
        if (json_is_object(item) || json_is_array(item)) return false;
    }
    return true;
}

static void write_list(const json_t *list, const char *unit, size_t most, as_buf *out)
{
    size_t start = out->size;
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (most && out->size - start > most) {
            as_buf_printf(out, ", \xE2\x80\xA6 [%zu more]", json_array_size(list) - i);
            return;
        }
        if (i) as_buf_str(out, ", ");
        as_value_write(json_array_get(list, i), NULL, most, out);
    }
    write_unit(unit, false, out);
}

enum { MOST_NAMED_VALUES = 8 };

/* {"median": ..., "p90": ..., ...}, of which a line has room for the median. */
static const json_t *median_of(const json_t *item)
{
    as_number number;
    const json_t *median = json_object_get(item, "median");
    return as_value_number(median, &number) ? median : NULL;
}

/* What an object can show in a line: a number (its interval aside), a median, a word, a plain list. */
static bool is_shown(const json_t *item)
{
    as_number number;
    if (json_is_object(item)) return as_value_number(item, &number) || median_of(item);
    return !json_is_array(item) || is_plain_list(item);
}

static bool shows_any(const json_t *object)
{
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)object, key, item)
    {
        if (is_shown(item)) return true;
    }
    return false;
}

/* A few named values read as such: "embed tokens: 131,072, 5,120; lm head: 131,075, 5,120; ... [3 more]". */
static void write_object(const json_t *object, size_t most, as_buf *out)
{
    const char *key;
    json_t *item;
    size_t start = out->size, shown = 0;
    json_object_foreach((json_t *)object, key, item)
    {
        if (shown == MOST_NAMED_VALUES || !is_shown(item)) continue;
        if (most && out->size - start > most) break;
        if (shown++) as_buf_str(out, "; ");
        as_tree_clean(key, strlen(key), 60, out);
        as_buf_str(out, ": ");
        const json_t *median = median_of(item);
        as_value_write(median ? median : item, NULL, most, out);
        if (median) as_buf_str(out, " (median)");
    }
    size_t left = json_object_size(object) - shown;
    if (left) as_buf_printf(out, "; \xE2\x80\xA6 [%zu more]", left);
}

void as_value_write(const json_t *value, const char *unit, size_t most, as_buf *out)
{
    as_number number;
    as_expected gate;
    if (!value || json_is_null(value)) {
        return;
    } else if (as_value_number(value, &number)) {
        as_value_write_real(number.value, out);
        write_unit(unit, number.value == 1, out);
    } else if (json_is_string(value)) {
        as_tree_clean(json_string_value(value), json_string_length(value), most, out);
    } else if (json_is_boolean(value)) {
        as_buf_str(out, json_is_true(value) ? "yes" : "no");
    } else if (is_plain_list(value)) {
        write_list(value, unit, most, out);
    } else if (json_is_object(value) && json_is_null(json_object_get(value, "value"))) {
        as_buf_str(out, "no value");
    } else if (json_is_object(value) && read_expected(value, &gate)) {
        as_value_write_expected(&gate, unit, out);
    } else if (json_is_object(value) && shows_any(value)) {
        write_object(value, most, out);
    } else {
        as_buf text;
        as_buf_init(&text, 0);
        as_json_write(value, 0, &text);
        as_tree_clean(as_buf_text(&text), text.size, most, out);
        if (text.failed) out->failed = text.failed;
        as_buf_free(&text);
    }
}
