/* Building JSON for a template without a test at every step, from text that must not be trusted.
 *
 * The as_tree remembers whether anything failed; ask it once at the end. A NULL value or parent is a failure
 * that travels on, so calls can be nested. Values passed in are taken over, whatever happens. */
#ifndef AS_REPORTS_TREE_H
#define AS_REPORTS_TREE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

typedef struct as_tree {
    bool failed;
} as_tree;

/* New containers; NULL (and failed) when memory is out. */
json_t *as_tree_object(as_tree *tree);
json_t *as_tree_array(as_tree *tree);

void as_tree_put(as_tree *tree, json_t *object, const char *key, json_t *value);
void as_tree_push(as_tree *tree, json_t *array, json_t *value);

/* A text as a reader can be shown it: what no text may hold in XML or on a terminal (control characters, NUL,
 * noncharacters, and the marks that turn the direction of text around) becomes a visible stand-in, and what
 * is longer than `most` bytes is cut, with a mark that in a long text says how much is missing. most 0: not
 * cut. */
void as_tree_clean(const char *text, size_t size, size_t most, as_buf *out);
json_t *as_tree_text(as_tree *tree, const char *text, size_t most);
json_t *as_tree_string(as_tree *tree, const json_t *string, size_t most); /* NUL inside is kept visible */
json_t *as_tree_buf(as_tree *tree, as_buf *text);                         /* takes the buffer's content */
json_t *as_tree_printf(as_tree *tree, const char *format, ...) AS_PRINTF(2, 3);

/* AS_E_MEMORY when anything failed; `what` names the thing built. */
AS_MUST_USE as_code as_tree_check(const as_tree *tree, const char *what, as_error *err);

#endif
