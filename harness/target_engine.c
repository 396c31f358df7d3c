/* The engine as a target; see target_engine.h. */
#include "harness/target_engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/text/chat.h"
#include "engine/text/tokenizer.h"
#include "harness/common.h"

enum {
    MOST_LAYERS = 4096,
    DEFAULT_BATCH = 64,
    ENDLESS_CONTEXT = 32768,
    MOST_CACHE_TOKENS = 1 << 21,
    SCORE_CHUNK = 512
};

typedef struct engine_target {
    as_target base;
    as_engine_options options;
    as_model *model;
    as_chat *chat; /* NULL: none */
    as_session *serving, *scoring;
    as_scheduler *scheduler;
    int64_t scoring_tokens; /* room of the scoring session */
} engine_target;

/* ---- text ------------------------------------------------------------------------------------------------
 */

static as_code tokenize(as_target *target, const char *text, size_t size, bool special, int32_t **tokens,
                        int64_t *count, as_error *err)
{
    engine_target *t = (engine_target *)target;
    as_tokens out = {0};
    as_encode_options options = {.no_special = !special};
    const as_tokenizer *tokenizer = as_model_tokenizer(t->model);
    if (!tokenizer) return as_fail(err, AS_E_NOT_FOUND, "%s has no tokenizer", target->facts.model);
    AS_TRY(as_tokenizer_encode(tokenizer, text, size, &options, &out, err));
    *tokens = out.ids;
    *count = (int64_t)out.count;
    return AS_OK;
}

static as_code detokenize(as_target *target, const int32_t *tokens, int64_t count, as_buf *out, as_error *err)
{
    engine_target *t = (engine_target *)target;
    const as_tokenizer *tokenizer = as_model_tokenizer(t->model);
    if (!tokenizer) return as_fail(err, AS_E_NOT_FOUND, "%s has no tokenizer", target->facts.model);
    return as_tokenizer_decode(tokenizer, tokens, (size_t)count, NULL, out, err);
}

static as_code render(as_target *target, const json_t *messages, bool generation_prompt, as_buf *out,
                      as_error *err)
{
    engine_target *t = (engine_target *)target;
    as_chat_input input = {.messages = messages, .no_generation_prompt = !generation_prompt};
    if (!t->chat) return as_fail(err, AS_E_NOT_FOUND, "%s has no chat template", target->facts.model);
    return as_chat_render(t->chat, &input, out, err);
}

/* ---- requests --------------------------------------------------------------------------------------------
 */

static as_code open_serving(engine_target *t, as_error *err)
{
    if (t->scheduler) return AS_OK;
    int64_t context = t->base.facts.context, batch = t->base.facts.max_batch;
    int64_t tokens = context > MOST_CACHE_TOKENS / batch ? MOST_CACHE_TOKENS : context * batch;
    if (tokens < context) tokens = context;
    as_session_options session = {.threads = t->options.threads,
                                  .cache = t->options.cache,
                                  .cache_tokens = tokens,
                                  .max_sequences = batch};
    as_scheduler_options scheduler = {.context = context, .max_batch = batch};
    if (!t->serving) AS_TRY(as_session_open(t->model, &session, &t->serving, err));
    return as_scheduler_open(t->serving, &scheduler, &t->scheduler, err);
}

static as_code submit(as_target *target, const as_request *request, int64_t *id, as_error *err)
{
    engine_target *t = (engine_target *)target;
    AS_TRY(open_serving(t, err));
    return as_scheduler_submit(t->scheduler, request, id, err);
}

static void cancel(as_target *target, int64_t id)
{
    engine_target *t = (engine_target *)target;
    if (t->scheduler) as_scheduler_cancel(t->scheduler, id);
}

static as_code poll(as_target *target, int64_t wait_ns, as_event_sink *sink, void *context, bool *busy,
                    as_error *err)
{
    (void)wait_ns; /* a step of the engine is the wait */
    engine_target *t = (engine_target *)target;
    AS_TRY(open_serving(t, err));
    as_interrupt_session(t->serving);
    as_code rc = as_scheduler_step(t->scheduler, sink, context, busy, err);
    as_interrupt_session(NULL);
    return rc;
}

/* ---- scoring ---------------------------------------------------------------------------------------------
 */

static as_code open_scoring(engine_target *t, int64_t tokens, as_error *err)
{
    if (t->scoring && tokens <= t->scoring_tokens) return AS_OK;
    as_session_close(t->scoring);
    t->scoring = NULL;
    as_session_options options = {.threads = t->options.threads,
                                  .cache = t->options.cache,
                                  .cache_tokens = tokens,
                                  .chunk = SCORE_CHUNK};
    AS_TRY(as_session_open(t->model, &options, &t->scoring, err));
    t->scoring_tokens = tokens;
    return AS_OK;
}

/* One piece of a scored text on its way through the session. */
typedef struct piece {
    const as_score *score;
    int64_t vocab;
    int64_t first;             /* index of the piece's first token */
    int64_t seen[MOST_LAYERS]; /* rows of each layer seen of this piece */
} piece;

static as_code pass_logits(void *context, int64_t feed, int64_t first, int64_t rows, const float *logits,
                           as_error *err)
{
    (void)feed;
    const piece *p = context;
    for (int64_t i = 0; i < rows; i++) {
        int64_t index = p->first + first + i;
        if (index < p->score->from) continue;
        AS_TRY(p->score->sink(p->score->context, index, logits + i * p->vocab, err));
    }
    return AS_OK;
}

static void pass_layer(void *context, const char *stage, int64_t rows, int64_t width, const float *values)
{
    piece *p = context;
    char *end;
    long layer = strtol(stage, &end, 10);
    if (end == stage || strcmp(end, ".out") != 0 || layer >= MOST_LAYERS) return;
    p->score->layer_sink(p->score->context, layer, p->first + p->seen[layer], rows, width, values);
    p->seen[layer] += rows;
}

static as_code score_pieces(engine_target *t, const as_score *score, int64_t sequence, as_error *err)
{
    int64_t chunk = score->chunk ? score->chunk : SCORE_CHUNK;
    for (int64_t at = 0; at < score->count; at += chunk) {
        int64_t n = score->count - at < chunk ? score->count - at : chunk;
        piece p = {.score = score, .vocab = as_model_facts(t->model)->vocab, .first = at};
        as_feed feed = {.sequence = sequence,
                        .tokens = score->tokens + at,
                        .count = n,
                        .want = at + n <= score->from ? AS_LOGITS_NONE : AS_LOGITS_ALL,
                        .prompt_length = score->count};
        if (score->layer_sink) as_session_trace(t->scoring, pass_layer, &p);
        as_code rc = as_session_forward(t->scoring, &feed, 1, pass_logits, &p, err);
        as_session_trace(t->scoring, NULL, NULL);
        AS_TRY(rc);
        if (as_interrupted()) return as_fail(err, AS_E_CANCELLED, "interrupted");
    }
    return AS_OK;
}

static as_code score(as_target *target, const as_score *score, as_error *err)
{
    engine_target *t = (engine_target *)target;
    int64_t sequence;
    AS_TRY(open_scoring(t, score->count, err));
    AS_TRY(as_session_add(t->scoring, &sequence, err));
    as_interrupt_session(t->scoring);
    as_code rc = score_pieces(t, score, sequence, err);
    as_interrupt_session(NULL);
    as_session_drop(t->scoring, sequence);
    return rc;
}

/* ---- open and close --------------------------------------------------------------------------------------
 */

static as_code variant(as_target *target, const char *dtype, as_target **out, as_error *err)
{
    const engine_target *t = (const engine_target *)target;
    as_engine_options options = t->options;
    options.model.dtype = dtype;
    options.cache = NULL;
    return as_target_engine_open(&options, out, err);
}

static void close_target(as_target *target)
{
    engine_target *t = (engine_target *)target;
    as_scheduler_close(t->scheduler);
    as_session_close(t->serving);
    as_session_close(t->scoring);
    as_chat_close(t->chat);
    as_model_close(t->model);
    as_free(t);
}

static const as_target_ops engine_ops = {
    .tokenize = tokenize,
    .detokenize = detokenize,
    .render = render,
    .submit = submit,
    .cancel = cancel,
    .poll = poll,
    .score = score,
    .variant = variant,
    .close = close_target,
};

as_code as_target_engine_open(const as_engine_options *options, as_target **out, as_error *err)
{
    engine_target *t = AS_NEW(engine_target);
    if (!t) return as_fail_memory(err, "the engine");
    t->options = *options;
    as_code rc = as_model_open(options->path, &options->model, &t->model, err);
    if (rc != AS_OK) {
        as_free(t);
        return rc;
    }
    const as_model_info *info = as_model_facts(t->model);
    unsigned can = AS_CAN_LOGPROBS | AS_CAN_LOGITS | AS_CAN_PRECISION | AS_CAN_CHUNKS | AS_CAN_LAYERS;
    if (as_model_tokenizer(t->model)) can |= AS_CAN_TOKENIZE;
    /* A template that is absent or broken is a capability less; the rules suite reports it. */
    if ((can & AS_CAN_TOKENIZE) && as_chat_open(info->path, &t->chat, NULL) == AS_OK) can |= AS_CAN_TEMPLATE;
    int64_t native = info->context ? info->context : ENDLESS_CONTEXT;
    t->base = (as_target){
        .ops = &engine_ops,
        .facts = {.kind = "engine",
                  .model = info->id,
                  .precision = info->precision,
                  .can = can,
                  .vocab = info->vocab,
                  .context = options->context ? options->context : native,
                  .max_batch = options->max_batch ? options->max_batch : DEFAULT_BATCH,
                  .info = info},
    };
    *out = &t->base;
    return AS_OK;
}
