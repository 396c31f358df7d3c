/* What the tests of reports/ share: example results, a folder to write to, other programs as judges. */
#ifndef TESTS_REPORTS_COMMON_H
#define TESTS_REPORTS_COMMON_H

#include <jansson.h>

#define DATA "tests/reports/data/"
/* All example results that a run could have left. */
extern const char *const example_names[];
extern const size_t example_count;

json_t *load_result(const char *name); /* DATA/NAME.json; a new reference */
json_t *parse_json(const char *text);
/* A folder of this process alone, made anew; removed at exit. */
const char *scratch_dir(void);
/* The whole file; lives until exit. */
const char *file_text(const char *dir, const char *name);
/* Runs a shell command and fails the test with its output unless it exits 0. */
void expect_success(const char *format, ...) __attribute__((format(printf, 1, 2)));
int status_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
