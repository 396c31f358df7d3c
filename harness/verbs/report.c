/* assay report and assay compare: results rendered again, or against each other. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "harness/common.h"
#include "harness/verb.h"
#include "reports/compare.h"
#include "reports/report.h"
#include "reports/text.h"
#include "suites/result.h"

static struct {
    const char *out, *inconclusive;
    double margin;
} given;

static const as_option report_options[] = {
    {"--out", AS_OPTION_PATH, &given.out, "DIR", "where to write (default: the folder of the one result)"},
    {NULL, AS_OPTION_FLAG, NULL, NULL, NULL},
};
static const as_option compare_options[] = {
    {"--out", AS_OPTION_PATH, &given.out, "DIR", "write compare.json, compare.html and plots/ there"},
    {"--margin", AS_OPTION_NUMBER, &given.margin, "X",
     "a difference below this fraction is none (default 0.01)", 0, 1},
    {"--inconclusive", AS_OPTION_WORD, &given.inconclusive, "pass|fail",
     "what an undecided comparison is (default pass)"},
    {NULL, AS_OPTION_FLAG, NULL, NULL, NULL},
};
static const as_option *const report_tables[] = {report_options, as_output_options_table, NULL};
static const as_option *const compare_tables[] = {compare_options, as_output_options_table, NULL};

static const as_option *const *options_report(void)
{
    return report_tables;
}

static const as_option *const *options_compare(void)
{
    return compare_tables;
}

/* A results.json, or the folder that holds one. */
static as_code read_result(const char *name, json_t **out, as_error *err)
{
    char path[AS_PATH_MAX];
    if (!as_dir_exists(name)) return as_result_read(name, out, err);
    AS_TRY(as_path_join(path, name, "results.json", err));
    return as_result_read(path, out, err);
}

static as_code print_text(as_buf *text, as_code rc, as_error *err)
{
    if (rc == AS_OK) rc = as_print(text, err);
    as_buf_free(text);
    return rc;
}

static as_code report_one(const char *name, const json_t *result, as_error *err)
{
    char folder[AS_PATH_MAX], page[AS_PATH_MAX];
    snprintf(folder, sizeof folder, "%s", given.out ? given.out : name);
    if (!given.out && !as_dir_exists(name)) {
        char *slash = strrchr(folder, '/');
        if (slash) *slash = 0;
        if (!slash) snprintf(folder, sizeof folder, ".");
    }
    AS_TRY(as_report_write(result, folder, NULL, err));
    AS_TRY(as_path_join(page, folder, "report.html", err));
    as_buf text;
    as_buf_init(&text, 0);
    as_text_style style = as_text_style_of(STDOUT_FILENO);
    if (as_common.json) {
        as_json_write(result, 2, &text);
        as_buf_char(&text, '\n');
        return print_text(&text, AS_OK, err);
    }
    return print_text(&text, as_text_summary(result, &style, page, &text, err), err);
}

static as_code report_many(const as_text_list *names, json_t **results, as_error *err)
{
    if (!given.out) return as_fail(err, AS_E_USAGE, "--out DIR is needed to render several results as one");
    AS_TRY(
        as_report_write_matrix((const json_t *const *)results, NULL, (size_t)names->count, given.out, err));
    as_buf text;
    as_buf_init(&text, 0);
    as_text_style style = as_text_style_of(STDOUT_FILENO);
    return print_text(
        &text, as_text_matrix((const json_t *const *)results, (size_t)names->count, &style, &text, err), err);
}

static as_code run_report(const as_verb *verb, int argc, char **argv, int *status, as_error *err)
{
    (void)status;
    as_text_list words;
    as_command_line line = {.usage = verb->usage, .tables = report_tables, .least = 1, .most = AS_MOST_LIST};
    AS_TRY(as_options_parse(&line, argc, argv, &words, err));
    json_t **results = AS_NEW_ARRAY(json_t *, words.count);
    if (!results) return as_fail_memory(err, "the results");
    as_code rc = AS_OK;
    for (int64_t i = 0; rc == AS_OK && i < words.count; i++)
        rc = read_result(words.items[i], &results[i], err);
    if (rc == AS_OK) {
        rc = words.count == 1 ? report_one(words.items[0], results[0], err)
                              : report_many(&words, results, err);
    }
    for (int64_t i = 0; i < words.count; i++) json_decref(results[i]);
    as_free(results);
    return rc;
}

static as_code print_compare(const json_t *compare, as_error *err)
{
    as_buf text;
    as_buf_init(&text, 0);
    if (as_common.json) {
        as_json_write(compare, 2, &text);
        as_buf_char(&text, '\n');
        return print_text(&text, AS_OK, err);
    }
    char page[AS_PATH_MAX] = "";
    as_text_style style = as_text_style_of(STDOUT_FILENO);
    if (given.out) AS_TRY(as_path_join(page, given.out, "compare.html", err));
    return print_text(&text, as_text_compare(compare, &style, given.out ? page : NULL, &text, err), err);
}

static as_code run_compare(const as_verb *verb, int argc, char **argv, int *status, as_error *err)
{
    as_text_list words;
    as_command_line line = {.usage = verb->usage, .tables = compare_tables, .least = 2, .most = 2};
    AS_TRY(as_options_parse(&line, argc, argv, &words, err));
    json_t *a = NULL, *b = NULL, *compare = NULL;
    as_compare_options options = {.margin = given.margin};
    bool pass = !given.inconclusive || strcmp(given.inconclusive, "pass") == 0;
    as_code rc = read_result(words.items[0], &a, err);
    if (rc == AS_OK) rc = read_result(words.items[1], &b, err);
    if (rc == AS_OK) rc = as_compare(a, b, &options, &compare, err);
    if (rc == AS_OK && given.out) rc = as_compare_write(compare, a, b, given.out, err);
    if (rc == AS_OK) rc = print_compare(compare, err);
    if (rc == AS_OK)
        *status = as_compare_status(compare, pass ? AS_INCONCLUSIVE_PASSES : AS_INCONCLUSIVE_FAILS);
    json_decref(a);
    json_decref(b);
    json_decref(compare);
    return rc;
}

const as_verb as_verb_report = {
    .name = "report",
    .summary = "render results again, or many as one",
    .usage = "assay report RESULT... [--out DIR]",
    .details = "RESULT is a results.json or the folder that holds it. One result: report.html, junit.xml and "
               "plots/ beside it\n"
               "or in DIR. Several: matrix.html in DIR.",
    .example = "assay report out/trained --out out/again",
    .run = run_report,
    .options = options_report,
};

const as_verb as_verb_compare = {
    .name = "compare",
    .summary = "two results: what got better, what got worse",
    .usage = "assay compare A B [--out DIR] [--margin X]",
    .details = "A and B are results.json files or their folders. Numbers are compared with their intervals, "
               "paired where both\n"
               "carry samples. Exit status 1 when something got worse.",
    .example = "assay compare out/trained out/trained",
    .run = run_compare,
    .options = options_compare,
};
