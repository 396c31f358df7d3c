/* What verbs share: the common options, opening a model by any of its names, printing. */
#ifndef AS_HARNESS_COMMON_H
#define AS_HARNESS_COMMON_H

#include "engine/engine.h"
#include "harness/options.h"

/* The common options as given; one command line a process. */
typedef struct as_common_options {
    const char *dtype, *device;
    int64_t threads, context, seed;
    bool json, quiet;
} as_common_options;
extern as_common_options as_common;
extern const as_option as_model_options_table[];  /* --dtype --device --threads */
extern const as_option as_output_options_table[]; /* --json --quiet */

/* A model by any name that DESIGN gives it: a directory, org/name[@revision] in the hub cache, or synth:. The
 * common options apply. */
AS_MUST_USE as_code as_harness_open_model(const char *name, as_model **out, as_error *err);

/* A line to stderr, unless --quiet. */
void as_say(const char *format, ...) AS_PRINTF(1, 2);
/* Bytes to stdout; AS_E_IO when they cannot be written. */
AS_MUST_USE as_code as_print(const as_buf *text, as_error *err);

/* True once the user has sent an interrupt; the session registered is cancelled by the signal. */
bool as_interrupted(void);
const atomic_bool *as_interrupt_flag(void);     /* the same, for what looks at it on its own */
void as_interrupt_session(as_session *session); /* NULL: none */

#endif
