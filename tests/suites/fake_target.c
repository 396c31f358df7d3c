/* The scripted target; see fake_target.h. */
#include "tests/suites/fake_target.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"

enum { LEAST_MATCH = 4, MOST_MATCH = 24 };

static fake_target *self(as_target *target)
{
    return (fake_target *)target;
}

static int64_t now_of(fake_target *f)
{
    return f->now_ns ? *f->now_ns : as_clock_ns();
}

static void spend(fake_target *f, int64_t ns)
{
    if (f->now_ns) *f->now_ns += ns;
}

static double unit_noise(uint64_t seed, uint64_t a, uint64_t b)
{
    uint32_t words[4];
    as_rng_block(seed, a, b, words);
    return ((double)words[0] + 0.5) / 4294967296.0 * 2 - 1;
}

/* ---- the model -------------------------------------------------------------------------------------------
 */

/* What followed the longest earlier occurrence of the last tokens, or -1. */
static int32_t copied(const int32_t *tokens, int64_t from, int64_t index)
{
    int64_t best = LEAST_MATCH - 1;
    int32_t next = -1;
    for (int64_t i = index - 1; i >= from; i--) {
        int64_t same = 0;
        while (same < MOST_MATCH && i - same >= from && tokens[i - same] == tokens[index - same]) same++;
        if (same > best) best = same, next = tokens[i + 1];
        if (best == MOST_MATCH) break;
    }
    return next;
}

static void copying_model(const fake_target *f, const int32_t *tokens, int64_t from, int64_t index,
                          float *out)
{
    uint64_t state = 7;
    for (int64_t i = index - 2; i <= index; i++)
        state = state * 1000003 + (uint64_t)(i >= from ? tokens[i] : 999);
    for (int64_t t = 0; t < FAKE_VOCAB; t++) out[t] = (float)(2 * unit_noise(11, state, (uint64_t)t));
    /* A trace of the first token in every row, as attention leaves one. */
    out[tokens[from] % FAKE_VOCAB] += 0.01f;
    int32_t next = f->faults & FAKE_FORGETS ? -1 : copied(tokens, from, index);
    if (next >= 0) out[next] += 8;
}

static void row(fake_target *f, const int32_t *tokens, int64_t index, int64_t chunk, float *out)
{
    int64_t from = f->faults & FAKE_TRUNCATES && index + 1 > f->window ? index + 1 - f->window : 0;
    if (f->logits)
        f->logits(f, tokens, index, out);
    else
        copying_model(f, tokens, from, index, out);
    for (int64_t t = 0; t < f->base.facts.vocab && f->noise > 0; t++) {
        out[t] += (float)(f->noise * unit_noise(5, (uint64_t)index, (uint64_t)t));
    }
    if (f->faults & FAKE_CHUNKS_MATTER && chunk)
        out[index % f->base.facts.vocab] += 1e-3f * (float)(chunk % 7);
    if (f->faults & FAKE_NOT_A_NUMBER && index % 8 == 3) out[1] = NAN;
}

/* ---- text ------------------------------------------------------------------------------------------------
 */

static as_code tokenize(as_target *target, const char *text, size_t size, bool special, int32_t **tokens,
                        int64_t *count, as_error *err)
{
    (void)target, (void)err;
    int32_t *out = AS_NEW_ARRAY(int32_t, size + 1);
    int64_t n = 0;
    if (special) out[n++] = 256;
    for (size_t i = 0; i < size; i++) out[n++] = (unsigned char)text[i];
    *tokens = out;
    *count = n;
    return AS_OK;
}

static as_code detokenize(as_target *target, const int32_t *tokens, int64_t count, as_buf *out, as_error *err)
{
    (void)target;
    for (int64_t i = 0; i < count; i++) {
        if (tokens[i] < 256) as_buf_char(out, (char)tokens[i]);
    }
    return as_buf_check(out, "text", err);
}

static as_code render(as_target *target, const json_t *messages, bool generation_prompt, as_buf *out,
                      as_error *err)
{
    (void)target;
    size_t i;
    json_t *message;
    json_array_foreach((json_t *)messages, i, message)
    {
        as_buf_printf(out, "<%s>%s\n", json_string_value(json_object_get(message, "role")),
                      json_string_value(json_object_get(message, "content")));
    }
    if (generation_prompt) as_buf_str(out, "<assistant>");
    return as_buf_check(out, "prompt", err);
}

/* ---- requests --------------------------------------------------------------------------------------------
 */

static as_code refuse(fake_target *f, const as_request *r, as_error *err)
{
    if (f->faults & FAKE_REFUSES_VAGUELY) return as_fail(err, AS_E_LIMIT, "the request cannot be processed");
    return as_fail(err, AS_E_LIMIT,
                   "%lld prompt tokens and %lld to generate exceed the context length of %lld",
                   (long long)r->count, (long long)r->max_tokens, (long long)f->base.facts.context);
}

static as_code submit(as_target *target, const as_request *r, int64_t *id, as_error *err)
{
    fake_target *f = self(target);
    f->submitted++;
    int64_t limit = f->base.facts.context, wanted = r->max_tokens ? r->max_tokens : limit - r->count;
    if (f->faults & FAKE_STOPS_EARLY) limit = limit * 4 / 5;
    bool over = limit > 0 && (r->count + wanted > limit || wanted < 1);
    if (over && f->faults & FAKE_BOUNDS && r->count < limit) {
        wanted = limit - r->count;
        over = false;
    }
    bool serves = !over || f->faults & FAKE_NO_LIMIT;
    if (!serves && !(f->faults & FAKE_REFUSES_LATE)) return refuse(f, r, err);
    if (wanted < 1) wanted = 1;
    for (int i = 0; i < FAKE_REQUESTS; i++) {
        fake_request *q = &f->requests[i];
        if (q->id) continue;
        *q = (fake_request){.id = ++f->next_id,
                            .count = r->count,
                            .room = r->count + 2 * wanted + 8,
                            .prompt = r->count,
                            .max_tokens = f->faults & FAKE_IGNORES_MAX ? 2 * wanted : wanted,
                            .logprobs = r->logprobs,
                            .user = r->user};
        if (!serves) q->max_tokens = -1;
        q->tokens = AS_NEW_ARRAY(int32_t, q->room);
        memcpy(q->tokens, r->tokens, (size_t)r->count * sizeof *r->tokens);
        *id = q->id;
        return AS_OK;
    }
    return as_fail(err, AS_E_LIMIT, "too many requests at once");
}

static void cancel(as_target *target, int64_t id)
{
    fake_target *f = self(target);
    for (int i = 0; i < FAKE_REQUESTS; i++) {
        if (f->requests[i].id == id) f->requests[i].cancelled = true;
    }
}

static void end(fake_request *q)
{
    as_free(q->tokens);
    *q = (fake_request){0};
}

static double log_sum(const float *logits, int64_t n)
{
    double max = logits[0], sum = 0;
    for (int64_t i = 1; i < n; i++) max = fmax(max, logits[i]);
    for (int64_t i = 0; i < n; i++) sum += exp((double)logits[i] - max);
    return max + log(sum);
}

static void emit(fake_target *f, fake_request *q, as_event_sink *sink, void *context)
{
    float *logits = AS_NEW_ARRAY(float, f->base.facts.vocab);
    f->visible = q->count;
    row(f, q->tokens, q->count - 1, 0, logits);
    int64_t best = 0, second = -1;
    for (int64_t t = 1; t < f->base.facts.vocab; t++) {
        if (logits[t] > logits[best])
            second = best, best = t;
        else if (second < 0 || logits[t] > logits[second])
            second = t;
    }
    double sum = log_sum(logits, f->base.facts.vocab);
    as_logprob top[2] = {{(int32_t)best, (float)((double)logits[best] - sum)},
                         {(int32_t)second, (float)((double)logits[second] - sum)}};
    q->tokens[q->count++] = (int32_t)best;
    q->sent++;
    char text[2] = {best < 256 ? (char)best : ' ', 0};
    as_event event = {.request = q->id,
                      .user = q->user,
                      .token = (int32_t)best,
                      .chosen = top[0],
                      .top = q->logprobs > 1 ? top : NULL,
                      .top_count = q->logprobs > 1 ? 2 : 0,
                      .text = text,
                      .text_size = (int64_t)strlen(text),
                      .time_ns = now_of(f),
                      .prompt_tokens = q->prompt - (f->faults & FAKE_MISCOUNTS ? 3 : 0),
                      .completion_tokens = q->sent,
                      .finish = q->sent >= q->max_tokens ? AS_FINISH_LENGTH : AS_FINISH_NONE};
    if (f->faults & FAKE_DUPLICATES) {
        as_event twin = event;
        twin.finish = AS_FINISH_NONE;
        sink(context, &twin);
    }
    sink(context, &event);
    as_free(logits);
}

static void finish(fake_target *f, fake_request *q, as_finish how, const char *text, as_event_sink *sink,
                   void *context)
{
    as_event event = {.request = q->id,
                      .user = q->user,
                      .token = -1,
                      .text = text,
                      .text_size = text ? (int64_t)strlen(text) : 0,
                      .time_ns = now_of(f),
                      .prompt_tokens = q->prompt,
                      .completion_tokens = q->sent,
                      .finish = how};
    sink(context, &event);
    end(q);
}

static void step(fake_target *f, fake_request *q, as_event_sink *sink, void *context)
{
    if (q->cancelled) {
        finish(f, q, AS_FINISH_CANCELLED, "", sink, context);
    } else if (q->max_tokens < 0) {
        finish(f, q, AS_FINISH_ERROR, "400: the context length is 4096 tokens", sink, context);
    } else if (f->faults & FAKE_SILENT) {
        return;
    } else if (f->faults & FAKE_BREAKS && q->sent == 3) {
        finish(f, q, AS_FINISH_ERROR, "connection reset by peer", sink, context);
    } else {
        emit(f, q, sink, context);
        if (q->sent >= q->max_tokens) end(q);
    }
}

static as_code poll_target(as_target *target, int64_t wait_ns, as_event_sink *sink, void *context, bool *busy,
                           as_error *err)
{
    (void)err;
    fake_target *f = self(target);
    int64_t cost = 0, active = 0;
    for (int i = 0; i < FAKE_REQUESTS; i++) {
        fake_request *q = &f->requests[i];
        if (!q->id) continue;
        active++;
        if (!q->prefilled) cost += q->prompt * f->prefill_ns;
        q->prefilled = true;
    }
    if (active) {
        cost +=
            f->step_ns + (int64_t)((double)f->jitter_ns * 0.5 * (1 + unit_noise(3, 1, (uint64_t)f->steps++)));
    }
    if (f->faults & FAKE_SILENT) cost = wait_ns;
    spend(f, active ? cost : wait_ns);
    if (f->faults & FAKE_SLOW_POLL) spend(f, f->slow_ns);
    *busy = false;
    for (int i = 0; i < FAKE_REQUESTS; i++) {
        if (f->requests[i].id) step(f, &f->requests[i], sink, context);
        *busy |= f->requests[i].id != 0;
    }
    return AS_OK;
}

/* ---- numbers ---------------------------------------------------------------------------------------------
 */

static void send_layers(fake_target *f, const as_score *s, int64_t first, int64_t rows)
{
    int64_t width = f->layers_width;
    float *values = AS_NEW_ARRAY(float, rows *width);
    for (int64_t layer = 0; layer < f->info.layers; layer++) {
        for (int64_t i = 0; i < rows * width; i++) {
            uint64_t place = (uint64_t)(first * width + i);
            double clean = unit_noise(21, (uint64_t)layer, place);
            values[i] = (float)(clean + f->noise * (double)(layer == 2 ? 5 : layer + 1) *
                                            unit_noise(22, (uint64_t)layer, place));
        }
        s->layer_sink(s->context, layer, first, rows, width, values);
    }
    as_free(values);
}

static as_code score(as_target *target, const as_score *s, as_error *err)
{
    fake_target *f = self(target);
    f->scored++;
    f->visible = s->count;
    int64_t chunk = s->chunk ? s->chunk : 512;
    float *logits = AS_NEW_ARRAY(float, f->base.facts.vocab);
    as_code rc = AS_OK;
    for (int64_t first = 0; first < s->count && rc == AS_OK; first += chunk) {
        int64_t rows = s->count - first < chunk ? s->count - first : chunk;
        spend(f, rows * f->prefill_ns);
        if (s->layer_sink) send_layers(f, s, first, rows);
        for (int64_t i = first; i < first + rows && rc == AS_OK; i++) {
            if (i < s->from) continue;
            if (f->fail_score_after && i >= f->fail_score_after) {
                rc = as_fail(err, AS_E_IO, "the device was lost");
                break;
            }
            row(f, s->tokens, i, s->chunk, logits);
            rc = s->sink(s->context, i, logits, err);
        }
    }
    as_free(logits);
    return rc;
}

static as_code variant(as_target *target, const char *dtype, as_target **out, as_error *err)
{
    fake_target *f = self(target);
    if (f->refuse_variant == 2) return as_fail(err, AS_E_CANCELLED, "interrupted");
    if (f->refuse_variant) return as_fail(err, AS_E_UNSUPPORTED, "%s is not supported here", dtype);
    fake_target *v = AS_NEW(fake_target);
    *v = *f;
    memset(v->requests, 0, sizeof v->requests);
    if (f->now_ns) v->now_ns = f->now_ns;
    v->base.facts.precision = dtype;
    v->base.facts.info = &v->info;
    bool same = strcmp(dtype, "f16") == 0;
    v->info.weight_bytes = same ? f->info.parameters * 2 : f->info.parameters * 11 / 10;
    if (same) v->faults &= ~(unsigned)FAKE_NOT_A_NUMBER;
    if (same)
        v->noise = 0;
    else if (v->noise == 0)
        v->noise = strcmp(dtype, "fp8-tensor") == 0 ? 0.1 : 0.05;
    *out = &v->base;
    return AS_OK;
}

static void close_target(as_target *target)
{
    fake_target *f = self(target);
    for (int i = 0; i < FAKE_REQUESTS; i++) as_free(f->requests[i].tokens);
    as_free(f);
}

static const as_target_ops ops = {tokenize,    detokenize, render,  submit,      cancel,
                                  poll_target, score,      variant, close_target};

fake_target *fake_target_new(int64_t context)
{
    fake_target *f = AS_NEW(fake_target);
    f->info = (as_model_info){.id = "fake",
                              .dtype = "float16",
                              .precision = "f16",
                              .layers = 3,
                              .hidden = 8,
                              .vocab = FAKE_VOCAB,
                              .context = context,
                              .parameters = 100000,
                              .active_parameters = 100000,
                              .table_elements = 2 * FAKE_VOCAB * 8,
                              .weight_bytes = 200000};
    f->base.ops = &ops;
    f->base.facts = (as_target_facts){.kind = "engine",
                                      .model = "fake",
                                      .precision = "f16",
                                      .can = AS_CAN_TOKENIZE | AS_CAN_TEMPLATE | AS_CAN_LOGPROBS |
                                             AS_CAN_LOGITS | AS_CAN_PRECISION | AS_CAN_CHUNKS | AS_CAN_LAYERS,
                                      .vocab = FAKE_VOCAB,
                                      .context = context,
                                      .max_batch = 16,
                                      .info = &f->info};
    f->layers_width = 8;
    f->own_now = 1000000000;
    f->now_ns = &f->own_now;
    f->prefill_ns = 10000;
    f->step_ns = 10000000;
    return f;
}

void fake_target_free(fake_target *target)
{
    close_target(&target->base);
}

/* ---- a run -----------------------------------------------------------------------------------------------
 */

static as_code record(as_suite_context *context, const as_check *check, as_error *err)
{
    fake_run *run = context->harness;
    run->recorded++;
    if (check->verdict != AS_PASS) cr_assert(check->why && *check->why, "%s has no why", check->id);
    return as_result_add_check(context->suite, check, err);
}

static void progress(as_suite_context *context, int64_t done, int64_t total, const char *phrase)
{
    fake_run *run = context->harness;
    (void)done, (void)total;
    snprintf(run->last_phrase, sizeof run->last_phrase, "%s", phrase);
}

static bool cancelled(const as_suite_context *context)
{
    const fake_run *run = context->harness;
    return run->cancel_after > 0 && run->recorded >= run->cancel_after;
}

void fake_run_open(fake_run *run, const char *suite, fake_target *target, const char *profile)
{
    *run = (fake_run){.result = as_result_new()};
    char *text = as_strdup(profile);
    for (char *c = text; *c; c++) {
        if (*c == '\'') *c = '"';
    }
    as_error err = {.text = ""};
    as_code rc = as_json_parse(text, strlen(text), AS_JSON_LENIENT, "profile", &run->profile, &err);
    cr_assert_eq(rc, AS_OK, "%s", err.text);
    as_free(text);
    run->context = (as_suite_context){.target = target ? &target->base : NULL,
                                      .profile = run->profile,
                                      .seed = 1,
                                      .started_s = as_clock_seconds(),
                                      .suite = as_result_suite(run->result, suite),
                                      .record = record,
                                      .progress = progress,
                                      .cancelled = cancelled,
                                      .harness = run};
}

void fake_run_close(fake_run *run)
{
    json_decref(run->result);
    json_decref(run->profile);
}

static const json_t *find(const fake_run *run, const char *list, const char *key, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(run->context.suite, list), i, item)
    {
        if (strcmp(json_string_value(json_object_get(item, key)), name) == 0) return item;
    }
    char *all = json_dumps(json_object_get(run->context.suite, list), JSON_COMPACT);
    cr_assert(false, "%s is not recorded; these are: %.3000s", name, all);
    return NULL;
}

const json_t *fake_check(const fake_run *run, const char *id)
{
    return find(run, "checks", "id", id);
}

const json_t *fake_series(const fake_run *run, const char *name)
{
    return find(run, "series", "name", name);
}

const char *fake_verdict(const fake_run *run, const char *id)
{
    return json_string_value(json_object_get(fake_check(run, id), "verdict"));
}

const char *fake_why(const fake_run *run, const char *id)
{
    const char *why = json_string_value(json_object_get(fake_check(run, id), "why"));
    return why ? why : "";
}

const json_t *fake_measured(const fake_run *run, const char *id)
{
    return json_object_get(fake_check(run, id), "measured");
}

void fake_expect(const fake_run *run, const char *id, const char *verdict, const char *word)
{
    cr_assert_str_eq(fake_verdict(run, id), verdict, "%s is %s, expected %s: %s", id, fake_verdict(run, id),
                     verdict, fake_why(run, id));
    if (word)
        cr_assert(strstr(fake_why(run, id), word), "%s: expected \"%s\" in: %s", id, word, fake_why(run, id));
}
