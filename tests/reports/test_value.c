/* reports/value.h and tree.h: numbers, gates and texts as a reader meets them. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "reports/tree.h"
#include "reports/value.h"
#include "tests/reports/common.h"

static void expect_real(double x, const char *expected)
{
    as_buf out;
    as_buf_init(&out, 0);
    as_value_write_real(x, &out);
    cr_expect_str_eq(as_buf_text(&out), expected, "%g: %s, expected %s", x, as_buf_text(&out), expected);
    as_buf_free(&out);
}

Test(value, numbers_have_four_digits_that_matter)
{
    expect_real(0, "0");
    expect_real(16384, "16,384");
    expect_real(12247782400.0, "12,247,782,400");
    expect_real(-1234.5, "\xE2\x88\x92"
                         "1,234");
    expect_real(8.41, "8.41");
    expect_real(0.0614, "0.0614");
    expect_real(0.031274, "0.03127");
    expect_real(99.996, "100");
    expect_real(1.2e-9, "1.2e-09");
    expect_real(1e300, "1e+300");
    expect_real(INFINITY, "infinite");
    expect_real(NAN, "not a number");
}

static void expect_value(const char *json, const char *unit, const char *expected)
{
    json_t *value = parse_json(json);
    as_buf out;
    as_buf_init(&out, 0);
    as_value_write(value, unit, 100, &out);
    cr_expect_str_eq(as_buf_text(&out), expected, "%s: %s, expected %s", json, as_buf_text(&out), expected);
    as_buf_free(&out);
    json_decref(value);
}

Test(value, any_value_reads_as_text)
{
    expect_value("8.41", "tokens/s", "8.41\xC2\xA0tokens/s");
    expect_value("{\"value\":2,\"low\":1,\"high\":3}", "s", "2\xC2\xA0s");
    expect_value("{\"value\":null,\"low\":null,\"high\":null}", "s", "no value");
    expect_value("97", "%", "97%");
    expect_value("true", "", "yes");
    expect_value("null", "s", "");
    expect_value("{\"ttft_s\":{\"median\":{\"value\":0.5,\"low\":0.4,\"high\":0.6},\"p90\":{\"value\":null}},"
                 "\"done\":3}",
                 "", "ttft_s: 0.5 (median); done: 3");
    expect_value("[\"a\",\"b\"]", "", "a, b");
    expect_value("1", "files",
                 "1\xC2\xA0"
                 "file");
    expect_value("2", "files",
                 "2\xC2\xA0"
                 "files");
    expect_value("1", "ms", "1\xC2\xA0ms");
    expect_value("1", "tokens/s", "1\xC2\xA0tokens/s");
    expect_value("{\"min\":1}", "standard deviations", "at least 1\xC2\xA0standard deviation");
    expect_value("{\"min\":3,\"max\":5}", "s", "3 to 5\xC2\xA0s");
    expect_value("{\"rows\":[1,2],\"name\":\"x\"}", "", "rows: 1, 2; name: x");
    expect_value("[[1,2]]", "", "[[1,2]]");
    expect_value("{\"kl\":{\"value\":0.5,\"low\":0,\"high\":1},\"by\":{\"x\":[1]},\"n\":7}", "",
                 "kl: 0.5; n: 7; \xE2\x80\xA6 [1 more]");
    expect_value("{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1}", "",
                 "a: 1; b: 1; c: 1; d: 1; e: 1; f: 1; g: 1; h: 1; \xE2\x80\xA6 [1 more]");
}

static const struct {
    const char *check;
    double measured;
    const char *gate, *excess;
} gates[] = {
    {"{\"expected\":{\"min\":10}}", 8.41, "at least 10", "15.9% below"},
    {"{\"expected\":{\"above\":10}}", 10, "more than 10", "exactly the limit, which it must clear"},
    {"{\"expected\":{\"max\":0.05}}", 0.2, "at most 0.05", "4 times the limit"},
    {"{\"expected\":{\"max\":0}}", 0.2, "at most 0", "0.2 above"},
    {"{\"expected\":\">= 10 tok/s\"}", 9, "at least 10", "10.0% below"},
    {"{\"expected\":\"at most 0.05\"}", 0.05, "at most 0.05", ""},
    {"{\"expected\":131072}", 131075, "131,072", "3 above"},
    {"{\"expected\":10,\"evidence\":{\"sense\":\"above\",\"better\":\"higher\"}}", 12, "more than 10", ""},
    {"{\"expected\":10,\"evidence\":{\"better\":\"lower\"}}", 12, "at most 10", "20.0% above"},
};

Test(value, gates_say_how_far_off_a_number_is)
{
    for (size_t i = 0; i < sizeof gates / sizeof gates[0]; i++) {
        json_t *check = parse_json(gates[i].check);
        as_expected gate;
        as_buf out;
        as_buf_init(&out, 0);
        cr_assert(as_value_expected(check, &gate), "case %zu", i);
        as_value_write_expected(&gate, "", &out);
        cr_expect_str_eq(as_buf_text(&out), gates[i].gate, "case %zu: %s", i, as_buf_text(&out));
        as_buf_clear(&out);
        as_number number = {.value = gates[i].measured};
        as_value_write_excess(&number, &gate, &out);
        cr_expect_str_eq(as_buf_text(&out), gates[i].excess, "case %zu: %s", i, as_buf_text(&out));
        cr_expect_eq(as_value_excess(&number, &gate) > 0, *gates[i].excess && gates[i].measured != gate.min,
                     "case %zu", i);
        as_buf_free(&out);
        json_decref(check);
    }
}

Test(value, what_is_no_gate_is_none)
{
    static const char *const cases[] = {
        "{\"expected\":\"refused\"}",     "{\"expected\":null}",      "{}", "{\"expected\":\"> ten\"}",
        "{\"expected\":{\"min\":\"3\"}}", "{\"expected\":\">= 5x3\"}"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *check = parse_json(cases[i]);
        as_expected gate;
        cr_expect_not(as_value_expected(check, &gate), "%s", cases[i]);
        json_decref(check);
    }
}

Test(value, direction_is_said_or_follows_from_the_gate)
{
    static const struct {
        const char *check;
        as_better better;
    } cases[] = {
        {"{\"better\":\"lower\",\"expected\":{\"min\":1}}", AS_BETTER_LOWER},
        {"{\"evidence\":{\"better\":\"higher\"}}", AS_BETTER_HIGHER},
        {"{\"expected\":{\"min\":1}}", AS_BETTER_HIGHER},
        {"{\"expected\":\"< 3\"}", AS_BETTER_LOWER},
        {"{\"expected\":3}", AS_BETTER_UNKNOWN},
        {"{\"expected\":{\"min\":1,\"max\":2}}", AS_BETTER_UNKNOWN},
        {"{\"better\":\"sideways\"}", AS_BETTER_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *check = parse_json(cases[i].check);
        cr_expect_eq(as_value_better(check), cases[i].better, "%s", cases[i].check);
        json_decref(check);
    }
}

Test(value, an_interval_may_have_one_end)
{
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"{\"value\":3,\"low\":2,\"high\":4,\"n\":64,\"level\":0.95}", "2 to 4 at 95%, n\xC2\xA0=\xC2\xA0"
                                                                       "64"},
        {"{\"value\":3,\"low\":null,\"high\":4}", "up to 4"},
        {"{\"value\":3,\"low\":2,\"high\":null}", "from 2"},
        {"{\"value\":3,\"low\":4,\"high\":2}", ""},
        {"3", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *value = parse_json(cases[i].json);
        as_number number;
        as_buf out;
        as_buf_init(&out, 0);
        cr_assert(as_value_number(value, &number));
        as_value_write_interval(&number, &out);
        cr_expect_str_eq(as_buf_text(&out), cases[i].text, "%s: %s", cases[i].json, as_buf_text(&out));
        as_buf_free(&out);
        json_decref(value);
    }
}

Test(tree, text_of_strangers_loses_what_acts)
{
    static const struct {
        const char *text;
        size_t size, most;
        const char *clean;
    } cases[] = {
        {"a\nb\tc", 5, 0, "a\nb\tc"},
        {"\x1b[31m", 5, 0, "\xE2\x90\x9B[31m"},
        {"a\0b", 3, 0,
         "a\xE2\x90\x80"
         "b"},
        {"\x7f", 1, 0, "\xE2\x90\xA1"},
        {"\xE2\x80\xAE"
         "gnp",
         6, 0,
         "\xEF\xBF\xBD"
         "gnp"},
        {"\xC2\x85", 2, 0, "\xEF\xBF\xBD"},
        {"\xEF\xBF\xBF", 3, 0, "\xEF\xBF\xBD"},
        {"\xFF\xFE", 2, 0, "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xC3\xA4\xC3\xA4\xC3\xA4", 6, 3, "\xC3\xA4\xC3\xA4\xE2\x80\xA6"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        as_buf out;
        as_buf_init(&out, 0);
        as_tree_clean(cases[i].text, cases[i].size, cases[i].most, &out);
        cr_expect_str_eq(as_buf_text(&out), cases[i].clean, "case %zu: %s", i, as_buf_text(&out));
        as_buf_free(&out);
    }
}
