/* Checks of single loads; see report.h. The judgements over all cells are in floors.c. */
#include "suites/speed/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "suites/common/note.h"

void as_speed_cell_id(const as_speed_cell *cell, char id[static AS_SPEED_ID])
{
    snprintf(id, AS_SPEED_ID, "speed/closed-p%lld-c%lld", (long long)cell->prompt,
             (long long)cell->concurrency);
}

/* Adds the point (x, y) to one line of a series. */
static as_code add_point(as_suite_context *context, const as_series *series, const char *line, double x,
                         const as_interval *y, as_error *err)
{
    json_t *points = json_array();
    json_array_append_new(points, as_point_interval(x, y));
    return as_note_line_point(context, series, line, x, points, err);
}

static as_code add_series(as_suite_context *context, const as_speed_options *o, const as_speed_metrics *m,
                          const as_speed_cell *cell, as_error *err)
{
    as_series rate = {.name = "rate-by-concurrency",
                      .title = "Tokens a second of one request, median",
                      .x_label = "requests at a time",
                      .x_unit = "",
                      .y_label = "tokens a second",
                      .y_unit = "tokens/s",
                      .x_log = true,
                      .gate = o->tokens_per_s.value,
                      .gate_label = "floor"};
    as_series total = rate;
    total.name = "total-by-concurrency";
    total.title = "Tokens a second of all requests together";
    total.gate = NAN;
    as_series ttft = {.name = "ttft-by-prompt",
                      .title = "Time to first token, median",
                      .x_label = "prompt length",
                      .x_unit = "tokens",
                      .y_label = "TTFT",
                      .y_unit = "s",
                      .x_log = true,
                      .gate = o->ttft_s.value,
                      .gate_label = "floor"};
    char by_prompt[48], by_concurrency[48];
    snprintf(by_prompt, sizeof by_prompt, "prompt of %lld tokens", (long long)cell->prompt);
    snprintf(by_concurrency, sizeof by_concurrency, "%lld at a time", (long long)cell->concurrency);
    double at_once = (double)cell->concurrency;
    as_interval together = {m->total_rate, NAN, NAN, m->done, 0.95};
    AS_TRY(add_point(context, &rate, by_prompt, at_once, &m->rate, err));
    AS_TRY(add_point(context, &total, by_prompt, at_once, &together, err));
    return add_point(context, &ttft, by_concurrency, (double)cell->prompt, &m->ttft_due, err);
}

/* TTFT of each request, as they came. */
static as_code add_raw_series(as_suite_context *context, const as_load_result *result, const char *line,
                              as_error *err)
{
    enum { MOST = 512 };
    json_t *points = json_array();
    for (int64_t i = 0; i < result->count && i < MOST; i++) {
        const as_sample *s = &result->samples[i];
        if (s->state != AS_SAMPLE_DONE) continue;
        json_array_append_new(points, as_point((double)(s->due_ns - result->start_ns) * 1e-9,
                                               (double)(s->first_ns - s->due_ns) * 1e-9));
    }
    as_series series = {.name = "ttft-requests",
                        .title = "Time to first token of each request, from when it was due",
                        .kind = AS_SERIES_POINTS,
                        .x_label = "due",
                        .x_unit = "s",
                        .y_label = "TTFT",
                        .y_unit = "s",
                        .gate = NAN};
    return as_note_line(context, &series, line, points, err);
}

static void keep_cell(const as_load_result *result, const as_speed_metrics *m, as_speed_cell *cell)
{
    cell->measured = true;
    cell->failed = m->failed;
    cell->miscounted = m->miscounted;
    cell->done = m->done;
    cell->rate = m->rate;
    cell->ttft = m->ttft_due;
    cell->ttft_send = m->ttft_send;
    cell->requests_rate = m->requests_rate;
    snprintf(cell->problem, sizeof cell->problem, "%s", result->problem);
}

as_code as_speed_report_cell(as_suite_context *context, const as_speed_options *options,
                             const as_load_result *result, const as_speed_metrics *m, as_speed_cell *cell,
                             as_error *err)
{
    keep_cell(result, m, cell);
    AS_TRY(add_series(context, options, m, cell, err));
    char id[AS_SPEED_ID], title[AS_SPEED_ID];
    as_speed_cell_id(cell, id);
    snprintf(title, sizeof title, "Prompts of %lld tokens, %lld at a time", (long long)cell->prompt,
             (long long)cell->concurrency);
    json_t *measured;
    AS_TRY(as_speed_json(result, m, &measured, err));
    json_object_set_new(measured, "miscounted", json_integer(m->miscounted));
    as_check check = {.id = id,
                      .title = title,
                      .verdict = m->failed ? AS_FAIL : AS_PASS,
                      .measured = measured,
                      .evidence = json_pack("{s:s, s:s, s:o, s:s}", "columns",
                                            "due s, sent s, first token s, last token s, tokens, state",
                                            "problem", result->problem, "requests", as_speed_raw(result),
                                            "retries", "none: a failed request stays failed")};
    if (m->failed) {
        return as_note(context, &check, err, "%lld of %lld requests failed; %s", (long long)m->failed,
                       (long long)m->sent, result->problem);
    }
    if (m->done == 0) {
        check.verdict = AS_SKIP;
        json_object_set_new(check.evidence, "cut_by_budget", json_true());
        return as_note(context, &check, err, "cut by the budget before a request was done");
    }
    const char *end = result->end == AS_LOAD_NARROW ? "the median's interval is narrow enough"
                      : result->end == AS_LOAD_CUT
                          ? "the budget was spent before the median's interval was narrow"
                          : "all requests were made, and the median's interval is still wider than asked";
    return as_note(context, &check, err,
                   "%lld requests: %.4g tokens/s each, %.4g together, first token after %.3g s (medians); %s",
                   (long long)m->done, m->rate.value, m->total_rate, m->ttft_due.value, end);
}

static void restore_interval(const json_t *measured, const char *name, as_interval *out)
{
    const json_t *from = json_object_get(json_object_get(measured, name), "median");
    *out = (as_interval){NAN, NAN, NAN, json_integer_value(json_object_get(from, "n")), 0.95};
    as_json_number(json_object_get(from, "value"), &out->value);
    as_json_number(json_object_get(from, "low"), &out->low);
    as_json_number(json_object_get(from, "high"), &out->high);
}

bool as_speed_restore_cell(const as_suite_context *context, as_speed_cell *cell)
{
    char id[AS_SPEED_ID];
    as_speed_cell_id(cell, id);
    const json_t *measured = json_object_get(as_suite_check(context, id), "measured");
    if (!json_is_object(measured)) return false;
    cell->measured = true;
    cell->failed = json_integer_value(json_object_get(measured, "failed"));
    cell->done = json_integer_value(json_object_get(measured, "done"));
    cell->miscounted = json_integer_value(json_object_get(measured, "miscounted"));
    as_json_number(json_object_get(measured, "requests_per_s"), &cell->requests_rate);
    restore_interval(measured, "tokens_per_s", &cell->rate);
    restore_interval(measured, "ttft_s", &cell->ttft);
    restore_interval(measured, "ttft_from_send_s", &cell->ttft_send);
    snprintf(cell->problem, sizeof cell->problem, "%s", "see the cell's own check");
    return true;
}

/* How late a request may be sent. A target in this process computes inside poll, so a request that is due
 * meanwhile waits for that step, exactly as it would wait inside a server. */
static double allowed_lag(const as_speed_options *o, const as_load *load, const as_load_result *result)
{
    double poll_s = (double)result->longest_poll_ns * 1e-9;
    bool in_process = strcmp(load->target->facts.kind, "engine") == 0;
    return in_process ? fmax(o->send_lag_s, poll_s) : o->send_lag_s;
}

as_code as_speed_report_open(as_suite_context *context, const as_speed_options *options, const as_load *load,
                             const as_load_result *result, const as_speed_metrics *m, as_error *err)
{
    char id[AS_SPEED_ID], title[AS_SPEED_ID];
    snprintf(id, sizeof id, "speed/open-%s", as_arrival_name(load->arrival));
    snprintf(title, sizeof title, "Open load, %s arrivals of %lld-token prompts",
             as_arrival_name(load->arrival), (long long)load->prompt_tokens);
    AS_TRY(add_raw_series(context, result, as_arrival_name(load->arrival), err));
    json_t *measured;
    AS_TRY(as_speed_json(result, m, &measured, err));
    double lag = allowed_lag(options, load, result);
    json_object_set_new(measured, "offered_per_s", as_number_json(load->rate));
    as_check check = {.id = id,
                      .title = title,
                      .verdict = AS_PASS,
                      .measured = measured,
                      .evidence =
                          json_pack("{s:s, s:s, s:o, s:f, s:f}", "columns",
                                    "due s, sent s, first token s, last token s, tokens, state", "problem",
                                    result->problem, "requests", as_speed_raw(result), "send_lag_allowed_s",
                                    lag, "longest_poll_s", (double)result->longest_poll_ns * 1e-9)};
    if (result->end == AS_LOAD_CUT) {
        check.verdict = AS_SKIP;
        json_object_set_new(check.evidence, "cut_by_budget", json_true());
        return as_note(context, &check, err, "cut by the budget after %lld of %lld requests",
                       (long long)m->sent, (long long)load->requests);
    }
    if (m->worst_lag_s > lag) {
        check.verdict = AS_ERROR;
        return as_note(
            context, &check, err,
            "the load was not offered as asked: a request was sent %.3g s after it was due (%.3g s are "
            "allowed), so the arrivals are not the ones planned; lower open_load or use a faster machine "
            "for the generator",
            m->worst_lag_s, lag);
    }
    if (m->failed) {
        check.verdict = AS_FAIL;
        return as_note(context, &check, err, "%lld of %lld requests failed; %s", (long long)m->failed,
                       (long long)m->sent, result->problem);
    }
    return as_note(context, &check, err,
                   "%.3g requests a second offered: first token after %.3g s from when it was due (median), "
                   "goodput %.3g "
                   "requests a second",
                   load->rate, m->ttft_due.value, m->goodput);
}
