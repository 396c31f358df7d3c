/* Recording checks; see note.h. */
#include "suites/common/note.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { WHY_SIZE = 1024, ID_SIZE = 160 };

static as_code note_v(as_suite_context *context, const as_check *check, as_error *err, const char *why,
                      va_list args)
{
    char text[WHY_SIZE];
    vsnprintf(text, sizeof text, why, args);
    as_check whole = *check;
    whole.why = text;
    if (!whole.unit) whole.unit = "";
    return context->record(context, &whole, err);
}

as_code as_note(as_suite_context *context, const as_check *check, as_error *err, const char *why, ...)
{
    va_list args;
    va_start(args, why);
    as_code rc = note_v(context, check, err, why, args);
    va_end(args);
    return rc;
}

as_code as_note_skip(as_suite_context *context, const char *id, const char *title, as_error *err,
                     const char *why, ...)
{
    va_list args;
    va_start(args, why);
    as_check check = {.id = id, .title = title, .verdict = AS_SKIP};
    as_code rc = note_v(context, &check, err, why, args);
    va_end(args);
    return rc;
}

json_t *as_cut_evidence(void)
{
    return json_pack("{s:b}", "cut_by_budget", 1);
}

as_code as_note_cut(as_suite_context *context, const char *id, const char *title, as_error *err,
                    const char *why, ...)
{
    va_list args;
    va_start(args, why);
    as_check check = {.id = id, .title = title, .verdict = AS_SKIP, .evidence = as_cut_evidence()};
    as_code rc = note_v(context, &check, err, why, args);
    va_end(args);
    return rc;
}

static const char *sense_text(as_gate_sense sense)
{
    static const char *const texts[] = {
        [AS_GATE_AT_MOST] = "at most", [AS_GATE_AT_LEAST] = "at least", [AS_GATE_ABOVE] = "above"};
    return texts[sense];
}

static const char *verdict_text(as_verdict verdict, bool bounded)
{
    if (verdict == AS_PASS) return "the whole interval keeps it";
    if (verdict == AS_FAIL) return "the whole interval breaks it";
    return bounded ? "the interval does not clear it: more documents, requests or trials would decide"
                   : "too few samples to bound it: more documents, requests or trials would decide";
}

static void interval_text(const as_interval *i, char room[static 64])
{
    if (isfinite(i->low) && isfinite(i->high)) {
        snprintf(room, 64, " (%.0f %% interval %.4g to %.4g)", 100 * i->level, i->low, i->high);
    } else {
        room[0] = 0;
    }
}

/* An error of the measurement itself never passes as a gate that was not reached. */
as_code as_note_gated(as_suite_context *context, const as_gated *g, as_error *err)
{
    json_t *evidence = g->evidence ? g->evidence : json_object();
    json_object_set_new(evidence, "better", json_string(g->sense == AS_GATE_AT_MOST ? "lower" : "higher"));
    char interval[64];
    interval_text(&g->measured, interval);
    const char *space = g->unit && *g->unit ? " " : "", *unit = g->unit ? g->unit : "";
    as_check check = {.id = g->id,
                      .title = g->title,
                      .unit = unit,
                      .measured = as_interval_json(&g->measured),
                      .evidence = evidence};
    if (isnan(g->measured.value)) {
        check.verdict = !g->too_few            ? AS_INCONCLUSIVE
                        : isnan(g->gate.value) ? AS_SKIP
                        : g->lenient           ? AS_WARN
                                               : AS_INCONCLUSIVE;
        return as_note(context, &check, err, "%s: %s", g->name,
                       g->too_few ? g->too_few : "nothing could be measured");
    }
    if (isnan(g->gate.value)) {
        check.verdict = AS_PASS;
        return as_note(context, &check, err, "%s is %.4g%s%s%s; reported, no gate is set", g->name,
                       g->measured.value, space, unit, interval);
    }
    as_verdict verdict = as_stats_judge(&g->measured, g->sense, g->gate.value);
    json_object_set_new(evidence, "gate_reason", g->gate.reason ? json_string(g->gate.reason) : json_null());
    json_object_set_new(evidence, "sense", json_string(sense_text(g->sense)));
    check.expected = json_real(g->gate.value);
    check.verdict = verdict != AS_PASS && g->lenient ? AS_WARN : verdict;
    bool bounded = isfinite(g->measured.low) && isfinite(g->measured.high);
    return as_note(
        context, &check, err, "%s is %.4g%s%s%s; the gate is %s %.4g%s%s: %s%s%s. Why this gate: %s", g->name,
        g->measured.value, space, unit, interval, sense_text(g->sense), g->gate.value, space, unit,
        verdict_text(verdict, bounded), check.verdict == AS_WARN ? "; a warning only, " : "",
        check.verdict == AS_WARN ? g->lenient : "", g->gate.reason ? g->gate.reason : "not stated");
}

/* The recorded series of that name, or NULL. */
static const json_t *find_series(const json_t *suite, const char *name)
{
    size_t at;
    json_t *series;
    json_array_foreach(json_object_get(suite, "series"), at, series)
    {
        const char *found = json_string_value(json_object_get(series, "name"));
        if (found && strcmp(found, name) == 0) return series;
    }
    return NULL;
}

as_code as_note_line(as_suite_context *context, const as_series *series, const char *line, json_t *points,
                     as_error *err)
{
    as_series whole = *series;
    json_t *lines = json_object_get(find_series(context->suite, series->name), "lines");
    whole.points = json_is_object(lines) ? json_copy(lines) : json_object();
    json_object_set_new(whole.points, line, points);
    return as_result_add_series(context->suite, &whole, err);
}

/* The points without those at x, then the new ones (taken over). */
static json_t *merge_points(const json_t *points, double x, json_t *added)
{
    json_t *merged = json_array();
    size_t at;
    json_t *point;
    json_array_foreach(points, at, point)
    {
        if (json_number_value(json_array_get(point, 0)) != x) json_array_append(merged, point);
    }
    json_array_extend(merged, added);
    json_decref(added);
    return merged;
}

as_code as_note_line_point(as_suite_context *context, const as_series *series, const char *line, double x,
                           json_t *points, as_error *err)
{
    json_t *lines = json_object_get(find_series(context->suite, series->name), "lines");
    return as_note_line(context, series, line, merge_points(json_object_get(lines, line), x, points), err);
}

as_code as_note_cells(as_suite_context *context, const as_series *series, double x, json_t *points,
                      as_error *err)
{
    as_series whole = *series;
    const json_t *recorded = json_object_get(find_series(context->suite, series->name), "points");
    whole.points = merge_points(recorded, x, points);
    return as_result_add_series(context->suite, &whole, err);
}

json_t *as_number_json(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *as_point(double x, double y)
{
    return json_pack("[o, o]", as_number_json(x), as_number_json(y));
}

json_t *as_point_interval(double x, const as_interval *y)
{
    if (!isfinite(y->low) || !isfinite(y->high)) return as_point(x, y->value);
    return json_pack("[o, o, o, o]", as_number_json(x), as_number_json(y->value), as_number_json(y->low),
                     as_number_json(y->high));
}

static const as_rule_entry *find_entry(const as_rule_entry *entries, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(entries[i].name, name) == 0) return &entries[i];
    }
    return NULL;
}

static as_code run_rule(as_suite_context *context, const json_t *rule, const as_rule_entry *entries,
                        size_t count, void *state, as_error *err)
{
    const char *name = json_string_value(json_object_get(rule, "id"));
    if (!name) return AS_OK;
    char id[ID_SIZE];
    const char *slash = strchr(name, '/');
    if (slash)
        snprintf(id, sizeof id, "%s", name);
    else
        snprintf(id, sizeof id, "%s/%s", as_profile_id(context->profile), name);
    if (as_suite_done(context, id)) return AS_OK;

    const as_rule_entry *entry = find_entry(entries, count, slash ? slash + 1 : name);
    const char *title = json_string_value(json_object_get(rule, "title"));
    as_rule_context call = {context, rule, id, title ? title : entry ? entry->title : name};
    if (!entry) {
        return as_note_skip(
            context, id, call.title, err,
            "this suite has no check for the rule %s: correct its name in the profile, or give "
            "it to another suite",
            name);
    }
    return entry->check(&call, state, err);
}

as_code as_note_rules(as_suite_context *context, const char *suite, const as_rule_entry *entries,
                      size_t count, void *state, as_error *err)
{
    size_t at;
    json_t *rule;
    json_array_foreach(json_object_get(context->profile, "rules"), at, rule)
    {
        const char *owner = json_string_value(json_object_get(rule, "suite"));
        if (owner && strcmp(owner, suite) == 0) {
            AS_TRY(run_rule(context, rule, entries, count, state, err));
        }
    }
    return AS_OK;
}
