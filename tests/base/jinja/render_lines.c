/* Renders templates given as JSON lines: what fixtures/fuzz_jinja.py compares with jinja2.
 *
 * In:  {"template": "...", "variables": {...}, "html": false, "trim": true, "lstrip": true, "now": "...",
 *       "others": {"name": "template", ...}}
 * Out: {"ok": true, "text": "...", "spans": [[0, 3]]} or {"ok": false, "error": "...", "raised": "..."} */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jinja/jinja.h"
#include "base/json.h"

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

static as_code compile_all(const json_t *line, library *lib, as_jinja_template **main_template, as_error *err)
{
    as_jinja_syntax syntax = {.dialect =
                                  json_is_true(json_object_get(line, "html")) ? AS_JINJA_HTML : AS_JINJA_CHAT,
                              .keep_newlines = json_is_false(json_object_get(line, "trim")),
                              .keep_indent = json_is_false(json_object_get(line, "lstrip"))};
    const char *key;
    json_t *value, *others = json_object_get(line, "others");
    json_object_foreach(others, key, value)
    {
        if (lib->count == MAX_OTHERS) break;
        lib->names[lib->count] = key;
        AS_TRY(as_jinja_compile(json_string_value(value), json_string_length(value), key, &syntax,
                                &lib->templates[lib->count], err));
        lib->count++;
    }
    const json_t *text = json_object_get(line, "template");
    return as_jinja_compile(json_string_value(text), json_string_length(text), "template", &syntax,
                            main_template, err);
}

static void answer(const json_t *line)
{
    as_error err;
    library lib = {.count = 0};
    as_jinja_template *template = NULL;
    as_jinja_report report = {0};
    as_buf text, out;
    as_buf_init(&text, 0);
    as_buf_init(&out, 0);
    as_jinja_options options = {.now = json_string_value(json_object_get(line, "now")),
                                .find = json_object_get(line, "others") ? find : NULL,
                                .find_context = &lib};
    as_code rc = compile_all(line, &lib, &template, &err);
    if (rc == AS_OK) {
        rc = as_jinja_render(template, json_object_get(line, "variables"), &options, &text, &report, &err);
    }
    as_buf_printf(&out, "{\"ok\": %s, \"code\": %d, ", rc == AS_OK ? "true" : "false", (int)rc);
    if (rc == AS_OK) {
        as_buf_str(&out, "\"text\": ");
        as_buf_json_string(&out, as_buf_text(&text), text.size);
    } else {
        as_buf_str(&out, "\"error\": ");
        as_buf_json_string(&out, err.text, strlen(err.text));
    }
    if (report.raised) {
        as_buf_str(&out, ", \"raised\": ");
        as_buf_json_string(&out, report.raised, strlen(report.raised));
    }
    as_buf_str(&out, ", \"spans\": [");
    for (size_t i = 0; i < report.span_count; i++) {
        as_buf_printf(&out, "%s[%zu, %zu]", i ? ", " : "", report.spans[i].start, report.spans[i].end);
    }
    as_buf_str(&out, "]}\n");
    fwrite(out.data, 1, out.size, stdout);
    fflush(stdout);
    as_jinja_report_free(&report);
    as_buf_free(&out);
    as_buf_free(&text);
    as_jinja_free(template);
    for (int i = 0; i < lib.count; i++) as_jinja_free(lib.templates[i]);
}

int main(void)
{
    char *text = NULL;
    size_t room = 0;
    ssize_t size;
    while ((size = getline(&text, &room, stdin)) > 0) {
        as_error err;
        json_t *line;
        if (as_json_parse(text, (size_t)size, AS_JSON_LENIENT, "line", &line, &err) != AS_OK) {
            printf("{\"ok\": false, \"code\": -1, \"error\": \"bad line\", \"spans\": []}\n");
            fflush(stdout);
            continue;
        }
        answer(line);
        json_decref(line);
    }
    free(text);
    return 0;
}
