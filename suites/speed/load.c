/* The load generator; see load.h. */
#include "suites/speed/load.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"

enum { POLL_NS = 10 * 1000 * 1000, ARRIVAL_STREAM = 0xA221, PLACE_STREAM = 0x91ACE };
static const int64_t DRAIN_NS = 2000000000;

static int64_t real_now(void *context)
{
    (void)context;
    return as_clock_ns();
}

static void real_sleep(void *context, int64_t at_ns)
{
    (void)context;
    as_clock_sleep_until(at_ns);
}

const as_clock_source as_clock_real = {real_now, real_sleep, NULL};

const char *as_arrival_name(as_arrival arrival)
{
    static const char *const names[] = {"closed", "constant", "poisson"};
    return names[arrival];
}

const char *as_sample_state_name(as_sample_state state)
{
    static const char *const names[] = {"open", "done", "refused", "broken", "silent"};
    return names[state];
}

void as_load_free(as_load_result *result)
{
    as_free(result->samples);
    as_free(result->gaps);
}

typedef struct run {
    const as_load *load;
    as_load_result *result;
    int64_t *due_ns; /* open arrivals */
    int64_t sent, active, heard_ns;
    bool stopping, failed_memory;
    as_rng places;
} run;

static int64_t now_of(const run *r)
{
    return r->load->clock->now(r->load->clock->context);
}

/* ---- events ----------------------------------------------------------------------------------------------
 */

static void add_gap(run *r, double seconds)
{
    as_load_result *result = r->result;
    if (result->gap_count == result->gap_room) {
        int64_t room = result->gap_room ? 2 * result->gap_room : 1024;
        double *gaps = as_realloc(result->gaps, (size_t)room * sizeof *gaps);
        if (!gaps) {
            r->failed_memory = true;
            return;
        }
        result->gaps = gaps;
        result->gap_room = room;
    }
    result->gaps[result->gap_count++] = seconds;
}

static void note_problem(run *r, const char *what, const char *text)
{
    if (!r->result->problem[0])
        snprintf(r->result->problem, sizeof r->result->problem, "%s: %.200s", what, text);
}

static void end_sample(run *r, as_sample *sample, const as_event *event)
{
    sample->finish = event->finish;
    bool ended = event->finish == AS_FINISH_LENGTH || event->finish == AS_FINISH_STOP;
    sample->state = ended ? AS_SAMPLE_DONE : AS_SAMPLE_BROKEN;
    if (!ended) note_problem(r, "a request broke off", event->text ? event->text : "");
    r->active--;
    if (r->load->enough && r->load->enough(r->load->enough_context, r->result)) {
        if (!r->stopping) r->result->end = AS_LOAD_NARROW;
        r->stopping = true;
    }
}

static void on_event(void *context, const as_event *event)
{
    run *r = context;
    as_sample *sample = event->user;
    /* Leftovers of an earlier, cut run carry another run's sample. */
    if (sample < r->result->samples || sample >= r->result->samples + r->sent) return;
    if (sample->state != AS_SAMPLE_OPEN) return;
    r->heard_ns = now_of(r);
    if (event->token >= 0) {
        if (sample->received == 0)
            sample->first_ns = event->time_ns;
        else
            add_gap(r, (double)(event->time_ns - sample->last_ns) * 1e-9);
        sample->last_ns = event->time_ns;
        sample->received++;
    }
    sample->prompt_reported = event->prompt_tokens;
    sample->completion_reported = event->completion_tokens;
    if (event->finish != AS_FINISH_NONE) end_sample(r, sample, event);
}

/* ---- sending ---------------------------------------------------------------------------------------------
 */

static as_code send_one(run *r, int64_t due_ns, as_error *err)
{
    const as_load *l = r->load;
    as_sample *sample = &r->result->samples[r->sent++];
    r->result->count = r->sent;
    int64_t spare = l->token_count - l->prompt_tokens;
    int64_t place = spare > 0 ? (int64_t)as_rng_below(&r->places, (uint64_t)spare + 1) : 0;
    as_request request = {.tokens = l->tokens + place,
                          .count = l->prompt_tokens,
                          .max_tokens = l->completion_tokens,
                          .ignore_eos = true,
                          .logprobs = -1,
                          .user = sample};
    int64_t sent_ns = now_of(r);
    *sample = (as_sample){.due_ns = due_ns ? due_ns : sent_ns, .sent_ns = sent_ns};
    as_error problem = {.text = ""};
    as_code rc = l->target->ops->submit(l->target, &request, &sample->id, &problem);
    if (rc == AS_OK) {
        if (r->active++ == 0) r->heard_ns = sent_ns;
        return AS_OK;
    }
    sample->state = AS_SAMPLE_REFUSED;
    note_problem(r, "a request was refused", problem.text);
    if (rc != AS_E_CANCELLED && rc != AS_E_MEMORY && rc != AS_E_INTERNAL) return AS_OK;
    if (err) *err = problem;
    return rc;
}

/* When the next request is to be sent; 0: at once, -1: not before another has ended, or never again. */
static int64_t next_due(const run *r)
{
    if (r->stopping || r->sent >= r->load->requests) return -1;
    if (r->load->arrival == AS_ARRIVAL_CLOSED) return r->active < r->load->concurrency ? 0 : -1;
    return r->due_ns[r->sent];
}

static as_code send_due(run *r, as_error *err)
{
    const as_load *l = r->load;
    for (;;) {
        int64_t now = now_of(r), due = next_due(r);
        if (due >= 0 && l->until_ns && now > l->until_ns) {
            r->stopping = true;
            r->result->end = AS_LOAD_CUT;
        }
        if (due < 0 || due > now || r->stopping) return AS_OK;
        AS_TRY(send_one(r, due, err));
    }
}

static void schedule(run *r)
{
    as_rng rng;
    as_rng_init(&rng, r->load->seed, ARRIVAL_STREAM);
    double at = 0; /* in mean gaps */
    for (int64_t i = 0; i < r->load->requests; i++) {
        r->due_ns[i] = r->result->start_ns + llround(at / r->load->rate * 1e9);
        at += r->load->arrival == AS_ARRIVAL_POISSON ? as_rng_exponential(&rng) : 1;
    }
}

/* ---- the loop --------------------------------------------------------------------------------------------
 */

static as_code poll_once(run *r, int64_t wait_ns, as_error *err)
{
    const as_load *l = r->load;
    int64_t before = now_of(r);
    bool busy;
    AS_TRY(l->target->ops->poll(l->target, wait_ns, on_event, r, &busy, err));
    int64_t took = now_of(r) - before;
    if (took > r->result->longest_poll_ns) r->result->longest_poll_ns = took;
    return r->failed_memory ? as_fail_memory(err, "times between tokens") : AS_OK;
}

/* Cancels what is open and takes the last events, so that the next run starts clean. */
static void abandon(run *r)
{
    as_target *target = r->load->target;
    for (int64_t i = 0; i < r->sent; i++) {
        if (r->result->samples[i].state == AS_SAMPLE_OPEN)
            target->ops->cancel(target, r->result->samples[i].id);
    }
    int64_t until = now_of(r) + DRAIN_NS;
    while (r->active > 0 && now_of(r) < until) {
        if (poll_once(r, POLL_NS, NULL) != AS_OK) return;
    }
}

static void end_in_silence(run *r)
{
    char text[96];
    snprintf(text, sizeof text, "no event for %.3g s with %lld requests under way", r->load->silence_s,
             (long long)r->active);
    note_problem(r, "the target fell silent", text);
    as_sample *samples = r->result->samples;
    for (int64_t i = 0; i < r->sent; i++) {
        if (samples[i].state != AS_SAMPLE_OPEN) continue;
        samples[i].state = AS_SAMPLE_SILENT;
        r->load->target->ops->cancel(r->load->target, samples[i].id);
    }
    r->result->end = AS_LOAD_SILENT;
    int64_t until = now_of(r) + DRAIN_NS;
    bool busy = true;
    while (busy && now_of(r) < until) {
        if (r->load->target->ops->poll(r->load->target, POLL_NS, on_event, r, &busy, NULL) != AS_OK) return;
    }
}

static as_code loop(run *r, as_error *err)
{
    const as_load *l = r->load;
    for (;;) {
        AS_TRY(send_due(r, err));
        int64_t due = next_due(r), now = now_of(r);
        if (r->active == 0 && due < 0) return AS_OK;
        if (l->context->cancelled(l->context)) {
            abandon(r);
            return as_fail(err, AS_E_CANCELLED, "interrupted");
        }
        if (r->active == 0) {
            l->clock->sleep_until(l->clock->context, due);
            continue;
        }
        int64_t wait = due >= 0 && due - now < POLL_NS ? due - now : POLL_NS;
        AS_TRY(poll_once(r, wait > 0 ? wait : 0, err));
        if ((double)(now_of(r) - r->heard_ns) * 1e-9 > l->silence_s) {
            end_in_silence(r);
            return AS_OK;
        }
        l->context->progress(l->context, r->sent - r->active, l->requests, l->phrase);
    }
}

as_code as_load_run(const as_load *load, as_load_result *out, as_error *err)
{
    AS_BUG(load->token_count < load->prompt_tokens || load->requests < 1);
    as_load_result result = {.end = AS_LOAD_COMPLETE};
    run r = {.load = load, .result = &result};
    as_rng_init(&r.places, load->seed, PLACE_STREAM);
    result.samples = AS_NEW_ARRAY(as_sample, load->requests);
    r.due_ns = AS_NEW_ARRAY(int64_t, load->requests);
    as_code rc = AS_OK;
    if (!result.samples || !r.due_ns) {
        rc = as_fail_memory(err, "samples");
    } else {
        result.start_ns = r.heard_ns = now_of(&r);
        if (load->arrival != AS_ARRIVAL_CLOSED) schedule(&r);
        rc = loop(&r, err);
    }
    result.end_ns = result.start_ns;
    for (int64_t i = 0; i < r.sent && result.samples; i++) {
        if (result.samples[i].last_ns > result.end_ns) result.end_ns = result.samples[i].last_ns;
    }
    as_free(r.due_ns);
    if (rc != AS_OK) {
        as_load_free(&result);
        return rc;
    }
    *out = result;
    return AS_OK;
}
