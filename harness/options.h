/* Command lines: a table of options for each verb, from which parsing, messages and --help follow. */
#ifndef AS_HARNESS_OPTIONS_H
#define AS_HARNESS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

typedef enum {
    AS_OPTION_FLAG,   /* bool: set to true */
    AS_OPTION_TEXT,   /* const char *: borrowed from argv */
    AS_OPTION_PATH,   /* the same; not empty */
    AS_OPTION_WORD,   /* the same; one of those in `argument`: "pass|fail" */
    AS_OPTION_INT,    /* int64_t, from least to most */
    AS_OPTION_NUMBER, /* double, from least to most where these differ */
    AS_OPTION_LIST,   /* as_text_list: may be given several times */
    AS_OPTION_TIME,   /* double, seconds above 0: 90, 90s, 10m, 1h */
} as_option_kind;

typedef struct as_option {
    const char *name; /* "--dtype"; NULL ends a table */
    as_option_kind kind;
    void *value;
    const char *argument; /* as it stands in --help: "TYPE" */
    const char *help;
    double least, most; /* of numbers; most 0: without end for whole ones */
} as_option;

enum { AS_MOST_LIST = 256 };

typedef struct as_text_list {
    const char *items[AS_MOST_LIST];
    int64_t count;
} as_text_list;

/* Options may stand before, between and after the words; "--" ends them; --name=value and --name value are
 * the same. Several tables are searched in turn. Words beyond `most` or fewer than `least` are an error that
 * repeats `usage`. */
typedef struct as_command_line {
    const char *usage;              /* "assay logits MODEL --tokens 1,2,3 --out F.npy" */
    const as_option *const *tables; /* NULL-terminated */
    int64_t least, most;
} as_command_line;

AS_MUST_USE as_code as_options_parse(const as_command_line *line, int argc, char **argv, as_text_list *words,
                                     as_error *err);
/* The tables as lines of help. */
void as_options_help(const as_option *const *tables, as_buf *out);

/* The value of the option `name`, "1,2,3", as at most `room` whole numbers from 1 to AS_MOST_COUNT. */
enum { AS_MOST_COUNT = 1 << 24 };
AS_MUST_USE as_code as_parse_counts(const char *name, const char *text, int64_t *out, int room, int *count,
                                    as_error *err);
/* "1,2,3" as token ids; white space is allowed. *tokens by as_free. */
AS_MUST_USE as_code as_parse_tokens(const char *text, int32_t **tokens, int64_t *count, as_error *err);

#endif
