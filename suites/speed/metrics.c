/* Metrics of a load; see metrics.h. */
#include "suites/speed/metrics.h"

#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "suites/common/note.h"

static const double LEVEL = 0.95, QUOTE_CONFIDENCE = 0.99;
enum { RAW_MOST = 512 };

typedef double quantity(const as_sample *sample); /* seconds, or tokens a second; NAN: not defined */

static double seconds(int64_t ns)
{
    return (double)ns * 1e-9;
}

static double ttft_due(const as_sample *s)
{
    return s->received ? seconds(s->first_ns - s->due_ns) : NAN;
}

static double ttft_send(const as_sample *s)
{
    return s->received ? seconds(s->first_ns - s->sent_ns) : NAN;
}

static double end_to_end(const as_sample *s)
{
    return s->received ? seconds(s->last_ns - s->due_ns) : NAN;
}

/* (end to end - TTFT) / (n - 1) */
static double tpot(const as_sample *s)
{
    return s->received > 1 ? seconds(s->last_ns - s->first_ns) / (double)(s->received - 1) : NAN;
}

static double rate(const as_sample *s)
{
    double each = tpot(s);
    return each > 0 ? 1 / each : NAN;
}

/* The defined values of requests that are done, sorted. */
static as_code collect(const as_load_result *result, quantity *value, double **values, int64_t *count,
                       as_error *err)
{
    double *list = AS_NEW_ARRAY(double, result->count);
    if (!list) return as_fail_memory(err, "latencies");
    int64_t n = 0;
    for (int64_t i = 0; i < result->count; i++) {
        double v = result->samples[i].state == AS_SAMPLE_DONE ? value(&result->samples[i]) : NAN;
        if (!isnan(v)) list[n++] = v;
    }
    as_stats_sort(list, n);
    *values = list;
    *count = n;
    return AS_OK;
}

static as_code median_of(const as_load_result *result, quantity *value, as_interval *out, as_error *err)
{
    double *values = NULL;
    int64_t n = 0;
    AS_TRY(collect(result, value, &values, &n, err));
    *out = as_stats_quantile(values, n, 0.5, LEVEL);
    as_free(values);
    return AS_OK;
}

as_code as_speed_rate(const as_load_result *result, as_interval *out, as_error *err)
{
    return median_of(result, rate, out, err);
}

static bool is_good(const as_sample *s, const as_speed_options *o)
{
    if (s->state != AS_SAMPLE_DONE) return false;
    if (!isnan(o->tokens_per_s.value) && !(rate(s) > o->tokens_per_s.value)) return false;
    return isnan(o->ttft_s.value) || ttft_due(s) <= o->ttft_s.value;
}

static void count_samples(const as_load *load, const as_load_result *result, const as_speed_options *options,
                          as_speed_metrics *m)
{
    int64_t good = 0;
    for (int64_t i = 0; i < result->count; i++) {
        const as_sample *s = &result->samples[i];
        double lag = seconds(s->sent_ns - s->due_ns);
        if (lag > m->worst_lag_s) m->worst_lag_s = lag;
        m->failed += s->state > AS_SAMPLE_DONE;
        if (s->state != AS_SAMPLE_DONE) continue;
        m->done++;
        m->tokens += s->received;
        good += is_good(s, options);
        m->miscounted += s->received != load->completion_tokens || s->completion_reported != s->received ||
                         s->prompt_reported != load->prompt_tokens;
    }
    m->sent = result->count;
    m->seconds = seconds(result->end_ns - result->start_ns);
    if (m->seconds > 0) {
        m->total_rate = (double)m->tokens / m->seconds;
        m->requests_rate = (double)m->done / m->seconds;
        m->goodput = (double)good / m->seconds;
    }
}

as_code as_speed_measure(const as_load *load, const as_load_result *result, const as_speed_options *options,
                         as_speed_metrics *out, as_error *err)
{
    as_speed_metrics m = {0};
    count_samples(load, result, options, &m);
    AS_TRY(median_of(result, rate, &m.rate, err));
    AS_TRY(median_of(result, ttft_due, &m.ttft_due, err));
    AS_TRY(median_of(result, ttft_send, &m.ttft_send, err));
    AS_TRY(median_of(result, tpot, &m.tpot, err));
    AS_TRY(median_of(result, end_to_end, &m.end_to_end, err));
    as_stats_sort(result->gaps, result->gap_count);
    m.gap = as_stats_quantile(result->gaps, result->gap_count, 0.5, LEVEL);
    *out = m;
    return AS_OK;
}

/* {"median": ..., "p90": ..., "p99": ...} of sorted values. */
static json_t *percentiles(const double *sorted, int64_t n)
{
    static const double qs[] = {0.5, 0.9, 0.99};
    static const char *const names[] = {"median", "p90", "p99"};
    json_t *out = json_object();
    for (int i = 0; i < 3; i++) {
        int64_t least = i ? as_stats_min_count(qs[i], QUOTE_CONFIDENCE) : 1;
        if (n >= least) {
            as_interval value = as_stats_quantile(sorted, n, qs[i], LEVEL);
            json_object_set_new(out, names[i], as_interval_json(&value));
            continue;
        }
        char reason[96];
        snprintf(reason, sizeof reason, "%lld samples; %lld are needed", (long long)n, (long long)least);
        json_object_set_new(out, names[i],
                            json_pack("{s:n, s:I, s:s}", "value", "n", (json_int_t)n, "reason", reason));
    }
    return out;
}

as_code as_speed_json(const as_load_result *result, const as_speed_metrics *m, json_t **out, as_error *err)
{
    static const struct {
        const char *name;
        quantity *value;
    } quantities[] = {{"tokens_per_s", rate},
                      {"ttft_s", ttft_due},
                      {"ttft_from_send_s", ttft_send},
                      {"tpot_s", tpot},
                      {"end_to_end_s", end_to_end}};
    static const char *const ends[] = {"complete", "narrow enough", "cut by the budget", "silent"};
    json_t *object = json_object(); /* what a reader looks for comes first */
    for (size_t i = 0; i < sizeof quantities / sizeof *quantities; i++) {
        double *values = NULL;
        int64_t n = 0;
        as_code rc = collect(result, quantities[i].value, &values, &n, err);
        if (rc != AS_OK) {
            json_decref(object);
            return rc;
        }
        json_object_set_new(object, quantities[i].name, percentiles(values, n));
        as_free(values);
    }
    json_object_set_new(object, "itl_s", percentiles(result->gaps, result->gap_count));
    json_t *counts = json_pack(
        "{s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:s}", "requests", (json_int_t)m->sent, "done",
        (json_int_t)m->done, "failed", (json_int_t)m->failed, "tokens", (json_int_t)m->tokens, "seconds",
        m->seconds, "total_tokens_per_s", m->total_rate, "requests_per_s", m->requests_rate, "goodput_per_s",
        m->goodput, "worst_send_lag_s", m->worst_lag_s, "ended", ends[result->end]);
    json_object_update(object, counts);
    json_decref(counts);
    *out = object;
    return AS_OK;
}

/* Seconds to the microsecond: more digits would be noise, and the record stays small. */
static json_t *moment(const as_load_result *result, int64_t ns)
{
    return ns ? json_real(round(seconds(ns - result->start_ns) * 1e6) / 1e6) : json_null();
}

json_t *as_speed_raw(const as_load_result *result)
{
    json_t *rows = json_array();
    for (int64_t i = 0; i < result->count && i < RAW_MOST; i++) {
        const as_sample *s = &result->samples[i];
        json_array_append_new(rows, json_pack("[o, o, o, o, I, s]", moment(result, s->due_ns),
                                              moment(result, s->sent_ns), moment(result, s->first_ns),
                                              moment(result, s->last_ns), (json_int_t)s->received,
                                              as_sample_state_name(s->state)));
    }
    return rows;
}
