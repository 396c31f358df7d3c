/* The terminal summary and the annotations: what a CI or a terminal reads must not be steered by a result. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "reports/annotations.h"
#include "reports/compare.h"
#include "reports/text.h"
#include "reports/view.h"
#include "tests/reports/common.h"

static const char *summary(const char *name, int width, bool color)
{
    static as_buf out;
    as_error err;
    json_t *result = load_result(name);
    const as_text_style style = {width, color};
    as_buf_clear(&out);
    as_code rc = as_text_summary(result, &style, "out/report.html", &out, &err);
    cr_assert_eq(rc, AS_OK, "%s", rc == AS_OK ? "" : err.text);
    json_decref(result);
    return as_buf_text(&out);
}

Test(text, verdict_comes_first)
{
    const char *text = summary("fail", 100, false);
    cr_expect_eq(strncmp(text, "error  examples/Mistral-Nemo-12B-Story: 7 of 24 checks failed", 61), 0,
                 "%.80s", text);
    cr_expect(strstr(text, "drift/kl-mean"));
    cr_expect(strstr(text, "22.8% above"));
    cr_expect(strstr(text, "  fail          context    2 failed, 7 passed\n"));
    cr_expect(strstr(text, "report: out/report.html\n"));
    cr_expect_null(strchr(text, '\033'));
    cr_expect(strstr(summary("pass", 100, false), "All 22 checks held, 1 with a warning, 4 skipped"));
    cr_expect(strstr(summary("empty", 100, false), "Nothing was checked"));
}

/* Marks the first `most` skipped checks as cut. */
static void cut_some(json_t *result, int most)
{
    size_t s, c;
    json_t *suite, *check;
    json_array_foreach(json_object_get(result, "suites"), s, suite)
    {
        json_array_foreach(json_object_get(suite, "checks"), c, check)
        {
            if (strcmp(json_string_value(json_object_get(check, "verdict")), "skip") != 0 || most-- <= 0)
                continue;
            json_object_set_new(check, "evidence", json_pack("{s:b}", "cut_by_budget", 1));
        }
    }
}

static void expect_headline(int cut, const char *expected)
{
    as_buf out;
    as_buf_init(&out, 0);
    json_t *result = load_result("pass");
    cut_some(result, cut);
    as_view_headline(result, &out);
    cr_expect_str_eq(as_buf_text(&out), expected, "%s, expected %s", as_buf_text(&out), expected);
    as_buf_free(&out);
    json_decref(result);
}

Test(text, what_the_budget_cut_is_told_from_what_cannot_be_known)
{
    expect_headline(0, "All 22 checks held, 1 with a warning, 4 skipped");
    expect_headline(1, "All 22 checks held, 1 with a warning, 4 skipped (1 cut by the budget)");
    expect_headline(9, "All 22 checks held, 1 with a warning, 4 skipped (cut by the budget)");
}

Test(text, colour_only_where_asked_for)
{
    cr_expect(strstr(summary("fail", 100, true), "\033[1;31mfail\033[0m"));
    const char *text = summary("hostile", 100, true);
    for (const char *c = strchr(text, '\033'); c; c = strchr(c + 1, '\033')) {
        cr_expect(strspn(c, "\033[0123456789;") + 1 < 8 && strchr(c, 'm') < c + 8, "only our own colours");
    }
}

Test(text, lines_keep_to_the_width)
{
    static const int widths[] = {60, 80, 120};
    for (size_t i = 0; i < 3; i++) {
        const char *line = summary("fail", widths[i], false);
        while (*line) {
            size_t size = strcspn(line, "\n");
            cr_expect_leq(as_utf8_length(line, size), (size_t)widths[i], "%.*s", (int)size, line);
            line += size + (line[size] == '\n');
        }
    }
}

/* No line may begin with a command of a CI, at any width. */
static void expect_no_commands(const char *text)
{
    while (*text) {
        const char *start = text + strspn(text, " \t");
        cr_expect(strncmp(start, "::", 2) != 0 && strncmp(start, "##", 2) != 0, "%.60s", start);
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
}

static json_t *steering_result(void)
{
    return parse_json("{\"schema\":\"assay.results/"
                      "1\",\"model\":{\"id\":\"::error::m\\n::error::n\"},\"verdict\":\"fail\",\"suites\":"
                      "[{\"name\":\"::error::s\",\"verdict\":\"fail\",\"checks\":[{\"id\":\"::stop-commands::"
                      "x/y\",\"title\":"
                      "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa ::error::bbbbbbbbbbbbbbbbbbbbbbbbbbbbb "
                      "##[error]cccccccccccccccccccccccc\","
                      "\"verdict\":\"fail\",\"measured\":\"::a\\n::b\",\"expected\":\"::c\",\"why\":\"1,2:3%"
                      "\\r\\n::set-env x\"}]}]}");
}

Test(text, a_result_cannot_speak_to_the_ci)
{
    json_t *result = steering_result();
    as_buf out;
    as_error err;
    as_buf_init(&out, 0);
    for (int width = 50; width < 140; width += 3) {
        const as_text_style style = {width, false};
        as_buf_clear(&out);
        cr_assert_eq(as_text_summary(result, &style, NULL, &out, &err), AS_OK);
        expect_no_commands(as_buf_text(&out));
    }
    as_buf_clear(&out);
    cr_assert_eq(as_annotations_write(result, AS_ANNOTATE_PLAIN, AS_INCONCLUSIVE_FAILS, &out, &err), AS_OK);
    expect_no_commands(as_buf_text(&out));
    as_buf_free(&out);
    json_decref(result);
}

Test(annotations, github_commands_are_escaped_and_one_line_each)
{
    json_t *result = steering_result();
    as_buf out;
    as_error err;
    as_buf_init(&out, 0);
    cr_assert_eq(as_annotations_write(result, AS_ANNOTATE_GITHUB, AS_INCONCLUSIVE_FAILS, &out, &err), AS_OK);
    const char *text = as_buf_text(&out);
    cr_expect_eq(strncmp(text, "::error title=assay fail%3A ", 28), 0, "%s", text);
    cr_expect_eq(strchr(text, '\n'), text + out.size - 1, "one line: %s", text);
    cr_expect(strstr(text, "%3A%3Aerror%3A%3Abbb"), "the title cannot end itself: %s", text);
    cr_expect(strstr(text, "1,2:3%25"), "%s", text);
    as_buf_free(&out);
    json_decref(result);
}

static void expect_starts(const char *name, as_inconclusive inconclusive, const char *first)
{
    json_t *result = load_result(name);
    as_buf out;
    as_error err;
    as_buf_init(&out, 0);
    cr_assert_eq(as_annotations_write(result, AS_ANNOTATE_GITHUB, inconclusive, &out, &err), AS_OK);
    cr_expect_eq(strncmp(as_buf_text(&out), first, strlen(first)), 0, "%.80s", as_buf_text(&out));
    as_buf_free(&out);
    json_decref(result);
}

Test(annotations, say_what_would_fail_the_job)
{
    expect_starts("inconclusive", AS_INCONCLUSIVE_FAILS, "::error ");
    expect_starts("inconclusive", AS_INCONCLUSIVE_PASSES, "::warning ");
    expect_starts("skips", AS_INCONCLUSIVE_FAILS, "");
    setenv("GITHUB_ACTIONS", "true", 1);
    cr_expect_eq(as_annotations_form(), AS_ANNOTATE_GITHUB);
    unsetenv("GITHUB_ACTIONS");
    cr_expect_eq(as_annotations_form(), AS_ANNOTATE_PLAIN);
}

Test(text, a_comparison_names_what_got_worse)
{
    json_t *a = load_result("pass"), *b = load_result("fail"), *compared = NULL;
    as_buf out;
    as_error err;
    as_buf_init(&out, 0);
    cr_assert_eq(as_compare(a, b, NULL, &compared, &err), AS_OK);
    cr_assert_eq(as_text_compare(compared, NULL, NULL, &out, &err), AS_OK);
    cr_expect_eq(strncmp(as_buf_text(&out), "worse  8 got worse", 18), 0, "%.60s", as_buf_text(&out));
    cr_expect(strstr(as_buf_text(&out), "\xE2\x88\x92"
                                        "36.3% (\xE2\x88\x92"
                                        "39.6% to"));
    expect_no_commands(as_buf_text(&out));
    as_buf_free(&out);
    json_decref(compared);
    json_decref(b);
    json_decref(a);
}
