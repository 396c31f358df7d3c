/* A long prompt with facts at chosen depths, and the questions that follow it. */
#ifndef AS_SUITES_CONTEXT_HAYSTACK_H
#define AS_SUITES_CONTEXT_HAYSTACK_H

#include "suites/context/facts.h"
#include "suites/context/options.h"

enum { AS_FACT_TEXT = 96 };

typedef struct as_question {
    double depth;
    char name[AS_FACT_TEXT], value[AS_FACT_TEXT];
    int64_t from, count; /* its answer's tokens */
    bool right;
} as_question;

typedef struct as_haystack {
    int32_t *tokens;
    int64_t count, room;
    int64_t text_tokens; /* before the first question */
    int64_t question_count;
    as_question questions[AS_RECALL_DEPTHS];
} as_haystack;

typedef struct as_haystack_plan {
    as_target *target;
    const as_facts *facts;
    int64_t length; /* of everything, in tokens, at most */
    int64_t depths;
    bool chat; /* inside the model's chat template */
    uint64_t seed, number;
} as_haystack_plan;

/* All questions one after another, each followed by its right answer (to be scored in one pass). */
AS_MUST_USE as_code as_haystack_build(const as_haystack_plan *plan, as_haystack *out, as_error *err);
/* The same text with question `only` alone and no answer (to be generated). */
AS_MUST_USE as_code as_haystack_build_one(const as_haystack_plan *plan, int64_t only, as_haystack *out,
                                          as_error *err);
void as_haystack_free(as_haystack *haystack);

#endif
