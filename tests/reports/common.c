/* What the tests of reports/ share; see common.h. */
#include "tests/reports/common.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"

const char *const example_names[] = {"pass",  "fail",  "interrupted", "inconclusive",
                                     "skips", "empty", "hostile"};
const size_t example_count = sizeof example_names / sizeof example_names[0];

json_t *load_result(const char *name)
{
    char path[256];
    json_t *result = NULL;
    as_error err;
    snprintf(path, sizeof path, DATA "%s.json", name);
    as_code rc = as_json_read(path, AS_JSON_LENIENT, 0, &result, &err);
    cr_assert_eq(rc, AS_OK, "%s", rc == AS_OK ? "" : err.text);
    return result;
}

json_t *parse_json(const char *text)
{
    json_t *value = NULL;
    as_error err;
    as_code rc = as_json_parse(text, strlen(text), AS_JSON_LENIENT, "test", &value, &err);
    cr_assert_eq(rc, AS_OK, "%s: %s", text, rc == AS_OK ? "" : err.text);
    return value;
}

static char scratch[64];

static void remove_scratch(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", scratch);
    if (system(command) != 0) perror("scratch");
}

const char *scratch_dir(void)
{
    if (!scratch[0]) {
        snprintf(scratch, sizeof scratch, "/tmp/assay-reports-XXXXXX");
        cr_assert_not_null(mkdtemp(scratch));
        atexit(remove_scratch);
    }
    return scratch;
}

const char *file_text(const char *dir, const char *name)
{
    char path[AS_PATH_MAX];
    as_buf text;
    as_error err;
    as_buf_init(&text, 0);
    cr_assert_eq(as_path_join(path, dir, name, &err), AS_OK);
    as_code rc = as_file_read(path, &text, &err);
    cr_assert_eq(rc, AS_OK, "%s", rc == AS_OK ? "" : err.text);
    static char *kept;
    free(kept);
    kept = strdup(as_buf_text(&text));
    as_buf_free(&text);
    return kept;
}

static int run(char output[4096], const char *format, va_list args)
{
    char command[2048];
    int size = vsnprintf(command, sizeof command - 8, format, args);
    cr_assert(size > 0 && size < (int)sizeof command - 8);
    strcat(command, " 2>&1");
    FILE *pipe = popen(command, "r");
    cr_assert_not_null(pipe);
    size_t got = fread(output, 1, 4095, pipe);
    output[got] = 0;
    while (fgetc(pipe) != EOF) continue;
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

void expect_success(const char *format, ...)
{
    char output[4096];
    va_list args;
    va_start(args, format);
    int status = run(output, format, args);
    va_end(args);
    cr_assert_eq(status, 0, "%s: status %d: %s", format, status, output);
}

int status_of(const char *format, ...)
{
    char output[4096];
    va_list args;
    va_start(args, format);
    int status = run(output, format, args);
    va_end(args);
    return status;
}
