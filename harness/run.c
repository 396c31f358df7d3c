/* A run; see run.h. */
#include "harness/run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/rng.h"
#include "engine/text/tokenizer.h"
#include "harness/common.h"
#include "harness/machine.h"
#include "harness/progress.h"
#include "harness/resolve.h"
#include "harness/target_engine.h"
#include "reports/report.h"
#include "suites/catalog.h"
#include "suites/profile.h"

enum { MOST_SUITES = 16 };

typedef struct run {
    const char *name;
    const as_run_options *options;
    as_resolved found;
    as_repository *repository;
    as_target *target;
    as_error target_problem; /* why there is none */
    json_t *profile, *catalog, *limits, *result, *earlier;
    as_class_match match;
    char text_path[AS_PATH_MAX], result_path[AS_PATH_MAX];
    const as_suite *suites[MOST_SUITES];
    double estimates[MOST_SUITES];
    int suite_count;
    as_progress progress;
    double started;
} run;

/* ---- what suites call ------------------------------------------------------------------------------------
 */

static as_code save(run *r, as_error *err)
{
    return r->options->out ? as_result_write(r->result, r->result_path, err) : AS_OK;
}

static as_code record(as_suite_context *context, const as_check *check, as_error *err)
{
    run *r = context->harness;
    AS_TRY(as_result_add_check(context->suite, check, err));
    return save(r, err);
}

static void show_progress(as_suite_context *context, int64_t done, int64_t total, const char *phrase)
{
    run *r = context->harness;
    as_progress_update(&r->progress, done, total, phrase);
}

static bool cancelled(const as_suite_context *context)
{
    (void)context;
    return as_interrupted();
}

/* ---- preparation -----------------------------------------------------------------------------------------
 */

static as_code add_suite(run *r, const char *name, as_error *err)
{
    as_nearest nearest = {.word = name};
    char hint[AS_NEAREST_HINT];
    const as_suite *suite = as_suite_find(name);
    for (const as_suite *const *known = as_suites; *known; known++)
        as_nearest_offer(&nearest, (*known)->name);
    if (!suite) {
        return as_fail(err, AS_E_USAGE, "--suite \"%s\"%s: there are rules, context, drift and speed", name,
                       as_nearest_hint(&nearest, "", hint));
    }
    for (int i = 0; i < r->suite_count; i++) {
        if (r->suites[i] == suite) return as_fail(err, AS_E_USAGE, "--suite names %s twice", name);
    }
    AS_BUG(r->suite_count == MOST_SUITES);
    r->suites[r->suite_count++] = suite;
    return AS_OK;
}

static as_code choose_suites(run *r, as_error *err)
{
    const char *list = r->options->rules_only ? "rules" : r->options->suites;
    for (const as_suite *const *suite = as_suites; !list && *suite; suite++)
        r->suites[r->suite_count++] = *suite;
    while (list && *list) {
        char name[64];
        size_t size = strcspn(list, ",");
        snprintf(name, sizeof name, "%.*s", (int)size, list);
        AS_TRY(add_suite(r, name, err));
        list += size + (list[size] == ',');
    }
    return r->suite_count ? AS_OK : as_fail(err, AS_E_USAGE, "--suite names no suite");
}

/* The directory must be usable before any work is done. */
static as_code prepare_out(run *r, as_error *err)
{
    const char *out = r->options->out;
    if (!out) return AS_OK;
    AS_TRY(as_dir_make(out, err));
    AS_TRY(as_path_join(r->result_path, out, "results.json", err));
    if (r->options->resume && as_file_exists(r->result_path))
        AS_TRY(as_result_read(r->result_path, &r->earlier, err));
    if (r->options->resume && !r->earlier) as_say("--resume: %s has no results yet, starting anew", out);
    /* Room for the results: a small file is written and removed again. */
    char probe[AS_PATH_MAX];
    static const char filler[1 << 16];
    AS_TRY(as_path_join(probe, out, ".assay-probe", err));
    as_code rc = as_file_write(probe, filler, sizeof filler, err);
    remove(probe);
    return rc == AS_OK ? AS_OK : as_wrap(err, "--out");
}

static as_code find_text(run *r, as_error *err)
{
    if (r->options->text) {
        if (!as_file_exists(r->options->text) && !as_dir_exists(r->options->text)) {
            return as_fail(err, AS_E_NOT_FOUND, "--text %s: %s", r->options->text,
                           as_file_is_special(r->options->text) ? "neither a file nor a folder"
                                                                : "no such file or folder");
        }
        snprintf(r->text_path, sizeof r->text_path, "%s", r->options->text);
        return AS_OK;
    }
    if (!r->found.path) return AS_OK;
    AS_TRY(as_path_join(r->text_path, r->found.path, "heldout.json", err));
    if (!as_file_exists(r->text_path)) r->text_path[0] = 0;
    return AS_OK;
}

/* The serving class by the dimensions of config.json; none where they are unknown. */
static void find_class(run *r)
{
    json_t *dims = NULL;
    const json_t *config = r->found.synth  ? r->found.synth
                           : r->repository ? r->repository->config.value
                                           : NULL;
    if (!config || as_catalog_config_dims(r->catalog, config, &dims, NULL) != AS_OK) return;
    as_catalog_match(r->catalog, dims, &r->match);
    json_decref(dims);
}

static bool needs_target(const run *r)
{
    for (int i = 0; i < r->suite_count; i++) {
        if (r->suites[i]->needs_target) return true;
    }
    return false;
}

/* The length that is served: --context, the class's, or the model's own. */
static int64_t served_context(const run *r)
{
    if (as_common.context) return as_common.context;
    const json_t *served =
        r->match.model_class ? json_object_get(r->match.model_class, "served_context") : NULL;
    return json_is_integer(served) ? json_integer_value(served) : 0;
}

static as_code open_target(run *r, as_error *err)
{
    if (r->options->target && strcmp(r->options->target, "engine") != 0) {
        return as_fail(err, AS_E_UNSUPPORTED, "--target %s: this build examines its own engine only",
                       r->options->target);
    }
    if (!needs_target(r)) return AS_OK;
    as_engine_options options = {
        .model = {.dtype = as_common.dtype,
                  .device = as_common.device,
                  .threads = (int)as_common.threads,
                  .stop = as_interrupt_flag(),
                  .synth = r->found.synth,
                  .seed = r->found.seed},
        .path = r->found.synth ? r->name : r->found.path,
        .threads = (int)as_common.threads,
        .context = served_context(r),
    };
    as_code rc = as_target_engine_open(&options, &r->target, &r->target_problem);
    if (rc == AS_OK || rc == AS_E_INPUT || rc == AS_E_NOT_FOUND || rc == AS_E_UNSUPPORTED || rc == AS_E_LIMIT)
        return AS_OK;
    *err = r->target_problem;
    return rc;
}

static as_code measure_limits(run *r, as_error *err)
{
    if (!r->target) return AS_OK;
    as_say("measuring this machine's limits");
    return as_machine_limits((int)as_common.threads, &r->limits, err);
}

/* ---- the record ------------------------------------------------------------------------------------------
 */

static json_t *text_or_null(const char *text)
{
    return text && *text ? as_result_text(text) : json_null();
}

static json_t *count_or_null(int64_t count)
{
    return count > 0 ? json_integer(count) : json_null();
}

static json_t *command_line(const as_run_options *options)
{
    json_t *words = json_array();
    json_array_append_new(words, json_string("assay"));
    for (int i = 0; i < options->word_count; i++)
        json_array_append_new(words, as_result_text(options->words[i]));
    return words;
}

static json_t *run_facts(const run *r)
{
    char now[32], id[48];
    uint32_t words[4];
    as_clock_utc(now);
    as_rng_block((uint64_t)as_clock_ns(), 0, 0, words);
    snprintf(id, sizeof id, "%.19s-%08x", now, words[0]);
    for (char *at = id; *at; at++) {
        if (*at == ':') *at = '-';
    }
    return json_pack("{s:s, s:s, s:n, s:o, s:I, s:o, s:o}", "id", id, "started", now, "finished", "command",
                     command_line(r->options), "seed", (json_int_t)as_common.seed, "machine",
                     as_machine_facts(), "limits", r->limits ? json_incref(r->limits) : json_null());
}

static const char *revision_of(const run *r)
{
    const char *at = strchr(r->name, '@');
    return at && !as_dir_exists(r->name) ? at + 1 : NULL;
}

static json_t *model_facts(const run *r)
{
    const as_model_info *info = r->target ? r->target->facts.info : NULL;
    const json_t *config = r->repository ? r->repository->config.value : r->found.synth;
    const char *architecture =
        info ? info->architecture
             : json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
    const char *class_name =
        r->match.model_class ? json_string_value(json_object_get(r->match.model_class, "class")) : NULL;
    int64_t native =
        info ? info->context : json_integer_value(json_object_get(config, "max_position_embeddings"));
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", as_result_text(r->name), "revision",
        text_or_null(revision_of(r)), "digest", text_or_null(info ? info->digest : NULL), "architecture",
        text_or_null(architecture), "class", text_or_null(class_name), "parameters",
        count_or_null(info ? info->parameters : 0), "dtype", text_or_null(info ? info->dtype : NULL),
        "context", count_or_null(native), "precision", text_or_null(info ? info->precision : NULL));
}

/* An earlier record goes on only if it speaks of the same model under the same profile. */
static as_code take_over(run *r, as_error *err)
{
    if (!r->earlier) return AS_OK;
    static const char *const keys[] = {"id", "digest"};
    const json_t *before = json_object_get(r->earlier, "model"), *now = json_object_get(r->result, "model");
    for (size_t i = 0; i < 2; i++) {
        if (json_equal(json_object_get(before, keys[i]), json_object_get(now, keys[i]))) continue;
        return as_fail(err, AS_E_USAGE, "--resume: the results in %s are of another model", r->options->out);
    }
    if (!json_equal(json_object_get(r->earlier, "profile"), json_object_get(r->result, "profile"))) {
        return as_fail(err, AS_E_USAGE, "--resume: the results in %s are of another profile",
                       r->options->out);
    }
    json_t *run_before = json_object_get(r->earlier, "run"), *run_now = json_object_get(r->result, "run");
    if (!json_equal(json_object_get(run_before, "seed"), json_object_get(run_now, "seed"))) {
        return as_fail(err, AS_E_USAGE, "--resume: the results in %s are of another --seed", r->options->out);
    }
    json_object_set(run_now, "id", json_object_get(run_before, "id"));
    json_object_set(run_now, "started", json_object_get(run_before, "started"));
    json_object_set(r->result, "suites", json_object_get(r->earlier, "suites"));
    return AS_OK;
}

static as_code begin_record(run *r, as_error *err)
{
    r->result = as_result_new();
    if (!r->result) return as_fail_memory(err, "the results");
    const char *kind = r->target ? r->target->facts.kind : needs_target(r) ? "none" : "repository";
    bool ok = json_object_set_new(r->result, "tool", as_tool_facts()) == 0 &&
              json_object_set_new(r->result, "run", run_facts(r)) == 0 &&
              json_object_set_new(r->result, "model", model_facts(r)) == 0 &&
              json_object_set_new(r->result, "target", json_string(kind)) == 0 &&
              json_object_set(r->result, "profile", json_object_get(r->profile, "id")) == 0;
    return ok ? take_over(r, err) : as_fail_memory(err, "the results");
}

/* ---- running ---------------------------------------------------------------------------------------------
 */

static as_suite_context context_of(run *r, const as_suite *suite)
{
    return (as_suite_context){
        .repository = r->repository,
        .target = r->target,
        .profile = r->profile,
        .catalog = r->catalog,
        .model_class = r->match.model_class,
        .limits = r->limits,
        .text_path = r->text_path[0] ? r->text_path : NULL,
        .context_limit = as_common.context,
        .seed = (uint64_t)as_common.seed,
        .started_s = as_clock_seconds(),
        .suite = as_result_suite(r->result, suite->name),
        .resume = r->earlier != NULL,
        .record = record,
        .progress = show_progress,
        .cancelled = cancelled,
        .harness = r,
    };
}

static void announce(run *r)
{
    double total = 0;
    char duration[32];
    for (int i = 0; i < r->suite_count; i++) {
        as_suite_context context = context_of(r, r->suites[i]);
        bool possible = !r->suites[i]->needs_target || r->target;
        double estimate = possible && r->suites[i]->estimate ? r->suites[i]->estimate(&context) : 0;
        r->estimates[i] = estimate > 0 ? estimate : 0;
        total += r->estimates[i];
    }
    if (total < 5) return;
    as_clock_duration(total, duration);
    bool cut = r->options->budget_s > 0 && total > r->options->budget_s;
    as_say("this run will take about %s%s", duration,
           cut ? "; --budget cuts it, and what is cut is reported as skipped"
               : " (--budget 10m would cut it)");
}

/* The suite's share of what is left of the budget, by the estimates of those still to come. */
static double share_of_budget(const run *r, int index)
{
    if (r->options->budget_s <= 0) return 0;
    double left = r->options->budget_s - (as_clock_seconds() - r->started), rest = 0;
    for (int i = index; i < r->suite_count; i++) rest += r->estimates[i];
    double share = rest > 0 ? left * r->estimates[index] / rest : left;
    return share > 1e-3 ? share : 1e-3;
}

/* A suite that needs the model, when the model cannot be opened. */
static as_code record_no_target(run *r, as_suite_context *context, const as_suite *suite, as_error *err)
{
    char id[64], why[sizeof r->target_problem.text + 64];
    snprintf(id, sizeof id, "%s/model", suite->name);
    snprintf(why, sizeof why, "the model cannot be run: %s", r->target_problem.text);
    as_check check = {.id = id, .title = "The model can be run", .verdict = AS_SKIP, .unit = "", .why = why};
    return record(context, &check, err);
}

static as_code run_suites(run *r, as_error *err)
{
    for (int i = 0; i < r->suite_count; i++) {
        const as_suite *suite = r->suites[i];
        as_suite_context context = context_of(r, suite);
        if (!context.suite) return as_fail_memory(err, "the results");
        context.budget_s = share_of_budget(r, i);
        as_code rc;
        as_progress_begin(&r->progress, suite->name);
        if (suite->needs_target && !r->target) {
            rc = record_no_target(r, &context, suite, err);
        } else {
            rc = suite->run(&context, err);
        }
        as_progress_end(&r->progress);
        if (as_interrupted())
            return as_fail(err, AS_E_CANCELLED, "interrupted; what was finished is kept%s",
                           r->options->out ? ", --resume goes on" : "");
        if (rc != AS_OK) return as_wrap(err, "suite %s", suite->name);
    }
    return AS_OK;
}

/* What did not come to its end has no time at which it finished. */
static as_code conclude(run *r, bool finished, as_error *err)
{
    char now[32];
    as_clock_utc(now);
    if (finished) json_object_set_new(json_object_get(r->result, "run"), "finished", json_string(now));
    as_result_conclude(r->result);
    AS_TRY(save(r, err));
    if (!r->options->out) return AS_OK;
    as_report_options options = {.inconclusive = r->options->inconclusive_passes ? AS_INCONCLUSIVE_PASSES
                                                                                 : AS_INCONCLUSIVE_FAILS};
    return as_report_write(r->result, r->options->out, &options, err);
}

static as_code prepare(run *r, as_error *err)
{
    const char *profile = r->options->profile ? r->options->profile : as_profile_default;
    AS_TRY(choose_suites(r, err));
    AS_TRY(as_profile_load(profile, &r->profile, err));
    AS_TRY(as_catalog_load(&r->catalog, err));
    AS_TRY(as_resolve(r->name, &r->found, err));
    AS_TRY(prepare_out(r, err));
    if (r->found.path) AS_TRY(as_repository_open(r->found.path, &r->repository, err));
    AS_TRY(find_text(r, err));
    find_class(r);
    AS_TRY(open_target(r, err));
    AS_TRY(measure_limits(r, err));
    return begin_record(r, err);
}

/* Whether any check of the rules failed: then that is the finding, not that the model cannot be opened. */
static bool rules_failed(const run *r)
{
    json_t *rules = as_result_suite(r->result, "rules"), *check;
    size_t i;
    json_array_foreach(json_object_get(rules, "checks"), i, check)
    {
        as_verdict verdict;
        if (!as_verdict_parse(json_string_value(json_object_get(check, "verdict")), &verdict)) continue;
        if (verdict == AS_FAIL || verdict == AS_ERROR) return true;
    }
    return false;
}

static void free_run(run *r)
{
    if (r->target) r->target->ops->close(r->target);
    as_repository_close(r->repository);
    as_resolved_free(&r->found);
    json_decref(r->profile);
    json_decref(r->catalog);
    json_decref(r->limits);
    json_decref(r->earlier);
    json_decref(r->result);
}

as_code as_run_model(const char *name, const as_run_options *options, json_t **result, as_error *err)
{
    run r = {.name = name, .options = options, .started = as_clock_seconds()};
    as_interrupt_session(NULL); /* from here on an interrupt keeps what was finished */
    as_code rc = prepare(&r, err);
    if (rc == AS_OK) {
        announce(&r);
        rc = run_suites(&r, err);
        as_error late;
        as_code written = conclude(&r, rc == AS_OK, &late);
        if (rc == AS_OK && written != AS_OK) {
            *err = late;
            rc = written;
        }
        if (rc == AS_OK && needs_target(&r) && !r.target && !rules_failed(&r)) {
            *err = r.target_problem;
            rc = err->code;
        }
        *result = json_incref(r.result);
    }
    free_run(&r);
    return rc;
}
