/* assay run and assay check. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "harness/common.h"
#include "harness/run.h"
#include "harness/verb.h"
#include "reports/annotations.h"
#include "reports/report.h"
#include "reports/text.h"

static as_run_options given;
static const char *inconclusive;
static bool annotations;

static const as_option run_options[] = {
    {"--profile", AS_OPTION_PATH, &given.profile, "NAME|FILE", "the rules and limits to hold the model to"},
    {"--suite", AS_OPTION_TEXT, &given.suites, "a,b", "only these of rules, context, drift, speed"},
    {"--target", AS_OPTION_TEXT, &given.target, "engine", "who answers: the engine of this process"},
    {"--context", AS_OPTION_INT, &as_common.context, "N", "the longest context to examine, in tokens", 1},
    {"--text", AS_OPTION_PATH, &given.text, "PATH",
     "documents for drift and perplexity (a .txt or .json file, or a folder)"},
    {"--seed", AS_OPTION_INT, &as_common.seed, "N", "of everything random (default 0)"},
    {"--budget", AS_OPTION_TIME, &given.budget_s, "TIME",
     "cut the run at 90s, 10m, 1h; what is cut is skipped, never passed"},
    {"--out", AS_OPTION_PATH, &given.out, "DIR",
     "write results.json, report.html, junit.xml and plots/ there"},
    {"--resume", AS_OPTION_FLAG, &given.resume, NULL, "go on with the interrupted run in --out"},
    {"--inconclusive", AS_OPTION_WORD, &inconclusive, "pass|fail",
     "what an inconclusive check is to the exit status (default fail)"},
    {"--annotations", AS_OPTION_FLAG, &annotations, NULL,
     "a line to stderr for each problem, as CI shows it (always on GitHub)"},
    {NULL, AS_OPTION_FLAG, NULL, NULL, NULL},
};
static const as_option check_options[] = {
    {"--profile", AS_OPTION_PATH, &given.profile, "NAME|FILE", "the rules to hold the repository to"},
    {"--out", AS_OPTION_PATH, &given.out, "DIR", "write results.json, report.html and junit.xml there"},
    {"--annotations", AS_OPTION_FLAG, &annotations, NULL,
     "a line to stderr for each problem, as CI shows it (always on GitHub)"},
    {NULL, AS_OPTION_FLAG, NULL, NULL, NULL},
};
static const as_option *const run_tables[] = {run_options, as_model_options_table, as_output_options_table,
                                              NULL};
static const as_option *const check_tables[] = {check_options, as_output_options_table, NULL};

static const as_option *const *options_run(void)
{
    return run_tables;
}

static const as_option *const *options_check(void)
{
    return check_tables;
}

/* The last part of a model's name, as a folder is called. */
static void short_name(const char *model, char name[static 256])
{
    size_t size = strlen(model);
    while (size > 1 && model[size - 1] == '/') size--;
    size_t first = size;
    while (first > 0 && model[first - 1] != '/') first--;
    snprintf(name, 256, "%.*s", (int)(size - first), model + first);
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) snprintf(name, 256, "model");
    for (char *at = name; *at; at++) {
        if (*at == ':' || *at == ',' || *at == '=') *at = '-';
    }
}

/* A folder of its own for each of several models: "model-2" for the second that is called so. */
static as_code folder_of(const char *out, const as_text_list *models, int64_t index,
                         char room[static AS_PATH_MAX], as_error *err)
{
    char name[256], other[256], folder[300];
    int before = 0;
    short_name(models->items[index], name);
    for (int64_t i = 0; i < index; i++) {
        short_name(models->items[i], other);
        before += strcmp(name, other) == 0;
    }
    snprintf(folder, sizeof folder, before ? "%s-%d" : "%s", name, before + 1);
    return as_path_join(room, out, folder, err);
}

/* Problems as CI shows them, to stderr: where CI is recognised, or where asked for. */
static as_code print_annotations(const json_t *result, as_error *err)
{
    as_annotation_form form = as_annotations_form();
    as_inconclusive let = given.inconclusive_passes ? AS_INCONCLUSIVE_PASSES : AS_INCONCLUSIVE_FAILS;
    as_buf text;
    if (!annotations && form == AS_ANNOTATE_PLAIN) return AS_OK;
    as_buf_init(&text, 0);
    as_code rc = as_annotations_write(result, form, let, &text, err);
    if (rc == AS_OK) fwrite(as_buf_text(&text), 1, text.size, stderr);
    as_buf_free(&text);
    return rc;
}

static as_code print_result(const json_t *result, const char *out, as_error *err)
{
    char page[AS_PATH_MAX] = "";
    AS_TRY(print_annotations(result, err));
    if (as_common.json) return AS_OK;
    if (out) AS_TRY(as_path_join(page, out, "report.html", err));
    as_buf text;
    as_buf_init(&text, 0);
    as_text_style style = as_text_style_of(STDOUT_FILENO);
    as_code rc = as_text_summary(result, &style, out ? page : NULL, &text, err);
    if (rc == AS_OK) rc = as_print(&text, err);
    as_buf_free(&text);
    return rc;
}

/* With --json: the one result, or a list of several. */
static as_code print_json(json_t **results, int64_t count, as_error *err)
{
    as_buf text;
    as_buf_init(&text, 0);
    if (count != 1) as_buf_str(&text, "[\n");
    for (int64_t i = 0; i < count; i++) {
        if (i) as_buf_str(&text, ",\n");
        as_json_write(results[i], 2, &text);
    }
    as_buf_str(&text, count != 1 ? "\n]\n" : "\n");
    as_code rc = as_print(&text, err);
    as_buf_free(&text);
    return rc;
}

static as_code write_matrix(json_t **results, char (*links)[AS_PATH_MAX], int64_t count, as_error *err)
{
    const char **names = AS_NEW_ARRAY(const char *, count);
    if (!names) return as_fail_memory(err, "the matrix");
    for (int64_t i = 0; i < count; i++) names[i] = links[i];
    as_code rc = as_report_write_matrix((const json_t *const *)results, names, (size_t)count, given.out, err);
    as_free(names);
    return rc;
}

/* One model after the other; a model that cannot be used does not keep the others from being examined. */
static as_code run_models(const as_text_list *models, int *status, as_error *err)
{
    as_code first = AS_OK;
    json_t **results = AS_NEW_ARRAY(json_t *, models->count);
    char(*links)[AS_PATH_MAX] = as_calloc((size_t)models->count, sizeof *links);
    int64_t made = 0;
    as_code rc = results && links ? AS_OK : as_fail_memory(err, "the results");
    for (int64_t i = 0; rc == AS_OK && i < models->count && !as_interrupted(); i++) {
        as_error problem;
        as_run_options options = given;
        char folder[AS_PATH_MAX];
        json_t *result = NULL;
        if (given.out && models->count > 1) {
            AS_TRY_OUT(rc, folder_of(given.out, models, i, folder, err));
            options.out = folder;
        }
        as_code ran = as_run_model(models->items[i], &options, &result, &problem);
        if (result) {
            as_verdict verdict = AS_ERROR;
            as_verdict_parse(json_string_value(json_object_get(result, "verdict")), &verdict);
            int one = as_verdict_status(verdict, given.inconclusive_passes);
            if (one > *status) *status = one;
            snprintf(links[made], sizeof links[made], "%s/report.html",
                     as_path_base(options.out ? options.out : ""));
            results[made++] = result;
            AS_TRY_OUT(rc, print_result(result, options.out, err));
        }
        if (ran != AS_OK && first == AS_OK) {
            first = ran;
            *err = problem;
        } else if (ran != AS_OK) {
            as_say("%s", problem.text);
        }
    }
    if (rc == AS_OK && given.out && made && models->count > 1) rc = write_matrix(results, links, made, err);
    if (rc == AS_OK && as_common.json && made) rc = print_json(results, made, err);
out:
    for (int64_t i = 0; results && i < made; i++) json_decref(results[i]);
    as_free(results);
    as_free(links);
    return rc != AS_OK ? rc : first;
}

static as_code run_words(const as_verb *verb, const as_option *const *tables, int argc, char **argv,
                         int *status, as_error *err)
{
    as_text_list words;
    as_command_line line = {.usage = verb->usage, .tables = tables, .least = 1, .most = AS_MOST_LIST};
    AS_TRY(as_options_parse(&line, argc, argv, &words, err));
    given.inconclusive_passes = inconclusive && strcmp(inconclusive, "pass") == 0;
    if (given.resume && !given.out)
        return as_fail(err, AS_E_USAGE, "--resume needs --out, where the earlier results are");
    given.words = argv - 1; /* the verb stands before its arguments */
    given.word_count = argc + 1;
    if (!given.out && !given.rules_only && !as_common.json)
        as_say("without --out DIR the results are printed and not kept");
    return run_models(&words, status, err);
}

static as_code run_run(const as_verb *verb, int argc, char **argv, int *status, as_error *err)
{
    return run_words(verb, run_tables, argc, argv, status, err);
}

static as_code run_check(const as_verb *verb, int argc, char **argv, int *status, as_error *err)
{
    given.rules_only = true;
    return run_words(verb, check_tables, argc, argv, status, err);
}

const as_verb as_verb_run = {
    .name = "run",
    .summary = "all suites on a model: results, report, verdict",
    .usage = "assay run MODEL... [--profile NAME|FILE] [--suite a,b] [--budget 10m] [--out DIR]",
    .details =
        "Runs the suites rules, context, drift and speed, prints what was found, and writes results.json,\n"
        "report.html, junit.xml and plots/ into DIR (for several models a folder each, and matrix.html).\n"
        "Interrupting keeps what was finished; --resume goes on.",
    .example = "assay run fixtures/trained --suite rules,drift --budget 60s --out out/trained",
    .run = run_run,
    .options = options_run,
};

const as_verb as_verb_check = {
    .name = "check",
    .summary = "the repository rules alone, from header bytes",
    .usage = "assay check MODEL... [--profile NAME|FILE] [--out DIR]",
    .details = "Reads model card, configuration, tokenizer and the first bytes of each weight file. Never "
               "loads weights.",
    .example = "assay check fixtures/trained",
    .run = run_check,
    .options = options_check,
};
