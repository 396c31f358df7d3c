/* base/jinja: what jinja2 answered (fixtures/golden/jinja_cases.json), and what it must not be made to do. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/jinja/jinja.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/threads.h"

enum { MAX_OTHERS = 16 };

typedef struct library {
    const char *names[MAX_OTHERS];
    as_jinja_template *templates[MAX_OTHERS];
    int count;
} library;

static const as_jinja_template *find(void *context, const char *name)
{
    const library *lib = context;
    for (int i = 0; i < lib->count; i++) {
        if (strcmp(lib->names[i], name) == 0) return lib->templates[i];
    }
    return NULL;
}

static void fill_library(library *lib, json_t *texts, as_jinja_syntax syntax)
{
    const char *name;
    json_t *text;
    json_object_foreach(texts, name, text)
    {
        as_error err;
        lib->names[lib->count] = name;
        as_code rc = as_jinja_compile(json_string_value(text), json_string_length(text), name, &syntax,
                                      &lib->templates[lib->count], &err);
        cr_assert_eq(rc, AS_OK, "%s", err.text);
        lib->count++;
    }
}

static void free_library(library *lib)
{
    for (int i = 0; i < lib->count; i++) as_jinja_free(lib->templates[i]);
}

/* --- the cases that jinja2 answered --- */

typedef struct outcome {
    as_code code;
    as_error err;
    as_buf text;
    as_jinja_report report;
} outcome;

static outcome render_case(const json_t *golden, const json_t *item, library *libraries)
{
    as_jinja_syntax syntax = {.dialect =
                                  json_is_true(json_object_get(item, "html")) ? AS_JINJA_HTML : AS_JINJA_CHAT,
                              .keep_newlines = json_is_false(json_object_get(item, "trim")),
                              .keep_indent = json_is_false(json_object_get(item, "lstrip"))};
    as_jinja_options options = {.now = json_string_value(json_object_get(golden, "now"))};
    if (json_object_get(item, "others")) {
        options.find = find;
        options.find_context = &libraries[syntax.dialect];
    }
    const json_t *text = json_object_get(item, "t");
    json_int_t number = json_integer_value(json_object_get(item, "v"));
    const json_t *variables = json_array_get(json_object_get(golden, "variables"), (size_t)number);
    as_jinja_template *template = NULL;
    outcome o = {.report = {0}};
    as_buf_init(&o.text, 0);
    o.code = as_jinja_compile(json_string_value(text), json_string_length(text), "case", &syntax, &template,
                              &o.err);
    if (o.code == AS_OK) o.code = as_jinja_render(template, variables, &options, &o.text, &o.report, &o.err);
    as_jinja_free(template);
    return o;
}

static bool spans_match(const outcome *o, const json_t *expected)
{
    if (o->report.span_count != json_array_size(expected)) return false;
    for (size_t i = 0; i < o->report.span_count; i++) {
        const json_t *span = json_array_get(expected, i);
        if ((json_int_t)o->report.spans[i].start != json_integer_value(json_array_get(span, 0))) return false;
        if ((json_int_t)o->report.spans[i].end != json_integer_value(json_array_get(span, 1))) return false;
    }
    return true;
}

static bool case_holds(const outcome *o, const json_t *item)
{
    const json_t *text = json_object_get(item, "x"), *raised = json_object_get(item, "raised");
    if (text) {
        return o->code == AS_OK && o->text.size == json_string_length(text) &&
               memcmp(as_buf_text(&o->text), json_string_value(text), o->text.size) == 0 &&
               spans_match(o, json_object_get(item, "spans"));
    }
    if (raised && (!o->report.raised || strcmp(o->report.raised, json_string_value(raised)) != 0))
        return false;
    return o->code == AS_E_INPUT || o->code == AS_E_LIMIT;
}

Test(jinja, renders_what_jinja2_renders)
{
    as_error err;
    json_t *golden;
    as_code rc = as_json_read("fixtures/golden/jinja_cases.json", AS_JSON_LENIENT, 0, &golden, &err);
    cr_assert_eq(rc, AS_OK, "%s", err.text);
    library libraries[2] = {{.count = 0}};
    json_t *texts = json_array_get(json_object_get(golden, "others"), 0), *item;
    fill_library(&libraries[AS_JINJA_CHAT], texts, (as_jinja_syntax){.dialect = AS_JINJA_CHAT});
    fill_library(&libraries[AS_JINJA_HTML], texts, (as_jinja_syntax){.dialect = AS_JINJA_HTML});
    size_t i, wrong = 0, count = json_array_size(json_object_get(golden, "cases"));
    json_array_foreach(json_object_get(golden, "cases"), i, item)
    {
        outcome o = render_case(golden, item, libraries);
        if (!case_holds(&o, item) && wrong++ < 10) {
            fprintf(stderr, "%s\n  gave %s\n  expected %s\n", json_string_value(json_object_get(item, "t")),
                    o.code == AS_OK ? as_buf_text(&o.text) : o.err.text,
                    json_object_get(item, "x") ? json_string_value(json_object_get(item, "x")) : "an error");
        }
        as_jinja_report_free(&o.report);
        as_buf_free(&o.text);
    }
    free_library(&libraries[0]);
    free_library(&libraries[1]);
    json_decref(golden);
    cr_assert_eq(wrong, 0, "%zu of %zu cases differ", wrong, count);
    cr_assert_gt(count, 10000);
}

/* --- one template --- */

static as_code render(const char *text, const json_t *variables, const as_jinja_options *options, as_buf *out,
                      as_jinja_report *report, as_error *err)
{
    as_jinja_template *template = NULL;
    AS_TRY(as_jinja_compile(text, strlen(text), "chat template", NULL, &template, err));
    as_code rc = as_jinja_render(template, variables, options, out, report, err);
    as_jinja_free(template);
    return rc;
}

Test(jinja, messages_name_template_and_line)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"a\nb{{ x.y }}", "chat template: line 2: 'x' is undefined"},
        {"\n\n{% if %}", "chat template: line 3: "},
        {"{{ 1 +\n'a' }}", "chat template: line 1: unsupported operand type(s) for +: 'int' and 'str'"},
        {"{% for x in [1] %}\n{{ [1].append(2) }}{% endfor %}",
         "chat template: line 2: access to attribute 'append' of "
         "'list' object is unsafe"},
        {"x\n{% include 'a' %}", "chat template: line 2: no loader"},
        {"{{ x|from_json }}", "chat template: line 1: No filter named 'from_json'"},
        {"{% if true %}\n\nx", "Unexpected end of template. Jinja was looking for the tag 'endif'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        as_error err;
        as_buf out;
        as_buf_init(&out, 0);
        cr_assert_eq(render(cases[i].text, NULL, NULL, &out, NULL, &err), AS_E_INPUT, "case %zu", i);
        cr_assert(strstr(err.text, cases[i].expected), "case %zu: %s", i, err.text);
        as_buf_free(&out);
    }
}

Test(jinja, raise_exception_is_told_apart)
{
    as_error err;
    as_buf out;
    as_jinja_report report;
    as_buf_init(&out, 0);
    as_buf_str(&out, "before");
    as_code rc =
        render("x\n{{ raise_exception('roles must alternate é') }}", NULL, NULL, &out, &report, &err);
    cr_assert_eq(rc, AS_E_INPUT);
    cr_assert_str_eq(report.raised, "roles must alternate é");
    cr_assert_str_eq(err.text, "chat template: line 2: the template refuses: roles must alternate é");
    cr_assert_str_eq(as_buf_text(&out), "before");
    as_jinja_report_free(&report);
    rc = render("{{ x.y }}", NULL, NULL, &out, &report, &err);
    cr_assert_eq(rc, AS_E_INPUT);
    cr_assert_null(report.raised);
    as_jinja_report_free(&report);
    as_buf_free(&out);
}

Test(jinja, generation_spans_are_bytes_of_the_output)
{
    as_error err;
    as_buf out;
    as_jinja_report report;
    as_buf_init(&out, 0);
    as_code rc =
        render("é{% for x in ['日本', 'b'] %}[{% generation %}{{ x }}!{% endgeneration %}]{% endfor %}", NULL,
               NULL, &out, &report, &err);
    cr_assert_eq(rc, AS_OK);
    cr_assert_str_eq(as_buf_text(&out), "é[日本!][b!]");
    cr_assert_eq(report.span_count, 2);
    cr_assert(memcmp(as_buf_text(&out) + report.spans[0].start, "日本!", 7) == 0);
    cr_assert_eq(report.spans[0].end - report.spans[0].start, 7);
    cr_assert(memcmp(as_buf_text(&out) + report.spans[1].start, "b!", 2) == 0);
    as_jinja_report_free(&report);
    as_buf_free(&out);
}

Test(jinja, the_clock_is_used_when_no_time_is_given)
{
    as_error err;
    as_buf out;
    as_buf_init(&out, 0);
    cr_assert_eq(render("{{ strftime_now('%Y')|int > 2024 }}", NULL, NULL, &out, NULL, &err), AS_OK);
    cr_assert_str_eq(as_buf_text(&out), "True");
    as_jinja_options options = {.now = "yesterday"};
    cr_assert_eq(render("{{ strftime_now('%Y') }}", NULL, &options, &out, NULL, &err), AS_E_INPUT);
    as_buf_free(&out);
}

/* --- what a hostile template tries --- */

Test(jinja, hostile_templates_are_stopped)
{
    static const char *const cases[] = {
        "{{ 'x' * 10**9 }}",
        "{{ 'x' * 10**18 }}",
        "{{ [0] * 10**9 }}",
        "{{ ([0] * 10**18)|length }}",
        "{{ range(10**9)|list }}",
        "{{ 10 ** (10 ** 6) }}",
        "{{ 2 ** (10 ** 18) }}",
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{% set ns = namespace(x='x') %}{% for i in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ "
        "ns.x }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ "
        "ns.x|tojson }}",
        "{% set ns = namespace(x=[], y=[]) %}{% for i in range(100) %}{% set ns.x = [ns.x, ns.x] %}{% set "
        "ns.y = [ns.y, "
        "ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
        "{% set ns = namespace(x=()) %}{% for i in range(100) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ "
        "{ns.x: 1} }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(50000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x "
        "}}",
        "{% set ns = namespace(x=[]) %}{% for i in range(50000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ "
        "ns.x|tojson }}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(50000) %}{% set ns.x = ns.x|map('string') %}{% "
        "endfor %}{{ "
        "ns.x|list }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{{ 'a'|center(10**12) }}",
        "{{ 'a'.ljust(10**12) }}",
        "{{ '%1000000000d' % 5 }}",
        "{{ '{:1000000000}'.format(5) }}",
        "{{ '%.1000000000f' % 5 }}",
        "{{ ('a' * 100000)|indent(100000)|replace('a', 'b' * 100000) }}",
        "{{ ('a' * 100000).replace('', 'b' * 100000) }}",
        "{{ ('ab' * 500000).rfind('ba' * 200000 ~ 'c') }}{{ ('a' * 1000000).strip('b' * 1000000 ~ 'a') }}",
        "{{ ('<' * 10000)|e|e|e|e|e|e|e|e|e|e|e|e|e|e|e|e }}{{ ('x ' * "
        "1000000)|wordwrap(1)|wordwrap(1)|length }}",
        "{{ ('a.' * 5000 ~ '@')|urlize }}{% for i in range(100000) %}{{ ('www.' ~ 'a.' * 2000)|urlize }}{% "
        "endfor %}",
        "{{ dict([('a', 1)] * 10**8) }}",
        "{{ [[1, 2]] * 100000 * 100000 }}",
        "{{ range(100000)|map('string')|map('center', 100000)|join }}",
        "{{ (1,) * 10**7 < (1,) * 10**7 }}{{ ((1,) * 10**7)|sort }}",
        "{% set x %}{% for i in range(100000) %}{{ 'x' * 1000 }}{% endfor %}{% endset %}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        as_error err = {.code = AS_OK};
        as_buf out;
        as_buf_init(&out, 0);
        as_jinja_options options = {
            .max_memory = (size_t)64 << 20, .max_output = (size_t)16 << 20, .max_steps = 3000000};
        double start = as_clock_seconds();
        as_code rc = render(cases[i], NULL, &options, &out, NULL, &err);
        double seconds = as_clock_seconds() - start;
        cr_assert(rc == AS_E_LIMIT || rc == AS_E_INPUT, "%s: code %d, %s", cases[i], (int)rc, err.text);
        cr_assert_lt(seconds, 20, "%s took %f seconds", cases[i], seconds);
        cr_assert_eq(out.size, 0);
        as_buf_free(&out);
    }
}

/* `count` times `one`, with `middle` between and `other` as often behind. */
static char *nested(const char *one, const char *middle, const char *other, int count)
{
    as_buf text;
    as_buf_init(&text, 0);
    for (int i = 0; i < count; i++) as_buf_str(&text, one);
    as_buf_str(&text, middle);
    for (int i = 0; i < count; i++) as_buf_str(&text, other);
    return as_buf_take(&text, NULL);
}

Test(jinja, deep_templates_are_refused)
{
    static const char *const parts[][3] = {
        {"{{ ((((((((((", "1", "))))))))))"},
        {"{{ ", "", ""},
        {"(", "1", ")"},
        {"[", "1", "]"},
        {"{1:", "1", "}"},
        {"not ", "1", ""},
        {"-", "1", ""},
        {"", "a", "[0]"},
        {"", "a", ".b"},
        {"", "a", "|e"},
        {"", "a", "(1)"},
        {"1 + ", "1", ""},
        {"1 and ", "1", ""},
        {"", "1", " if 1"},
        {"1 if 1 else ", "1", ""},
        {"a[", "1", "]"},
        {"f(", "1", ")"},
        {"a|f(", "1", ")"},
        {"1 is eq ", "1", ""},
        {"1 ~ ", "1", ""},
        {"1 < ", "1", ""},
        {"2 ** ", "1", ""},
        {"1, (", "", ")"},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char *middle = nested(parts[i][0], parts[i][1], parts[i][2], 100000);
        as_buf text, out;
        as_buf_init(&text, 0);
        as_buf_init(&out, 0);
        as_buf_printf(&text, "{{ %s }}", middle);
        as_error err;
        as_code rc = render(as_buf_text(&text), NULL, NULL, &out, NULL, &err);
        cr_assert(rc == AS_OK || rc == AS_E_INPUT || rc == AS_E_LIMIT, "part %zu: %d", i, (int)rc);
        as_buf_free(&text);
        as_buf_free(&out);
        as_free(middle);
    }
    static const char *const blocks[][2] = {
        {"{% if 1 %}", "{% endif %}"},
        {"{% for x in [1] %}", "{% endfor %}"},
        {"{% set x %}", "{% endset %}"},
        {"{% macro m() %}", "{% endmacro %}"},
        {"{% filter e %}", "{% endfilter %}"},
        {"{% if 1 %}{% elif 1 %}", "{% endif %}"},
        {"{% with x = 1 %}", "{% endwith %}"},
        {"{% call x() %}", "{% endcall %}"},
        {"{% generation %}", "{% endgeneration %}"},
        {"{% raw %}", "{% endraw %}"},
        {"{% block a %}", "{% endblock %}"},
        {"{# ", " #}"},
    };
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        char *text = nested(blocks[i][0], "x", blocks[i][1], 20000);
        as_buf out;
        as_buf_init(&out, 0);
        as_error err;
        as_code rc = render(text, NULL, NULL, &out, NULL, &err);
        cr_assert(rc == AS_OK || rc == AS_E_INPUT || rc == AS_E_LIMIT, "block %zu: %d", i, (int)rc);
        as_buf_free(&out);
        as_free(text);
    }
}

Test(jinja, bytes_that_are_not_text_are_refused)
{
    as_error err;
    as_jinja_template *template = NULL;
    cr_assert_eq(as_jinja_compile("a\xFF", 2, "t", NULL, &template, &err), AS_E_INPUT);
    cr_assert_str_eq(err.text, "t: not UTF-8 at byte 1");
    size_t size = (size_t)5 << 20;
    char *text = as_calloc(1, size);
    cr_assert_eq(as_jinja_compile(text, size, "t", NULL, &template, &err), AS_E_LIMIT);
    as_free(text);
    cr_assert_null(template);
}

/* --- memory and threads --- */

static const char *const busy_template =
    "{% macro m(a, b=[1]) %}{{ a }}{{ b|tojson }}{{ kwargs }}{% endmacro %}{% set ns = namespace(x=1) %}"
    "{% for k, v in d|dictsort if v %}{{ loop.index }}{{ loop.nextitem }}{{ m(k, z=v) }}{% set ns.x = ns.x + "
    "1 %}"
    "{% endfor %}{% set t %}{% filter upper|replace('A', 'bb') %}a{{ ns.x }}{% endfilter %}{% endset %}{{ t "
    "}}"
    "{{ messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|join('|') }}{{ 2 ** 200 // 7 "
    "}}"
    "{% generation %}{{ 'a b c'.split() }}{% endgeneration %}{{ '%5.2f|%s' % (1.5, none) }}{{ "
    "'{:>4}'.format('x') }}"
    "{{ d|xmlattr }}{{ 'see www.x.com'|urlize }}{{ '<b>&amp;'|striptags }}{{ d|pprint }}{{ 'a b'|wordwrap(1) "
    "}}"
    "{% include 'part' %}{% import 'part' as p %}{{ p.q }}{{ [3, 1, 2]|sort }}{{ 'é'.title() }}{{ "
    "strftime_now('%Y') }}"
    "{% call m('c') %}body{% endcall %}";

static json_t *busy_variables(void)
{
    static const char text[] =
        "{\"d\": {\"b\": 1, \"a\": [true, 2.5, null]}, \"messages\": [{\"role\": \"user\", "
        "\"content\": \"hi é\"}, {\"role\": \"x\", \"content\": \"\"}]}";
    as_error err;
    json_t *value = NULL;
    cr_assert_eq(as_json_parse(text, strlen(text), AS_JSON_LENIENT, "test", &value, &err), AS_OK);
    return value;
}

static as_code render_busy(const json_t *variables, as_buf *out, as_error *err)
{
    as_jinja_template *part = NULL, *template = NULL;
    as_code rc = as_jinja_compile("[{{ d }}]{% set q = 5 %}", 24, "part", NULL, &part, err);
    if (rc == AS_OK)
        rc = as_jinja_compile(busy_template, strlen(busy_template), "busy", NULL, &template, err);
    library lib = {.names = {"part"}, .templates = {part}, .count = 1};
    as_jinja_options options = {.find = find, .find_context = &lib, .now = "2026-01-02T03:04:05"};
    as_jinja_report report = {0};
    if (rc == AS_OK) rc = as_jinja_render(template, variables, &options, out, &report, err);
    as_jinja_report_free(&report);
    as_jinja_free(template);
    as_jinja_free(part);
    return rc;
}

Test(jinja, survives_failing_allocations)
{
    json_t *variables = busy_variables();
    as_error err;
    as_buf expected;
    as_buf_init(&expected, 0);
    as_code rc = render_busy(variables, &expected, &err);
    cr_assert_eq(rc, AS_OK, "%s", rc == AS_OK ? "" : err.text);
    for (uint64_t n = 1;; n++) {
        as_buf out;
        as_buf_init(&out, 0);
        as_alloc_fail_after(n);
        rc = render_busy(variables, &out, &err);
        as_alloc_fail_after(0);
        if (rc == AS_OK) cr_assert_str_eq(as_buf_text(&out), as_buf_text(&expected));
        if (rc != AS_OK) cr_assert_eq(out.size, 0);
        as_buf_free(&out);
        if (rc == AS_OK) break;
        cr_assert_eq(rc, AS_E_MEMORY, "failure %d at allocation %d: %s", (int)rc, (int)n, err.text);
        cr_assert_lt(n, 5000);
    }
    as_buf_free(&expected);
    json_decref(variables);
}

typedef struct shared {
    const as_jinja_template *template;
    const json_t *variables;
    const char *expected;
    int wrong;
} shared;

static void render_shared(void *context, int64_t i, int worker)
{
    (void)i;
    (void)worker;
    shared *s = context;
    as_buf out;
    as_buf_init(&out, 0);
    as_code rc = as_jinja_render(s->template, s->variables, NULL, &out, NULL, NULL);
    if (rc != AS_OK || strcmp(as_buf_text(&out), s->expected) != 0)
        __atomic_fetch_add(&s->wrong, 1, __ATOMIC_RELAXED);
    as_buf_free(&out);
}

Test(jinja, one_template_renders_in_many_threads)
{
    static const char text[] =
        "{% macro m(x) %}{{ x|upper }}é{{ 'süß'.title() }}{% endmacro %}{% for i in range(50) %}"
        "{{ m(d.b ~ i) }}{{ 'abc'[1:] }}{{ d|tojson }}{{ ['x', 'é']|join(',') }}{% endfor %}";
    json_t *variables = busy_variables();
    as_error err;
    as_jinja_template *template = NULL;
    cr_assert_eq(as_jinja_compile(text, strlen(text), "t", NULL, &template, &err), AS_OK);
    as_buf out;
    as_buf_init(&out, 0);
    cr_assert_eq(as_jinja_render(template, variables, NULL, &out, NULL, &err), AS_OK);
    shared s = {.template = template, .variables = variables, .expected = as_buf_text(&out)};
    as_pool *pool = NULL;
    cr_assert_eq(as_pool_open(4, &pool, &err), AS_OK);
    as_pool_for(pool, 200, render_shared, &s);
    as_pool_close(pool);
    cr_assert_eq(s.wrong, 0);
    as_buf_free(&out);
    as_jinja_free(template);
    json_decref(variables);
}
