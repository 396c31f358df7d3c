/* What was run, on what and where; see facts.h. */
#include "reports/facts.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "reports/check_view.h"
#include "reports/value.h"

enum { MOST_FACT = 600, MOST_ROWS = 60, MOST_DEPTH = 3 };

/* How numbers under a key are told: by the end of the key. */
static const struct {
    const char *suffix, *unit;
    double divisor;
} units[] = {
    {"_bytes", "GB", 1e9},   {"_gbps", "GB/s", 1}, {"_gflops", "GFLOP/s", 1},
    {"_ghz", "GHz", 1},      {"_mhz", "MHz", 1},   {"_gb", "GB", 1},
    {"_gib", "GiB", 1},      {"_seconds", "s", 1}, {"_ms", "ms", 1},
    {"_us", "\xC2\xB5s", 1}, {"_s", "s", 1},       {"context", "tokens", 1},
};

static void add_row(as_tree *tree, json_t *rows, json_t *key, json_t *value)
{
    json_t *row = as_tree_object(tree);
    as_tree_put(tree, row, "key", key);
    as_tree_put(tree, row, "value", value);
    as_tree_push(tree, rows, row);
}

static bool ends_with(const char *text, const char *suffix)
{
    size_t size = strlen(text), end = strlen(suffix);
    return size >= end && strcmp(text + size - end, suffix) == 0;
}

static json_t *fact_value(as_tree *tree, const char *key, const json_t *value)
{
    double x;
    as_buf text;
    if (as_json_number(value, &x)) {
        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
            if (!ends_with(key, units[i].suffix)) continue;
            as_buf_init(&text, 0);
            as_value_write_real(x / units[i].divisor, &text);
            as_buf_printf(&text, "\xC2\xA0%s", units[i].unit);
            return as_tree_buf(tree, &text);
        }
    }
    return as_view_value(tree, value, NULL, MOST_FACT);
}

/* The key without the suffix that its unit tells: "read_gbps" -> "read". */
static json_t *fact_label(as_tree *tree, const char *group, const char *key)
{
    size_t size = strlen(key);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (units[i].suffix[0] != '_' || !ends_with(key, units[i].suffix)) continue;
        size -= strlen(units[i].suffix);
        break;
    }
    return as_tree_printf(tree, "%s%s%.*s", group, *group ? " " : "", size > 60 ? 60 : (int)size, key);
}

/* Plain values are rows; objects become rows under their key's name. */
static void add_object(as_tree *tree, json_t *rows, const char *group, const json_t *object, int depth)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        if (json_array_size(rows) >= MOST_ROWS) return;
        as_number number;
        if (json_is_null(value) || (json_is_string(value) && !json_string_length(value))) continue;
        if (json_is_object(value) && depth < MOST_DEPTH && !as_value_number(value, &number)) {
            char inner[64];
            snprintf(inner, sizeof inner, "%s%s%.30s", group, *group ? " " : "", key);
            add_object(tree, rows, inner, value, depth + 1);
            continue;
        }
        json_t *label = fact_label(tree, group, key);
        as_tree spare = {0};
        json_t *words = as_view_label(&spare, json_string_value(label) ? json_string_value(label) : "");
        json_decref(label);
        if (spare.failed) tree->failed = true;
        add_row(tree, rows, words, fact_value(tree, key, value));
    }
}

static void add_text(as_tree *tree, json_t *rows, const char *key, const json_t *value)
{
    if (!value || json_is_null(value)) return;
    add_row(tree, rows, as_tree_text(tree, key, 0), as_fact_name(tree, value));
}

static void add_group(as_tree *tree, json_t *groups, const char *title, json_t *rows)
{
    if (json_array_size(rows) == 0) {
        json_decref(rows);
        return;
    }
    json_t *group = as_tree_object(tree);
    as_tree_put(tree, group, "title", as_tree_text(tree, title, 0));
    as_tree_put(tree, group, "rows", rows);
    as_tree_push(tree, groups, group);
}

double as_fact_seconds(const char *from, const char *to)
{
    struct tm a = {0}, b = {0};
    if (!from || !to || !strptime(from, "%Y-%m-%dT%H:%M:%S", &a) || !strptime(to, "%Y-%m-%dT%H:%M:%S", &b)) {
        return -1;
    }
    return difftime(timegm(&b), timegm(&a));
}

static json_t *command_text(as_tree *tree, const json_t *command)
{
    if (!json_is_array(command)) return as_fact_name(tree, command);
    as_buf text;
    as_buf_init(&text, 0);
    for (size_t i = 0; i < json_array_size(command); i++) {
        if (i) as_buf_char(&text, ' ');
        as_value_write(json_array_get(command, i), NULL, MOST_FACT, &text);
    }
    return as_tree_buf(tree, &text);
}

static json_t *run_rows(as_tree *tree, const json_t *result)
{
    const json_t *run = json_object_get(result, "run"), *tool = json_object_get(result, "tool");
    json_t *rows = as_tree_array(tree);
    add_text(tree, rows, "profile", json_object_get(result, "profile"));
    add_text(tree, rows, "target", json_object_get(result, "target"));
    add_text(tree, rows, "started", json_object_get(run, "started"));
    double seconds = as_fact_seconds(json_string_value(json_object_get(run, "started")),
                                     json_string_value(json_object_get(run, "finished")));
    if (seconds >= 0) {
        char room[32];
        as_clock_duration(seconds, room);
        add_row(tree, rows, as_tree_text(tree, "took", 0), as_tree_text(tree, room, 0));
    }
    if (as_json_has(run, "command")) {
        add_row(tree, rows, as_tree_text(tree, "command", 0),
                command_text(tree, json_object_get(run, "command")));
    }
    add_text(tree, rows, "seed", json_object_get(run, "seed"));
    add_text(tree, rows, "run", json_object_get(run, "id"));
    json_t *version = as_view_value(tree, json_object_get(tool, "version"), NULL, 60);
    json_t *commit = as_view_value(tree, json_object_get(tool, "commit"), NULL, 60);
    add_row(tree, rows, as_tree_text(tree, "assay", 0),
            as_tree_printf(tree, "%s %s", json_string_value(version) ? json_string_value(version) : "",
                           json_string_value(commit) ? json_string_value(commit) : ""));
    json_decref(version);
    json_decref(commit);
    return rows;
}

json_t *as_facts(as_tree *tree, const json_t *result)
{
    const json_t *run = json_object_get(result, "run");
    json_t *groups = as_tree_array(tree), *model = as_tree_array(tree), *machine = as_tree_array(tree);
    add_object(tree, model, "", json_object_get(result, "model"), 0);
    add_object(tree, machine, "", json_object_get(run, "machine"), 0);
    add_object(tree, machine, "best", json_object_get(run, "limits"), 0);
    add_group(tree, groups, "Model", model);
    add_group(tree, groups, "Run", run_rows(tree, result));
    add_group(tree, groups, "Machine", machine);
    return groups;
}

json_t *as_fact_name(as_tree *tree, const json_t *value)
{
    static const char *const keys[] = {"name", "id", "url", "kind"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && json_is_object(value); i++) {
        const json_t *name = json_object_get(value, keys[i]);
        if (json_is_string(name)) return as_tree_string(tree, name, MOST_FACT);
    }
    return as_view_value(tree, value, NULL, MOST_FACT);
}

json_t *as_fact_model(as_tree *tree, const json_t *result)
{
    const json_t *id = json_object_get(json_object_get(result, "model"), "id");
    if (json_is_string(id) && json_string_length(id)) return as_tree_string(tree, id, 200);
    return as_tree_text(tree, "a model without a name", 0);
}
