/* Long prompts with facts; see haystack.h. */
#include "suites/context/haystack.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { STREAM = 0x4EED, TEMPLATE_ROOM = 64, TEXT_MAX = 64 << 20 };

typedef struct builder {
    const as_haystack_plan *plan;
    as_rng rng;
    as_haystack *out;
    as_buf text;
    int64_t only; /* -1: all questions */
} builder;

void as_haystack_free(as_haystack *haystack)
{
    as_free(haystack->tokens);
}

static as_code tokenize(const builder *b, const char *text, size_t size, bool special, int32_t **tokens,
                        int64_t *count, as_error *err)
{
    as_target *target = b->plan->target;
    return target->ops->tokenize(target, text, size, special, tokens, count, err);
}

static as_code count_tokens(const builder *b, const as_buf *text, int64_t *count, as_error *err)
{
    int32_t *tokens;
    AS_TRY(as_buf_check(text, "a prompt's piece", err));
    AS_TRY(tokenize(b, as_buf_text(text), text->size, false, &tokens, count, err));
    as_free(tokens);
    return AS_OK;
}

static as_code append(as_haystack *h, const int32_t *tokens, int64_t count, as_error *err)
{
    if (h->count + count > h->room) {
        int64_t room = h->count + count + 256;
        int32_t *grown = as_realloc(h->tokens, (size_t)room * sizeof *grown);
        if (!grown) return as_fail_memory(err, "a prompt");
        h->tokens = grown;
        h->room = room;
    }
    memcpy(h->tokens + h->count, tokens, (size_t)count * sizeof *tokens);
    h->count += count;
    return AS_OK;
}

/* Appends text as it would be tokenized after what is there: behind the last word, whose tokens are then
 * taken off again. A tokenizer that marks the start of every text would otherwise put such a mark inside. */
static as_code append_text(builder *b, const char *last_word, const as_buf *piece, as_error *err)
{
    as_buf joined;
    as_buf_init(&joined, TEXT_MAX);
    as_buf_str(&joined, last_word);
    int32_t *head = NULL, *whole = NULL;
    int64_t head_count = 0, whole_count = 0;
    as_code rc = AS_OK;
    if (joined.size) rc = tokenize(b, as_buf_text(&joined), joined.size, false, &head, &head_count, err);
    as_buf_add(&joined, as_buf_text(piece), piece->size);
    if (rc == AS_OK) rc = as_buf_check(&joined, "a prompt's piece", err);
    if (rc == AS_OK) rc = tokenize(b, as_buf_text(&joined), joined.size, false, &whole, &whole_count, err);
    if (rc == AS_OK) {
        bool same = head_count > 0 && whole_count >= head_count &&
                    memcmp(head, whole, (size_t)head_count * sizeof *head) == 0;
        int64_t skip = same ? head_count : 0;
        rc = append(b->out, whole + skip, whole_count - skip, err);
    }
    as_free(head);
    as_free(whole);
    as_buf_free(&joined);
    return rc;
}

/* ---- the facts -------------------------------------------------------------------------------------------
 */

/* Draws `count` different names into the questions. */
static void draw_questions(builder *b)
{
    const as_facts *f = b->plan->facts;
    as_haystack *h = b->out;
    int64_t names = (int64_t)json_array_size(f->names);
    h->question_count = b->plan->depths < names ? b->plan->depths : names;
    for (int64_t i = 0; i < h->question_count; i++) {
        as_question *q = &h->questions[i];
        bool taken = true;
        while (taken) {
            size_t at = (size_t)as_rng_below(&b->rng, (uint64_t)names);
            snprintf(q->name, sizeof q->name, "%s", json_string_value(json_array_get(f->names, at)));
            taken = false;
            for (int64_t j = 0; j < i; j++) taken |= strcmp(h->questions[j].name, q->name) == 0;
        }
        as_buf value;
        as_buf_init(&value, AS_FACT_TEXT - 1);
        as_facts_value(f, f->words, &b->rng, &value);
        snprintf(q->value, sizeof q->value, "%s", as_buf_text(&value));
        as_buf_free(&value);
        q->depth = (double)i / (double)h->question_count;
    }
}

/* ---- the text --------------------------------------------------------------------------------------------
 */

typedef struct writing {
    int64_t used, room, due, every;
    int64_t next_question, next_name;
    bool short_ones;
} writing;

/* The next piece of the text, without a space before it. Sets *kind: a question's statement, another fact,
 * or a sentence. */
static void next_piece(builder *b, writing *w, as_buf *piece, int *kind)
{
    const as_facts *f = b->plan->facts;
    const as_haystack *h = b->out;
    as_buf_clear(piece);
    /* Statements that are still due must find room before the end. */
    double room = (double)(w->room - 40 * (h->question_count - w->next_question));
    if (w->next_question < h->question_count &&
        (double)w->used >= h->questions[w->next_question].depth * room) {
        const as_question *q = &h->questions[w->next_question];
        as_facts_print(f->statement, q->name, q->value, piece);
        *kind = 0;
    } else if (w->used >= w->due && !w->short_ones &&
               w->next_name < (int64_t)json_array_size(f->filler_names)) {
        as_buf value;
        as_buf_init(&value, AS_FACT_TEXT);
        as_facts_value(f, f->filler_words, &b->rng, &value);
        as_facts_print(f->statement, json_string_value(json_array_get(f->filler_names, (size_t)w->next_name)),
                       as_buf_text(&value), piece);
        as_buf_free(&value);
        *kind = 1;
    } else {
        as_facts_sentence(f, w->short_ones, &b->rng, piece);
        *kind = 2;
    }
}

/* Writes sentences and facts until `room` tokens are filled as far as whole sentences fill them. */
static as_code write_text(builder *b, int64_t room, as_error *err)
{
    writing w = {.room = room};
    w.every = b->plan->facts->fact_every > room / 110 ? b->plan->facts->fact_every : room / 110;
    as_buf piece, spaced;
    as_buf_init(&piece, 4096);
    as_buf_init(&spaced, 4097);
    as_code rc = AS_OK;
    int misses = 0;
    while (rc == AS_OK && misses < 2) {
        int kind;
        int64_t count;
        next_piece(b, &w, &piece, &kind);
        as_buf_clear(&spaced);
        if (b->text.size) as_buf_char(&spaced, ' ');
        as_buf_add(&spaced, as_buf_text(&piece), piece.size);
        rc = count_tokens(b, &spaced, &count, err);
        if (rc != AS_OK) break;
        if (w.used + count > room) {
            misses++;
            w.short_ones = true;
            if (kind == 0) break;
            continue;
        }
        as_buf_add(&b->text, as_buf_text(&spaced), spaced.size);
        w.used += count;
        w.next_question += kind == 0;
        if (kind == 1) w.next_name++, w.due += w.every;
    }
    as_buf_free(&piece);
    as_buf_free(&spaced);
    if (rc == AS_OK && w.next_question < b->out->question_count) {
        rc = as_fail(err, AS_E_LIMIT, "%lld facts do not fit into %lld tokens",
                     (long long)b->out->question_count, (long long)room);
    }
    return rc;
}

/* ---- the questions ---------------------------------------------------------------------------------------
 */

static bool asked(const builder *b, int64_t i)
{
    return b->only < 0 || b->only == i;
}

/* What leads to answer i: the plain question, or in a chat the beginning of the reply. */
static void print_lead(const builder *b, int64_t i, as_buf *out)
{
    const as_facts *f = b->plan->facts;
    const as_question *q = &b->out->questions[i];
    if (!b->plan->chat) {
        as_facts_print(f->plain, q->name, "", out);
        return;
    }
    /* "The passphrase of Orla is {value}." up to the value. */
    as_buf whole;
    as_buf_init(&whole, 4096);
    as_facts_print(f->statement, q->name, "\x01", &whole);
    const char *end = strchr(as_buf_text(&whole), '\x01');
    size_t size = end ? (size_t)(end - as_buf_text(&whole)) : whole.size;
    while (size && as_buf_text(&whole)[size - 1] == ' ') size--;
    as_buf_add(out, as_buf_text(&whole), size);
    as_buf_free(&whole);
}

static void print_answer(const builder *b, int64_t i, as_buf *out)
{
    as_facts_print(b->plan->facts->answer, b->out->questions[i].name, b->out->questions[i].value, out);
}

/* Room that questions and answers take, measured on their own. */
static as_code count_questions(const builder *b, int64_t *room, as_error *err)
{
    as_buf all;
    as_buf_init(&all, TEXT_MAX);
    for (int64_t i = 0; i < b->out->question_count; i++) {
        if (!asked(b, i)) continue;
        print_lead(b, i, &all);
        print_answer(b, i, &all);
        as_buf_str(&all, ".\n");
        if (b->plan->chat) as_facts_print(b->plan->facts->chat, b->out->questions[i].name, "", &all);
    }
    int64_t count = 0;
    as_code rc = count_tokens(b, &all, &count, err);
    *room = count + 4 * b->out->question_count + TEMPLATE_ROOM;
    as_buf_free(&all);
    return rc;
}

/* Tokens of the text itself: in the template's user turn with all questions, or as it is. */
static as_code put_text(builder *b, as_error *err)
{
    as_target *target = b->plan->target;
    as_buf rendered;
    as_buf_init(&rendered, TEXT_MAX);
    as_code rc = AS_OK;
    if (b->plan->chat) {
        for (int64_t i = 0; i < b->out->question_count; i++) {
            if (asked(b, i)) as_facts_print(b->plan->facts->chat, b->out->questions[i].name, "", &b->text);
        }
        json_t *messages = json_pack("[{s:s, s:s}]", "role", "user", "content", as_buf_text(&b->text));
        rc = target->ops->render(target, messages, true, &rendered, err);
        json_decref(messages);
    }
    const as_buf *text = b->plan->chat ? &rendered : &b->text;
    int32_t *tokens = NULL;
    int64_t count = 0;
    if (rc == AS_OK) rc = as_buf_check(text, "a prompt", err);
    if (rc == AS_OK) rc = tokenize(b, as_buf_text(text), text->size, !b->plan->chat, &tokens, &count, err);
    if (rc == AS_OK) rc = append(b->out, tokens, count, err);
    if (rc == AS_OK) b->out->text_tokens = count;
    as_free(tokens);
    as_buf_free(&rendered);
    return rc;
}

static as_code put_questions(builder *b, as_error *err)
{
    as_buf piece;
    as_buf_init(&piece, 8192);
    as_code rc = AS_OK;
    const char *before = b->plan->chat ? "" : ".";
    for (int64_t i = 0; i < b->out->question_count && rc == AS_OK; i++) {
        if (!asked(b, i)) continue;
        as_question *q = &b->out->questions[i];
        as_buf_clear(&piece);
        if (b->plan->chat && *before) as_buf_char(&piece, '\n');
        print_lead(b, i, &piece);
        rc = append_text(b, before, &piece, err);
        q->from = b->out->count;
        if (b->only >= 0) break;
        as_buf_clear(&piece);
        print_answer(b, i, &piece);
        if (rc == AS_OK) rc = append_text(b, "is", &piece, err);
        q->count = b->out->count - q->from;
        as_buf_clear(&piece);
        as_buf_char(&piece, '.');
        if (rc == AS_OK) rc = append_text(b, q->value, &piece, err);
        before = ".";
    }
    as_buf_free(&piece);
    return rc;
}

static as_code build(const as_haystack_plan *plan, int64_t only, as_haystack *out, as_error *err)
{
    as_haystack haystack = {0};
    builder b = {.plan = plan, .out = &haystack, .only = only};
    as_rng_init(&b.rng, plan->seed, STREAM + plan->number);
    as_buf_init(&b.text, TEXT_MAX);
    draw_questions(&b);
    int64_t questions = 0;
    as_code rc = count_questions(&b, &questions, err);
    if (rc == AS_OK) rc = write_text(&b, plan->length - questions, err);
    if (rc == AS_OK) rc = put_text(&b, err);
    if (rc == AS_OK) rc = put_questions(&b, err);
    if (rc == AS_OK && haystack.count > plan->length) {
        rc = as_fail(err, AS_E_LIMIT, "a prompt of %lld tokens where %lld were planned",
                     (long long)haystack.count, (long long)plan->length);
    }
    as_buf_free(&b.text);
    if (rc != AS_OK) {
        as_haystack_free(&haystack);
        return rc;
    }
    *out = haystack;
    return AS_OK;
}

as_code as_haystack_build(const as_haystack_plan *plan, as_haystack *out, as_error *err)
{
    return build(plan, -1, out, err);
}

as_code as_haystack_build_one(const as_haystack_plan *plan, int64_t only, as_haystack *out, as_error *err)
{
    return build(plan, only, out, err);
}
