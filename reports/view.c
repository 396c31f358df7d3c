/* Results for page templates; see view.h. */
#include "reports/view.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "reports/check_view.h"
#include "reports/facts.h"
#include "reports/value.h"

enum { MOST_PROBLEMS = 40 };

static void count_suite(const json_t *suite, as_counts *counts)
{
    size_t index;
    json_t *check;
    json_array_foreach(json_object_get(suite, "checks"), index, check)
    {
        as_verdict verdict = as_view_verdict(check);
        counts->of[verdict]++;
        counts->total++;
        const json_t *cut = json_object_get(json_object_get(check, "evidence"), "cut_by_budget");
        counts->cut += verdict == AS_SKIP && json_is_true(cut);
    }
}

as_counts as_view_count(const json_t *result_or_suite)
{
    as_counts counts = {0};
    const json_t *suites = json_object_get(result_or_suite, "suites");
    size_t index;
    json_t *suite;
    if (!suites) count_suite(result_or_suite, &counts);
    json_array_foreach(suites, index, suite)
    {
        count_suite(suite, &counts);
    }
    return counts;
}

void as_view_count_words(const as_counts *counts, as_verdict verdict, as_buf *out)
{
    as_buf_str(out, as_verdict_adjective(verdict));
    if (verdict != AS_SKIP || counts->cut == 0) return;
    if (counts->cut == counts->of[AS_SKIP]) {
        as_buf_str(out, " (cut by the budget)");
    } else {
        as_buf_printf(out, " (%zu cut by the budget)", counts->cut);
    }
}

bool as_view_interrupted(const json_t *result)
{
    return !json_is_string(json_object_get(json_object_get(result, "run"), "finished"));
}

static const char *checks_word(size_t count)
{
    return count == 1 ? "check" : "checks";
}

void as_view_headline(const json_t *result, as_buf *out)
{
    static const struct {
        as_verdict verdict;
        const char *words;
    } tell[] = {{AS_FAIL, "failed"}, {AS_ERROR, "broke"}, {AS_INCONCLUSIVE, "inconclusive"}};
    as_counts counts = as_view_count(result);
    size_t judged = counts.total - counts.of[AS_SKIP], told = 0;
    for (size_t i = 0; i < sizeof tell / sizeof tell[0]; i++) {
        size_t n = counts.of[tell[i].verdict];
        if (!n) continue;
        if (told++) {
            as_buf_printf(out, ", %zu %s", n, tell[i].words);
        } else {
            as_buf_printf(out, "%zu of %zu %s %s", n, judged, checks_word(judged), tell[i].words);
        }
    }
    if (counts.total == 0) {
        as_buf_str(out, "Nothing was checked");
    } else if (judged == 0) {
        as_buf_str(out, "Nothing could be checked here");
    } else if (!told) {
        as_buf_printf(out, judged == 1 ? "The one check held" : "All %zu checks held", judged);
    }
    if (counts.of[AS_WARN]) as_buf_printf(out, ", %zu with a warning", counts.of[AS_WARN]);
    if (counts.of[AS_SKIP] && judged) {
        as_buf_printf(out, ", %zu ", counts.of[AS_SKIP]);
        as_view_count_words(&counts, AS_SKIP, out);
    }
}

typedef struct problem {
    const json_t *check;
    int severity;
    double excess;
    size_t place;
} problem;

static int worst_first(const void *a, const void *b)
{
    const problem *x = a, *y = b;
    if (x->severity != y->severity) return y->severity - x->severity;
    if (x->excess != y->excess) return x->excess > y->excess ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

static bool is_problem(const json_t *check)
{
    return as_verdict_severity(as_view_verdict(check)) >= as_verdict_severity(AS_WARN);
}

const json_t **as_view_problems(as_tree *tree, const json_t *result, size_t *count)
{
    as_counts counts = as_view_count(result);
    size_t found = 0, s, c;
    json_t *suite, *check;
    *count = 0;
    problem *list = AS_NEW_ARRAY(problem, counts.total + 1);
    const json_t **out = AS_NEW_ARRAY(const json_t *, counts.total + 1);
    if (!list || !out) {
        tree->failed = true;
        as_free(list);
        as_free(out);
        return NULL;
    }
    json_array_foreach(json_object_get(result, "suites"), s, suite)
    {
        json_array_foreach(json_object_get(suite, "checks"), c, check)
        {
            if (!is_problem(check)) continue;
            int severity = as_verdict_severity(as_view_verdict(check));
            list[found] = (problem){check, severity, as_view_excess(check), found};
            found++;
        }
    }
    qsort(list, found, sizeof *list, worst_first);
    for (size_t i = 0; i < found; i++) out[i] = list[i].check;
    as_free(list);
    *count = found;
    return out;
}

/* Checks are numbered through the document; a problem's link needs its number. */
static size_t number_of(const json_t *result, const json_t *wanted)
{
    size_t s, c, number = 0;
    json_t *suite, *check;
    json_array_foreach(json_object_get(result, "suites"), s, suite)
    {
        json_array_foreach(json_object_get(suite, "checks"), c, check)
        {
            number++;
            if (check == wanted) return number;
        }
    }
    return 0;
}

static void put_problems(as_tree *tree, json_t *view, const json_t *result)
{
    size_t count;
    const json_t **problems = as_view_problems(tree, result, &count);
    json_t *list = as_tree_array(tree);
    for (size_t i = 0; i < count && i < MOST_PROBLEMS; i++) {
        as_tree_push(tree, list, as_view_check(tree, problems[i], number_of(result, problems[i])));
    }
    as_free(problems);
    as_tree_put(tree, view, "problems", list);
    size_t more = count > MOST_PROBLEMS ? count - MOST_PROBLEMS : 0;
    as_tree_put(tree, view, "problems_more", json_integer((json_int_t)more));
}

/* [{verdict, words, n}] for the verdicts that occur, worst first. */
static json_t *view_counts(as_tree *tree, const json_t *of)
{
    static const as_verdict order[] = {AS_ERROR, AS_FAIL, AS_INCONCLUSIVE, AS_WARN, AS_PASS, AS_SKIP};
    as_counts counts = as_view_count(of);
    json_t *list = as_tree_array(tree);
    for (size_t i = 0; i < AS_VERDICT_COUNT; i++) {
        if (!counts.of[order[i]]) continue;
        json_t *row = as_tree_object(tree);
        as_tree_put(tree, row, "verdict", as_tree_text(tree, as_verdict_name(order[i]), 0));
        as_buf words;
        as_buf_init(&words, 0);
        as_view_count_words(&counts, order[i], &words);
        as_tree_put(tree, row, "words", as_tree_buf(tree, &words));
        as_tree_put(tree, row, "n", json_integer((json_int_t)counts.of[order[i]]));
        as_tree_push(tree, list, row);
    }
    return list;
}

/* Skipped checks that lack the same thing are told together: [{why, checks: [{id, title, anchor}]}]. */
static void add_skipped(as_tree *tree, json_t *groups, json_t *places, const json_t *check, size_t number)
{
    const char *why = json_string_value(json_object_get(check, "why"));
    json_t *group =
        json_array_get(groups, (size_t)json_integer_value(json_object_get(places, why ? why : "")) - 1);
    if (!group) {
        group = as_tree_object(tree);
        as_tree_put(tree, group, "why", as_tree_text(tree, why, 1500));
        as_tree_put(tree, group, "checks", as_tree_array(tree));
        as_tree_push(tree, groups, group);
        as_tree_put(tree, places, why ? why : "", json_integer((json_int_t)json_array_size(groups)));
    }
    json_t *row = as_tree_object(tree);
    as_tree_put(tree, row, "id", as_tree_string(tree, json_object_get(check, "id"), 300));
    as_tree_put(tree, row, "title", as_tree_string(tree, json_object_get(check, "title"), 300));
    as_tree_put(tree, row, "anchor", as_tree_printf(tree, "check-%zu", number));
    as_tree_push(tree, json_object_get(group, "checks"), row);
}

static void put_checks(as_tree *tree, json_t *view, const json_t *suite, size_t *number)
{
    json_t *checks = as_tree_array(tree), *skipped = as_tree_array(tree), *places = as_tree_object(tree),
           *check;
    size_t index;
    json_array_foreach(json_object_get(suite, "checks"), index, check)
    {
        ++*number;
        if (as_view_verdict(check) == AS_SKIP) {
            add_skipped(tree, skipped, places, check, *number);
        } else {
            as_tree_push(tree, checks, as_view_check(tree, check, *number));
        }
    }
    json_decref(places);
    as_tree_put(tree, view, "checks", checks);
    as_tree_put(tree, view, "skipped", skipped);
}

static json_t *suite_title(as_tree *tree, const json_t *suite)
{
    static const struct {
        const char *name, *title;
    } known[] = {
        {"rules", "Rules: what the repository holds"},
        {"context", "Context: the promised length"},
        {"drift", "Drift: what the precision costs"},
        {"speed", "Speed: under load, against the floors"},
    };
    const json_t *title = json_object_get(suite, "title");
    if (json_is_string(title)) return as_tree_string(tree, title, 200);
    const char *name = json_string_value(json_object_get(suite, "name"));
    for (size_t i = 0; name && i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(name, known[i].name) == 0) return as_tree_text(tree, known[i].title, 0);
    }
    return as_tree_text(tree, name, 200);
}

static json_t *view_suite(as_tree *tree, const json_t *suite, const json_t *plots, size_t place,
                          size_t *number)
{
    json_t *view = as_tree_object(tree);
    const char *name = json_string_value(json_object_get(suite, "name"));
    as_tree_put(tree, view, "name", as_tree_text(tree, name, 200));
    as_tree_put(tree, view, "anchor", as_tree_printf(tree, "suite-%zu", place + 1));
    as_tree_put(tree, view, "title", suite_title(tree, suite));
    as_tree_put(tree, view, "verdict", as_tree_text(tree, as_verdict_name(as_view_verdict(suite)), 0));
    as_tree_put(tree, view, "counts", view_counts(tree, suite));
    put_checks(tree, view, suite, number);
    json_t *drawn = name ? json_object_get(plots, name) : NULL;
    as_tree_put(tree, view, "plots", drawn ? json_incref(drawn) : as_tree_array(tree));
    return view;
}

static void put_suites(as_tree *tree, json_t *view, const json_t *result, const json_t *plots)
{
    json_t *suites = as_tree_array(tree), *suite;
    size_t index, number = 0;
    json_array_foreach(json_object_get(result, "suites"), index, suite)
    {
        as_tree_push(tree, suites, view_suite(tree, suite, plots, index, &number));
    }
    as_tree_put(tree, view, "suites", suites);
}

as_code as_view_result(const json_t *result, const json_t *plots, json_t **out, as_error *err)
{
    as_tree tree = {0};
    json_t *view = as_tree_object(&tree);
    as_buf headline;
    as_buf_init(&headline, 0);
    as_view_headline(result, &headline);
    as_tree_put(&tree, view, "model", as_fact_model(&tree, result));
    as_tree_put(&tree, view, "target", as_fact_name(&tree, json_object_get(result, "target")));
    as_tree_put(&tree, view, "profile", as_fact_name(&tree, json_object_get(result, "profile")));
    as_tree_put(&tree, view, "verdict", as_tree_text(&tree, as_verdict_name(as_view_verdict(result)), 0));
    as_tree_put(&tree, view, "headline", as_tree_buf(&tree, &headline));
    as_tree_put(&tree, view, "interrupted", json_boolean(as_view_interrupted(result)));
    as_tree_put(&tree, view, "counts", view_counts(&tree, result));
    as_tree_put(&tree, view, "facts", as_facts(&tree, result));
    put_problems(&tree, view, result);
    put_suites(&tree, view, result, plots);
    as_code rc = as_tree_check(&tree, "the report", err);
    if (rc == AS_OK) {
        *out = view;
    } else {
        json_decref(view);
    }
    return rc;
}
