/* What was run, on what and where, as rows for a reader. */
#ifndef AS_REPORTS_FACTS_H
#define AS_REPORTS_FACTS_H

#include <jansson.h>

#include "reports/tree.h"

/* [{title, rows: [{key, value}]}]: model, run, machine, limits; groups without rows are left out. */
json_t *as_facts(as_tree *tree, const json_t *result);

/* The model's name, or what stands for one; the target and the profile, whether texts or objects. */
json_t *as_fact_model(as_tree *tree, const json_t *result);
json_t *as_fact_name(as_tree *tree, const json_t *value);
/* Seconds between two times such as 2026-01-02T03:04:05Z; below 0 when one is not such a time. */
double as_fact_seconds(const char *from, const char *to);

#endif
