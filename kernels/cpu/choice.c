/* Keeping the best; see choice.h. */
#include "kernels/cpu/choice.h"

#include <math.h>
#include <string.h>

as_choice as_choice_begin(int64_t top, void *room)
{
    as_choice choice = {.top = top, .least = NAN, .scores = room};
    choice.order = choice.scores + 2 * top;
    choice.keys = (int32_t *)(void *)(choice.order + 2 * top);
    return choice;
}

static void swap(float *a, float *b)
{
    float t = *a;
    *a = *b;
    *b = t;
}

/* The value with `rank` larger ones before it; Hoare's selection. */
static float ranked(float *values, int64_t count, int64_t rank)
{
    int64_t low = 0, high = count - 1;
    while (low < high) {
        float pivot = values[low + (high - low) / 2];
        int64_t i = low, j = high;
        while (i <= j) {
            while (values[i] > pivot) i++;
            while (values[j] < pivot) j--;
            if (i <= j) swap(&values[i++], &values[j--]);
        }
        if (rank <= j) {
            high = j;
        } else if (rank >= i) {
            low = i;
        } else {
            break;
        }
    }
    return values[rank];
}

void as_choice_shrink(as_choice *choice)
{
    if (choice->count <= choice->top) return;
    for (int64_t i = 0; i < choice->count; i++) {
        choice->order[i] = isnan(choice->scores[i]) ? INFINITY : choice->scores[i];
        choice->scores[i] = choice->order[i];
    }
    float least = ranked(choice->order, choice->count, choice->top - 1);
    int64_t equals = choice->top, kept = 0;
    for (int64_t i = 0; i < choice->count; i++) equals -= choice->scores[i] > least;
    for (int64_t i = 0; i < choice->count; i++) {
        bool stays = choice->scores[i] > least || (choice->scores[i] == least && equals-- > 0);
        if (!stays) continue;
        choice->scores[kept] = choice->scores[i];
        choice->keys[kept++] = choice->keys[i];
    }
    choice->count = kept;
    choice->least = least;
}

void as_choice_end(as_choice *choice, int32_t *out)
{
    as_choice_shrink(choice);
    for (int64_t i = 0; i < choice->top; i++) out[i] = i < choice->count ? choice->keys[i] : AS_NO_KEY;
}

/* ---- as torch.topk ---- */

static bool before(const as_ranked *a, const as_ranked *b)
{
    return a->score > b->score || (isnan(a->score) && !isnan(b->score));
}

static void exchange(as_ranked *a, as_ranked *b)
{
    as_ranked t = *a;
    *a = *b;
    *b = t;
}

/* Puts a value into a heap whose last stands at its top: the hole sinks to a leaf, the value rises from
 * there. */
static void sift(as_ranked *heap, int64_t count, int64_t hole, as_ranked value)
{
    int64_t top = hole, child;
    for (; (child = 2 * hole + 2) < count; hole = child) {
        if (before(&heap[child], &heap[child - 1])) child--;
        heap[hole] = heap[child];
    }
    if (child == count) {
        heap[hole] = heap[child - 1];
        hole = child - 1;
    }
    for (; hole > top && before(&heap[(hole - 1) / 2], &value); hole = (hole - 1) / 2) {
        heap[hole] = heap[(hole - 1) / 2];
    }
    heap[hole] = value;
}

static void select_by_heap(as_ranked *list, int64_t count, int64_t top)
{
    for (int64_t i = top / 2 - 1; i >= 0; i--) sift(list, top, i, list[i]);
    for (int64_t i = top; i < count; i++) {
        if (!before(&list[i], &list[0])) continue;
        as_ranked value = list[i];
        list[i] = list[0];
        sift(list, top, 0, value);
    }
}

/* The median of the second, the middle and the last one goes to the front. */
static void pick_pivot(as_ranked *list, int64_t count)
{
    as_ranked *a = list + 1, *b = list + count / 2, *c = list + count - 1;
    if (before(a, b)) {
        exchange(list, before(b, c) ? b : before(a, c) ? c : a);
    } else {
        exchange(list, before(a, c) ? a : before(b, c) ? c : b);
    }
}

/* Splits the list behind the pivot at its front; where the second part begins. */
static int64_t split(as_ranked *list, int64_t count)
{
    for (int64_t i = 1, j = count;; i++) {
        while (before(&list[i], list)) i++;
        do {
            j--;
        } while (before(list, &list[j]));
        if (i >= j) return i;
        exchange(&list[i], &list[j]);
    }
}

static void sort_few(as_ranked *list, int64_t count)
{
    for (int64_t i = 1; i < count; i++) {
        as_ranked value = list[i];
        int64_t at = i;
        for (; at > 0 && before(&value, &list[at - 1]); at--) list[at] = list[at - 1];
        list[at] = value;
    }
}

/* std::nth_element of libstdc++: halves around a median of three, a heap when those do not get on. */
static void select_by_splitting(as_ranked *list, int64_t count, int64_t nth)
{
    int64_t low = 0, high = count, depth = 0;
    for (int64_t n = count; n > 1; n /= 2) depth += 2;
    for (; high - low > 3; depth--) {
        if (depth == 0) {
            select_by_heap(list + low, high - low, nth + 1 - low);
            return;
        }
        pick_pivot(list + low, high - low);
        int64_t cut = low + split(list + low, high - low);
        if (cut <= nth) {
            low = cut;
        } else {
            high = cut;
        }
    }
    sort_few(list + low, high - low);
}

void as_rank(as_ranked *list, int64_t count, int64_t top)
{
    if (top >= count) return;
    if (top * 64 <= count) {
        select_by_heap(list, count, top);
    } else {
        select_by_splitting(list, count, top - 1);
    }
}

void as_choose_ranked(as_ranked *list, int64_t low, int64_t high, int64_t count, int64_t top, int32_t *out)
{
    int64_t written = 0;
    if (high - low <= top) { /* all that the row sees; the list is not looked at */
        for (int64_t i = low; i < high; i++) out[written++] = (int32_t)i;
    } else {
        unsigned char *chosen = (unsigned char *)(void *)(list + count);
        memset(chosen, 0, (size_t)count);
        for (int64_t i = 0; i < count; i++) {
            list[i].key = (int32_t)i;
            if (i < low || i >= high) list[i].score = -INFINITY;
        }
        as_rank(list, count, top);
        for (int64_t i = 0; i < top; i++) chosen[list[i].key] = 1;
        for (int64_t i = low; i < high; i++) {
            if (chosen[i]) out[written++] = (int32_t)i;
        }
    }
    while (written < top) out[written++] = AS_NO_KEY;
}

/* ---- runs of keys ----------------------------------------------------------------------------------------
 */

int64_t as_run_choice_bytes(int64_t top)
{
    return as_max_i64(as_ranked_bytes(AS_MOST_RANKED), as_choice_bytes(top));
}

as_run_choice as_run_choice_begin(const as_index_runs_args *args, const as_span *span, int64_t row,
                                  void *room)
{
    as_run_choice c = {.args = args, .span = span, .position = span->position + row, .list = room};
    c.runs = c.position / args->every + 1;
    int64_t all = as_max_i64(as_ceil_div(span->total, args->every), c.runs);
    if (all <= AS_MOST_RANKED) {
        c.ranked = all;
    } else {
        c.choice = as_choice_begin(args->top, room);
    }
    return c;
}

bool as_run_choice_is_needed(const as_run_choice *c)
{
    return c->runs > c->args->top;
}

void as_run_choice_add(as_run_choice *c, int64_t run, float best)
{
    if (run > c->runs - 1 - c->args->local) best = INFINITY;
    if (c->ranked) {
        c->list[run].score = best;
    } else {
        as_choice_add(&c->choice, best, (int32_t)run);
    }
}

/* Numbers of runs become the positions of their keys, from the last on, so that none is overwritten. */
static void expand_runs(int32_t *keys, int64_t top, int64_t every, int64_t position)
{
    int64_t count = 0, keep = top * every;
    while (count < top && keys[count] != AS_NO_KEY) count++;
    for (int64_t i = count * every; i < keep; i++) keys[i] = AS_NO_KEY;
    for (int64_t i = count - 1; i >= 0; i--) {
        int64_t first = keys[i] * every;
        for (int64_t t = every - 1; t >= 0; t--) {
            keys[i * every + t] = first + t <= position ? (int32_t)(first + t) : AS_NO_KEY;
        }
    }
}

void as_run_choice_end(as_run_choice *c, int32_t *out)
{
    int64_t top = c->args->top;
    if (c->ranked || !as_run_choice_is_needed(c)) {
        as_choose_ranked(c->list, 0, c->runs, c->ranked, top, out);
    } else {
        as_choice_end(&c->choice, out);
    }
    expand_runs(out, top, c->args->every, c->position);
}
