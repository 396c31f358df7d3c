/* Whole-number expressions of the catalogue's data: "heads * head_dim", "layer >= first_k_dense_replace".
 *
 * Operators by rising precedence: == != < <= > >=, then + -, then * / %; parentheses; comparisons give 0
 * or 1. Names are letters, digits, '_' and '.'. Arithmetic is checked: an overflow or a division by zero is
 * an error. */
#ifndef AS_SUITES_CATALOG_EXPRESSION_H
#define AS_SUITES_CATALOG_EXPRESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* The value of a name of `size` bytes; false where there is none. */
typedef bool as_expression_lookup(const void *context, const char *name, size_t size, int64_t *out);

/* AS_E_NOT_FOUND for an unknown name, whose text is then the message; AS_E_INPUT for anything else. */
AS_MUST_USE as_code as_expression_evaluate(const char *text, as_expression_lookup *lookup,
                                           const void *context, int64_t *out, as_error *err);

#endif
