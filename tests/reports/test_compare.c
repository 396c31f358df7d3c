/* reports/compare.h: what is better, the same, worse, and what cannot be told. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "reports/compare.h"
#include "tests/reports/common.h"

/* One check on each side; %s are the sides' own fields. */
static json_t *result_of(const char *fields)
{
    char text[4096];
    snprintf(text, sizeof text,
             "{\"schema\":\"assay.results/"
             "1\",\"run\":{\"finished\":\"2026-01-01T00:00:00Z\"},\"suites\":[{\"name\":"
             "\"s\",\"verdict\":\"pass\",\"checks\":[{\"id\":\"s/c\",\"title\":\"t\",\"unit\":\"u\",%s}]}]}",
             fields);
    return parse_json(text);
}

static json_t *compare(const json_t *a, const json_t *b)
{
    json_t *out = NULL;
    as_error err;
    as_code rc = as_compare(a, b, NULL, &out, &err);
    cr_assert_eq(rc, AS_OK, "%s", rc == AS_OK ? "" : err.text);
    return out;
}

#define PASS(measured)     "\"verdict\":\"pass\",\"measured\":" measured
#define HIGHER(measured)   PASS(measured) ",\"evidence\":{\"better\":\"higher\"}"
#define LOWER(measured)    PASS(measured) ",\"evidence\":{\"better\":\"lower\"}"
#define VERDICT(v)         "\"verdict\":\"" v "\",\"measured\":\"x\",\"why\":\"w\""
#define BETWEEN(v, lo, hi) "{\"value\":" #v ",\"low\":" #lo ",\"high\":" #hi ",\"n\":64,\"level\":0.95}"
#define SAMPLES(list)      PASS("10") ",\"evidence\":{\"better\":\"higher\",\"samples\":" list "}"

static const struct {
    const char *a, *b, *change;
} pairs[] = {
    /* verdicts come first */
    {VERDICT("pass"), VERDICT("fail"), "worse"},
    {VERDICT("fail"), VERDICT("pass"), "better"},
    {VERDICT("pass"), VERDICT("warn"), "worse"},
    {VERDICT("pass"), VERDICT("error"), "worse"},
    {VERDICT("fail"), VERDICT("fail"), "same"},
    {VERDICT("pass"), VERDICT("inconclusive"), "inconclusive"},
    {VERDICT("inconclusive"), VERDICT("fail"), "worse"},
    {VERDICT("inconclusive"), VERDICT("pass"), "same"},
    /* exact numbers: ties, within the margin, beyond it */
    {HIGHER("10"), HIGHER("10"), "same"},
    {HIGHER("0"), HIGHER("0"), "same"},
    {HIGHER("10"), HIGHER("10.05"), "same"},
    {HIGHER("10"), HIGHER("11"), "better"},
    {HIGHER("10"), HIGHER("9"), "worse"},
    {LOWER("10"), LOWER("9"), "better"},
    {LOWER("0"), LOWER("0.001"), "worse"},
    {LOWER("-10"), LOWER("-9"), "worse"},
    /* no direction: told, not judged */
    {PASS("10"), PASS("20"), "same"},
    {PASS("\"a\""), PASS("\"b\""), "same"},
    {PASS("10"), PASS("\"ten\""), "same"},
    {HIGHER("null"), HIGHER("10"), "same"},
    /* intervals */
    {HIGHER(BETWEEN(10, 9.9, 10.1)), HIGHER(BETWEEN(9, 8.9, 9.1)), "worse"},
    {HIGHER(BETWEEN(10, 9.9, 10.1)), HIGHER(BETWEEN(12, 11.9, 12.1)), "better"},
    {HIGHER(BETWEEN(10, 9, 11)), HIGHER(BETWEEN(9.5, 8.5, 10.5)), "inconclusive"},
    {HIGHER(BETWEEN(10, 9, 11)), HIGHER(BETWEEN(10, 9, 11)), "same"},
    {HIGHER(BETWEEN(10, 9.99, 10.01)), HIGHER(BETWEEN(10.02, 10.01, 10.03)), "same"},
    {HIGHER(BETWEEN(10, 9.9, 10.1)), HIGHER("8"), "worse"},
    {HIGHER(BETWEEN(10, null, 10.1)), HIGHER(BETWEEN(8, 7.9, null)), "inconclusive"},
    {LOWER(BETWEEN(10, 9, 11)), LOWER(BETWEEN(20, 19, 21)), "worse"},
    /* samples: pairs show what the spread between them hides */
    {SAMPLES("[1,5,9,13,17,21]"), SAMPLES("[1.5,5.6,9.5,13.4,17.5,21.6]"), "better"},
    {SAMPLES("[1,5,9,13,17,21]"), SAMPLES("[0.5,4.4,8.5,12.6,16.5,20.4]"), "worse"},
    {SAMPLES("[1,5,9,13,17,21]"), SAMPLES("[21,17.5,13,9,5,1,3]"), "inconclusive"},
    {SAMPLES("[1,5,9,13,17,21]"), SAMPLES("[1,5,9,13,17,21]"), "same"},
    {SAMPLES("[1,2]"), SAMPLES("[5,6]"), "same"}, /* too few: the numbers decide */
    {SAMPLES("[1,2,3,4,null,6]"), SAMPLES("[5,6,7,8,9,10]"), "same"},
};

Test(compare, decides)
{
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        json_t *a = result_of(pairs[i].a), *b = result_of(pairs[i].b), *out = compare(a, b);
        const json_t *row = json_array_get(json_object_get(out, "checks"), 0);
        const char *change = json_string_value(json_object_get(row, "change"));
        cr_expect_str_eq(change, pairs[i].change, "case %zu: %s -> %s: %s, expected %s: %s", i, pairs[i].a,
                         pairs[i].b, change, pairs[i].change, json_string_value(json_object_get(row, "why")));
        bool worse = strcmp(pairs[i].change, "worse") == 0;
        cr_expect_eq(as_compare_status(out, AS_INCONCLUSIVE_PASSES), worse, "case %zu", i);
        bool unsure = strcmp(pairs[i].change, "inconclusive") == 0;
        cr_expect_eq(as_compare_status(out, AS_INCONCLUSIVE_FAILS), worse || unsure, "case %zu", i);
        json_decref(out);
        json_decref(b);
        json_decref(a);
    }
}

static const char *method_of(const char *a_evidence, const char *b_evidence)
{
    char a_text[512], b_text[512];
    snprintf(a_text, sizeof a_text, "\"verdict\":\"pass\",\"measured\":1,\"evidence\":%s", a_evidence);
    snprintf(b_text, sizeof b_text, "\"verdict\":\"pass\",\"measured\":2,\"evidence\":%s", b_evidence);
    json_t *a = result_of(a_text), *b = result_of(b_text), *out = compare(a, b);
    const json_t *row = json_array_get(json_object_get(out, "checks"), 0);
    static char method[40];
    snprintf(method, sizeof method, "%s",
             json_string_value(json_object_get(json_object_get(row, "difference"), "method")));
    json_decref(out);
    json_decref(b);
    json_decref(a);
    return method;
}

Test(compare, samples_pair_only_when_they_are_of_the_same_things)
{
    cr_expect_str_eq(method_of("{\"samples\":[1,2,3,4,5]}", "{\"samples\":[1,2,3,4,6]}"), "paired samples");
    cr_expect_str_eq(method_of("{\"samples\":[1,2,3,4,5]}", "{\"samples\":[1,2,3,4,6,7]}"), "samples");
    cr_expect_str_eq(method_of("{\"samples\":[1,2,3,4,5],\"sample_ids\":[1,2,3,4,5]}",
                               "{\"samples\":[1,2,3,4,6],\"sample_ids\":[1,2,3,4,6]}"),
                     "samples");
    cr_expect_str_eq(method_of("{\"samples\":[1,2,3,4,5]}", "null"), "exact");
    cr_expect_str_eq(
        method_of("{\"samples\":[1,2,3,4,5],\"sample_weights\":[1,1,1]}", "{\"samples\":[1,2,3,4,6]}"),
        "exact");
}

/* `n` questions of which the first `right` are answered, but for `lost` of them, and `won` of the others. */
static void questions(char *room, size_t size, const char *verdict, int n, int right, int lost, int won)
{
    char samples[2048] = "", ids[4096] = "";
    int count = 0;
    for (int i = 0; i < n; i++) {
        bool yes = i < right ? i >= lost : i < right + won;
        count += yes;
        snprintf(samples + strlen(samples), sizeof samples - strlen(samples), "%s%d", i ? "," : "", yes);
        snprintf(ids + strlen(ids), sizeof ids - strlen(ids), "%s\"q%d\"", i ? "," : "", i);
    }
    snprintf(room, size,
             "\"verdict\":\"%s\",\"measured\":{\"value\":%.17g,\"low\":0.1,\"high\":0.99,\"n\":%d,"
             "\"level\":0.95},\"evidence\":{\"better\":\"higher\",\"sample_statistic\":\"share\","
             "\"samples\":[%s],\"sample_ids\":[%s]}",
             verdict, (double)count / n, n, samples, ids);
}

/* Of 100 questions: pairs show a loss of eight that two shares of 80 in 100 would hide, and McNemar's exact
 * test (computed by scipy.stats.binomtest) and Newcombe's interval (his method 10) agree. */
Test(compare, shares_pair_question_by_question)
{
    static const struct {
        int lost, won;
        const char *change;
        double p;
    } cases[] = {{0, 0, "same", 1},
                 {8, 0, "worse", 0.0078125},
                 {0, 8, "better", 0.0078125},
                 {4, 0, "inconclusive", 0.125},
                 {10, 2, "worse", 0.03857421875},
                 {8, 8, "inconclusive", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char a_text[8192], b_text[8192];
        questions(a_text, sizeof a_text, "pass", 100, 80, 0, 0);
        questions(b_text, sizeof b_text, "pass", 100, 80, cases[i].lost, cases[i].won);
        json_t *a = result_of(a_text), *b = result_of(b_text), *out = compare(a, b);
        const json_t *row = json_array_get(json_object_get(out, "checks"), 0);
        const json_t *d = json_object_get(row, "difference");
        cr_expect_str_eq(json_string_value(json_object_get(d, "method")), "paired questions");
        cr_expect_eq(json_integer_value(json_object_get(d, "n")), 100);
        cr_expect_float_eq(json_number_value(json_object_get(d, "p")), cases[i].p, 1e-12, "case %zu: p %.17g",
                           i, json_number_value(json_object_get(d, "p")));
        cr_expect_float_eq(json_number_value(json_object_get(d, "value")),
                           (cases[i].won - cases[i].lost) / 100.0, 1e-12);
        cr_expect_str_eq(json_string_value(json_object_get(row, "change")), cases[i].change, "case %zu: %s",
                         i, json_string_value(json_object_get(row, "why")));
        json_decref(out);
        json_decref(b);
        json_decref(a);
    }
}

/* Newcombe's example, table II: 36 both, 12 first alone, 2 second alone, 0 neither; method 10 gives 0.0569 to
 * 0.3404 for the first less the second. */
Test(compare, the_interval_of_paired_shares_is_newcombes)
{
    char a_text[8192], b_text[8192];
    questions(a_text, sizeof a_text, "pass", 50, 48, 0, 0);
    questions(b_text, sizeof b_text, "pass", 50, 48, 12, 2);
    json_t *a = result_of(a_text), *b = result_of(b_text), *out = compare(a, b);
    const json_t *d = json_object_get(json_array_get(json_object_get(out, "checks"), 0), "difference");
    cr_expect_float_eq(json_number_value(json_object_get(d, "low")), -0.3404, 1e-4, "%.6f",
                       json_number_value(json_object_get(d, "low")));
    cr_expect_float_eq(json_number_value(json_object_get(d, "high")), -0.0569, 1e-4, "%.6f",
                       json_number_value(json_object_get(d, "high")));
    json_decref(out);
    json_decref(b);
    json_decref(a);
}

Test(compare, shares_of_other_questions_and_medians_do_not_pair)
{
    cr_expect_str_eq(method_of("{\"sample_statistic\":\"share\",\"samples\":[1,1,0,1,1],\"sample_ids\":"
                               "[\"a\",\"b\",\"c\",\"d\",\"e\"]}",
                               "{\"sample_statistic\":\"share\",\"samples\":[1,1,0,1,1],\"sample_ids\":"
                               "[\"a\",\"b\",\"c\",\"d\",\"f\"]}"),
                     "exact");
    cr_expect_str_eq(method_of("{\"sample_statistic\":\"median\",\"samples\":[1,1,0,1,1]}",
                               "{\"sample_statistic\":\"median\",\"samples\":[2,1,0,1,1]}"),
                     "samples");
    cr_expect_str_eq(
        method_of("{\"sample_statistic\":\"median\",\"samples\":[1,1,0,1,1]}", "{\"samples\":[2,1,0,1,1]}"),
        "exact");
}

/* A mean by weight, and a number that is e to the power of it: pairs that all differ by 1 leave no doubt. */
Test(compare, samples_have_weights_and_a_transform)
{
    static const char *const extra[] = {"", ",\"sample_transform\":\"exp\""};
    for (size_t i = 0; i < 2; i++) {
        static const char form[] = "\"verdict\":\"pass\",\"measured\":1,\"evidence\":{\"better\":\"lower\","
                                   "\"sample_weights\":[1,1,1,1,4],\"samples\":%s%s}";
        char a_text[256], b_text[256];
        snprintf(a_text, sizeof a_text, form, "[1,1,1,1,2]", extra[i]);
        snprintf(b_text, sizeof b_text, form, "[2,2,2,2,3]", extra[i]);
        json_t *a = result_of(a_text), *b = result_of(b_text), *out = compare(a, b);
        const json_t *row = json_array_get(json_object_get(out, "checks"), 0);
        const json_t *difference = json_object_get(row, "difference");
        double value = json_number_value(json_object_get(difference, "value"));
        double low = json_number_value(json_object_get(difference, "low"));
        double expected = i ? exp(2.5) - exp(1.5) : 1;
        cr_expect_float_eq(value, expected, 1e-12, "%.17g, expected %.17g", value, expected);
        cr_expect(i ? low < value && low > exp(2) - exp(1) - 1e-9 : low > 1 - 1e-9, "low end %g", low);
        cr_expect_str_eq(json_string_value(json_object_get(row, "change")), "worse");
        json_decref(out);
        json_decref(b);
        json_decref(a);
    }
}

Test(compare, a_check_may_set_its_own_margin)
{
    json_t *a = result_of(HIGHER("10")), *b = result_of(PASS("9.6") ",\"evidence\":{\"better\":\"higher\","
                                                                    "\"margin\":0.05}");
    json_t *out = compare(a, b);
    cr_expect_str_eq(json_string_value(json_object_get(out, "verdict")), "same");
    json_decref(out);
    json_decref(b);
    json_decref(a);
}

Test(compare, what_is_no_longer_measured_is_not_let_pass)
{
    json_t *a = load_result("pass"), *b = load_result("interrupted"), *out = compare(a, b);
    cr_expect_str_eq(json_string_value(json_object_get(out, "verdict")), "worse");
    cr_expect_eq(json_array_size(json_object_get(out, "vanished")), 10);
    json_decref(b);
    json_decref(out);

    b = load_result("empty");
    out = compare(a, b);
    cr_expect_str_eq(json_string_value(json_object_get(out, "verdict")), "inconclusive");
    cr_expect_eq(json_array_size(json_object_get(out, "vanished")), 22);
    json_decref(out);
    out = compare(b, a);
    cr_expect_eq(json_array_size(json_object_get(out, "appeared")), 22);
    cr_expect_str_eq(json_string_value(json_object_get(out, "verdict")), "inconclusive");
    json_decref(out);
    out = compare(b, b);
    cr_expect_str_eq(json_string_value(json_object_get(out, "verdict")), "inconclusive",
                     "nothing was compared");
    json_decref(out);
    json_decref(b);
    json_decref(a);
}

static void expect_vanished(const char *b_profile, const char *b_check, const char *change)
{
    json_t *a = load_result("pass"), *b = json_deep_copy(a);
    json_t *check =
        json_pack("{s:s, s:s, s:s, s:i, s:n, s:s, s:s, s:n}", "id", "mine/size", "title", "t", "verdict",
                  "pass", "measured", 1, "expected", "unit", "", "why", "w", "evidence");
    json_object_set_new(a, "profile", json_string("mine"));
    json_object_set_new(b, "profile", json_string(b_profile));
    json_array_append_new(json_object_get(json_array_get(json_object_get(a, "suites"), 0), "checks"), check);
    if (b_check)
        json_array_append_new(json_object_get(json_array_get(json_object_get(b, "suites"), 0), "checks"),
                              parse_json(b_check));
    json_t *out = compare(a, b), *row = json_array_get(json_object_get(out, "vanished"), 0);
    cr_expect_eq(json_array_size(json_object_get(out, "vanished")), 1);
    cr_expect_str_eq(json_string_value(json_object_get(row, "change")), change, "%s, expected %s: %s",
                     json_string_value(json_object_get(row, "change")), change,
                     json_string_value(json_object_get(row, "why")));
    json_decref(out);
    json_decref(a);
    json_decref(b);
}

#define SKIPPED(evidence)                                                                                    \
    "{\"id\":\"mine/"                                                                                        \
    "size\",\"title\":\"t\",\"verdict\":\"skip\",\"measured\":null,\"expected\":null,\"unit\":\"\","         \
    "\"why\":\"w\",\"evidence\":" evidence "}"

Test(compare, what_had_no_time_or_another_profile_is_not_worse)
{
    expect_vanished("mine", NULL, "worse");
    expect_vanished("mine", SKIPPED("null"), "worse");
    expect_vanished("mine", SKIPPED("{\"cut_by_budget\":true}"), "inconclusive");
    expect_vanished("other", NULL, "inconclusive");
}

Test(compare, a_result_is_the_same_as_itself)
{
    for (size_t i = 0; i < 2; i++) {
        json_t *a = load_result(example_names[i]), *out = compare(a, a);
        cr_expect_str_eq(json_string_value(json_object_get(out, "verdict")), "same", "%s", example_names[i]);
        json_decref(out);
        json_decref(a);
    }
}

Test(compare, series_pair_by_their_points)
{
    json_t *a = load_result("pass"), *b = load_result("fail"), *out = compare(a, b), *row;
    size_t index, found = 0;
    json_array_foreach(json_object_get(out, "series"), index, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "name")), "kl-by-position") != 0) continue;
        found++;
        cr_expect_eq(json_integer_value(json_object_get(row, "points")), 32);
        double mean = json_real_value(json_object_get(row, "mean"));
        cr_expect(mean > 3.1 && mean < 3.3, "%g", mean);
    }
    cr_expect_eq(found, 1);
    cr_expect_eq(json_array_size(json_object_get(out, "series")), 7);
    json_decref(out);
    json_decref(b);
    json_decref(a);
}

Test(compare, its_page_is_well_formed_and_its_document_valid)
{
    static const char *const sides[][2] = {
        {"pass", "fail"}, {"fail", "pass"}, {"pass", "empty"}, {"hostile", "hostile"}, {"empty", "empty"}};
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        json_t *a = load_result(sides[i][0]), *b = load_result(sides[i][1]), *out = compare(a, b);
        as_error err;
        as_code rc = as_compare_write(out, a, b, scratch_dir(), &err);
        cr_assert_eq(rc, AS_OK, "%s", rc == AS_OK ? "" : err.text);
        expect_success("/usr/bin/python3 tests/reports/check_html.py %s/compare.html", scratch_dir());
        expect_success("/usr/bin/python3 tests/reports/check_schema.py reports/schema/compare.schema.json "
                       "%s/compare.json",
                       scratch_dir());
        json_decref(out);
        json_decref(b);
        json_decref(a);
    }
}
