/* The facts that are hidden in long prompts: lists of names and words, the sentences that state them and ask
 * for them, and the text around. A repository may bring its own (facts.json, for a model that knows few
 * words); else the built-in list is used, in the same form. */
#ifndef AS_SUITES_CONTEXT_FACTS_H
#define AS_SUITES_CONTEXT_FACTS_H

#include "base/rng.h"
#include "suites/suite.h"

typedef struct as_facts {
    json_t *file;
    const char *statement, *value, *plain, *chat, *answer; /* with {name}, {value}, {word}, {number} */
    int64_t number_from, number_to, fact_every;
    const json_t *names, *words, *filler_names, *filler_words;
    const json_t *sentences, *short_sentences; /* NULL: generated filler */
    bool own;                                  /* of the repository */
} as_facts;

AS_MUST_USE as_code as_facts_load(const as_suite_context *context, as_facts *out, as_error *err);
void as_facts_free(as_facts *facts);

/* The pattern with {name} and {value} put in. */
void as_facts_print(const char *pattern, const char *name, const char *value, as_buf *out);
/* A value from the words: "amber 47". */
void as_facts_value(const as_facts *facts, const json_t *words, as_rng *rng, as_buf *out);
/* A sentence of filler (short: one of the short ones). */
void as_facts_sentence(const as_facts *facts, bool short_one, as_rng *rng, as_buf *out);

/* Tokens over which the model is known to recall: reach.json of the repository or of the text's folder,
 * {"reach": {"plain": tokens, "chat": tokens}} or {"reach": tokens}; 0 where nothing says. */
int64_t as_facts_reach(const as_suite_context *context, bool chat);

#endif
