/* The verbs, in the order of `assay --help`. */
#include "harness/verb.h"

extern const as_verb as_verb_run, as_verb_check, as_verb_compare, as_verb_report, as_verb_generate,
    as_verb_logits, as_verb_tokenize, as_verb_detokenize, as_verb_template, as_verb_bench, as_verb_plan,
    as_verb_catalog, as_verb_doctor;

const as_verb *const as_verbs[] = {
    &as_verb_run,      &as_verb_check,
    &as_verb_compare,  &as_verb_report,
    &as_verb_generate, &as_verb_logits,
    &as_verb_tokenize, &as_verb_detokenize,
    &as_verb_template, &as_verb_bench,
    &as_verb_plan,     &as_verb_catalog,
    &as_verb_doctor,   NULL,
};
