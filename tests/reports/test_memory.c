/* Memory that runs out at any point is a message: never a crash, a leak, or a report that lacks something. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "reports/compare.h"
#include "reports/compare_view.h"
#include "reports/html.h"
#include "reports/junit.h"
#include "reports/text.h"
#include "reports/view.h"
#include "tests/reports/common.h"

typedef as_code maker(const json_t *result, json_t **out, as_error *err);

static as_code make_view(const json_t *result, json_t **out, as_error *err)
{
    return as_view_result(result, NULL, out, err);
}

static as_code make_junit(const json_t *result, json_t **out, as_error *err)
{
    return as_junit_view(result, AS_INCONCLUSIVE_FAILS, out, err);
}

static as_code make_compare(const json_t *result, json_t **out, as_error *err)
{
    return as_compare(result, result, NULL, out, err);
}

static as_code make_compare_view(const json_t *result, json_t **out, as_error *err)
{
    json_t *compare = NULL;
    AS_TRY(as_compare(result, result, NULL, &compare, err));
    as_code rc = as_view_compare(compare, NULL, out, err);
    json_decref(compare);
    return rc;
}

static as_code make_overlay(const json_t *result, json_t **out, as_error *err)
{
    return as_compare_overlay(result, result, out, err);
}

static as_code make_text(const json_t *result, json_t **out, as_error *err)
{
    as_buf text;
    as_buf_init(&text, 0);
    as_code rc = as_text_summary(result, NULL, NULL, &text, err);
    if (rc == AS_OK && !(*out = json_string(as_buf_text(&text)))) rc = as_fail_memory(err, "the test");
    as_buf_free(&text);
    return rc;
}

static void expect_whole_or_nothing(maker *make, const char *what)
{
    json_t *result = load_result("fail"), *whole = NULL;
    as_error err;
    cr_assert_eq(make(result, &whole, &err), AS_OK);
    uint64_t n = 1;
    for (bool done = false; !done; n += 1 + n / 40) {
        json_t *out = NULL;
        as_alloc_fail_after(n);
        uint64_t before = as_alloc_count();
        as_code rc = make(result, &out, &err);
        done = as_alloc_count() - before < n; /* the failure was never reached */
        as_alloc_fail_after(0);
        if (rc == AS_OK) {
            cr_expect(json_equal(out, whole), "%s: something is missing after allocation %d failed", what,
                      (int)n);
        } else {
            cr_expect_eq(rc, AS_E_MEMORY, "%s: allocation %d: code %d: %s", what, (int)n, (int)rc, err.text);
            cr_expect_null(out);
        }
        json_decref(out);
    }
    cr_expect_gt(n, 100, "%s", what);
    json_decref(whole);
    json_decref(result);
}

Test(memory, a_report_is_whole_or_not_there)
{
    expect_whole_or_nothing(make_view, "view");
    expect_whole_or_nothing(make_junit, "junit");
    expect_whole_or_nothing(make_compare, "compare");
    expect_whole_or_nothing(make_compare_view, "compare view");
    expect_whole_or_nothing(make_overlay, "overlay");
    expect_whole_or_nothing(make_text, "text");
}
