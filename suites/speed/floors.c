/* What the cells say together: floors, counts, fractions of the machine's limits, the profile's rules. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "suites/common/note.h"
#include "suites/speed/report.h"

typedef struct judged {
    as_suite_context *context;
    const as_speed_options *options;
    const as_speed_cells *cells;
    const as_speed_cell *slowest; /* of those at which the floors are judged; NULL: none was measured */
    const as_speed_cell *latest;  /* the longest TTFT of them */
    const as_speed_cell *failed;  /* one in which nothing was served */
} judged;

static bool is_judged(const judged *j, const as_speed_cell *cell)
{
    return cell->measured && cell->concurrency == j->options->floor_concurrency;
}

static void find_worst(judged *j)
{
    for (int64_t i = 0; i < j->cells->count; i++) {
        const as_speed_cell *cell = &j->cells->items[i];
        if (!is_judged(j, cell)) continue;
        if (cell->done == 0 && cell->failed) j->failed = cell;
        if (cell->done == 0) continue;
        double low = isnan(cell->rate.low) ? cell->rate.value : cell->rate.low;
        if (!j->slowest ||
            low < (isnan(j->slowest->rate.low) ? j->slowest->rate.value : j->slowest->rate.low)) {
            j->slowest = cell;
        }
        if (!j->latest || cell->ttft.value > j->latest->ttft.value) j->latest = cell;
    }
}

static json_t *cells_evidence(const judged *j)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < j->cells->count; i++) {
        const as_speed_cell *c = &j->cells->items[i];
        if (!c->measured) continue;
        json_array_append_new(list,
                              json_pack("{s:I, s:I, s:o, s:o, s:I}", "prompt_tokens", (json_int_t)c->prompt,
                                        "concurrency", (json_int_t)c->concurrency, "tokens_per_s",
                                        as_interval_json(&c->rate), "ttft_s", as_interval_json(&c->ttft),
                                        "failed", (json_int_t)c->failed));
    }
    return json_pack("{s:o}", "cells", list);
}

/* A request of the record: [due, sent, first, last, tokens, state]. */
enum { ROW_DUE, ROW_FIRST = 2, ROW_LAST, ROW_TOKENS };

static double rate_of(const double row[static 5])
{
    return row[ROW_TOKENS] > 1 ? (row[ROW_TOKENS] - 1) / (row[ROW_LAST] - row[ROW_FIRST]) : NAN;
}

static double ttft_of(const double row[static 5])
{
    return row[ROW_FIRST] - row[ROW_DUE];
}

/* The requests behind a cell's median, from the cell's own record, which a resumed run has too. */
static void add_samples(const judged *j, const as_speed_cell *cell, double (*value_of)(const double *),
                        json_t *evidence)
{
    char id[AS_SPEED_ID];
    size_t i;
    json_t *row, *samples = json_array();
    as_speed_cell_id(cell, id);
    const json_t *check = as_suite_check(j->context, id);
    json_array_foreach(json_object_get(json_object_get(check, "evidence"), "requests"), i, row)
    {
        double numbers[5], value;
        bool known = true;
        for (size_t k = 0; k < 5; k++) known = as_json_number(json_array_get(row, k), &numbers[k]) && known;
        const char *state = json_string_value(json_array_get(row, 5));
        if (!known || !state || strcmp(state, as_sample_state_name(AS_SAMPLE_DONE)) != 0) continue;
        value = value_of(numbers);
        if (isfinite(value)) json_array_append_new(samples, json_real(value));
    }
    json_object_set_new(evidence, "sample_statistic", json_string("median"));
    json_object_set_new(evidence, "samples", samples);
}

/* Nothing to judge: a target that served nothing fails a floor, one that was not asked is a skip. */
static as_code note_nothing(const judged *j, const char *id, const char *title, const char *unit, double gate,
                            as_error *err)
{
    if (!j->failed) {
        return as_note_cut(j->context, id, title, err,
                           "no cell at concurrency %lld was measured: give the run more budget",
                           (long long)j->options->floor_concurrency);
    }
    as_check check = {.id = id,
                      .title = title,
                      .unit = unit,
                      .verdict = AS_FAIL,
                      .measured = json_null(),
                      .expected = as_number_json(gate)};
    return as_note(j->context, &check, err, "no request was served at prompts of %lld tokens; %s",
                   (long long)j->failed->prompt, j->failed->problem);
}

static as_code note_rate(const judged *j, const char *id, const char *title, as_error *err)
{
    if (j->failed || !j->slowest) {
        return note_nothing(j, id, title, "tokens/s", j->options->tokens_per_s.value, err);
    }
    char name[160];
    snprintf(name, sizeof name,
             "the median request's speed at %lld-token prompts, the slowest of the grid at concurrency %lld,",
             (long long)j->slowest->prompt, (long long)j->options->floor_concurrency);
    as_gated gated = {.id = id,
                      .title = title,
                      .unit = "tokens/s",
                      .name = name,
                      .measured = j->slowest->rate,
                      .sense = AS_GATE_ABOVE,
                      .gate = j->options->tokens_per_s,
                      .evidence = cells_evidence(j)};
    add_samples(j, j->slowest, rate_of, gated.evidence);
    return as_note_gated(j->context, &gated, err);
}

static as_code note_ttft(const judged *j, const char *id, const char *title, as_error *err)
{
    if (j->failed || !j->latest) return note_nothing(j, id, title, "s", j->options->ttft_s.value, err);
    char name[160];
    snprintf(name, sizeof name,
             "the median time to first token at %lld-token prompts, the longest at concurrency %lld,",
             (long long)j->latest->prompt, (long long)j->options->floor_concurrency);
    as_gated gated = {.id = id,
                      .title = title,
                      .unit = "s",
                      .name = name,
                      .measured = j->latest->ttft,
                      .sense = AS_GATE_AT_MOST,
                      .gate = j->options->ttft_s,
                      .evidence = cells_evidence(j)};
    add_samples(j, j->latest, ttft_of, gated.evidence);
    return as_note_gated(j->context, &gated, err);
}

static as_code note_counts(const judged *j, as_error *err)
{
    static const char id[] = "speed/counts",
                      title[] = "Every request got the tokens it asked for, counted once";
    int64_t done = 0, wrong = 0;
    for (int64_t i = 0; i < j->cells->count; i++) {
        const as_speed_cell *cell = &j->cells->items[i];
        if (cell->measured) done += cell->done, wrong += cell->miscounted;
    }
    if (done == 0 && !j->failed) return as_note_cut(j->context, id, title, err, "no request was done");
    if (done == 0) return as_note_skip(j->context, id, title, err, "no request was done");
    as_check check = {.id = id,
                      .title = title,
                      .unit = "requests",
                      .verdict = wrong ? AS_FAIL : AS_PASS,
                      .measured = json_integer(wrong),
                      .expected = json_integer(0),
                      .evidence = json_pack("{s:s, s:I}", "better", "lower", "requests", (json_int_t)done)};
    return as_note(j->context, &check, err,
                   "%lld of %lld requests received another number of tokens than asked for, or than the "
                   "target reports%s",
                   (long long)wrong, (long long)done,
                   wrong ? ": tokens sent twice or lost make every speed wrong" : "");
}

/* ---- fractions of the machine's limits -------------------------------------------------------------------
 */

static double limit_of(const as_suite_context *context, const char *name)
{
    double value = NAN;
    as_json_number(json_object_get(context->limits, name), &value);
    return value > 0 ? value : NAN;
}

static as_code note_fraction(const judged *j, const char *id, const char *title, const as_interval *speed,
                             double per_token, double limit, const char *what, as_error *err)
{
    as_interval share = *speed;
    share.value *= per_token / limit;
    share.low *= per_token / limit;
    share.high *= per_token / limit;
    as_check check = {.id = id,
                      .title = title,
                      .unit = "",
                      .verdict = AS_PASS,
                      .measured = as_interval_json(&share),
                      .evidence =
                          json_pack("{s:s, s:o, s:f, s:f}", "better", "higher", "tokens_per_s",
                                    as_interval_json(speed), "per_token", per_token, "limit_per_s", limit)};
    return as_note(j->context, &check, err, "%.1f %% of %s; reported, no gate is set", 100 * share.value,
                   what);
}

/* Speed of the prompt at one request at a time: tokens over the time to the first one. */
static as_interval prefill_speed(const as_speed_cell *cell)
{
    double n = (double)cell->prompt;
    const as_interval *t = &cell->ttft_send;
    return (as_interval){n / t->value, n / t->high, n / t->low, t->n, t->level};
}

static as_code note_fractions(const judged *j, as_error *err)
{
    static const char *const ids[] = {"speed/read-fraction", "speed/fma-fraction"};
    static const char *const titles[] = {"Decoding, as a fraction of the machine's read bandwidth",
                                         "Prefill, as a fraction of the machine's multiply-add peak"};
    const as_model_info *info = j->context->target->facts.info;
    double read = limit_of(j->context, "read_gbps") * 1e9, fma = limit_of(j->context, "fma_gflops") * 1e9;
    const as_speed_cell *first = NULL, *longest = NULL;
    for (int64_t i = 0; i < j->cells->count; i++) {
        const as_speed_cell *cell = &j->cells->items[i];
        if (!cell->measured || cell->concurrency != 1 || cell->done == 0) continue;
        if (!first || cell->prompt < first->prompt) first = cell;
        if (!longest || cell->prompt > longest->prompt) longest = cell;
    }
    const char *lack = !info || info->parameters < 1 ? "the size of the model behind the target is not known"
                       : !first                      ? "no cell at concurrency 1 was measured"
                       : isnan(read) || isnan(fma)   ? "the machine's limits were not measured in this run"
                                                     : NULL;
    bool cut = info && info->parameters > 0 && !first && !j->failed;
    for (int i = 0; lack && i < 2; i++) {
        AS_TRY(cut ? as_note_cut(j->context, ids[i], titles[i], err, "%s", lack)
                   : as_note_skip(j->context, ids[i], titles[i], err, "%s", lack));
    }
    if (lack) return AS_OK;
    double active = (double)info->active_parameters / (double)info->parameters;
    if (!(active > 0)) active = 1;
    AS_TRY(note_fraction(j, ids[0], titles[0], &first->rate, (double)info->weight_bytes * active, read,
                         "the bytes that can be read in a second, counting the weights once a token", err));
    as_interval prefill = prefill_speed(longest);
    return note_fraction(
        j, ids[1], titles[1], &prefill, 2 * (double)info->parameters * active, fma,
        "the multiply-adds that can be done in a second, counting two operations a parameter and token", err);
}

/* ---- rules -----------------------------------------------------------------------------------------------
 */

static as_code rule_throughput(const as_rule_context *rule, void *state, as_error *err)
{
    judged j = *(const judged *)state;
    /* The rule's own number stands even where the suite's gate is another one. */
    as_speed_options options = *j.options;
    double above = NAN;
    as_json_number(json_object_get(json_object_get(rule->rule, "parameters"), "tokens_per_second_above"),
                   &above);
    if (!isnan(above)) options.tokens_per_s.value = above;
    const char *reason = json_string_value(json_object_get(rule->rule, "reason"));
    if (reason) options.tokens_per_s.reason = reason;
    j.options = &options;
    return note_rate(&j, rule->id, rule->title, err);
}

static as_code rule_ttft(const as_rule_context *rule, void *state, as_error *err)
{
    return note_ttft(state, rule->id, rule->title, err);
}

as_code as_speed_report_floors(as_suite_context *context, const as_speed_options *options,
                               const as_speed_cells *cells, as_error *err)
{
    static const as_rule_entry entries[] = {
        {"throughput-10", "Every stream decodes more than 10 tokens a second", rule_throughput},
        {"ttft-low", "The first token comes soon", rule_ttft},
    };
    judged j = {context, options, cells, NULL, NULL, NULL};
    find_worst(&j);
    if (!as_suite_done(context, "speed/decode-floor")) {
        AS_TRY(note_rate(&j, "speed/decode-floor",
                         "Each request decodes above the floor, first token excluded", err));
    }
    if (!as_suite_done(context, "speed/ttft"))
        AS_TRY(note_ttft(&j, "speed/ttft", "The first token comes in time", err));
    if (!as_suite_done(context, "speed/counts")) AS_TRY(note_counts(&j, err));
    if (!as_suite_done(context, "speed/read-fraction") || !as_suite_done(context, "speed/fma-fraction")) {
        AS_TRY(note_fractions(&j, err));
    }
    return as_note_rules(context, "speed", entries, sizeof entries / sizeof *entries, &j, err);
}
