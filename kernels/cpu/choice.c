/* Keeping the best; see choice.h. */
#include "kernels/cpu/choice.h"

#include <math.h>

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
