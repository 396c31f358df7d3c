/* Command lines; see options.h. */
#include "harness/options.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"

static const as_option *find(const as_option *const *tables, const char *name, size_t size)
{
    for (; *tables; tables++) {
        for (const as_option *option = *tables; option->name; option++) {
            if (strlen(option->name) == size && memcmp(option->name, name, size) == 0) return option;
        }
    }
    return NULL;
}

static as_code parse_time(const char *text, double *out)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}};
    char *end;
    double value = strtod(text, &end);
    for (size_t i = 0; end != text && i < sizeof units / sizeof units[0]; i++) {
        double seconds = value * units[i].seconds;
        if (strcmp(end, units[i].unit) == 0 && seconds > 0 && isfinite(seconds)) {
            *out = seconds;
            return AS_OK;
        }
    }
    return AS_E_USAGE;
}

/* Whether text is one of the words of "a|b|c". */
static bool is_among(const char *words, const char *text)
{
    for (size_t size; *words; words += size + (words[size] == '|')) {
        size = strcspn(words, "|");
        if (strlen(text) == size && memcmp(words, text, size) == 0) return true;
    }
    return false;
}

static as_code wrong_value(const as_option *option, const char *text, as_error *err)
{
    const char *bar;
    bool whole = option->kind == AS_OPTION_INT;
    as_buf expected;
    as_buf_init(&expected, 1024);
    if (option->kind == AS_OPTION_WORD) {
        const char *words = option->argument;
        for (; (bar = strchr(words, '|')) != NULL; words = bar + 1)
            as_buf_printf(&expected, "%.*s or ", (int)(bar - words), words);
        as_buf_str(&expected, words);
    } else {
        as_buf_str(&expected, whole ? "a whole number" : "a number");
        if (option->most > option->least) {
            as_buf_printf(&expected, " from %.10g to %.10g", option->least, option->most);
        } else if (whole) {
            as_buf_printf(&expected, ", %.10g or more", option->least);
        }
    }
    as_fail(err, AS_E_USAGE, "%s %s: expected %s", option->name, text, as_buf_text(&expected));
    as_buf_free(&expected);
    return AS_E_USAGE;
}

/* A most that is not above the least is none. */
static bool is_within(const as_option *option, double value)
{
    if (option->most > option->least) return value >= option->least && value <= option->most;
    return option->kind != AS_OPTION_INT || value >= option->least;
}

static as_code set_value(const as_option *option, const char *text, as_error *err)
{
    char *end;
    errno = 0;
    switch (option->kind) {
    case AS_OPTION_FLAG: *(bool *)option->value = true; return AS_OK;
    case AS_OPTION_PATH:
        if (!*text) return as_fail(err, AS_E_USAGE, "%s: the name is empty", option->name);
        *(const char **)option->value = text;
        return AS_OK;
    case AS_OPTION_WORD:
        if (!is_among(option->argument, text)) break;
        *(const char **)option->value = text;
        return AS_OK;
    case AS_OPTION_TEXT: *(const char **)option->value = text; return AS_OK;
    case AS_OPTION_INT: {
        long long n = strtoll(text, &end, 10);
        if (end == text || *end || errno || !is_within(option, (double)n)) break;
        *(int64_t *)option->value = n;
        return AS_OK;
    }
    case AS_OPTION_NUMBER: {
        double x = strtod(text, &end);
        if (end == text || *end || !isfinite(x) || !is_within(option, x)) break;
        *(double *)option->value = x;
        return AS_OK;
    }
    case AS_OPTION_TIME:
        if (parse_time(text, option->value) != AS_OK) {
            return as_fail(err, AS_E_USAGE, "%s %s: expected a time such as 90s, 10m or 1h", option->name,
                           text);
        }
        return AS_OK;
    case AS_OPTION_LIST: {
        as_text_list *list = option->value;
        if (list->count == AS_MOST_LIST)
            return as_fail(err, AS_E_USAGE, "%s is given too often", option->name);
        list->items[list->count++] = text;
        return AS_OK;
    }
    }
    return wrong_value(option, text, err);
}

static as_code unknown_option(const as_command_line *line, const char *word, size_t size, as_error *err)
{
    char name[64], hint[AS_NEAREST_HINT];
    snprintf(name, sizeof name, "%.*s", (int)size, word);
    as_nearest nearest = {.word = name};
    for (const as_option *const *table = line->tables; *table; table++) {
        for (const as_option *option = *table; option->name; option++)
            as_nearest_offer(&nearest, option->name);
    }
    return as_fail(err, AS_E_USAGE, "%.*s is not an option here%s\nusage: %s", (int)size, word,
                   as_nearest_hint(&nearest, "", hint), line->usage);
}

static as_code take_option(const as_command_line *line, int argc, char **argv, int *i, as_error *err)
{
    const char *word = argv[*i], *equals = strchr(word, '=');
    size_t size = equals ? (size_t)(equals - word) : strlen(word);
    const as_option *option = find(line->tables, word, size);
    if (!option) return unknown_option(line, word, size, err);
    if (option->kind == AS_OPTION_FLAG) {
        if (equals) return as_fail(err, AS_E_USAGE, "%s takes no value", option->name);
        return set_value(option, NULL, err);
    }
    if (equals) return set_value(option, equals + 1, err);
    if (*i + 1 >= argc)
        return as_fail(err, AS_E_USAGE, "%s needs a value: %s", option->name, option->argument);
    return set_value(option, argv[++*i], err);
}

/* The name that the usage gives to the word at `index`: "assay compare A B [--out DIR]" calls them A and B.
 */
static as_code word_missing(const as_command_line *line, int64_t index, as_error *err)
{
    const char *at = line->usage;
    size_t size = 0;
    for (int64_t i = 0; *at && i < index + 2; i++) { /* the program and the verb stand first */
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    while (isupper((unsigned char)at[size])) size++;
    return as_fail(err, AS_E_USAGE, "%.*s is missing\nusage: %s", size ? (int)size : 9,
                   size ? at : "something", line->usage);
}

as_code as_options_parse(const as_command_line *line, int argc, char **argv, as_text_list *words,
                         as_error *err)
{
    bool ended = false;
    *words = (as_text_list){.count = 0};
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (!ended && strcmp(word, "--") == 0) {
            ended = true;
        } else if (!ended && strncmp(word, "--", 2) == 0) {
            AS_TRY(take_option(line, argc, argv, &i, err));
        } else if (words->count == line->most || words->count == AS_MOST_LIST) {
            return as_fail(err, AS_E_USAGE, "one word too many: %s\nusage: %s", word, line->usage);
        } else {
            words->items[words->count++] = word;
        }
    }
    if (words->count >= line->least) return AS_OK;
    return word_missing(line, words->count, err);
}

void as_options_help(const as_option *const *tables, as_buf *out)
{
    for (; *tables; tables++) {
        for (const as_option *option = *tables; option->name; option++) {
            size_t before = out->size;
            as_buf_printf(out, "  %s%s%s", option->name, option->argument ? " " : "",
                          option->argument ? option->argument : "");
            int pad = 26 - (int)(out->size - before);
            as_buf_printf(out, "%*s%s\n", pad > 1 ? pad : 1, "", option->help);
        }
    }
}

as_code as_parse_counts(const char *name, const char *text, int64_t *out, int room, int *count, as_error *err)
{
    int used = 0;
    for (const char *at = text; *at;) {
        char *end;
        long long n = strtoll(at, &end, 10);
        if (end == at || n < 1 || n > AS_MOST_COUNT || (*end && *end != ',') || used == room) {
            return as_fail(err, AS_E_USAGE,
                           "%s %s: expected up to %d whole numbers from 1 to %d with commas between", name,
                           text, room, AS_MOST_COUNT);
        }
        out[used++] = n;
        at = *end ? end + 1 : end;
    }
    *count = used;
    return AS_OK;
}

as_code as_parse_tokens(const char *text, int32_t **tokens, int64_t *count, as_error *err)
{
    size_t most = 1;
    for (const char *at = text; *at; at++) most += *at == ',';
    int32_t *list = AS_NEW_ARRAY(int32_t, most);
    if (!list) return as_fail_memory(err, "the tokens");
    int64_t used = 0;
    for (const char *at = text; *at;) {
        char *end;
        errno = 0;
        long value = strtol(at, &end, 10);
        while (isspace((unsigned char)*end)) end++;
        if (end == at || errno || value < 0 || value > INT32_MAX || (*end && *end != ',')) {
            as_free(list);
            return as_fail(err, AS_E_USAGE,
                           "--tokens: expected ids with commas between, as in 1,2,3, found \"%.20s\"", at);
        }
        list[used++] = (int32_t)value;
        at = *end == ',' ? end + 1 : end;
    }
    if (used == 0) {
        as_free(list);
        return as_fail(err, AS_E_USAGE, "--tokens: the list is empty");
    }
    *tokens = list;
    *count = used;
    return AS_OK;
}
