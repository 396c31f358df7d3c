/* What verbs share; see common.h. */
#include "harness/common.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness/resolve.h"

as_common_options as_common;

const as_option as_model_options_table[] = {
    {"--dtype", AS_OPTION_TEXT, &as_common.dtype, "TYPE",
     "precision: f32, f16, bf16, fp8 (= fp8-channel), fp8-tensor, fp8-block, fp8-weight; +kv8 for an e4m3 "
     "cache"},
    {"--device", AS_OPTION_TEXT, &as_common.device, "DEVICE", "cpu"},
    {"--threads", AS_OPTION_INT, &as_common.threads, "N", "threads to compute with (default: all processors)",
     0, 256},
    {NULL, AS_OPTION_FLAG, NULL, NULL, NULL},
};

const as_option as_output_options_table[] = {
    {"--json", AS_OPTION_FLAG, &as_common.json, NULL, "print one JSON document"},
    {"--quiet", AS_OPTION_FLAG, &as_common.quiet, NULL, "no progress and no remarks"},
    {NULL, AS_OPTION_FLAG, NULL, NULL, NULL},
};

as_code as_harness_open_model(const char *name, as_model **out, as_error *err)
{
    as_resolved found;
    AS_TRY(as_resolve(name, &found, err));
    as_model_options options = {.dtype = as_common.dtype,
                                .device = as_common.device,
                                .threads = (int)as_common.threads,
                                .synth = found.synth,
                                .seed = found.seed};
    as_code rc = as_model_open(found.synth ? name : found.path, &options, out, err);
    as_resolved_free(&found);
    return rc;
}

void as_say(const char *format, ...)
{
    if (as_common.quiet) return;
    va_list args;
    va_start(args, format);
    fputs("assay: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

as_code as_print(const as_buf *text, as_error *err)
{
    AS_TRY(as_buf_check(text, "the output", err));
    if (fwrite(as_buf_text(text), 1, text->size, stdout) != text->size || fflush(stdout) != 0) {
        return as_fail_sys(err, AS_E_IO, "standard output cannot be written");
    }
    return AS_OK;
}

/* ---- interrupts ------------------------------------------------------------------------------------------
 */

static atomic_bool interrupted;
static _Atomic(as_session *) active;

static void on_interrupt(int number)
{
    if (atomic_exchange(&interrupted, true)) _exit(128 + number); /* the second time: at once */
    as_session *session = atomic_load(&active);
    if (session) as_session_cancel(session);
}

bool as_interrupted(void)
{
    return atomic_load(&interrupted);
}

const atomic_bool *as_interrupt_flag(void)
{
    return &interrupted;
}

void as_interrupt_session(as_session *session)
{
    static bool installed;
    atomic_store(&active, session);
    if (installed) return;
    installed = true;
    struct sigaction action = {.sa_handler = on_interrupt};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}
