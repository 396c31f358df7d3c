/* Comparisons for the page and the terminal; see compare_view.h. */
#include "reports/compare_view.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "reports/check_view.h"
#include "reports/compare.h"
#include "reports/facts.h"
#include "reports/html.h"
#include "reports/plots.h"
#include "reports/view.h"

enum { MOST_TITLE = 300, MOST_WHY = 1500, MOST_VALUE = 160 };

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static json_t *side_view(as_tree *tree, const json_t *side, const char *unit)
{
    if (!json_is_object(side)) return json_null();
    json_t *view = as_tree_object(tree);
    as_number number;
    as_buf interval;
    as_buf_init(&interval, 0);
    const json_t *measured = json_object_get(side, "measured");
    if (as_value_number(measured, &number)) as_value_write_interval(&number, &interval);
    as_tree_put(tree, view, "verdict", as_tree_text(tree, as_verdict_name(as_view_verdict(side)), 0));
    as_tree_put(tree, view, "measured", as_view_value(tree, measured, unit, MOST_VALUE));
    as_tree_put(tree, view, "interval", as_tree_buf(tree, &interval));
    return view;
}

/* The difference in percent of A with its interval, against zero. */
static json_t *difference_strip(as_tree *tree, const json_t *difference)
{
    double base = 0;
    as_tree spare = {0};
    json_t *check = as_tree_object(&spare), *measured = as_tree_object(&spare), *strip;
    static const char *const keys[] = {"value", "low", "high"};
    if (!as_json_number(json_object_get(difference, "of"), &base)) base = 1;
    for (size_t i = 0; i < 3; i++) {
        double x;
        bool known = as_json_number(json_object_get(difference, keys[i]), &x);
        as_tree_put(&spare, measured, keys[i], known ? json_real(x / base) : json_null());
    }
    as_tree_put(&spare, check, "measured", measured);
    as_tree_put(&spare, check, "expected", json_integer(0));
    strip = as_view_strip(tree, check);
    json_decref(check);
    if (spare.failed) tree->failed = true;
    return strip;
}

static json_t *row_view(as_tree *tree, const json_t *row)
{
    const char *unit = text_of(row, "unit");
    json_t *view = as_tree_object(tree);
    as_tree_put(tree, view, "id", as_tree_string(tree, json_object_get(row, "id"), MOST_TITLE));
    as_tree_put(tree, view, "title", as_tree_string(tree, json_object_get(row, "title"), MOST_TITLE));
    as_tree_put(tree, view, "change", as_tree_string(tree, json_object_get(row, "change"), 40));
    as_tree_put(tree, view, "why", as_tree_string(tree, json_object_get(row, "why"), MOST_WHY));
    as_tree_put(tree, view, "a", side_view(tree, json_object_get(row, "a"), unit));
    as_tree_put(tree, view, "b", side_view(tree, json_object_get(row, "b"), unit));
    const json_t *difference = json_object_get(row, "difference");
    bool known = json_is_object(difference);
    as_tree_put(tree, view, "strip", known ? difference_strip(tree, difference) : json_null());
    return view;
}

static const char *const lists[] = {"checks", "vanished", "appeared"};
enum { LIST_CHECKS, LIST_VANISHED, LIST_APPEARED, LISTS };

/* Rows of one change; what only one side measured counts here only where it is worse. */
static void put_rows(as_tree *tree, json_t *view, const char *key, const json_t *compare, const char *change,
                     bool differs)
{
    json_t *rows = as_tree_array(tree), *row;
    int last = strcmp(change, "worse") == 0 ? LISTS : LIST_VANISHED;
    for (int l = LIST_CHECKS; l < last; l++) {
        size_t index;
        json_array_foreach(json_object_get(compare, lists[l]), index, row)
        {
            if (strcmp(text_of(row, "change"), change) != 0) continue;
            if (strcmp(change, "same") == 0 && json_is_true(json_object_get(row, "differs")) != differs)
                continue;
            as_tree_push(tree, rows, row_view(tree, row));
        }
    }
    as_tree_put(tree, view, key, rows);
}

/* What only one side measured, without what is told as worse. */
static void put_single(as_tree *tree, json_t *view, int list, const json_t *compare)
{
    json_t *rows = as_tree_array(tree), *row;
    size_t index;
    json_array_foreach(json_object_get(compare, lists[list]), index, row)
    {
        if (strcmp(text_of(row, "change"), "worse") != 0) as_tree_push(tree, rows, row_view(tree, row));
    }
    as_tree_put(tree, view, lists[list], rows);
}

/* A fact that should be the same on both sides; names are told, machines and the like are too long for it. */
static void add_note(as_tree *tree, json_t *notes, const json_t *compare, const char *key, const char *what)
{
    const json_t *a = json_object_get(json_object_get(compare, "a"), key);
    const json_t *b = json_object_get(json_object_get(compare, "b"), key);
    if (json_equal(a, b)) return;
    json_t *x = as_fact_name(tree, a), *y = as_fact_name(tree, b);
    const char *was = json_string_value(x), *is = json_string_value(y);
    bool named = was && is && *was && *is && strlen(was) + strlen(is) < 200 && strcmp(key, "machine") != 0;
    as_tree_push(tree, notes,
                 named ? as_tree_printf(tree, "%s: A %s, B %s", what, was, is) : as_tree_text(tree, what, 0));
    json_decref(x);
    json_decref(y);
}

static json_t *view_notes(as_tree *tree, const json_t *compare)
{
    json_t *notes = as_tree_array(tree);
    add_note(tree, notes, compare, "profile", "not the same profile");
    add_note(tree, notes, compare, "target", "not the same target");
    add_note(tree, notes, compare, "machine", "not the same machine: speeds compare the machines too");
    add_note(tree, notes, compare, "seed", "not the same seed: samples do not pair");
    static const char *const sides[] = {"a", "b"};
    for (size_t i = 0; i < 2; i++) {
        if (json_is_string(json_object_get(json_object_get(compare, sides[i]), "finished"))) continue;
        as_tree_push(tree, notes, as_tree_printf(tree, "the run of %c did not come to its end", "AB"[i]));
    }
    return notes;
}

static json_t *view_origin(as_tree *tree, const json_t *origin)
{
    json_t *view = as_tree_object(tree);
    const json_t *model = json_object_get(origin, "model");
    as_tree_put(tree, view, "model", as_fact_model(tree, origin));
    as_tree_put(tree, view, "verdict", as_tree_text(tree, as_verdict_name(as_view_verdict(origin)), 0));
    as_tree_put(tree, view, "revision", as_view_value(tree, json_object_get(model, "revision"), NULL, 80));
    as_tree_put(tree, view, "dtype", as_view_value(tree, json_object_get(model, "dtype"), NULL, 40));
    as_tree_put(tree, view, "target", as_fact_name(tree, json_object_get(origin, "target")));
    as_tree_put(tree, view, "run", as_view_value(tree, json_object_get(origin, "id"), NULL, 80));
    as_tree_put(tree, view, "started", as_view_value(tree, json_object_get(origin, "started"), NULL, 40));
    return view;
}

static json_t *headline(as_tree *tree, const json_t *compare)
{
    const json_t *counts = json_object_get(compare, "counts");
    json_int_t worse = json_integer_value(json_object_get(counts, "worse"));
    json_int_t unsure = json_integer_value(json_object_get(counts, "inconclusive"));
    json_int_t better = json_integer_value(json_object_get(counts, "better"));
    json_int_t same = json_integer_value(json_object_get(counts, "same"));
    if (worse + unsure + better + same == 0) return as_tree_text(tree, "There is nothing to compare", 0);
    as_buf text;
    as_buf_init(&text, 0);
    if (worse) as_buf_printf(&text, "%lld got worse, ", (long long)worse);
    if (better) as_buf_printf(&text, "%lld got better, ", (long long)better);
    if (unsure) as_buf_printf(&text, "%lld cannot be told, ", (long long)unsure);
    as_buf_printf(&text, "%lld the same", (long long)same);
    return as_tree_buf(tree, &text);
}

static void put_plots(as_tree *tree, json_t *view, const json_t *plots)
{
    json_t *all = as_tree_array(tree), *list, *plot;
    const char *name;
    size_t index;
    json_object_foreach((json_t *)plots, name, list)
    {
        json_array_foreach(list, index, plot)
        {
            as_tree_push(tree, all, json_incref(plot));
        }
    }
    as_tree_put(tree, view, "plots", all);
}

as_code as_view_compare(const json_t *compare, const json_t *plots, json_t **out, as_error *err)
{
    as_tree tree = {0};
    json_t *view = as_tree_object(&tree);
    as_tree_put(&tree, view, "verdict", as_tree_string(&tree, json_object_get(compare, "verdict"), 40));
    as_tree_put(&tree, view, "headline", headline(&tree, compare));
    as_tree_put(&tree, view, "notes", view_notes(&tree, compare));
    as_tree_put(&tree, view, "a", view_origin(&tree, json_object_get(compare, "a")));
    as_tree_put(&tree, view, "b", view_origin(&tree, json_object_get(compare, "b")));
    double margin = json_number_value(json_object_get(compare, "margin"));
    as_tree_put(&tree, view, "margin", as_tree_printf(&tree, "%.3g%%", 100 * margin));
    put_rows(&tree, view, "worse", compare, "worse", false);
    put_rows(&tree, view, "inconclusive", compare, "inconclusive", false);
    put_rows(&tree, view, "better", compare, "better", false);
    put_rows(&tree, view, "differs", compare, "same", true);
    put_rows(&tree, view, "same", compare, "same", false);
    put_single(&tree, view, LIST_VANISHED, compare);
    put_single(&tree, view, LIST_APPEARED, compare);
    put_plots(&tree, view, plots);
    as_code rc = as_tree_check(&tree, "the comparison", err);
    if (rc == AS_OK) {
        *out = view;
    } else {
        json_decref(view);
    }
    return rc;
}

as_code as_compare_write(const json_t *compare, const json_t *a, const json_t *b, const char *dir,
                         as_error *err)
{
    char path[AS_PATH_MAX];
    json_t *overlay = NULL, *plots = NULL, *view = NULL;
    AS_TRY(as_dir_make(dir, err));
    AS_TRY(as_path_join(path, dir, "compare.json", err));
    AS_TRY(as_result_write(compare, path, err));
    AS_TRY(as_path_join(path, dir, "plots", err));
    as_code rc = as_compare_overlay(a, b, &overlay, err);
    if (rc == AS_OK) rc = as_plots_make(overlay, path, &plots, err);
    if (rc == AS_OK) rc = as_view_compare(compare, plots, &view, err);
    if (rc == AS_OK) rc = as_html_write("compare.html", view, dir, "compare.html", err);
    json_decref(view);
    json_decref(plots);
    json_decref(overlay);
    return rc == AS_OK ? AS_OK : as_wrap(err, "compare.html");
}
