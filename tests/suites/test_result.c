/* suites/result.h: a document is built, concluded, written, read back; strangers' documents are refused with
 * the place. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "suites/result.h"

static as_code add(json_t *suite, const char *id, as_verdict verdict)
{
    as_error err;
    as_check check = {.id = id,
                      .title = "a title",
                      .verdict = verdict,
                      .measured = json_integer(3),
                      .unit = "tokens",
                      .why = "because \xFF is not UTF-8",
                      .evidence = json_pack("{s:[i,i]}", "list", 1, 2)};
    return as_result_add_check(suite, &check, &err);
}

static as_code add_series(json_t *suite, json_t *points, as_series_kind kind)
{
    as_error err;
    as_series series = {.name = "curve",
                        .title = "A curve",
                        .kind = kind,
                        .x_label = "position",
                        .y_label = "KL",
                        .y_unit = "nats",
                        .y_log = true,
                        .gate = NAN,
                        .points = points};
    return as_result_add_series(suite, &series, &err);
}

Test(result, the_worst_part_decides_and_skip_stands_aside)
{
    static const struct {
        as_verdict parts[3], whole;
        int status;
    } cases[] = {
        {{AS_SKIP, AS_SKIP, AS_SKIP}, AS_SKIP, 0}, {{AS_SKIP, AS_PASS, AS_SKIP}, AS_PASS, 0},
        {{AS_PASS, AS_WARN, AS_SKIP}, AS_WARN, 0}, {{AS_INCONCLUSIVE, AS_WARN, AS_PASS}, AS_INCONCLUSIVE, 1},
        {{AS_PASS, AS_FAIL, AS_SKIP}, AS_FAIL, 1}, {{AS_ERROR, AS_FAIL, AS_PASS}, AS_ERROR, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *result = as_result_new();
        cr_assert_eq(add(as_result_suite(result, "one"), "one/a", cases[i].parts[0]), AS_OK);
        cr_assert_eq(add(as_result_suite(result, "one"), "one/b", cases[i].parts[1]), AS_OK);
        cr_assert_eq(add(as_result_suite(result, "two"), "two/c", cases[i].parts[2]), AS_OK);
        as_verdict whole = as_result_conclude(result);
        cr_assert_eq(whole, cases[i].whole, "case %zu: %s", i, as_verdict_name(whole));
        cr_assert_eq(as_verdict_status(whole, false), cases[i].status);
        json_decref(result);
    }
    cr_assert_eq(as_verdict_status(AS_INCONCLUSIVE, true), 0);
}

Test(result, names_and_verdicts_correspond)
{
    for (int i = 0; i < AS_VERDICT_COUNT; i++) {
        as_verdict back;
        cr_assert(as_verdict_parse(as_verdict_name((as_verdict)i), &back));
        cr_assert_eq((int)back, i);
    }
    as_verdict unused;
    cr_assert_not(as_verdict_parse("passed", &unused));
}

Test(result, a_check_of_the_same_id_is_replaced)
{
    json_t *result = as_result_new();
    json_t *suite = as_result_suite(result, "rules");
    cr_assert_eq(add(suite, "rules/a", AS_FAIL), AS_OK);
    cr_assert_eq(add(suite, "rules/a", AS_PASS), AS_OK);
    cr_assert_eq(json_array_size(json_object_get(suite, "checks")), 1);
    cr_assert_eq(as_result_conclude(result), AS_PASS);
    const json_t *found = as_result_find_check(result, "rules/a");
    cr_assert_str_eq(json_string_value(json_object_get(found, "why")), "because \xEF\xBF\xBD is not UTF-8");
    cr_assert_null(as_result_find_check(result, "rules/b"));
    json_decref(result);
}

Test(result, what_is_written_reads_back_the_same)
{
    json_t *result = as_result_new();
    json_t *suite = as_result_suite(result, "drift");
    cr_assert_eq(add(suite, "drift/kl", AS_PASS), AS_OK);
    cr_assert_eq(add_series(suite, json_pack("[[i,f],[i,f]]", 1, 0.5, 2, 0.25), AS_SERIES_LINE), AS_OK);
    cr_assert_eq(add_series(as_result_suite(result, "context"), json_pack("{s:[[i,f]]}", "f16", 1, 0.5),
                            AS_SERIES_POINTS),
                 AS_OK);
    (void)as_result_conclude(result);
    char path[] = "/tmp/assay-result-XXXXXX";
    close(mkstemp(path));
    as_error err;
    json_t *back = NULL;
    cr_assert_eq(as_result_write(result, path, &err), AS_OK, "%s", err.text);
    cr_assert_eq(as_result_read(path, &back, &err), AS_OK, "%s", err.text);
    cr_assert(json_equal(result, back));
    unlink(path);
    json_decref(result);
    json_decref(back);
}

static void expect_refused(const char *text, as_code code, const char *place)
{
    as_error err;
    json_t *value = NULL;
    cr_assert_eq(as_json_parse(text, strlen(text), AS_JSON_LENIENT, "r.json", &value, &err), AS_OK);
    cr_assert_eq(as_result_validate(value, "r.json", &err), code, "%s", text);
    cr_assert(strstr(err.text, place), "%s: %s", text, err.text);
    cr_assert(strncmp(err.text, "r.json: ", 8) == 0);
    json_decref(value);
}

#define HEAD  "{\"schema\":\"assay.results/1\",\"verdict\":\"pass\",\"suites\":"
#define SUITE "{\"name\":\"a\",\"verdict\":\"pass\",\"checks\":"

Test(result, strange_documents_are_refused_with_the_place)
{
    expect_refused("[]", AS_E_INPUT, "not an object");
    expect_refused("{\"a\":1}", AS_E_INPUT, "schema");
    expect_refused("{\"schema\":\"assay.results/2\"}", AS_E_UNSUPPORTED, "assay.results/2");
    expect_refused("{\"schema\":\"assay.results/1\",\"suites\":[]}", AS_E_INPUT, "\"verdict\" is missing");
    expect_refused(HEAD "{}}", AS_E_INPUT, "\"suites\" is {}, expected a list");
    expect_refused(HEAD "[3]}", AS_E_INPUT, "suites[0]: 3, expected an object");
    expect_refused(HEAD "[" SUITE "[{\"id\":\"x\",\"title\":\"t\",\"verdict\":\"good\"}]}]}", AS_E_INPUT,
                   "suites[0]: checks[0]: \"verdict\" is \"good\"");
    expect_refused(HEAD "[" SUITE "[],\"series\":[{\"name\":\"s\",\"x\":{},\"y\":{},\"points\":[[1]]}]}]}",
                   AS_E_INPUT, "series[0]: points[0] is [1]");
    expect_refused(HEAD "[" SUITE "[],\"series\":[{\"name\":\"s\",\"x\":{\"label\":1},\"y\":{}}]}]}",
                   AS_E_INPUT, "series[0]: x: \"label\" is 1");
}

Test(result, a_later_minor_version_is_read)
{
    static const char text[] =
        "{\"schema\":\"assay.results/1.4\",\"verdict\":\"warn\",\"suites\":[],\"new\":1}";
    json_t *value = NULL;
    as_error err;
    cr_assert_eq(as_json_parse(text, strlen(text), AS_JSON_LENIENT, "r", &value, &err), AS_OK);
    cr_assert_eq(as_result_validate(value, "r", &err), AS_OK);
    json_decref(value);
}

Test(result, survives_failing_allocations)
{
    for (uint64_t n = 1; n < 2000; n++) {
        as_alloc_fail_after(n);
        json_t *result = as_result_new();
        json_t *suite = result ? as_result_suite(result, "drift") : NULL;
        as_code rc = suite ? add(suite, "drift/kl", AS_FAIL) : AS_E_MEMORY;
        if (rc == AS_OK) rc = add_series(suite, json_pack("[[i,i]]", 1, 2), AS_SERIES_GRID);
        if (rc == AS_OK) (void)as_result_conclude(result);
        as_alloc_fail_after(0);
        json_decref(result);
        if (rc == AS_OK && n > 100)
            return; /* evidence and points that failed to be made are null, and pass */
        cr_assert(rc == AS_OK || rc == AS_E_MEMORY);
    }
    cr_assert_fail("never succeeded");
}
