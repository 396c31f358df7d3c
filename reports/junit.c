/* JUnit XML; see junit.h. */
#include "reports/junit.h"

#include <string.h>

#include "base/json.h"
#include "reports/check_view.h"
#include "reports/facts.h"
#include "reports/tree.h"
#include "reports/value.h"
#include "reports/view.h"

enum { MOST_MESSAGE = 500, MOST_VALUE = 300 };

typedef enum { STATE_PASS, STATE_FAILURE, STATE_ERROR, STATE_SKIPPED, STATES } state;

static const char *const state_names[STATES] = {"pass", "failure", "error", "skipped"};

static state state_of(as_verdict verdict, as_inconclusive inconclusive)
{
    switch (verdict) {
    case AS_FAIL: return STATE_FAILURE;
    case AS_ERROR: return STATE_ERROR;
    case AS_SKIP: return STATE_SKIPPED;
    case AS_INCONCLUSIVE: return inconclusive == AS_INCONCLUSIVE_PASSES ? STATE_SKIPPED : STATE_FAILURE;
    default: return STATE_PASS;
    }
}

static void add_line(as_buf *text, const char *label, const json_t *value)
{
    const char *words = json_string_value(value);
    if (words && *words) as_buf_printf(text, "%s: %s\n", label, words);
}

static json_t *case_text(as_tree *tree, const json_t *view)
{
    as_buf text;
    as_buf_init(&text, 0);
    add_line(&text, "measured", json_object_get(view, "measured"));
    add_line(&text, "interval", json_object_get(view, "interval"));
    add_line(&text, "expected", json_object_get(view, "expected"));
    add_line(&text, "off by", json_object_get(view, "excess"));
    add_line(&text, "why", json_object_get(view, "why"));
    return as_tree_buf(tree, &text);
}

static json_t *case_view(as_tree *tree, const json_t *check, state s)
{
    json_t *view = as_tree_object(tree);
    const char *why = json_string_value(json_object_get(check, "why"));
    as_tree_put(tree, view, "id", as_tree_string(tree, json_object_get(check, "id"), MOST_MESSAGE));
    as_tree_put(tree, view, "state", as_tree_text(tree, state_names[s], 0));
    as_tree_put(tree, view, "verdict", as_tree_text(tree, as_verdict_name(as_view_verdict(check)), 0));
    const json_t *title = json_object_get(check, "title");
    as_tree_put(tree, view, "message",
                why && *why ? as_tree_text(tree, why, MOST_MESSAGE)
                            : as_tree_string(tree, title, MOST_MESSAGE));
    json_t *words = as_view_check(tree, check, 0);
    as_tree_put(tree, view, "title", as_tree_string(tree, title, MOST_MESSAGE));
    as_tree_put(tree, view, "text", case_text(tree, words));
    json_decref(words);
    return view;
}

static json_t *suite_view(as_tree *tree, const json_t *suite, as_inconclusive inconclusive,
                          size_t totals[STATES])
{
    json_t *view = as_tree_object(tree), *cases = as_tree_array(tree), *check;
    size_t index, count[STATES] = {0};
    json_array_foreach(json_object_get(suite, "checks"), index, check)
    {
        state s = state_of(as_view_verdict(check), inconclusive);
        count[s]++;
        totals[s]++;
        as_tree_push(tree, cases, case_view(tree, check, s));
    }
    as_tree_put(tree, view, "name", as_tree_string(tree, json_object_get(suite, "name"), MOST_MESSAGE));
    as_tree_put(tree, view, "tests", json_integer((json_int_t)index));
    for (int s = STATE_FAILURE; s < STATES; s++) {
        as_tree_put(tree, view, state_names[s], json_integer((json_int_t)count[s]));
    }
    as_tree_put(tree, view, "cases", cases);
    return view;
}

as_code as_junit_view(const json_t *result, as_inconclusive inconclusive, json_t **out, as_error *err)
{
    as_tree tree = {0};
    json_t *view = as_tree_object(&tree), *suites = as_tree_array(&tree), *suite;
    size_t index, totals[STATES] = {0};
    json_array_foreach(json_object_get(result, "suites"), index, suite)
    {
        as_tree_push(&tree, suites, suite_view(&tree, suite, inconclusive, totals));
    }
    const json_t *run = json_object_get(result, "run");
    const char *started = json_string_value(json_object_get(run, "started"));
    double seconds = as_fact_seconds(started, json_string_value(json_object_get(run, "finished")));
    as_tree_put(&tree, view, "model", as_fact_model(&tree, result));
    as_tree_put(&tree, view, "started",
                as_tree_printf(&tree, "%.19s", started && seconds >= 0 ? started : ""));
    as_tree_put(&tree, view, "seconds", as_tree_printf(&tree, "%.3f", seconds > 0 ? seconds : 0.0));
    as_tree_put(&tree, view, "tests", json_integer((json_int_t)as_view_count(result).total));
    for (int s = STATE_FAILURE; s < STATES; s++) {
        as_tree_put(&tree, view, state_names[s], json_integer((json_int_t)totals[s]));
    }
    as_tree_put(&tree, view, "suites", suites);
    as_code rc = as_tree_check(&tree, "junit.xml", err);
    if (rc == AS_OK) {
        *out = view;
    } else {
        json_decref(view);
    }
    return rc;
}
