/* Errors: what happened, to what, and what to do.
 *
 * A fallible function returns as_code and takes an `as_error *err` last. The error lives on the caller's
 * stack. The place of origin says what was found, what was expected and where; each boundary it passes adds
 * one phrase in front with as_wrap, so that a message reads from the outside in:
 *     model.safetensors: layer 3: q_proj: shape [64,32], expected [64,64]
 * On failure the out-parameters are untouched. A null err is allowed: the code is still returned. */
#ifndef AS_BASE_ERROR_H
#define AS_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

#define AS_MUST_USE       __attribute__((warn_unused_result))
#define AS_PRINTF(at, va) __attribute__((format(printf, at, va)))

/* One list gives the codes, their names and the exit status that each becomes. */
#define AS_CODES(X)                                                                                          \
    X(AS_OK, "ok", 0)                                                                                        \
    X(AS_E_CHECK, "a check failed", 1)                                                                       \
    X(AS_E_USAGE, "wrong command line", 2)                                                                   \
    X(AS_E_INPUT, "bad input", 3) /* a file or answer that breaks its own format */                          \
    X(AS_E_NOT_FOUND, "not found", 3)                                                                        \
    X(AS_E_UNSUPPORTED, "not supported", 3)                                                                  \
    X(AS_E_LIMIT, "over a limit", 3) /* well formed, but larger than what is allowed */                      \
    X(AS_E_IO, "input or output error", 3)                                                                   \
    X(AS_E_NETWORK, "network error", 3)                                                                      \
    X(AS_E_TIMEOUT, "timed out", 3)                                                                          \
    X(AS_E_MEMORY, "out of memory", 4)                                                                       \
    X(AS_E_INTERNAL, "fault of assay", 4)                                                                    \
    X(AS_E_CANCELLED, "interrupted", 130)

typedef enum {
#define AS_CODE_ENUM(code, name, status) code,
    AS_CODES(AS_CODE_ENUM)
#undef AS_CODE_ENUM
} as_code;

typedef struct as_error {
    as_code code;
    int sys;          /* errno of the system call, or 0 */
    const char *file; /* source of origin, for `assay --debug` */
    int line;
    char text[1024]; /* the message, always terminated; cut at a UTF-8 boundary */
} as_error;

/* Record an error and return its code: `return as_fail(err, AS_E_INPUT, "...", ...)`. */
#define as_fail(err, code, ...) as_fail_at((err), (code), 0, __FILE__, __LINE__, __VA_ARGS__)
/* The same for a failed system call; appends the text of errno. */
#define as_fail_sys(err, code, ...) as_fail_at((err), (code), errno, __FILE__, __LINE__, __VA_ARGS__)

as_code as_fail_at(as_error *err, as_code code, int sys, const char *file, int line, const char *format, ...)
    AS_PRINTF(6, 7);

/* Put "phrase: " in front of the message; returns err's code (AS_E_INTERNAL where err is null), so that
 * `return as_wrap(err, "layer %d", i)` passes a failure on. */
as_code as_wrap(as_error *err, const char *format, ...) AS_PRINTF(2, 3);

const char *as_code_name(as_code code);
int as_exit_status(as_code code);

/* A broken promise inside assay itself: prints and aborts, in every build. Never for bad input. */
#define AS_BUG(cond)                                                                                         \
    do {                                                                                                     \
        if (__builtin_expect(!!(cond), 0)) as_bug_at(__FILE__, __LINE__, #cond);                             \
    } while (0)
_Noreturn void as_bug_at(const char *file, int line, const char *what);

/* Run `call`; on failure return its code. */
#define AS_TRY(call)                                                                                         \
    do {                                                                                                     \
        as_code as_try_code_ = (call);                                                                       \
        if (as_try_code_ != AS_OK) return as_try_code_;                                                      \
    } while (0)
/* Run `call` into `rc`; on failure go to the label `out`. */
#define AS_TRY_OUT(rc, call)                                                                                 \
    do {                                                                                                     \
        if (((rc) = (call)) != AS_OK) goto out;                                                              \
    } while (0)

#endif
