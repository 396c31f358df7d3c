/* The verbs, in the order of `assay --help`. */
#include "harness/verb.h"

extern const as_verb as_verb_logits, as_verb_generate;

const as_verb *const as_verbs[] = {
    &as_verb_generate,
    &as_verb_logits,
    NULL,
};
