/* The result record; see result.h. Reading one back is in result_read.c. */
#include "suites/result.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"

static const char *const verdict_names[AS_VERDICT_COUNT] = {
    [AS_PASS] = "pass", [AS_SKIP] = "skip",   [AS_WARN] = "warn", [AS_INCONCLUSIVE] = "inconclusive",
    [AS_FAIL] = "fail", [AS_ERROR] = "error",
};

static const char *const kind_names[] = {
    [AS_SERIES_LINE] = "line",
    [AS_SERIES_POINTS] = "points",
    [AS_SERIES_BARS] = "bars",
    [AS_SERIES_GRID] = "grid",
};

const char *as_verdict_name(as_verdict verdict)
{
    AS_BUG((unsigned)verdict >= AS_VERDICT_COUNT);
    return verdict_names[verdict];
}

bool as_verdict_parse(const char *name, as_verdict *out)
{
    for (int i = 0; i < AS_VERDICT_COUNT; i++) {
        if (strcmp(verdict_names[i], name) == 0) {
            *out = (as_verdict)i;
            return true;
        }
    }
    return false;
}

int as_verdict_status(as_verdict verdict, bool inconclusive_passes)
{
    if (verdict == AS_INCONCLUSIVE) return inconclusive_passes ? 0 : 1;
    return verdict == AS_FAIL || verdict == AS_ERROR;
}

json_t *as_result_text(const char *text)
{
    if (!text) return NULL;
    size_t size = strlen(text);
    if (as_utf8_is_valid(text, size)) return json_stringn_nocheck(text, size);
    as_buf clean;
    as_buf_init(&clean, 0);
    for (size_t at = 0; at < size;) {
        uint32_t codepoint;
        int step = as_utf8_next(text + at, size - at, &codepoint);
        as_buf_codepoint(&clean, codepoint);
        at += (size_t)(step < 0 ? -step : step);
    }
    json_t *made =
        as_buf_check(&clean, "a text", NULL) == AS_OK ? json_stringn(clean.data, clean.size) : NULL;
    as_buf_free(&clean);
    return made;
}

/* Objects are filled field by field; the first failure empties *object, which ends the filling. */
static void put(json_t **object, const char *key, json_t *value)
{
    if (!*object) {
        json_decref(value);
    } else if (json_object_set_new(*object, key, value) != 0) {
        json_decref(*object);
        *object = NULL;
    }
}

static void put_text(json_t **object, const char *key, const char *text)
{
    put(object, key, as_result_text(text ? text : ""));
}

static void put_value(json_t **object, const char *key, json_t *value)
{
    put(object, key, value ? value : json_null());
}

json_t *as_result_new(void)
{
    /* Parsed rather than built, so that JSON's memory comes through our door from the start. */
    static const char empty[] = "{\"schema\":\"assay.results/1\",\"tool\":{\"version\":\"" ASSAY_VERSION "\","
                                "\"commit\":null,\"build\":null},\"run\":{},\"model\":{},\"target\":null,"
                                "\"profile\":null,\"verdict\":\"skip\",\"suites\":[]}";
    json_t *result = NULL;
    if (as_json_parse(empty, sizeof empty - 1, AS_JSON_LENIENT, "result", &result, NULL) != AS_OK)
        return NULL;
    json_t *tool = json_incref(json_object_get(result, "tool"));
    put_text(&tool, "build", __VERSION__);
    if (!tool) {
        json_decref(result);
        return NULL;
    }
    json_decref(tool);
    return result;
}

static json_t *find_named(const json_t *array, const char *key, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach(array, i, item)
    {
        const char *found = json_string_value(json_object_get(item, key));
        if (found && strcmp(found, name) == 0) return item;
    }
    return NULL;
}

json_t *as_result_suite(json_t *result, const char *name)
{
    json_t *suites = json_object_get(result, "suites");
    json_t *suite = find_named(suites, "name", name);
    if (suite) return suite;
    suite = json_object();
    put_text(&suite, "name", name);
    put_text(&suite, "verdict", verdict_names[AS_SKIP]);
    put(&suite, "checks", json_array());
    put(&suite, "series", json_array());
    return suite && json_array_append_new(suites, suite) == 0 ? suite : NULL;
}

/* Adds the item to suite[list], or puts it in the place of the one with the same name. */
static as_code add_named(json_t *suite, const char *list, const char *key, const char *name, json_t *item,
                         as_error *err)
{
    json_t *array = json_object_get(suite, list);
    size_t i;
    json_t *old;
    json_array_foreach(array, i, old)
    {
        const char *found = json_string_value(json_object_get(old, key));
        if (!found || strcmp(found, name) != 0) continue;
        if (!item || json_array_set_new(array, i, item) != 0) return as_fail_memory(err, name);
        return AS_OK;
    }
    if (!item || json_array_append_new(array, item) != 0) return as_fail_memory(err, name);
    return AS_OK;
}

as_code as_result_add_check(json_t *suite, const as_check *check, as_error *err)
{
    AS_BUG(!check->id || !check->title);
    AS_BUG(check->verdict != AS_PASS && (!check->why || !*check->why));
    json_t *item = json_object();
    put_text(&item, "id", check->id);
    put_text(&item, "title", check->title);
    put_text(&item, "verdict", as_verdict_name(check->verdict));
    put_value(&item, "measured", check->measured);
    put_value(&item, "expected", check->expected);
    put_text(&item, "unit", check->unit);
    put_text(&item, "why", check->why);
    put_value(&item, "evidence", check->evidence);
    return add_named(suite, "checks", "id", check->id, item, err);
}

static json_t *pair(const char *first_key, const char *first, const char *second_key, const char *second)
{
    json_t *object = json_object();
    put_text(&object, first_key, first);
    put_text(&object, second_key, second);
    return object;
}

as_code as_result_add_series(json_t *suite, const as_series *series, as_error *err)
{
    AS_BUG(!series->name || (unsigned)series->kind >= sizeof kind_names / sizeof kind_names[0]);
    bool lines = json_is_object(series->points);
    json_t *item = json_object();
    put_text(&item, "name", series->name);
    put_text(&item, "title", series->title);
    put_text(&item, "kind", kind_names[series->kind]);
    put(&item, "x", pair("label", series->x_label, "unit", series->x_unit));
    put(&item, "y", pair("label", series->y_label, "unit", series->y_unit));
    put(&item, "scale", pair("x", series->x_log ? "log" : "linear", "y", series->y_log ? "log" : "linear"));
    if (isfinite(series->gate)) {
        put(&item, "gate", json_real(series->gate));
        put_text(&item, "gate_label", series->gate_label);
    }
    put(&item, "points", lines || !series->points ? json_array() : series->points);
    if (lines) put(&item, "lines", series->points);
    return add_named(suite, "series", "name", series->name, item, err);
}

const json_t *as_result_find_check(const json_t *result, const char *id)
{
    size_t i;
    json_t *suite;
    json_array_foreach(json_object_get(result, "suites"), i, suite)
    {
        const json_t *check = find_named(json_object_get(suite, "checks"), "id", id);
        if (check) return check;
    }
    return NULL;
}

static as_verdict verdict_of(const json_t *part)
{
    const char *name = json_string_value(json_object_get(part, "verdict"));
    as_verdict verdict = AS_ERROR; /* a name that is none did not come from here */
    if (name) (void)as_verdict_parse(name, &verdict);
    return verdict;
}

static as_verdict worst(const json_t *parts)
{
    as_verdict whole = AS_SKIP;
    size_t i;
    json_t *part;
    json_array_foreach(parts, i, part)
    {
        as_verdict verdict = verdict_of(part);
        if (verdict == AS_SKIP) continue;
        if (whole == AS_SKIP || verdict > whole) whole = verdict;
    }
    return whole;
}

static void set_verdict(json_t *part, as_verdict verdict)
{
    if (verdict_of(part) == verdict && json_object_get(part, "verdict")) return;
    /* Out of memory here would leave a verdict that is not true; the text set at the start may be better. */
    if (json_object_set_new(part, "verdict", as_result_text(verdict_names[verdict])) != 0) {
        (void)json_object_del(part, "verdict");
    }
}

as_verdict as_result_conclude(json_t *result)
{
    json_t *suites = json_object_get(result, "suites");
    size_t i;
    json_t *suite;
    json_array_foreach(suites, i, suite)
    {
        set_verdict(suite, worst(json_object_get(suite, "checks")));
    }
    as_verdict whole = worst(suites);
    set_verdict(result, whole);
    return whole;
}

as_code as_result_write(const json_t *result, const char *path, as_error *err)
{
    as_buf text;
    as_buf_init(&text, 0);
    as_json_write(result, 1, &text);
    as_buf_char(&text, '\n');
    as_code rc = as_buf_check(&text, path, err);
    if (rc == AS_OK) rc = as_file_write(path, text.data, text.size, err);
    as_buf_free(&text);
    return rc;
}
