/* Whole reports: pages and JUnit files that real parsers accept, whatever the result says; the schema. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "reports/report.h"
#include "suites/result.h"
#include "tests/reports/common.h"

#define SCHEMA "reports/schema/results.schema.json"

static void write_report(const json_t *result, unsigned formats)
{
    as_error err;
    const as_report_options options = {.formats = formats};
    as_code rc = as_report_write(result, scratch_dir(), &options, &err);
    cr_assert_eq(rc, AS_OK, "%s", rc == AS_OK ? "" : err.text);
}

Test(report, every_example_gives_a_well_formed_page_and_junit)
{
    for (size_t i = 0; i < example_count; i++) {
        json_t *result = load_result(example_names[i]);
        write_report(result, 0);
        expect_success("/usr/bin/python3 tests/reports/check_html.py %s/report.html", scratch_dir());
        expect_success("xmllint --noout --schema tests/reports/junit.xsd %s/junit.xml", scratch_dir());
        json_decref(result);
    }
}

Test(report, the_page_tells_what_failed_and_by_how_much)
{
    json_t *result = load_result("fail");
    write_report(result, 0);
    const char *page = file_text(scratch_dir(), "report.html");
    static const char *const expected[] = {
        "7 of 24 checks failed, 1 broke, 2 inconclusive",
        "15.9% below",
        "8.22 to 8.63 at 95%",
        "more than 10\xC2\xA0tokens/s",
        "needs 662 requests; the budget of 10 minutes allowed 128",
        "the prompt was cut to its last 8,192 tokens without a word",
        "Heat map of depth of the fact",
        "318.4\xC2\xA0GB/s",
    };
    const char *problems = strstr(page, "id=\"problems\""), *facts = strstr(page, "id=\"facts\"");
    cr_assert(problems && facts && problems < facts, "the verdict comes first");
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        cr_expect(strstr(page, expected[i]), "the page lacks: %s", expected[i]);
    }
    const char *worst = strstr(problems, "A Poisson load"),
               *mild = strstr(problems, "Large tensors are 16-bit");
    cr_expect(worst && mild && worst < mild && mild < facts, "worst first");
    json_decref(result);
}

Test(report, an_unfinished_run_says_so)
{
    json_t *result = load_result("interrupted");
    write_report(result, AS_REPORT_HTML);
    cr_expect(strstr(file_text(scratch_dir(), "report.html"), "did not come to its end"));
    cr_expect_not(as_file_exists("junit.xml"));
    json_decref(result);
}

/* What tests/reports/data/hostile.json says must be text everywhere. */
Test(report, hostile_text_stays_text)
{
    json_t *result = load_result("hostile");
    write_report(result, 0);
    const char *page = file_text(scratch_dir(), "report.html");
    cr_expect_null(strstr(page, "<script"));
    cr_expect_null(strstr(page, "<img"));
    cr_expect_null(strstr(page, "\x1b"));
    cr_expect_null(strstr(page, "\xE2\x80\xAE"));
    cr_expect(strstr(page, "{{ 7*7 }}"), "a template in a text is not rendered");
    cr_expect_null(strstr(page, ">49<"));
    json_decref(result);
}

static json_t *many_checks(int count)
{
    json_t *result = load_result("skips"), *suite = as_result_suite(result, "many");
    json_t *checks = json_object_get(suite, "checks");
    for (int i = 0; i < count; i++) {
        char id[32];
        snprintf(id, sizeof id, "many/check-%d", i);
        json_array_append_new(checks, json_pack("{s:s, s:s, s:s, s:f, s:{s:f}, s:s, s:s, s:{s:i}}", "id", id,
                                                "title", "One of many", "verdict", i % 3 ? "pass" : "fail",
                                                "measured", (double)i, "expected", "min", 5000.0, "unit", "s",
                                                "why", "because", "evidence", "number", i));
    }
    as_result_conclude(result);
    return result;
}

Test(report, ten_thousand_checks_take_seconds)
{
    json_t *result = many_checks(10000);
    double started = as_clock_seconds();
    write_report(result, 0);
    double took = as_clock_seconds() - started;
    expect_success("/usr/bin/python3 tests/reports/check_html.py %s/report.html", scratch_dir());
    expect_success("xmllint --noout %s/junit.xml", scratch_dir());
    cr_expect(strstr(file_text(scratch_dir(), "report.html"), "3334 of 10000 checks failed"));
    cr_expect_lt(took, 60, "%.1f s", took);
    json_decref(result);
}

Test(report, huge_texts_are_cut_with_a_mark)
{
    json_t *result = load_result("pass");
    json_t *suite = json_array_get(json_object_get(result, "suites"), 0);
    json_t *check = json_array_get(json_object_get(suite, "checks"), 0);
    size_t size = 8 << 20;
    char *text = malloc(size + 1);
    memset(text, 'x', size);
    text[size] = 0;
    static const char *const keys[] = {"title", "why", "measured", "expected", "unit"};
    for (size_t i = 0; i < 5; i++) json_object_set_new(check, keys[i], json_string(text));
    json_object_set_new(check, "evidence", json_pack("{s:s, s:[s,[s]]}", "text", text, "deep", text, text));
    json_object_set_new(json_object_get(result, "model"), "id", json_string(text));
    write_report(result, 0);
    const char *page = file_text(scratch_dir(), "report.html");
    cr_expect_lt(strlen(page), 1 << 20, "%zu bytes", strlen(page));
    cr_expect(strstr(page, "more bytes]"));
    expect_success("/usr/bin/python3 tests/reports/check_html.py %s/report.html", scratch_dir());
    free(text);
    json_decref(result);
}

Test(report, a_page_without_gnuplot_has_the_tables)
{
    char path[4096];
    snprintf(path, sizeof path, "%s", getenv("PATH"));
    setenv("PATH", "/nonexistent", 1);
    json_t *result = load_result("fail");
    write_report(result, AS_REPORT_HTML);
    setenv("PATH", path, 1);
    const char *page = file_text(scratch_dir(), "report.html");
    cr_expect(strstr(page, "gnuplot is not installed here"));
    cr_expect(strstr(page, "<details open>"), "the data stand open where there is no drawing");
    expect_success("/usr/bin/python3 tests/reports/check_html.py %s/report.html", scratch_dir());
    json_decref(result);
}

Test(report, an_unwritable_folder_is_a_message)
{
    json_t *result = load_result("pass");
    as_error err;
    as_code rc = as_report_write(result, "/proc/assay", NULL, &err);
    cr_assert_eq(rc, AS_E_IO);
    cr_expect(strstr(err.text, "/proc/assay"), "%s", err.text);
    json_decref(result);
}

Test(report, many_results_make_a_matrix)
{
    const json_t *results[8];
    const char *pages[8] = {"pass/report.html", NULL, "javascript:alert(1)//report.html"};
    as_error err;
    for (size_t i = 0; i < example_count; i++) results[i] = load_result(example_names[i]);
    as_code rc = as_report_write_matrix(results, pages, example_count, scratch_dir(), &err);
    cr_assert_eq(rc, AS_OK, "%s", rc == AS_OK ? "" : err.text);
    expect_success("/usr/bin/python3 tests/reports/check_html.py %s/matrix.html", scratch_dir());
    const char *page = file_text(scratch_dir(), "matrix.html");
    cr_expect(strstr(page, "7 results: 4 held, 2 failed, 1 inconclusive"));
    cr_expect(strstr(page, "href=\"./pass/report.html\""));
    cr_expect_null(strstr(page, "javascript:"));
    for (size_t i = 0; i < example_count; i++) json_decref((json_t *)results[i]);
}

Test(junit, counts_agree_with_the_checks)
{
    json_t *result = load_result("fail");
    write_report(result, AS_REPORT_JUNIT);
    expect_success(
        "test \"$(xmllint --xpath 'concat(count(//testcase), \" \", count(//failure), \" \", "
        "count(//error), \" \", count(//skipped), \" \", /testsuites/@failures)' %s/junit.xml)\" = "
        "'28 9 1 4 9'",
        scratch_dir());
    json_decref(result);
}

Test(junit, inconclusive_can_be_let_pass)
{
    json_t *result = load_result("inconclusive");
    as_error err;
    const as_report_options options = {AS_REPORT_JUNIT, AS_INCONCLUSIVE_PASSES};
    cr_assert_eq(as_report_write(result, scratch_dir(), &options, &err), AS_OK);
    expect_success("test \"$(xmllint --xpath 'count(//failure)' %s/junit.xml)\" = 0", scratch_dir());
    json_decref(result);
}

Test(schema, accepts_every_result_that_a_run_leaves)
{
    expect_success("/usr/bin/python3 tests/reports/check_schema.py " SCHEMA " " DATA "pass.json " DATA
                   "fail.json " DATA "interrupted.json " DATA "inconclusive.json " DATA "skips.json");
}

/* Each spoils one thing of a good result. */
static const char *const spoilers[] = {
    ".schema = \"assay.results/2\"",
    ".extra = 1",
    "del(.verdict)",
    ".verdict = \"passed\"",
    ".suites[0].checks[0].id = \"no-suite\"",
    ".suites[0].checks[0].verdict = \"fail\" | .suites[0].checks[0].why = \"\"",
    ".suites[0].checks[0].note = 1",
    "del(.suites[0].checks[0].measured)",
    ".suites[2].checks[0].measured.low = \"0.1\"",
    "del(.suites[2].checks[0].measured.high)",
    ".suites[2].checks[0].evidence = []",
    ".suites[1].series[0].points[0] = [1]",
    ".suites[1].series[0].kind = \"pie\"",
    "del(.suites[1].series[0].x.unit)",
    ".run.started = \"yesterday\"",
    ".model.parameters = -1",
    "del(.run.limits)",
    ".tool.version = null",
};

Test(schema, refuses_what_breaks_the_form)
{
    expect_success("jq . " DATA "pass.json > %s/good.json", scratch_dir());
    expect_success("/usr/bin/python3 tests/reports/check_schema.py " SCHEMA " %s/good.json", scratch_dir());
    for (size_t i = 0; i < sizeof spoilers / sizeof spoilers[0]; i++) {
        expect_success("jq '%s' " DATA "pass.json > %s/bad.json", spoilers[i], scratch_dir());
        int status =
            status_of("/usr/bin/python3 tests/reports/check_schema.py " SCHEMA " %s/bad.json", scratch_dir());
        cr_expect_eq(status, 1, "%s was accepted", spoilers[i]);
    }
}
