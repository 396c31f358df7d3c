/* Sorting as Python's list.sort: stable, and for short lists with the same comparisons, so that values
 * without a total order (nan) end up in the same places. */
#include <string.h>

#include "base/jinja/value.h"

enum { SHORT_RUN = 64 };

typedef struct sorter {
    as_jinja_vm *vm;
    as_jinja_value *keys, *items;
    as_jinja_value *spare_keys, *spare_items;
} sorter;

static bool less(const sorter *s, as_jinja_value a, as_jinja_value b, bool *out)
{
    AS_JINJA_TRY(as_jinja_step(s->vm, 1));
    return as_jinja_compare(s->vm, AS_JINJA_LT, a, b, out);
}

static void swap_values(as_jinja_value *values, int64_t i, int64_t k)
{
    as_jinja_value v = values[i];
    values[i] = values[k];
    values[k] = v;
}

static void reverse(sorter *s, int64_t from, int64_t to)
{
    for (to--; from < to; from++, to--) {
        swap_values(s->keys, from, to);
        swap_values(s->items, from, to);
    }
}

/* How many values from `from` on are in order already (a falling run is turned round). */
static bool count_run(sorter *s, int64_t from, int64_t to, int64_t *out)
{
    int64_t at = from + 1;
    if (at >= to) {
        *out = to - from;
        return true;
    }
    bool falling, now;
    AS_JINJA_TRY(less(s, s->keys[at], s->keys[at - 1], &falling));
    for (at++; at < to; at++) {
        AS_JINJA_TRY(less(s, s->keys[at], s->keys[at - 1], &now));
        if (now != falling) break;
    }
    if (falling) reverse(s, from, at);
    *out = at - from;
    return true;
}

static bool binary_insert(sorter *s, int64_t from, int64_t to, int64_t start)
{
    for (; start < to; start++) {
        int64_t left = from, right = start;
        as_jinja_value key = s->keys[start], item = s->items[start];
        while (left < right) {
            int64_t middle = left + (right - left) / 2;
            bool before;
            AS_JINJA_TRY(less(s, key, s->keys[middle], &before));
            if (before) {
                right = middle;
            } else {
                left = middle + 1;
            }
        }
        size_t move = (size_t)(start - left);
        memmove(s->keys + left + 1, s->keys + left, move * sizeof key);
        memmove(s->items + left + 1, s->items + left, move * sizeof item);
        s->keys[left] = key;
        s->items[left] = item;
    }
    return true;
}

static bool merge(sorter *s, int64_t from, int64_t middle, int64_t to)
{
    int64_t a = from, b = middle;
    for (int64_t at = from; at < to; at++) {
        bool second = a == middle;
        if (!second && b < to) AS_JINJA_TRY(less(s, s->keys[b], s->keys[a], &second));
        int64_t take = second ? b++ : a++;
        s->spare_keys[at] = s->keys[take];
        s->spare_items[at] = s->items[take];
    }
    size_t size = (size_t)(to - from) * sizeof *s->keys;
    memcpy(s->keys + from, s->spare_keys + from, size);
    memcpy(s->items + from, s->spare_items + from, size);
    return true;
}

static bool sort_range(sorter *s, int64_t from, int64_t to)
{
    if (to - from < SHORT_RUN) {
        int64_t run;
        AS_JINJA_TRY(count_run(s, from, to, &run));
        return binary_insert(s, from, to, from + run);
    }
    int64_t middle = from + (to - from) / 2;
    return sort_range(s, from, middle) && sort_range(s, middle, to) && merge(s, from, middle, to);
}

bool as_jinja_sort(as_jinja_vm *vm, as_jinja_value *keys, as_jinja_value *items, int64_t count, bool reversed)
{
    sorter s = {.vm = vm, .keys = keys, .items = items};
    if (count < 2) return true;
    if (count >= SHORT_RUN) {
        s.spare_keys = as_jinja_alloc(vm, (size_t)count * sizeof *keys);
        s.spare_items = as_jinja_alloc(vm, (size_t)count * sizeof *items);
        if (!s.spare_keys || !s.spare_items) return false;
    }
    if (reversed) reverse(&s, 0, count);
    AS_JINJA_TRY(sort_range(&s, 0, count));
    if (reversed) reverse(&s, 0, count);
    return true;
}
