/* Recall over depth and length: facts in a long text, asked for at its end. With full distributions all
 * questions of a prompt are answered in one pass (an answer is right when each of its tokens is the likeliest
 * one, which is what greedy decoding would write); else each question is a request. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/sha256.h"
#include "suites/context/checks.h"
#include "suites/context/haystack.h"
#include "suites/context/logits.h"

enum { ANSWER_TOKENS = 16, DEPTHS_BY_REQUEST = 5 };

typedef struct recall {
    as_context_run *run;
    as_facts facts;
    int64_t reach;
    bool by_logits, chat;
    int64_t depths;
    /* Of the length at hand. */
    int64_t length, prompts;
    int64_t right[AS_RECALL_DEPTHS], asked[AS_RECALL_DEPTHS];
    json_t *samples, *sample_ids; /* of each question: 1 or 0, and which it is */
    char problem[512];            /* the target did not answer */
} recall;

/* ---- one prompt ------------------------------------------------------------------------------------------
 */

typedef struct scoring {
    recall *r;
    as_haystack *haystack;
    int64_t vocab;
} scoring;

/* A question's name: two results hold the same one only where the whole prompt was the same tokens. */
static void keep_answer(recall *r, const as_haystack *h, int64_t question, bool right)
{
    enum { DIGITS = 16 };
    char text[2 * AS_SHA256_BYTES + 1], id[DIGITS + 24];
    as_sha256 hash;
    as_sha256_init(&hash);
    as_sha256_add(&hash, h->tokens, (size_t)h->count * sizeof *h->tokens);
    as_sha256_finish_hex(&hash, text);
    snprintf(id, sizeof id, "%.*s/%lld", DIGITS, text, (long long)question);
    json_array_append_new(r->samples, json_integer(right));
    json_array_append_new(r->sample_ids, json_string(id));
    r->asked[question]++;
    r->right[question] += right;
}

static as_code on_row(void *context, int64_t index, const float *logits, as_error *err)
{
    scoring *s = context;
    as_suite_context *c = s->r->run->context;
    if (c->cancelled(c)) return as_fail(err, AS_E_CANCELLED, "interrupted");
    as_haystack *h = s->haystack;
    for (int64_t i = 0; i < h->question_count; i++) {
        as_question *q = &h->questions[i];
        if (index + 1 < q->from || index + 1 >= q->from + q->count) continue;
        if (as_row_best(logits, s->vocab) != h->tokens[index + 1]) q->right = false;
    }
    return AS_OK;
}

static as_code answer_by_logits(recall *r, const as_haystack_plan *plan, as_error *err)
{
    as_haystack h;
    AS_TRY(as_haystack_build(plan, &h, err));
    for (int64_t i = 0; i < h.question_count; i++) h.questions[i].right = true;
    scoring s = {r, &h, plan->target->facts.vocab};
    as_score score = {
        .tokens = h.tokens, .count = h.count, .from = h.questions[0].from - 1, .sink = on_row, .context = &s};
    as_code rc = plan->target->ops->score(plan->target, &score, err);
    for (int64_t i = 0; i < h.question_count && rc == AS_OK; i++) {
        keep_answer(r, &h, i, h.questions[i].right);
    }
    as_haystack_free(&h);
    return rc;
}

/* Right when the text begins with the value, or in a chat holds it. */
static bool holds(const recall *r, const as_answer *answer, const char *value)
{
    const char *text = as_buf_text(&answer->text);
    while (*text == ' ' || *text == '\n') text++;
    return r->chat ? strstr(text, value) != NULL : strncmp(text, value, strlen(value)) == 0;
}

static as_code answer_by_request(recall *r, const as_haystack_plan *plan, int64_t question, as_error *err)
{
    as_haystack h;
    AS_TRY(as_haystack_build_one(plan, question, &h, err));
    as_request request = {.tokens = h.tokens, .count = h.count, .max_tokens = ANSWER_TOKENS, .logprobs = -1};
    as_answer answer;
    as_code rc = as_ask(r->run->context, plan->target, &request, r->run->options.timeout_s, &answer, err);
    if (rc == AS_OK && answer.state != AS_ANSWERED) {
        snprintf(r->problem, sizeof r->problem, "a request %s: %.400s", as_answer_state_name(answer.state),
                 answer.message);
    } else if (rc == AS_OK) {
        keep_answer(r, &h, question, holds(r, &answer, h.questions[question].value));
    }
    as_answer_free(&answer);
    as_haystack_free(&h);
    return rc;
}

static as_code run_prompt(recall *r, int64_t number, as_error *err)
{
    as_suite_context *c = r->run->context;
    as_haystack_plan plan = {.target = c->target,
                             .facts = &r->facts,
                             .length = r->length - (r->by_logits ? 0 : ANSWER_TOKENS),
                             .depths = r->depths,
                             .chat = r->chat,
                             .seed = c->seed + (uint64_t)r->length,
                             .number = (uint64_t)number};
    if (r->by_logits) return answer_by_logits(r, &plan, err);
    for (int64_t i = 0; i < r->depths && !r->problem[0]; i++) AS_TRY(answer_by_request(r, &plan, i, err));
    return AS_OK;
}

/* ---- one length ------------------------------------------------------------------------------------------
 */

static json_t *evidence_of(const recall *r)
{
    json_t *depths = json_array();
    for (int64_t i = 0; i < r->depths; i++) {
        json_array_append_new(depths,
                              json_pack("{s:f, s:I, s:I}", "depth", (double)i / (double)r->depths, "right",
                                        (json_int_t)r->right[i], "asked", (json_int_t)r->asked[i]));
    }
    return json_pack("{s:s, s:o, s:I, s:I, s:s, s:s, s:s, s:O, s:O}", "better", "higher", "by_depth", depths,
                     "prompts", (json_int_t)r->prompts, "reach", (json_int_t)r->reach, "facts",
                     r->facts.own ? "facts.json of the repository" : "built-in", "form",
                     r->chat ? "chat template" : "plain text", "sample_statistic", "share", "samples",
                     r->samples, "sample_ids", r->sample_ids);
}

static as_code note_recall(recall *r, const char *id, const char *title, const as_interval *share,
                           as_error *err)
{
    as_suite_context *c = r->run->context;
    if (r->reach > 0 && r->length <= r->reach) {
        as_gated gated = {.id = id,
                          .title = title,
                          .unit = "",
                          .name = "share of facts recalled",
                          .measured = *share,
                          .sense = AS_GATE_AT_LEAST,
                          .gate = r->run->options.recall,
                          .evidence = evidence_of(r)};
        return as_note_gated(c, &gated, err);
    }
    as_check check = {.id = id,
                      .title = title,
                      .unit = "",
                      .verdict = AS_SKIP,
                      .measured = as_interval_json(share),
                      .evidence = evidence_of(r)};
    if (r->reach > 0) {
        return as_note(
            c, &check, err,
            "%.0f %% recalled, reported and not judged: this model is known to recall over %lld tokens, so a "
            "wrong answer here says nothing about what runs it",
            100 * share->value, (long long)r->reach);
    }
    return as_note(
        c, &check, err,
        "%.0f %% recalled, reported and not judged: how far this model recalls is not known (recall_reach in "
        "the profile or reach.json in the repository would tell)",
        100 * share->value);
}

/* The fact in the first tokens: recalled even once, the head of the prompt was read. */
static as_code note_first_fact(recall *r, const char *id, const char *title, as_error *err)
{
    as_suite_context *c = r->run->context;
    bool within = r->reach > 0 && r->length <= r->reach;
    /* A share, not a count: how often was asked depends on the budget. */
    as_interval share = as_stats_proportion(r->right[0], r->asked[0], 0.95);
    as_check check = {.id = id,
                      .title = title,
                      .verdict = r->right[0] ? AS_PASS
                                 : within    ? AS_FAIL
                                             : AS_SKIP,
                      .unit = "",
                      .measured = as_interval_json(&share),
                      .evidence = json_pack("{s:I, s:I, s:s}", "recalled", (json_int_t)r->right[0], "asked",
                                            (json_int_t)r->asked[0], "better", "higher")};
    if (r->right[0]) {
        return as_note(c, &check, err, "recalled %lld of %lld times, so the first tokens reached the model",
                       (long long)r->right[0], (long long)r->asked[0]);
    }
    if (within) {
        return as_note(
            c, &check, err,
            "not recalled in %lld tries, within a length over which this model recalls: the head of the "
            "prompt was cut off on the way",
            (long long)r->asked[0]);
    }
    return as_note(
        c, &check, err,
        "not recalled in %lld tries, but this model is not known to recall over %lld tokens: head-read-%lld "
        "tells whether the first tokens were read",
        (long long)r->asked[0], (long long)r->length, (long long)r->length);
}

static as_code add_series(recall *r, const as_interval *share, as_error *err)
{
    as_suite_context *c = r->run->context;
    char line[32];
    snprintf(line, sizeof line, "%lld", (long long)r->length);
    json_t *cells = json_array();
    for (int64_t i = 0; i < r->depths; i++) {
        if (!r->asked[i]) continue;
        json_array_append_new(cells,
                              json_pack("[I, f, f]", (json_int_t)r->length, (double)i / (double)r->depths,
                                        (double)r->right[i] / (double)r->asked[i]));
    }
    as_series grid = {.name = "recall-grid",
                      .title = "Facts recalled, by depth and length",
                      .kind = AS_SERIES_GRID,
                      .x_label = "prompt length",
                      .x_unit = "tokens",
                      .y_label = "depth of the fact",
                      .y_unit = "",
                      .x_log = true,
                      .gate = NAN};
    AS_TRY(as_note_cells(c, &grid, (double)r->length, cells, err));
    as_series curve = {.name = "recall-by-length",
                       .title = "Facts recalled, by length of the prompt",
                       .kind = AS_SERIES_POINTS,
                       .x_label = "prompt length",
                       .x_unit = "tokens",
                       .y_label = "share recalled",
                       .y_unit = "",
                       .x_log = true,
                       .gate = r->run->options.recall.value,
                       .gate_label = "gate"};
    json_t *points = json_array();
    json_array_append_new(points, as_point_interval((double)r->length, share));
    return as_note_cells(c, &curve, (double)r->length, points, err);
}

static as_code report(recall *r, const char *const ids[2], const char *const titles[2], as_error *err)
{
    int64_t right = 0, asked = 0;
    for (int64_t i = 0; i < r->depths; i++) right += r->right[i], asked += r->asked[i];
    as_interval share = as_stats_proportion(right, asked, 0.95);
    AS_TRY(add_series(r, &share, err));
    AS_TRY(note_first_fact(r, ids[1], titles[1], err));
    return note_recall(r, ids[0], titles[0], &share, err);
}

/* All prompts of one length, or as many as the budget has room for. */
static as_code ask_prompts(recall *r, int64_t wanted, double each_s, as_error *err)
{
    as_suite_context *c = r->run->context;
    json_decref(r->samples);
    json_decref(r->sample_ids);
    r->samples = json_array();
    r->sample_ids = json_array();
    memset(r->right, 0, sizeof r->right);
    memset(r->asked, 0, sizeof r->asked);
    r->problem[0] = 0;
    r->prompts = 0;
    for (int64_t i = 0; i < wanted && !r->problem[0]; i++) {
        if (as_suite_over_budget(c, each_s)) break;
        char phrase[64];
        snprintf(phrase, sizeof phrase, "recall at %lld tokens", (long long)r->length);
        c->progress(c, i, wanted, phrase);
        AS_TRY(run_prompt(r, i, err));
        r->prompts++;
    }
    return AS_OK;
}

static as_code check_length(recall *r, int64_t length, as_error *err)
{
    as_suite_context *c = r->run->context;
    char recall_id[AS_CONTEXT_ID], first_id[AS_CONTEXT_ID];
    snprintf(recall_id, sizeof recall_id, "context/recall-%lld", (long long)length);
    snprintf(first_id, sizeof first_id, "context/first-fact-%lld", (long long)length);
    const char *const ids[2] = {recall_id, first_id};
    static const char *const titles[2] = {"Facts are recalled wherever they stand in the prompt",
                                          "A fact in the first tokens is recalled: nothing is cut silently"};
    if (as_suite_done(c, ids[0])) return AS_OK;
    r->length = length;
    bool within = r->reach > 0 && length <= r->reach;
    int64_t wanted = within ? r->run->options.recall_prompts : r->run->options.recall_prompts_beyond;
    double each_s = fmax(as_context_prefill_s(r->run, length), 0) * (r->by_logits ? 1 : (double)r->depths);
    as_error problem = {.text = ""};
    as_code rc = ask_prompts(r, wanted, each_s, &problem);
    if (rc == AS_E_CANCELLED || rc == AS_E_MEMORY) {
        if (err) *err = problem;
        return rc;
    }
    if (r->prompts > 0 && rc == AS_OK && !r->problem[0]) return report(r, ids, titles, err);
    for (int i = 1; i >= 0; i--) {
        if (rc != AS_OK || r->problem[0]) {
            bool too_long = rc == AS_E_LIMIT;
            as_check check = {.id = ids[i], .title = titles[i], .verdict = too_long ? AS_SKIP : AS_ERROR};
            AS_TRY(as_note(c, &check, err, "%s", rc != AS_OK ? problem.text : r->problem));
        } else {
            AS_TRY(wanted ? as_note_cut(c, ids[i], titles[i], err, "cut by the budget")
                          : as_note_skip(c, ids[i], titles[i], err,
                                         "beyond the model's reach, and the profile asks for none there"));
        }
    }
    return AS_OK;
}

as_code as_context_check_recall(as_context_run *run, as_error *err)
{
    as_suite_context *c = run->context;
    unsigned can = c->target->facts.can;
    recall r = {.run = run, .by_logits = can & AS_CAN_LOGITS && c->target->facts.vocab > 0};
    if (!(can & AS_CAN_TOKENIZE)) {
        return as_note_skip(c, "context/recall", "Facts are recalled wherever they stand in the prompt", err,
                            "this needs the model's tokenizer, and the model brings none");
    }
    AS_TRY(as_facts_load(c, &r.facts, err));
    /* A model with lists of its own was trained on the plain form. */
    r.chat = can & AS_CAN_TEMPLATE && !r.facts.own;
    r.reach = run->options.recall_reach ? run->options.recall_reach : as_facts_reach(c, r.chat);
    r.depths = run->options.recall_depths;
    if (!r.by_logits && r.depths > DEPTHS_BY_REQUEST) r.depths = DEPTHS_BY_REQUEST;
    as_code rc = AS_OK;
    for (int64_t i = 0; i < run->plan.count && rc == AS_OK; i++)
        rc = check_length(&r, run->plan.lengths[i], err);
    as_facts_free(&r.facts);
    json_decref(r.samples);
    json_decref(r.sample_ids);
    return rc;
}
