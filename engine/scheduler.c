/* Continuous batching: requests join and leave the running batch at every step. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/model.h"
#include "engine/sample.h"
#include "engine/text/tokenizer.h"

enum { MOST_LOGPROBS = 64, MOST_STOPS = 64, DEFAULT_CHUNK = 512 };

typedef struct request {
    struct request *next;
    int64_t id;
    void *user;
    int32_t *prompt; /* and, where a sequence may be computed anew, the completion behind it */
    int64_t prompt_count;
    int64_t to_feed, fed;     /* tokens to compute together before the next one, and those computed so far */
    int64_t max_tokens, made; /* completion tokens */
    as_sampling sampling;
    bool ignore_eos, cancelled;
    int64_t logprobs;
    char **stop;
    int64_t stop_count;
    int64_t sequence; /* -1 while it waits */
    uint8_t *in_prompt;
    int32_t *in_completion;
    as_token_stream *stream; /* NULL without a tokenizer */
    as_buf text;             /* decoded and not yet handed over */
    /* what the step at hand found */
    bool has_token, failed;
    char problem[256]; /* where failed */
    int32_t token;
    as_logprob chosen, top[MOST_LOGPROBS];
    int64_t top_count;
} request;

struct as_scheduler {
    as_session *session;
    const as_model *model;
    int64_t context, max_batch, chunk, capacity; /* capacity: tokens of cache to promise */
    int64_t promised;
    int64_t anew_beyond; /* a sequence that grows beyond this length is computed anew; 0: none */
    int64_t next_id, running_count;
    request *running, *waiting, **waiting_end;
    as_feed *feeds;    /* [max_batch] */
    request **feed_of; /* [max_batch] */
    as_sample_room room;
    as_buf piece;
};

const char *as_finish_name(as_finish finish)
{
    static const char *const names[] = {"", "length", "stop", "cancelled", "error"};
    return names[finish];
}

/* ---- open and close --------------------------------------------------------------------------------------
 */

as_code as_scheduler_open(as_session *session, const as_scheduler_options *options, as_scheduler **out,
                          as_error *err)
{
    static const as_scheduler_options defaults = {0};
    if (!options) options = &defaults;
    as_session_limits limits = as_session_get_limits(session);
    as_scheduler *s = AS_NEW(as_scheduler);
    if (!s) return as_fail_memory(err, "a scheduler");
    const as_model *model = as_session_model(session);
    int64_t native = model->spec.context ? model->spec.context : limits.cache_tokens;
    *s = (as_scheduler){
        .session = session, .model = model, .chunk = limits.chunk, .capacity = limits.cache_tokens};
    s->waiting_end = &s->waiting;
    s->anew_beyond = as_model_anew_beyond(&model->spec);
    s->context = options->context ? options->context : native;
    if (s->context > limits.cache_tokens) s->context = limits.cache_tokens;
    s->max_batch = options->max_batch && options->max_batch < limits.max_sequences ? options->max_batch
                                                                                   : limits.max_sequences;
    if (s->max_batch > s->chunk) s->max_batch = s->chunk;
    s->feeds = AS_NEW_ARRAY(as_feed, s->max_batch);
    s->feed_of = AS_NEW_ARRAY(request *, s->max_batch);
    s->room.scores = AS_NEW_ARRAY(float, model->spec.vocab);
    s->room.ids = AS_NEW_ARRAY(int32_t, model->spec.vocab);
    as_buf_init(&s->piece, 0);
    if (!s->feeds || !s->feed_of || !s->room.scores || !s->room.ids) {
        as_scheduler_close(s);
        return as_fail_memory(err, "a scheduler");
    }
    *out = s;
    return AS_OK;
}

static void free_request(as_scheduler *s, request *r)
{
    if (r->sequence >= 0) {
        as_session_drop(s->session, r->sequence);
        s->promised -= r->prompt_count + r->max_tokens;
    }
    for (int64_t i = 0; r->stop && i < r->stop_count; i++) as_free(r->stop[i]);
    as_free(r->stop);
    as_free(r->prompt);
    as_free(r->in_prompt);
    as_free(r->in_completion);
    as_token_stream_close(r->stream);
    as_buf_free(&r->text);
    as_free(r);
}

static void free_list(as_scheduler *s, request *r)
{
    while (r) {
        request *next = r->next;
        free_request(s, r);
        r = next;
    }
}

void as_scheduler_close(as_scheduler *s)
{
    if (!s) return;
    free_list(s, s->running);
    free_list(s, s->waiting);
    as_free(s->feeds);
    as_free(s->feed_of);
    as_free(s->room.scores);
    as_free(s->room.ids);
    as_buf_free(&s->piece);
    as_free(s);
}

/* ---- submit ----------------------------------------------------------------------------------------------
 */

static bool is_between(double value, double least, double most)
{
    return value >= least && value <= most; /* NaN is not */
}

static as_code check_sampling(const as_sampling *q, as_error *err)
{
    const struct {
        const char *name;
        double value, least, most;
    } fields[] = {
        {"temperature", q->temperature, 0, 1e6},
        {"top_p", q->top_p, 0, 1},
        {"min_p", q->min_p, 0, 1},
        {"repetition_penalty", q->repetition_penalty, 0, 1e6},
        {"presence_penalty", q->presence_penalty, -1e6, 1e6},
        {"frequency_penalty", q->frequency_penalty, -1e6, 1e6},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (is_between(fields[i].value, fields[i].least, fields[i].most)) continue;
        return as_fail(err, AS_E_INPUT, "%s is %g, expected %g to %g", fields[i].name, fields[i].value,
                       fields[i].least, fields[i].most);
    }
    if (q->top_k >= 0) return AS_OK;
    return as_fail(err, AS_E_INPUT, "top_k is %lld, expected 0 or more", (long long)q->top_k);
}

static as_code check_request(const as_scheduler *s, const as_request *q, as_error *err)
{
    if (q->count < 1) return as_fail(err, AS_E_INPUT, "the prompt is empty");
    for (int64_t i = 0; i < q->count; i++) {
        if (q->tokens[i] < 0 || q->tokens[i] >= s->model->embed.rows) {
            return as_fail(err, AS_E_INPUT, "prompt token %d at %lld is outside the vocabulary of %lld",
                           q->tokens[i], (long long)i, (long long)s->model->embed.rows);
        }
    }
    if (q->max_tokens < 0 || q->logprobs > MOST_LOGPROBS || q->stop_count < 0 || q->stop_count > MOST_STOPS) {
        return as_fail(err, AS_E_INPUT,
                       "max_tokens %lld, logprobs %lld (at most %d) or %lld stop strings (at most %d) "
                       "is out of range",
                       (long long)q->max_tokens, (long long)q->logprobs, MOST_LOGPROBS,
                       (long long)q->stop_count, MOST_STOPS);
    }
    AS_TRY(check_sampling(&q->sampling, err));
    int64_t completion = q->max_tokens ? q->max_tokens : 1, together;
    if (__builtin_add_overflow(q->count, completion, &together)) together = INT64_MAX;
    if (together > s->context) {
        return as_fail(err, AS_E_LIMIT,
                       "the context length is %lld tokens: a prompt of %lld and a completion of %lld "
                       "together are %lld",
                       (long long)s->context, (long long)q->count, (long long)completion,
                       (long long)together);
    }
    return AS_OK;
}

static bool wants_counts(const as_sampling *s)
{
    return (s->repetition_penalty > 0 && s->repetition_penalty != 1) || s->presence_penalty != 0 ||
           s->frequency_penalty != 0;
}

static bool copy_request(const as_scheduler *s, const as_request *q, request *r)
{
    int64_t room = q->count + (s->anew_beyond ? r->max_tokens : 0);
    r->prompt = as_alloc((size_t)room * sizeof *r->prompt);
    if (!r->prompt) return false;
    memcpy(r->prompt, q->tokens, (size_t)q->count * sizeof *r->prompt);
    r->stop = AS_NEW_ARRAY(char *, q->stop_count);
    if (!r->stop) return false;
    for (; r->stop_count < q->stop_count; r->stop_count++) {
        if (!(r->stop[r->stop_count] = as_strdup(q->stop[r->stop_count]))) return false;
    }
    if (!wants_counts(&q->sampling)) return true;
    r->in_prompt = AS_NEW_ARRAY(uint8_t, s->model->spec.vocab);
    r->in_completion = AS_NEW_ARRAY(int32_t, s->model->spec.vocab);
    if (!r->in_prompt || !r->in_completion) return false;
    for (int64_t i = 0; i < q->count; i++) { /* the embedding may know more than can be said */
        if (q->tokens[i] < s->model->spec.vocab) r->in_prompt[q->tokens[i]] = 1;
    }
    return true;
}

as_code as_scheduler_submit(as_scheduler *s, const as_request *q, int64_t *id, as_error *err)
{
    AS_TRY(check_request(s, q, err));
    request *r = AS_NEW(request);
    if (!r) return as_fail_memory(err, "a request");
    *r = (request){.id = s->next_id,
                   .user = q->user,
                   .prompt_count = q->count,
                   .to_feed = q->count,
                   .sampling = q->sampling,
                   .ignore_eos = q->ignore_eos,
                   .logprobs = q->logprobs,
                   .sequence = -1};
    r->max_tokens = q->max_tokens ? q->max_tokens : s->context - q->count;
    as_buf_init(&r->text, 0);
    as_code rc = copy_request(s, q, r) ? AS_OK : as_fail_memory(err, "a request");
    if (rc == AS_OK && s->model->tokenizer) {
        as_decode_options decode = {.skip_special = true};
        rc = as_token_stream_open(s->model->tokenizer, &decode, &r->stream, err);
    }
    if (rc != AS_OK) {
        free_request(s, r);
        return rc;
    }
    s->next_id++;
    *s->waiting_end = r;
    s->waiting_end = &r->next;
    *id = r->id;
    return AS_OK;
}

void as_scheduler_cancel(as_scheduler *s, int64_t id)
{
    for (request *r = s->running; r; r = r->next) r->cancelled |= r->id == id;
    for (request *r = s->waiting; r; r = r->next) r->cancelled |= r->id == id;
}

/* ---- one step --------------------------------------------------------------------------------------------
 */

/* Moves waiting requests into the batch while there is a sequence and cache for all they may need. */
static void admit(as_scheduler *s)
{
    while (s->waiting && s->running_count < s->max_batch) {
        request *r = s->waiting;
        int64_t need = r->prompt_count + r->max_tokens;
        if (s->promised + need > s->capacity) return;
        if (as_session_add(s->session, &r->sequence, NULL) != AS_OK) return;
        s->promised += need;
        s->waiting = r->next;
        if (!s->waiting) s->waiting_end = &s->waiting;
        r->next = NULL;
        request **end = &s->running;
        while (*end) end = &(*end)->next;
        *end = r;
        s->running_count++;
    }
}

/* Decoding rows first, then prompts in the order they came, as far as the pass has room. */
static int64_t plan(as_scheduler *s)
{
    int64_t count = 0, rows = 0;
    for (request *r = s->running; r; r = r->next) {
        if (r->cancelled || r->fed < r->to_feed) continue;
        s->feed_of[count] = r;
        s->feeds[count] = (as_feed){.sequence = r->sequence, .tokens = &r->token, .count = 1};
        count++;
        rows++;
    }
    for (request *r = s->running; r && rows < s->chunk; r = r->next) {
        if (r->cancelled || r->fed == r->to_feed) continue;
        int64_t rest = r->to_feed - r->fed, n = rest < s->chunk - rows ? rest : s->chunk - rows;
        s->feed_of[count] = r;
        s->feeds[count] = (as_feed){.sequence = r->sequence,
                                    .tokens = r->prompt + r->fed,
                                    .count = n,
                                    .want = n == rest ? AS_LOGITS_LAST : AS_LOGITS_NONE,
                                    .prompt_length = r->to_feed};
        count++;
        rows += n;
        r->fed += n;
    }
    return count;
}

static as_code take_logits(void *context, int64_t feed, int64_t first, int64_t rows, const float *logits,
                           as_error *err)
{
    (void)first, (void)err;
    as_scheduler *s = context;
    request *r = s->feed_of[feed];
    int64_t vocab = s->model->spec.vocab;
    AS_BUG(rows != 1);
    as_token_counts counts = {.in_prompt = r->in_prompt, .in_completion = r->in_completion};
    as_error why;
    as_code rc = as_sample(&r->sampling, logits, vocab, &counts, r->made, &s->room, &r->token, &why);
    if (rc != AS_OK) { /* the others' rows do not depend on this one */
        r->failed = true;
        snprintf(r->problem, sizeof r->problem, "%s", why.text);
        return AS_OK;
    }
    r->has_token = true;
    r->chosen = (as_logprob){.token = r->token};
    r->top_count = 0;
    if (r->logprobs >= 0) {
        double log_sum = as_log_sum_exp(logits, vocab);
        r->chosen.logprob = (float)((double)logits[r->token] - log_sum);
        r->top_count = r->logprobs < vocab ? r->logprobs : vocab;
        if (r->top_count) as_top_logprobs(logits, vocab, log_sum, r->top_count, r->top);
    }
    return AS_OK;
}

/* Where the earliest stop string begins in the text, or its size. */
static size_t find_stop(const request *r, bool *found)
{
    size_t first = r->text.size;
    const char *text = as_buf_text(&r->text);
    for (int64_t i = 0; i < r->stop_count; i++) {
        size_t size = strlen(r->stop[i]); /* the text may hold zero bytes, a stop string cannot */
        const char *at = size ? memmem(text, r->text.size, r->stop[i], size) : NULL;
        if (!at || (size_t)(at - text) >= first) continue;
        first = (size_t)(at - text);
        *found = true;
    }
    return first;
}

/* Bytes at the end of the text that may be the beginning of a stop string. */
static size_t held_back(const request *r)
{
    size_t most = 0;
    for (int64_t i = 0; i < r->stop_count; i++) {
        size_t size = strlen(r->stop[i]);
        for (size_t n = size ? size - 1 : 0; n > most; n--) {
            if (n <= r->text.size && memcmp(r->text.data + r->text.size - n, r->stop[i], n) == 0) most = n;
        }
    }
    return most;
}

static bool is_eos(const as_scheduler *s, int32_t token)
{
    for (int64_t i = 0; i < s->model->info.eos_count; i++) {
        if (s->model->info.eos[i] == token) return true;
    }
    return false;
}

/* Keeps the new token, and begins the sequence again where it outgrows what its positions were computed for:
 * keys of the other side of the switch are of no use. */
static as_code remember(as_scheduler *s, request *r, as_error *err)
{
    int64_t length = r->prompt_count + r->made;
    if (!s->anew_beyond) return AS_OK;
    r->prompt[length - 1] = r->token;
    if (length != s->anew_beyond + 1) return AS_OK;
    as_session_drop(s->session, r->sequence);
    r->sequence = -1;
    AS_TRY(as_session_add(s->session, &r->sequence, err));
    r->to_feed = length;
    r->fed = 0;
    return AS_OK;
}

/* Decodes the new token, looks for an end, and puts what is final into s->piece. */
static as_code advance(as_scheduler *s, request *r, as_finish *finish, as_error *err)
{
    r->made++;
    if (r->in_completion) r->in_completion[r->token]++;
    AS_TRY(remember(s, r, err));
    *finish = !r->ignore_eos && is_eos(s, r->token) ? AS_FINISH_STOP
              : r->made >= r->max_tokens            ? AS_FINISH_LENGTH
                                                    : AS_FINISH_NONE;
    as_buf_clear(&s->piece);
    if (!r->stream) return AS_OK;
    AS_TRY(as_token_stream_add(r->stream, &r->token, 1, &r->text, err));
    if (*finish != AS_FINISH_NONE) AS_TRY(as_token_stream_finish(r->stream, &r->text, err));
    bool stopped = false;
    size_t final = find_stop(r, &stopped);
    if (stopped) {
        *finish = AS_FINISH_STOP;
    } else if (*finish == AS_FINISH_NONE) {
        final = r->text.size - held_back(r);
    }
    as_buf_add(&s->piece, as_buf_text(&r->text), final);
    AS_TRY(as_buf_check(&s->piece, "a completion's text", err));
    if (final) {
        memmove(r->text.data, r->text.data + final, r->text.size - final + 1);
        r->text.size -= final;
    }
    return AS_OK;
}

static void emit(const as_scheduler *s, const request *r, as_finish finish, int64_t now, as_event_sink *sink,
                 void *context)
{
    const char *text = r->failed ? r->problem : r->has_token ? as_buf_text(&s->piece) : "";
    size_t text_size = r->failed ? strlen(r->problem) : r->has_token ? s->piece.size : 0;
    as_event event = {.request = r->id,
                      .user = r->user,
                      .token = r->has_token ? r->token : -1,
                      .chosen = r->chosen,
                      .top = r->top,
                      .top_count = r->has_token ? r->top_count : 0,
                      .text = text,
                      .text_size = (int64_t)text_size,
                      .time_ns = now,
                      .prompt_tokens = r->prompt_count,
                      .completion_tokens = r->made,
                      .finish = finish};
    sink(context, &event);
}

/* Events for all that the pass brought; ended requests leave. */
static as_code report(as_scheduler *s, as_event_sink *sink, void *context, as_error *err)
{
    int64_t now = as_clock_ns();
    for (request **at = &s->running; *at;) {
        request *r = *at;
        as_finish finish = r->cancelled ? AS_FINISH_CANCELLED : r->failed ? AS_FINISH_ERROR : AS_FINISH_NONE;
        if (!r->cancelled && r->has_token) AS_TRY(advance(s, r, &finish, err));
        if (r->cancelled) r->has_token = false;
        if (r->has_token || finish != AS_FINISH_NONE) emit(s, r, finish, now, sink, context);
        r->has_token = false;
        if (finish == AS_FINISH_NONE) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        s->running_count--;
        free_request(s, r);
    }
    return AS_OK;
}

/* Cancelled requests leave the queue at once, whatever stands before them. */
static void report_cancelled_in_queue(as_scheduler *s, as_event_sink *sink, void *context)
{
    int64_t now = as_clock_ns();
    for (request **at = &s->waiting; *at;) {
        request *r = *at;
        if (!r->cancelled) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        if (!*at) s->waiting_end = at;
        emit(s, r, AS_FINISH_CANCELLED, now, sink, context);
        free_request(s, r);
    }
}

as_code as_scheduler_step(as_scheduler *s, as_event_sink *sink, void *context, bool *busy, as_error *err)
{
    report_cancelled_in_queue(s, sink, context);
    admit(s);
    int64_t feeds = plan(s);
    if (feeds) AS_TRY(as_session_forward(s->session, s->feeds, feeds, take_logits, s, err));
    AS_TRY(report(s, sink, context, err));
    *busy = s->running || s->waiting;
    return AS_OK;
}
