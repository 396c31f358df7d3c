/* Many results on one page: rows models, columns suites and checks; see as_report_write_matrix in report.h.
 */
#include <string.h>

#include "base/file.h"
#include "reports/check_view.h"
#include "reports/facts.h"
#include "reports/html.h"
#include "reports/report.h"
#include "reports/value.h"
#include "reports/view.h"

enum { MOST_VALUE = 40 };

typedef struct matrix {
    as_tree tree;
    const json_t *const *results;
    const char *const *pages;
    size_t count;
} matrix;

static json_t *find_suite(const json_t *result, const char *name)
{
    size_t index;
    json_t *suite;
    json_array_foreach(json_object_get(result, "suites"), index, suite)
    {
        const char *found = json_string_value(json_object_get(suite, "name"));
        if (found && strcmp(found, name) == 0) return suite;
    }
    return NULL;
}

/* name -> {id -> title}, over all results, in the order in which they come. */
static json_t *collect(matrix *m)
{
    json_t *suites = as_tree_object(&m->tree), *suite, *check;
    size_t s, c;
    for (size_t i = 0; i < m->count; i++) {
        json_array_foreach(json_object_get(m->results[i], "suites"), s, suite)
        {
            const char *name = json_string_value(json_object_get(suite, "name"));
            if (!name) continue;
            if (!json_object_get(suites, name)) as_tree_put(&m->tree, suites, name, as_tree_object(&m->tree));
            json_array_foreach(json_object_get(suite, "checks"), c, check)
            {
                const char *id = json_string_value(json_object_get(check, "id"));
                json_t *title = json_object_get(check, "title"), *checks = json_object_get(suites, name);
                if (!id || json_object_get(checks, id)) continue;
                as_tree_put(&m->tree, checks, id, title ? json_incref(title) : json_null());
            }
        }
    }
    return suites;
}

/* A path as a link: it stays beside this page, whatever it is called. */
static json_t *link_to(matrix *m, const char *path)
{
    if (!path) return json_null();
    as_buf text;
    as_buf_init(&text, 0);
    as_buf_str(&text, *path == '/' ? "" : "./");
    for (const unsigned char *c = (const unsigned char *)path; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
                     strchr("-._~/", *c);
        as_buf_printf(&text, plain ? "%c" : "%%%02X", *c);
    }
    return as_tree_buf(&m->tree, &text);
}

static json_t *row_head(matrix *m, size_t row)
{
    json_t *head = as_tree_object(&m->tree);
    const json_t *result = m->results[row];
    as_tree_put(&m->tree, head, "model", as_fact_model(&m->tree, result));
    as_tree_put(&m->tree, head, "target", as_fact_name(&m->tree, json_object_get(result, "target")));
    const json_t *dtype = json_object_get(json_object_get(result, "model"), "dtype");
    as_tree_put(&m->tree, head, "dtype", as_view_value(&m->tree, dtype, NULL, MOST_VALUE));
    as_tree_put(&m->tree, head, "profile", as_fact_name(&m->tree, json_object_get(result, "profile")));
    as_tree_put(&m->tree, head, "verdict",
                as_tree_text(&m->tree, as_verdict_name(as_view_verdict(result)), 0));
    as_tree_put(&m->tree, head, "link", link_to(m, m->pages ? m->pages[row] : NULL));
    as_buf headline;
    as_buf_init(&headline, 0);
    as_view_headline(result, &headline);
    as_tree_put(&m->tree, head, "headline", as_tree_buf(&m->tree, &headline));
    return head;
}

static json_t *suite_cell(matrix *m, const json_t *suite)
{
    if (!suite) return json_null();
    json_t *cell = as_tree_object(&m->tree);
    as_counts counts = as_view_count(suite);
    size_t held = counts.of[AS_PASS] + counts.of[AS_WARN], judged = counts.total - counts.of[AS_SKIP];
    as_tree_put(&m->tree, cell, "verdict",
                as_tree_text(&m->tree, as_verdict_name(as_view_verdict(suite)), 0));
    as_tree_put(&m->tree, cell, "text",
                judged ? as_tree_printf(&m->tree, "%zu of %zu held", held, judged)
                       : as_tree_text(&m->tree, "nothing could be checked", 0));
    return cell;
}

static const json_t *find_check(const json_t *suite, const char *id)
{
    size_t index;
    json_t *check;
    json_array_foreach(json_object_get(suite, "checks"), index, check)
    {
        const char *found = json_string_value(json_object_get(check, "id"));
        if (found && strcmp(found, id) == 0) return check;
    }
    return NULL;
}

static json_t *check_cell(matrix *m, const json_t *check)
{
    if (!check) return json_null();
    json_t *cell = as_tree_object(&m->tree);
    const char *unit = json_string_value(json_object_get(check, "unit"));
    as_tree_put(&m->tree, cell, "verdict",
                as_tree_text(&m->tree, as_verdict_name(as_view_verdict(check)), 0));
    as_tree_put(&m->tree, cell, "text",
                as_view_value(&m->tree, json_object_get(check, "measured"), unit, MOST_VALUE));
    return cell;
}

static json_t *overview(matrix *m, const json_t *suites)
{
    json_t *rows = as_tree_array(&m->tree), *checks;
    const char *name;
    for (size_t i = 0; i < m->count; i++) {
        json_t *row = row_head(m, i), *cells = as_tree_array(&m->tree);
        json_object_foreach((json_t *)suites, name, checks)
        {
            as_tree_push(&m->tree, cells, suite_cell(m, find_suite(m->results[i], name)));
        }
        as_tree_put(&m->tree, row, "cells", cells);
        as_tree_push(&m->tree, rows, row);
    }
    return rows;
}

/* One table for each suite: its checks are the columns. */
static json_t *suite_table(matrix *m, const char *name, const json_t *checks)
{
    json_t *table = as_tree_object(&m->tree), *columns = as_tree_array(&m->tree),
           *rows = as_tree_array(&m->tree);
    json_t *title;
    const char *id;
    json_object_foreach((json_t *)checks, id, title)
    {
        json_t *column = as_tree_object(&m->tree);
        as_tree_put(&m->tree, column, "id", as_tree_text(&m->tree, id, 120));
        as_tree_put(&m->tree, column, "title", as_tree_string(&m->tree, title, 200));
        as_tree_push(&m->tree, columns, column);
    }
    for (size_t i = 0; i < m->count; i++) {
        const json_t *suite = find_suite(m->results[i], name);
        json_t *row = row_head(m, i), *cells = as_tree_array(&m->tree);
        json_object_foreach((json_t *)checks, id, title)
        {
            as_tree_push(&m->tree, cells, check_cell(m, find_check(suite, id)));
        }
        as_tree_put(&m->tree, row, "cells", cells);
        as_tree_push(&m->tree, rows, row);
    }
    as_tree_put(&m->tree, table, "name", as_tree_text(&m->tree, name, 120));
    as_tree_put(&m->tree, table, "columns", columns);
    as_tree_put(&m->tree, table, "rows", rows);
    return table;
}

static json_t *matrix_view(matrix *m)
{
    json_t *view = as_tree_object(&m->tree), *suites = collect(m), *checks;
    json_t *names = as_tree_array(&m->tree), *tables = as_tree_array(&m->tree);
    const char *name;
    as_counts by_verdict = {0};
    for (size_t i = 0; i < m->count; i++) by_verdict.of[as_view_verdict(m->results[i])]++;
    as_tree_put(&m->tree, view, "headline",
                as_tree_printf(&m->tree, "%zu results: %zu held, %zu failed, %zu inconclusive", m->count,
                               by_verdict.of[AS_PASS] + by_verdict.of[AS_WARN] + by_verdict.of[AS_SKIP],
                               by_verdict.of[AS_FAIL] + by_verdict.of[AS_ERROR],
                               by_verdict.of[AS_INCONCLUSIVE]));
    as_tree_put(&m->tree, view, "rows", overview(m, suites));
    json_object_foreach(suites, name, checks)
    {
        as_tree_push(&m->tree, names, as_tree_text(&m->tree, name, 120));
        if (json_object_size(checks)) as_tree_push(&m->tree, tables, suite_table(m, name, checks));
    }
    as_tree_put(&m->tree, view, "suites", names);
    as_tree_put(&m->tree, view, "tables", tables);
    json_decref(suites);
    return view;
}

as_code as_report_write_matrix(const json_t *const *results, const char *const *pages, size_t count,
                               const char *dir, as_error *err)
{
    matrix m = {.results = results, .pages = pages, .count = count};
    AS_TRY(as_dir_make(dir, err));
    json_t *view = matrix_view(&m);
    as_code rc = as_tree_check(&m.tree, "matrix.html", err);
    if (rc == AS_OK) rc = as_html_write("matrix.html", view, dir, "matrix.html", err);
    json_decref(view);
    return rc;
}
