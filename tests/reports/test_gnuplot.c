/* Plots: scripts that gnuplot runs without a word, drawings that are safe inside a page. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "reports/gnuplot.h"
#include "reports/plots.h"
#include "reports/svg.h"
#include "tests/reports/common.h"

static json_t *make_plots(const json_t *result)
{
    as_error err;
    json_t *plots = NULL;
    as_code rc = as_plots_make(result, scratch_dir(), &plots, &err);
    cr_assert_eq(rc, AS_OK, "%s", rc == AS_OK ? "" : err.text);
    return plots;
}

/* Every script that has something to draw runs again in its folder, silently, and gives a drawing. */
Test(gnuplot, every_script_runs_without_a_word)
{
    for (size_t i = 0; i < example_count; i++) {
        json_t *result = load_result(example_names[i]), *plots = make_plots(result), *list, *plot;
        const char *suite;
        size_t index;
        json_object_foreach(plots, suite, list)
        {
            json_array_foreach(list, index, plot)
            {
                const char *stem = json_string_value(json_object_get(plot, "stem"));
                const char *body = json_string_value(json_object_get(plot, "body"));
                if (!body) continue;
                cr_expect_null(strstr(body, "rgb("), "%s has a colour that the page does not know", stem);
                expect_success(
                    "cd %s && rm %s.svg && test -z \"$(gnuplot -d %s.gp 2>&1)\" && xmllint --noout %s.svg",
                    scratch_dir(), stem, stem, stem);
            }
        }
        json_decref(plots);
        json_decref(result);
    }
}

/* How a line is drawn in a script: from its colour to its title. */
static void hue_of(const char *stem, const char *name, char room[static 8])
{
    char path[600], title[64];
    as_error err;
    as_buf text;
    snprintf(path, sizeof path, "%s/%s.gp", scratch_dir(), stem);
    as_buf_init(&text, 1 << 20);
    cr_assert_eq(as_file_read(path, &text, &err), AS_OK, "%s", err.text);
    snprintf(title, sizeof title, "title '%s'", name);
    const char *at = strstr(as_buf_text(&text), title), *color = NULL;
    cr_assert_not_null(at, "%s has no line %s", stem, name);
    for (const char *c = as_buf_text(&text); (c = strstr(c, "rgb '#")) && c < at; c++) color = c;
    cr_assert_not_null(color);
    snprintf(room, 8, "%.7s", color + 5);
    as_buf_free(&text);
}

Test(gnuplot, a_name_has_one_colour_in_all_plots_of_a_suite)
{
    json_t *result = json_loads(
        "{\"suites\":[{\"name\":\"s\",\"series\":["
        "{\"name\":\"one\",\"kind\":\"line\",\"lines\":{\"base\":[[1,1],[2,2]],\"x\":[[1,2],[2,3]],"
        "\"y\":[[1,3],[2,4]]}},"
        "{\"name\":\"two\",\"kind\":\"line\",\"lines\":{\"alone\":[[1,1],[2,2]],\"y\":[[1,2],[2,3]],"
        "\"x\":[[1,3],[2,4]]}}]}]}",
        0, NULL);
    cr_assert_not_null(result);
    json_t *plots = make_plots(result);
    char x[8], y[8], other[8], base[8];
    hue_of("s-one", "x", x);
    hue_of("s-one", "y", y);
    hue_of("s-one", "base", base);
    cr_expect(strcmp(x, y) != 0 && strcmp(x, base) != 0 && strcmp(y, base) != 0);
    hue_of("s-two", "x", other);
    cr_expect_str_eq(other, x);
    hue_of("s-two", "y", other);
    cr_expect_str_eq(other, y);
    hue_of("s-two", "alone", other);
    cr_expect(strcmp(other, x) != 0 && strcmp(other, y) != 0);
    json_decref(plots);
    json_decref(result);
}

/* Zeros on a logarithmic axis are not drawn and not complained about; names that would overlap are left out;
 * a label that says the unit does not say it twice. */
Test(gnuplot, awkward_series_are_drawn_without_a_word)
{
    json_t *result = load_result("pass");
    json_object_set_new(
        result, "suites",
        parse_json("[{\"name\":\"drift\",\"verdict\":\"pass\",\"checks\":[],\"series\":[{\"name\":\"kl\","
                   "\"title\":\"t\","
                   "\"kind\":\"line\",\"x\":{\"label\":\"generated "
                   "tokens\",\"unit\":\"tokens\"},\"y\":{\"label\":\"KL\","
                   "\"unit\":\"nats\"},\"scale\":{\"x\":\"log\",\"y\":\"log\"},\"points\":[],\"lines\":{"
                   "\"floor\":[[1,0],[2,0]],"
                   "\"fp8\":[[1.11,0.1],[1.333,0.2],[4,0.3],[20,0.5]],\"last\":[[1,0]]}}]}]"));
    json_decref(make_plots(result));
    expect_success(
        "cd %s && test -z \"$(gnuplot -d drift-kl.gp 2>&1)\" && grep -q \"'' 1.33\" drift-kl.gp && "
        "grep -q \"xlabel 'generated tokens' \" drift-kl.gp",
        scratch_dir());
    json_decref(result);
}

/* One value alone is seen against zero, and a share of 1 has no tick above it; layers are counted in ones; a
 * fraction among whole numbers is not named. */
Test(gnuplot, axes_have_the_ticks_that_mean_something)
{
    json_t *result = load_result("pass");
    json_object_set_new(
        result, "suites",
        parse_json(
            "[{\"name\":\"drift\",\"verdict\":\"pass\",\"checks\":[],\"series\":["
            "{\"name\":\"share\",\"kind\":\"line\",\"x\":{\"label\":\"layer\"},\"y\":{\"label\":\"share\"},"
            "\"points\":[[0,1],[1,1],[3,1]]},"
            "{\"name\":\"odds\",\"kind\":\"line\",\"x\":{\"label\":\"one in\"},\"y\":{\"label\":\"KL\"},"
            "\"scale\":{\"x\":\"log\",\"y\":\"linear\"},\"points\":[[1.111,1],[10,2],[100,3]]}]}]"));
    json_decref(make_plots(result));
    expect_success("cd %s && grep -qF 'set yrange [0.0:1.08]' drift-share.gp && "
                   "grep -qF \"('0' 0.0, '1' 1.0, '3' 3.0)\" drift-share.gp && "
                   "grep -qF \"('' 1.111\" drift-odds.gp && grep -qF \"'10' 10.0\" drift-odds.gp",
                   scratch_dir());
    json_decref(result);
}

Test(gnuplot, hostile_series_are_drawn_or_explained)
{
    json_t *result = load_result("hostile"), *plots = make_plots(result), *plot;
    size_t index, drawn = 0;
    json_array_foreach(json_object_get(plots, "x"), index, plot)
    {
        const char *body = json_string_value(json_object_get(plot, "body"));
        const char *problem = json_string_value(json_object_get(plot, "problem"));
        cr_expect((body != NULL) != (problem != NULL));
        if (!body) cr_expect_str_eq(problem, "There is no point to draw.");
        if (!body) continue;
        drawn++;
        cr_expect_null(strstr(body, "<img"));
        cr_expect_null(strstr(body, "<script"));
        cr_expect_null(strstr(body, "<title"), "gnuplot's own title has no place in the page");
    }
    cr_assert_eq(drawn, 8);
    cr_assert_not(as_file_exists("pwned"));
    expect_success("test ! -e %s/pwned", scratch_dir());
    json_decref(plots);
    json_decref(result);
}

static void add_points(json_t *series, int count)
{
    json_t *points = json_object_get(series, "points");
    for (int i = 0; i < count; i++) json_array_append_new(points, json_pack("[i,f]", i, sin(i)));
}

Test(gnuplot, many_points_make_a_small_drawing)
{
    json_t *result = parse_json("{\"suites\":[{\"name\":\"s\",\"series\":[{\"name\":\"n\",\"kind\":\"line\","
                                "\"x\":{},\"y\":{},\"points\":[]}]}]}");
    json_t *suite = json_array_get(json_object_get(result, "suites"), 0);
    add_points(json_array_get(json_object_get(suite, "series"), 0), 100000);
    json_t *plots = make_plots(result), *plot = json_array_get(json_object_get(plots, "s"), 0);
    const char *body = json_string_value(json_object_get(plot, "body"));
    cr_assert_not_null(body);
    cr_expect_lt(strlen(body), 200000, "%zu bytes", strlen(body));
    cr_expect_eq(json_array_size(json_object_get(plot, "rows")), 200);
    cr_expect_eq(json_integer_value(json_object_get(plot, "more")), 99800);
    json_decref(plots);
    json_decref(result);
}

Test(gnuplot, its_absence_leaves_scripts_data_and_a_reason)
{
    setenv("PATH", "/nonexistent", 1);
    json_t *result = load_result("fail"), *plots = make_plots(result);
    json_t *plot = json_array_get(json_object_get(plots, "drift"), 0);
    cr_assert_not_null(plot);
    cr_expect_null(json_object_get(plot, "body"));
    cr_expect(strstr(json_string_value(json_object_get(plot, "problem")), "gnuplot is not installed"));
    cr_expect_gt(json_array_size(json_object_get(plot, "rows")), 10);
    cr_expect(strstr(file_text(scratch_dir(), "drift-kl-by-position.gp"), "plot "));
    cr_expect(strstr(file_text(scratch_dir(), "drift-kl-by-position.dat"), "4096.0 "));
    json_decref(plots);
    json_decref(result);
    setenv("PATH", "/usr/bin:/bin", 1);
}

Test(gnuplot, a_run_that_hangs_is_stopped)
{
    char path[AS_PATH_MAX];
    as_error err;
    cr_assert_eq(as_path_join(path, scratch_dir(), "hang.gp", &err), AS_OK);
    cr_assert_eq(as_file_write(path, "pause 60\n", 9, &err), AS_OK);
    cr_assert_eq(as_gnuplot_run(scratch_dir(), "hang.gp", 0.3, &err), AS_E_TIMEOUT);
    cr_assert_eq(as_file_write(path, "plot what\n", 10, &err), AS_OK);
    cr_assert_eq(as_gnuplot_run(scratch_dir(), "hang.gp", 10, &err), AS_E_INTERNAL);
    cr_expect(strstr(err.text, "what"), "%s", err.text);
}

static void expect_svg(const char *svg, const char *expected)
{
    as_buf out;
    as_error err;
    as_buf_init(&out, 0);
    as_code rc = as_svg_inline(svg, strlen(svg), "p-", &out, &err);
    cr_assert_eq(rc, AS_OK, "%s: %s", svg, rc == AS_OK ? "" : err.text);
    cr_expect_str_eq(as_buf_text(&out), expected, "%s: %s", svg, as_buf_text(&out));
    as_buf_free(&out);
}

Test(svg, only_the_harmless_gets_through)
{
    expect_svg("<?xml version='1.0'?><!DOCTYPE svg><svg x='1'><g id='a'><path d='M0,0'/></g></svg>",
               "<g id=\"p-a\"><path d=\"M0,0\"/></g>");
    expect_svg("<svg><script>alert(1)</script><g onclick='x()' style='x'><text>a</text></g></svg>",
               "<g><text>a</text></g>");
    expect_svg("<svg><use xlink:href='#a' /><use xlink:href='http://x/#a'/><use href='x'/></svg>",
               "<use xlink:href=\"#p-a\"/><use/><use/>");
    expect_svg("<svg><path fill='url(#x)' stroke='rgb( 31,  95, 191)' color='black'/></svg>",
               "<path stroke=\"var(--plot-1)\" color=\"currentColor\"/>");
    expect_svg(
        "<svg><g fill='rgb(1,2,3)'><text>the title</text></g><text>a &lt; b & c > d &#x3c;</text></svg>",
        "<text>a &lt; b &amp; c &gt; d &amp;#x3c;</text>");
    expect_svg("<svg><foreignObject><g><text>x</text></g></foreignObject><!-- <script> --><image/></svg>",
               "");
    expect_svg("<svg><path d='a\"b<c'/></svg>", "<path d=\"a&quot;b&lt;c\"/>");
}

Test(svg, what_is_not_well_formed_is_refused)
{
    static const char *const cases[] = {"<svg>",
                                        "<svg></g>",
                                        "<svg><g></svg>",
                                        "</svg>",
                                        "<svg><g a></g>",
                                        "<svg><g a='x></g>",
                                        "<svg><",
                                        "<!-- ",
                                        "<svg><g a=x></g></svg>",
                                        "<svg><path d='1'/ ></svg>"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        as_buf out;
        as_error err;
        as_buf_init(&out, 0);
        cr_expect_eq(as_svg_inline(cases[i], strlen(cases[i]), "p-", &out, &err), AS_E_INPUT, "%s", cases[i]);
        cr_expect_eq(out.size, 0);
        as_buf_free(&out);
    }
}
