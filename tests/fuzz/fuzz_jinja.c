/* A template from a stranger, compiled and rendered as a chat template and as a page that may include itself.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/jinja/jinja.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char variables_text[] =
    "{\"messages\": [{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\", \"content\": "
    "\"h\\u00e9 \\n\"},"
    "{\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"function\": {\"name\": \"f\", "
    "\"arguments\": {}}}]}],"
    "\"tools\": [{\"function\": {\"name\": \"f\"}}], \"add_generation_prompt\": true, \"bos_token\": \"<s>\","
    "\"d\": {\"a\": 1, \"b\": [2.5, -3, true]}, \"l\": [3, 1, 2], \"n\": 42, \"s\": \"Hello <b> "
    "W\\u00f6rld\"}";

static const as_jinja_template *find(void *context, const char *name)
{
    return strcmp(name, "s") == 0 ? context : NULL;
}

static void render(const char *text, size_t size, as_jinja_dialect dialect, const json_t *variables)
{
    as_error err;
    as_jinja_template *template = NULL;
    as_jinja_syntax syntax = {.dialect = dialect};
    if (as_jinja_compile(text, size, "fuzz", &syntax, &template, &err) != AS_OK) return;
    as_jinja_options options = {.now = "2026-01-02T03:04:05",
                                .max_output = 1 << 20,
                                .max_memory = 16 << 20,
                                .max_steps = 100000,
                                .max_depth = 200};
    if (dialect == AS_JINJA_HTML) {
        options.find = find;
        options.find_context = template;
    }
    as_jinja_report report;
    as_buf out;
    as_buf_init(&out, 0);
    if (as_jinja_render(template, variables, &options, &out, &report, &err) != AS_OK && out.size) abort();
    for (size_t i = 0; i < report.span_count; i++) {
        if (report.spans[i].start > report.spans[i].end) abort();
    }
    as_jinja_report_free(&report);
    as_buf_free(&out);
    as_jinja_free(template);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static json_t *variables;
    as_error err;
    if (!variables && as_json_parse(variables_text, sizeof variables_text - 1, AS_JSON_LENIENT, "variables",
                                    &variables, &err) != AS_OK) {
        abort();
    }
    render((const char *)data, size, AS_JINJA_CHAT, variables);
    render((const char *)data, size, AS_JINJA_HTML, variables);
    return 0;
}
