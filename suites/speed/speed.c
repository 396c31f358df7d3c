/* The speed suite; see speed.h. */
#include "suites/speed/speed.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "suites/common/ask.h"
#include "suites/common/filler.h"
#include "suites/common/note.h"
#include "suites/speed/report.h"

typedef struct speed {
    as_suite_context *context;
    const as_clock_source *clock;
    as_speed_options options;
    as_speeds speeds; /* of one short request, for the budget */
    int32_t *tokens;
    int64_t token_count;
    as_speed_cells cells;
} speed;

/* ---- how long things take --------------------------------------------------------------------------------
 */

static double request_seconds(const as_suite_context *context, const as_speed_options *o,
                              const as_speeds *speeds, int64_t prompt)
{
    double prefill = as_prefill_seconds(context->target, speeds, prompt);
    if (prefill < 0 || speeds->decode <= 0) return -1;
    return prefill + (double)o->completion_tokens / speeds->decode;
}

/* A batch decodes about as fast a token as a single request, until it does not: this is an upper bound. */
static double cell_seconds(const as_suite_context *context, const as_speed_options *o,
                           const as_speeds *speeds, int64_t prompt)
{
    double each = request_seconds(context, o, speeds, prompt);
    return each < 0 ? -1 : each * (double)(o->requests_least + o->warmup);
}

/* The clock's time at which the suite's budget ends, on the clock of the load; 0: never. */
static int64_t budget_end(const speed *s)
{
    const as_suite_context *c = s->context;
    if (c->budget_s <= 0) return 0;
    double left = c->started_s + c->budget_s - as_clock_seconds();
    return s->clock->now(s->clock->context) + (int64_t)(fmax(left, 0) * 1e9) + 1;
}

/* ---- closed cells ----------------------------------------------------------------------------------------
 */

typedef struct narrowness {
    int64_t least; /* requests done */
    double half;   /* of the interval, relative to the median */
} narrowness;

static bool narrow_enough(void *context, const as_load_result *result)
{
    const narrowness *n = context;
    as_interval rate;
    if (as_speed_rate(result, &rate, NULL) != AS_OK || rate.n < n->least) return false;
    return (rate.high - rate.low) / 2 <= n->half * rate.value;
}

static as_load load_of(const speed *s, int64_t prompt, const char *phrase)
{
    return (as_load){.context = s->context,
                     .target = s->context->target,
                     .clock = s->clock,
                     .prompt_tokens = prompt,
                     .completion_tokens = s->options.completion_tokens,
                     .tokens = s->tokens,
                     .token_count = s->token_count,
                     .seed = s->context->seed,
                     .silence_s = s->options.silence_s,
                     .until_ns = budget_end(s),
                     .phrase = phrase};
}

static as_code warm_up(const speed *s, int64_t prompt, as_error *err)
{
    if (s->options.warmup < 1) return AS_OK;
    as_load load = load_of(s, prompt, "warm-up");
    load.concurrency = 1;
    load.requests = s->options.warmup;
    load.seed = s->context->seed + 1;
    as_load_result result;
    AS_TRY(as_load_run(&load, &result, err));
    as_load_free(&result);
    return AS_OK;
}

static as_code measure_cell(speed *s, as_speed_cell *cell, as_error *err)
{
    AS_TRY(warm_up(s, cell->prompt, err));
    char phrase[64];
    snprintf(phrase, sizeof phrase, "prompts of %lld tokens, %lld at a time", (long long)cell->prompt,
             (long long)cell->concurrency);
    as_load load = load_of(s, cell->prompt, phrase);
    load.concurrency = cell->concurrency;
    /* At least three rounds of as many as run together, so that the ends of the run weigh little. */
    int64_t least = 3 * cell->concurrency;
    load.requests = s->options.requests_most > least ? s->options.requests_most : least;
    narrowness narrow = {s->options.requests_least > 2 * cell->concurrency ? s->options.requests_least
                                                                           : 2 * cell->concurrency,
                         s->options.narrow};
    load.enough = narrow_enough;
    load.enough_context = &narrow;
    as_load_result result;
    AS_TRY(as_load_run(&load, &result, err));
    as_speed_metrics metrics;
    as_code rc = as_speed_measure(&load, &result, &s->options, &metrics, err);
    if (rc == AS_OK) rc = as_speed_report_cell(s->context, &s->options, &result, &metrics, cell, err);
    as_load_free(&result);
    return rc;
}

static as_code run_cell(speed *s, int64_t prompt, int64_t concurrency, as_error *err)
{
    as_suite_context *c = s->context;
    as_speed_cell *cell = &s->cells.items[s->cells.count++];
    *cell = (as_speed_cell){.prompt = prompt, .concurrency = concurrency};
    char id[AS_SPEED_ID], title[AS_SPEED_ID];
    as_speed_cell_id(cell, id);
    snprintf(title, sizeof title, "Prompts of %lld tokens, %lld at a time", (long long)prompt,
             (long long)concurrency);
    if (as_suite_done(c, id)) {
        (void)as_speed_restore_cell(c, cell); /* a recorded skip holds nothing to restore */
        return AS_OK;
    }
    int64_t context = c->target->facts.context;
    if (context > 0 && prompt + s->options.completion_tokens > context) {
        return as_note_skip(c, id, title, err, "%lld + %lld tokens exceed the context of %lld",
                            (long long)prompt, (long long)s->options.completion_tokens, (long long)context);
    }
    double seconds = cell_seconds(c, &s->options, &s->speeds, prompt);
    if (as_suite_over_budget(c, fmax(seconds, 0))) {
        return as_note_cut(c, id, title, err, "cut by the budget: this takes about %.0f s", fmax(seconds, 0));
    }
    return measure_cell(s, cell, err);
}

/* ---- open load -------------------------------------------------------------------------------------------
 */

/* Requests a second that the closed load reached with the first prompt length, at its best. */
static double capacity(const speed *s)
{
    double best = 0;
    for (int64_t i = 0; i < s->cells.count; i++) {
        const as_speed_cell *cell = &s->cells.items[i];
        if (cell->measured && cell->prompt == s->options.prompt_tokens[0] && cell->requests_rate > best) {
            best = cell->requests_rate;
        }
    }
    return best;
}

static as_code run_open(speed *s, as_arrival arrival, as_error *err)
{
    as_suite_context *c = s->context;
    char id[AS_SPEED_ID], title[AS_SPEED_ID];
    snprintf(id, sizeof id, "speed/open-%s", as_arrival_name(arrival));
    snprintf(title, sizeof title, "Open load, %s arrivals", as_arrival_name(arrival));
    if (as_suite_done(c, id)) return AS_OK;
    double rate = capacity(s) * s->options.open_load;
    if (!(rate > 0)) {
        return as_note_skip(c, id, title, err,
                            "no closed load was served, so there is no rate to offer a share of");
    }
    double seconds = (double)s->options.open_requests / rate;
    if (as_suite_over_budget(c, seconds)) {
        return as_note_cut(c, id, title, err, "cut by the budget: this takes about %.0f s", seconds);
    }
    char phrase[64];
    snprintf(phrase, sizeof phrase, "open load, %s arrivals", as_arrival_name(arrival));
    as_load load = load_of(s, s->options.prompt_tokens[0], phrase);
    load.arrival = arrival;
    load.rate = rate;
    load.requests = s->options.open_requests;
    as_load_result result;
    AS_TRY(as_load_run(&load, &result, err));
    as_speed_metrics metrics;
    as_code rc = as_speed_measure(&load, &result, &s->options, &metrics, err);
    if (rc == AS_OK) rc = as_speed_report_open(c, &s->options, &load, &result, &metrics, err);
    as_load_free(&result);
    return rc;
}

/* ---- the suite -------------------------------------------------------------------------------------------
 */

static as_code run_all(speed *s, as_error *err)
{
    const as_speed_options *o = &s->options;
    int64_t longest = 1;
    for (int64_t i = 0; i < o->prompt_count; i++) {
        if (o->prompt_tokens[i] > longest) longest = o->prompt_tokens[i];
    }
    /* Twice as many as a prompt, so that no two prompts begin alike and nothing is saved by remembering them.
     */
    s->token_count = 2 * longest + 256;
    s->tokens = AS_NEW_ARRAY(int32_t, s->token_count);
    if (!s->tokens) return as_fail_memory(err, "prompts");
    as_suite_context *c = s->context;
    AS_TRY(as_filler_tokens(c->target, c->seed, 1 << 20, s->tokens, s->token_count, err));
    if (c->budget_s > 0) AS_TRY(as_ask_speeds(c, c->target, o->silence_s, &s->speeds, err));
    for (int64_t p = 0; p < o->prompt_count; p++) {
        for (int64_t n = 0; n < o->concurrency_count; n++) {
            AS_TRY(run_cell(s, o->prompt_tokens[p], o->concurrency[n], err));
        }
    }
    if (o->open_requests > 0) {
        AS_TRY(run_open(s, AS_ARRIVAL_CONSTANT, err));
        AS_TRY(run_open(s, AS_ARRIVAL_POISSON, err));
    }
    return as_speed_report_floors(c, o, &s->cells, err);
}

as_code as_speed_run(as_suite_context *context, const as_clock_source *clock, as_error *err)
{
    speed s = {.context = context, .clock = clock};
    AS_TRY(as_speed_options_read(context->profile, &s.options, err));
    as_code rc = run_all(&s, err);
    as_free(s.tokens);
    return rc;
}

static as_code run(as_suite_context *context, as_error *err)
{
    return as_speed_run(context, &as_clock_real, err);
}

static double estimate(as_suite_context *context)
{
    as_speed_options o;
    as_speeds speeds;
    if (as_speed_options_read(context->profile, &o, NULL) != AS_OK) return -1;
    if (as_ask_speeds(context, context->target, o.silence_s, &speeds, NULL) != AS_OK) return -1;
    double seconds = 0;
    for (int64_t p = 0; p < o.prompt_count; p++) {
        double cell = cell_seconds(context, &o, &speeds, o.prompt_tokens[p]);
        if (cell < 0) return -1;
        seconds += cell * (double)o.concurrency_count;
    }
    double each = request_seconds(context, &o, &speeds, o.prompt_tokens[0]);
    return seconds + 2 * (double)o.open_requests * each / o.open_load;
}

const as_suite as_speed_suite = {
    .name = "speed",
    .title = "Speed: latency and throughput against the floors",
    .needs_target = true,
    .estimate = estimate,
    .run = run,
};
