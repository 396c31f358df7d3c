/* The reference engine: a model, a session that computes, a scheduler that serves. Together with repository.h
 * (files) and text/tokenizer.h (ids and text) this is all that suites and harness see of the engine.
 *
 * Options are structs in which zero means the default. Handles are opaque and owned by whoever opened them. A
 * model is constant once open and may serve several sessions from several threads; a session and a scheduler
 * belong to one thread at a time. */
#ifndef AS_ENGINE_ENGINE_H
#define AS_ENGINE_ENGINE_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "kernels/dtype.h"

typedef struct as_model as_model;
typedef struct as_session as_session;
typedef struct as_scheduler as_scheduler;
struct as_tokenizer;

/* ---- the model -------------------------------------------------------------------------------------------
 */

typedef struct as_model_options {
    const char
        *dtype; /* as --dtype: "f32", "f16", "bf16", "fp8", "fp8-tensor", ...; NULL: the checkpoint's own */
    const char *level;       /* kernel level, NULL: the best of this machine */
    const char *device;      /* "cpu" or NULL */
    int threads;             /* used while loading (rounding, synthesis); 0: all */
    const atomic_bool *stop; /* set at any time: opening gives up soon with AS_E_CANCELLED; NULL: never */
    bool without_tokenizer;  /* do not look for tokenizer files */
    /* Facts and sizes alone, from the configuration: no weights are read or made, nothing can be computed. */
    bool sizes_only;
    /* Generated weights: the config.json of the model to make; name then only labels it. */
    const json_t *synth;
    uint64_t seed;
} as_model_options;

/* Facts of an open model; valid until it is closed. Counts are in elements, sizes in bytes. */
typedef struct as_model_info {
    const char *id;           /* as it was asked for */
    const char *path;         /* directory, or "" for synth: */
    const char *architecture; /* architectures[0] */
    const char *model_type;
    const char *dtype;     /* the checkpoint's type, torch name: "float16" */
    const char *precision; /* what it runs as: "f16", "fp8-channel", ... */
    const char *digest;    /* tells checkpoints apart; see engine/digest.h */
    int64_t layers, hidden, heads, kv_heads, head_dim, intermediate, vocab;
    int64_t context; /* longest position the configuration promises; 0: unlimited (recurrent) */
    int64_t parameters, active_parameters;
    int64_t table_elements;     /* of the embedding and the head; tied ones are one table */
    int64_t weight_bytes;       /* as held, at this precision */
    int64_t checkpoint_bytes;   /* of the tensors used, as stored */
    int64_t kv_bytes_per_token; /* at a 16-bit cache */
    int64_t state_bytes;        /* recurrent state of one sequence */
    int64_t eos_count;
    const int32_t *eos; /* ids that end a generation */
    const char *backend, *level;
} as_model_info;

/* Opens the repository in the directory `name`, or makes a model of options->synth's dimensions from a
 * counter-based generator. Weights are mapped, or converted where dtype asks for another type. */
AS_MUST_USE as_code as_model_open(const char *name, const as_model_options *options, as_model **out,
                                  as_error *err);
void as_model_close(as_model *model);
const as_model_info *as_model_facts(const as_model *model);
const json_t *as_model_config(const as_model *model); /* config.json as read */
/* The kinds of its layers in words: "32 x attention (32 heads of 128 over 8, rotary) + mlp (gated silu
 * 14336)". */
void as_model_describe(const as_model *model, as_buf *out);
/* The names of the architectures that run, in order; NULL past the last. */
const char *as_architecture_at(int64_t i);
/* What computing costs, for speeds as fractions of a machine's limits. Operations: two for each multiply-add
 * of rows first..first+count-1 of one sequence, with the logits of the last alone. Bytes: the weights and
 * cache that a decoding step of `batch` sequences at that position reads, each once, the cache at 16 bits. */
double as_model_operations(const as_model *model, int64_t first, int64_t count);
double as_model_step_bytes(const as_model *model, int64_t position, int64_t batch);
/* Bytes of the key/value cache of sequences of `tokens` tokens each at `element` bytes a number, as a session
 * of the default chunk holds it: layers with a window or a chunk keep the pages of that alone. */
double as_model_cache_bytes(const as_model *model, int64_t tokens, int64_t sequences, int element);
/* NULL when the repository has no tokenizer, or none was asked for. */
const struct as_tokenizer *as_model_tokenizer(const as_model *model);

/* ---- sessions: numbers -----------------------------------------------------------------------------------
 */

typedef struct as_session_options {
    int threads; /* 0: all processors of the process */
    const char
        *cache; /* "f32", "f16", "bf16" or "e4m3"; NULL: e4m3 at +kv8, f32 at f32 and native, else f16 */
    int64_t cache_tokens;  /* room over all sequences; 0: the model's context, at most 32768 */
    int64_t max_sequences; /* 0: 1 */
    int64_t chunk; /* most rows computed in one pass; 0: 512, fewer where the work space would be large */
} as_session_options;

AS_MUST_USE as_code as_session_open(const as_model *model, const as_session_options *options,
                                    as_session **out, as_error *err);
void as_session_close(as_session *session);
const as_model *as_session_model(const as_session *session);
/* What it was opened with, defaults filled in. */
typedef struct as_session_limits {
    int64_t cache_tokens, max_sequences, chunk;
} as_session_limits;
as_session_limits as_session_get_limits(const as_session *session);
int64_t as_session_bytes(const as_session *session); /* cache, states and work space */

/* Sequences are numbers 0..max_sequences-1. Adding takes a free one; dropping frees its pages. AS_E_LIMIT
 * when all are taken. */
AS_MUST_USE as_code as_session_add(as_session *session, int64_t *sequence, as_error *err);
void as_session_drop(as_session *session, int64_t sequence);
int64_t as_session_length(const as_session *session, int64_t sequence); /* tokens taken in so far */

typedef enum { AS_LOGITS_LAST, AS_LOGITS_ALL, AS_LOGITS_NONE } as_logits_want;

/* Tokens to append to one sequence. */
typedef struct as_feed {
    int64_t sequence;
    const int32_t *tokens;
    int64_t count;
    as_logits_want want;
    /* Tokens the sequence will have once its prompt is complete, where this feed is only a part of it (0:
     * this feed completes it). Position encodings that depend on the length (dynamic, longrope) are taken for
     * that length, so that a prompt gives the same numbers in any pieces. */
    int64_t prompt_length;
} as_feed;

/* Called with `rows` rows of float32 logits [rows, vocab] of feed number `feed`, the first for its token
 * `first`; valid during the call. Not AS_OK stops the forward pass and is returned. */
typedef as_code as_logits_sink(void *context, int64_t feed, int64_t first, int64_t rows, const float *logits,
                               as_error *err);

/* Appends the feeds' tokens (each sequence at most once) in passes of at most `chunk` rows. Nothing is
 * appended on AS_E_LIMIT (cache full) or AS_E_INPUT (token out of range). After
 * AS_E_CANCELLED or a failed sink the sequences named are undefined and must be dropped. */
AS_MUST_USE as_code as_session_forward(as_session *session, const as_feed *feeds, int64_t count,
                                       as_logits_sink *sink, void *context, as_error *err);

/* Stops the running forward pass between two layers, or the next one if none is running; may be called from a
 * signal handler or another thread. */
void as_session_cancel(as_session *session);

/* Watch intermediate values: called with stage names "embed", "3.mixer", "3.ffn", "3.out", "final_norm"
 * (layer by layer) and rows [rows, width] of the current pass, in batch order. NULL stops it. */
typedef void as_trace_sink(void *context, const char *stage, int64_t rows, int64_t width,
                           const float *values);
void as_session_trace(as_session *session, as_trace_sink *sink, void *context);

/* ---- the scheduler: continuous batching ------------------------------------------------------------------
 */

typedef struct as_sampling {
    double temperature;                         /* 0: greedy */
    int64_t top_k;                              /* 0: off */
    double top_p, min_p;                        /* 0: off */
    double repetition_penalty;                  /* 0 or 1: off; on prompt and completion, as transformers */
    double presence_penalty, frequency_penalty; /* on the completion, as the OpenAI interface */
    uint64_t seed;
} as_sampling;

typedef struct as_request {
    const int32_t *tokens; /* copied */
    int64_t count;
    int64_t max_tokens; /* of the completion; 0: to the end of the context */
    as_sampling sampling;
    bool ignore_eos;
    const char *const *stop; /* stop strings, copied; the text ends before the first one found */
    int64_t stop_count;
    int64_t
        logprobs; /* that many alternatives with every token, at most 64; -1: none, 0: the chosen token's */
    void *user;   /* handed back with every event */
} as_request;

typedef enum {
    AS_FINISH_NONE,
    AS_FINISH_LENGTH,
    AS_FINISH_STOP,
    AS_FINISH_CANCELLED,
    AS_FINISH_ERROR
} as_finish;
const char *as_finish_name(as_finish finish); /* "length", "stop", "cancelled", "error" */

typedef struct as_logprob {
    int32_t token;
    float logprob; /* natural logarithm, of the distribution before temperature and penalties */
} as_logprob;

/* One token of one request, or its end (a last token and the end may come in one event). */
typedef struct as_event {
    int64_t request; /* as returned by submit */
    void *user;
    int32_t token; /* -1: no token with this event */
    as_logprob chosen;
    const as_logprob *top; /* `top_count` best first; valid during the call */
    int64_t top_count;
    /* The text that became final with this token, whole UTF-8, may be empty; with ERROR: what failed. Valid
     * during the call; text_size bytes, among which may be zeros. */
    const char *text;
    int64_t text_size;
    int64_t time_ns;                          /* as_clock_ns when the token was ready */
    int64_t prompt_tokens, completion_tokens; /* so far */
    as_finish finish;                         /* NONE while it goes on */
} as_event;
typedef void as_event_sink(void *context, const as_event *event);

typedef struct as_scheduler_options {
    int64_t context;   /* prompt + completion of one request; 0: the model's */
    int64_t max_batch; /* sequences computed together; 0: the session's max_sequences */
} as_scheduler_options;

/* The session must outlive the scheduler and is used by it alone. */
AS_MUST_USE as_code as_scheduler_open(as_session *session, const as_scheduler_options *options,
                                      as_scheduler **out, as_error *err);
void as_scheduler_close(as_scheduler *scheduler);
/* Queues a request. AS_E_INPUT for an empty prompt, a token outside the vocabulary or sampling out of range;
 * AS_E_LIMIT with a message that names the context length when prompt + max_tokens exceed
 * it (or the prompt alone leaves no room for a token). */
AS_MUST_USE as_code as_scheduler_submit(as_scheduler *scheduler, const as_request *request, int64_t *id,
                                        as_error *err);
void as_scheduler_cancel(as_scheduler *scheduler,
                         int64_t id); /* ends with AS_FINISH_CANCELLED at the next step */
/* One forward pass over the running requests (decoding rows first, prefill in the rest of the chunk), then
 * one event for each new token. *busy tells whether work is left. A request whose logits are not numbers ends
 * alone, with AS_FINISH_ERROR. After a failure of the step itself the scheduler can only be closed. */
AS_MUST_USE as_code as_scheduler_step(as_scheduler *scheduler, as_event_sink *sink, void *context, bool *busy,
                                      as_error *err);

#endif
