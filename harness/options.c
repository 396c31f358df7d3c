/* Command lines; see options.h. */
#include "harness/options.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

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
        if (strcmp(end, units[i].unit) == 0 && value >= 0 && isfinite(value)) {
            *out = value * units[i].seconds;
            return AS_OK;
        }
    }
    return AS_E_USAGE;
}

static as_code set_value(const as_option *option, const char *text, as_error *err)
{
    char *end;
    errno = 0;
    switch (option->kind) {
    case AS_OPTION_FLAG: *(bool *)option->value = true; return AS_OK;
    case AS_OPTION_TEXT: *(const char **)option->value = text; return AS_OK;
    case AS_OPTION_INT: {
        long long n = strtoll(text, &end, 10);
        if (end == text || *end || errno || n < 0) break;
        *(int64_t *)option->value = n;
        return AS_OK;
    }
    case AS_OPTION_NUMBER: {
        double x = strtod(text, &end);
        if (end == text || *end || !isfinite(x)) break;
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
    return as_fail(err, AS_E_USAGE, "%s %s: expected %s", option->name, text,
                   option->kind == AS_OPTION_INT ? "a whole number, 0 or more" : "a number");
}

static as_code take_option(const as_command_line *line, int argc, char **argv, int *i, as_error *err)
{
    const char *word = argv[*i], *equals = strchr(word, '=');
    size_t size = equals ? (size_t)(equals - word) : strlen(word);
    const as_option *option = find(line->tables, word, size);
    if (!option) {
        return as_fail(err, AS_E_USAGE, "%.*s is not an option here\nusage: %s", (int)size, word,
                       line->usage);
    }
    if (option->kind == AS_OPTION_FLAG) {
        if (equals) return as_fail(err, AS_E_USAGE, "%s takes no value", option->name);
        return set_value(option, NULL, err);
    }
    if (equals) return set_value(option, equals + 1, err);
    if (*i + 1 >= argc)
        return as_fail(err, AS_E_USAGE, "%s needs a value: %s", option->name, option->argument);
    return set_value(option, argv[++*i], err);
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
    return as_fail(err, AS_E_USAGE, "something is missing\nusage: %s", line->usage);
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
