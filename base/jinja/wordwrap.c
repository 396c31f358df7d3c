/* The wordwrap filter: Python's textwrap.wrap on every line. */
#include <string.h>

#include "base/jinja/value.h"

typedef struct piece {
    size_t from, size; /* in codepoints of the line */
} piece;

typedef struct wrapper {
    as_jinja_vm *vm;
    uint32_t *text; /* the line's codepoints */
    size_t length;
    int64_t width;
    bool break_long, break_hyphens;
    piece *chunks; /* the line cut at places where it may break */
    size_t count;
    piece *line; /* what stands in the output line being filled */
    size_t used, used_length;
    as_jinja_list *lines;
} wrapper;

static bool is_blank(uint32_t c)
{
    return c == ' ' || (c >= 9 && c <= 13);
}

static bool is_letter(uint32_t c)
{
    return as_jinja_word(c) && !as_jinja_decimal(c);
}

static bool is_word_punctuation(uint32_t c)
{
    return as_jinja_word(c) || (c && c < 0x80 && strchr("!\"'&.,?", (int)c));
}

/* Dashes (two or more) at `at` with a word behind: where they end, 0 if it is not so. */
static size_t dashes(const wrapper *w, size_t at)
{
    size_t end = at;
    while (end < w->length && w->text[end] == '-') end++;
    return end - at >= 2 && end < w->length && as_jinja_word(w->text[end]) ? end : 0;
}

/* May the line break behind the hyphen at `at`? */
static bool breaks_at_hyphen(const wrapper *w, size_t at)
{
    const uint32_t *t = w->text;
    if (at >= w->length || t[at] != '-') return false;
    bool letters = at >= 2 && is_letter(t[at - 1]) && is_letter(t[at - 2]);
    bool initial = at >= 3 && is_word_punctuation(t[at - 1]) && t[at - 2] == '-' && is_letter(t[at - 3]);
    if (!letters && !initial) return false;
    size_t next = at + 1;
    if (next >= w->length || !is_letter(t[next])) return false;
    next++;
    if (next < w->length && t[next] == '-') next++;
    return next < w->length && is_letter(t[next]);
}

/* The end of the chunk that begins at `at`. */
static size_t chunk_end(const wrapper *w, size_t at)
{
    size_t end = at;
    if (is_blank(w->text[at])) {
        while (end < w->length && is_blank(w->text[end])) end++;
        return end;
    }
    if (!w->break_hyphens) {
        while (end < w->length && !is_blank(w->text[end])) end++;
        return end;
    }
    if (at > 0 && is_word_punctuation(w->text[at - 1]) && dashes(w, at)) return dashes(w, at);
    for (end = at + 1;; end++) {
        if (breaks_at_hyphen(w, end)) return end + 1;
        if (end >= w->length || is_blank(w->text[end])) return end;
        if (is_word_punctuation(w->text[end - 1]) && dashes(w, end)) return end;
    }
}

static bool blank_piece(const wrapper *w, const piece *p)
{
    for (size_t i = 0; i < p->size; i++) {
        if (!as_jinja_space(w->text[p->from + i])) return false;
    }
    return true;
}

static void take(wrapper *w, piece p)
{
    w->line[w->used++] = p;
    w->used_length += p.size;
}

/* Puts what fits of a word longer than a line. */
static void take_long_word(wrapper *w, piece *chunk, size_t *next)
{
    size_t space = (size_t)w->width - w->used_length, end = space;
    if (!w->break_long) {
        if (w->used == 0) {
            take(w, *chunk);
            (*next)++;
        }
        return;
    }
    if (w->break_hyphens && chunk->size > space) {
        const uint32_t *t = w->text + chunk->from;
        size_t hyphen = space;
        while (hyphen > 0 && t[hyphen - 1] != '-') hyphen--;
        bool other = false;
        for (size_t i = 0; hyphen > 0 && i < hyphen - 1; i++) other = other || t[i] != '-';
        if (hyphen > 1 && other) end = hyphen;
    }
    if (end > chunk->size) end = chunk->size;
    take(w, (piece){chunk->from, end});
    chunk->from += end;
    chunk->size -= end;
}

static bool put_line(wrapper *w)
{
    as_jinja_vm *vm = w->vm;
    size_t mark = as_jinja_mark(vm);
    for (size_t i = 0; i < w->used; i++) {
        for (size_t k = 0; k < w->line[i].size; k++)
            AS_JINJA_TRY(as_jinja_put_codepoint(vm, w->text[w->line[i].from + k]));
    }
    as_jinja_value text;
    return as_jinja_str_cut(vm, mark, &text) && as_jinja_list_add(vm, w->lines, text);
}

static bool wrap_chunks(wrapper *w)
{
    int64_t before = w->lines->count;
    for (size_t next = 0; next < w->count;) {
        w->used = w->used_length = 0;
        AS_JINJA_TRY(as_jinja_step(w->vm, 1));
        if (blank_piece(w, &w->chunks[next]) && w->lines->count > before) next++;
        while (next < w->count && w->used_length + w->chunks[next].size <= (size_t)w->width) {
            take(w, w->chunks[next++]);
        }
        if (next < w->count && w->chunks[next].size > (size_t)w->width)
            take_long_word(w, &w->chunks[next], &next);
        if (w->used && blank_piece(w, &w->line[w->used - 1])) w->used--;
        if (w->used) AS_JINJA_TRY(put_line(w));
    }
    return true;
}

/* One line of the input becomes lines of the output. */
static bool wrap_line(wrapper *w, const as_jinja_str *line)
{
    as_jinja_vm *vm = w->vm;
    size_t room = (size_t)as_jinja_str_length(line) + 1;
    w->text = AS_JINJA_NEW_ARRAY(vm, uint32_t, room);
    w->chunks = AS_JINJA_NEW_ARRAY(vm, piece, room);
    w->line = AS_JINJA_NEW_ARRAY(vm, piece, room + 1);
    if (!w->text || !w->chunks || !w->line) return false;
    w->length = w->count = 0;
    for (size_t at = 0; at < line->size;)
        w->text[w->length++] = as_jinja_next_codepoint(line->data, line->size, &at);
    AS_JINJA_TRY(as_jinja_step(vm, 1 + w->length / 8));
    for (size_t at = 0; at < w->length;) {
        size_t end = chunk_end(w, at);
        w->chunks[w->count++] = (piece){at, end - at};
        at = end;
    }
    return wrap_chunks(w);
}

static bool join_lines(as_jinja_vm *vm, const as_jinja_list *lines, const as_jinja_str *with)
{
    for (int64_t i = 0; i < lines->count; i++) {
        if (i) AS_JINJA_TRY(as_jinja_put(vm, with->data, with->size));
        AS_JINJA_TRY(as_jinja_put(vm, lines->items[i].str->data, lines->items[i].str->size));
    }
    return true;
}

bool as_jinja_filter_wordwrap(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                              as_jinja_value *out)
{
    wrapper w = {.vm = vm, .width = 79};
    as_jinja_value with = args->pos[2];
    as_jinja_list *lines;
    if (!as_jinja_is_str(self)) {
        if (self.kind == AS_JINJA_UNDEFINED) return as_jinja_fail_undefined(vm, self);
        return as_jinja_fail(vm, AS_JINJA_X_ATTRIBUTE, "'%s' object has no attribute 'splitlines'",
                             as_jinja_type_name(self));
    }
    w.break_long = !as_jinja_given(args->pos[1]) || as_jinja_truth(args->pos[1]);
    w.break_hyphens = !as_jinja_given(args->pos[3]) || as_jinja_truth(args->pos[3]);
    if (!as_jinja_given(with) || with.kind == AS_JINJA_NONE)
        AS_JINJA_TRY(as_jinja_str_literal(vm, "\n", &with));
    if (!as_jinja_is_str(with))
        return as_jinja_fail(vm, AS_JINJA_X_ATTRIBUTE, "the wrapstring must be a string");
    AS_JINJA_TRY(as_jinja_split_lines(vm, self.str, false, &lines));
    if (lines->count && as_jinja_given(args->pos[0]))
        AS_JINJA_TRY(as_jinja_to_index(vm, args->pos[0], &w.width));
    size_t mark = as_jinja_mark(vm);
    for (int64_t i = 0; i < lines->count; i++) {
        if (w.width <= 0)
            return as_jinja_fail(vm, AS_JINJA_X_VALUE, "invalid width %lld (must be > 0)",
                                 (long long)w.width);
        AS_JINJA_TRY(as_jinja_list_new(vm, 0, &w.lines));
        if (i) AS_JINJA_TRY(as_jinja_put(vm, with.str->data, with.str->size));
        AS_JINJA_TRY(wrap_line(&w, lines->items[i].str) && join_lines(vm, w.lines, with.str));
    }
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, out));
    out->str->markup = with.str->markup;
    return true;
}
