/* base/json.h: hub files as they are, and as an attacker writes them. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

static json_t *parse(const char *text)
{
    as_error err;
    json_t *value = NULL;
    as_code rc = as_json_parse(text, strlen(text), AS_JSON_LENIENT, "test", &value, &err);
    cr_assert_eq(rc, AS_OK, "%s: %s", text, rc == AS_OK ? "" : err.text);
    return value;
}

static void expect_round_trip(const char *text, const char *expected)
{
    json_t *value = parse(text);
    as_buf out;
    as_buf_init(&out, 0);
    as_json_write(value, 0, &out);
    cr_assert_str_eq(as_buf_text(&out), expected);
    as_buf_free(&out);
    json_decref(value);
}

Test(json, a_number_that_is_none_is_described_as_it_stands)
{
    static const char *const names[] = {"NaN", "Infinity", "-Infinity"};
    for (size_t i = 0; i < 3; i++) {
        char text[32], room[64];
        snprintf(text, sizeof text, "[%s]", names[i]);
        json_t *value = parse(text);
        cr_expect_str_eq(as_json_describe(json_array_get(value, 0), room), names[i]);
        json_decref(value);
    }
}

Test(json, keeps_what_hub_files_hold)
{
    expect_round_trip("{\"b\":1,\"a\":[1.0,1e-05,true,null,\"x\\u00e9\"]}",
                      "{\"b\":1,\"a\":[1.0,1e-05,true,null,\"x\xC3\xA9\"]}");
    expect_round_trip("\xEF\xBB\xBF{\"a\":2}", "{\"a\":2}");
    expect_round_trip(
        "[NaN, Infinity,-Infinity,\"NaN\"]",
        "[{\"__float__\":\"NaN\"},{\"__float__\":\"Infinity\"},{\"__float__\":\"-Infinity\"},\"NaN\"]");
    expect_round_trip("[1000000000000000019884624838656]", "[1e+30]");
    expect_round_trip("[9223372036854775807]", "[9.223372036854776e+18]");
    expect_round_trip("[123456789012345678]", "[123456789012345678]");
    expect_round_trip("[1e999]", "[{\"__float__\":\"Infinity\"}]");
}

Test(json, reads_both_forms_of_infinity)
{
    json_t *value = parse("{\"a\":Infinity,\"b\":{\"__float__\":\"-Infinity\"},\"c\":3}");
    double a = 0, b = 0, c = 0;
    as_error err;
    cr_assert_eq(as_json_get_number(value, "a", &a, &err), AS_OK);
    cr_assert_eq(as_json_get_number(value, "b", &b, &err), AS_OK);
    cr_assert_eq(as_json_get_number(value, "c", &c, &err), AS_OK);
    cr_assert(isinf(a) && a > 0 && isinf(b) && b < 0 && c == 3);
    json_decref(value);
}

Test(json, refuses_with_a_message_that_names_the_place)
{
    static const struct {
        const char *text, *expected;
        as_json_mode mode;
    } cases[] = {
        {"{\"a\":\n 1,}", "line 2", AS_JSON_LENIENT},
        {"", "empty", AS_JSON_LENIENT},
        {"{\"a\":1,\"a\":2}", "duplicate", AS_JSON_NO_DUPLICATES},
        {"{\"a\":\"\xFF\"}", "0xff", AS_JSON_LENIENT},
        {"{\"a\":1} x", "line 1", AS_JSON_LENIENT},
        {"\"abc", "test", AS_JSON_LENIENT},
        {"N", "test", AS_JSON_LENIENT},
        {"-", "test", AS_JSON_LENIENT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        as_error err;
        json_t *value = NULL;
        as_code rc = as_json_parse(cases[i].text, strlen(cases[i].text), cases[i].mode, "test", &value, &err);
        cr_assert_eq(rc, AS_E_INPUT, "case %zu", i);
        cr_assert_null(value);
        cr_assert(strstr(err.text, cases[i].expected), "case %zu: %s", i, err.text);
    }
}

Test(json, refuses_deep_nesting_before_building_it)
{
    size_t depth = 1 << 20;
    char *text = as_alloc(depth);
    memset(text, '[', depth);
    as_error err;
    json_t *value = NULL;
    cr_assert_eq(as_json_parse(text, depth, AS_JSON_LENIENT, "deep.json", &value, &err), AS_E_LIMIT);
    cr_assert(strstr(err.text, "deep.json"));
    as_free(text);
}

Test(json, typed_getters_say_what_they_found)
{
    json_t *value = parse("{\"layers\":\"three\",\"eps\":true,\"n\":null,\"i\":2.0}");
    as_error err;
    int64_t layers = 7;
    cr_assert_eq(as_json_get_int(value, "layers", &layers, &err), AS_E_INPUT);
    cr_assert_eq(layers, 7);
    cr_assert_str_eq(err.text, "\"layers\" is \"three\", expected an integer");
    cr_assert_eq(as_json_get_int(value, "n", &layers, &err), AS_OK);
    cr_assert_eq(layers, 7);
    cr_assert_eq(as_json_get_int(value, "i", &layers, &err), AS_OK);
    cr_assert_eq(layers, 2);
    json_decref(value);
}

Test(json, survives_failing_allocations)
{
    const char *text = "{\"a\":[1,2,{\"b\":\"text\"}],\"c\":NaN}";
    for (uint64_t n = 1; n < 200; n++) {
        json_t *value = NULL;
        as_error err;
        as_alloc_fail_after(n);
        as_code rc = as_json_parse(text, strlen(text), AS_JSON_LENIENT, "test", &value, &err);
        as_alloc_fail_after(0);
        if (rc == AS_OK) {
            json_decref(value);
            return;
        }
        cr_assert_eq(rc, AS_E_MEMORY, "failure %d at allocation %d: %s", (int)rc, (int)n, err.text);
    }
    cr_assert_fail("never succeeded");
}
