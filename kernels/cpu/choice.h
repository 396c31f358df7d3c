/* The best of a stream of scored keys, in memory that does not grow with the stream. */
#ifndef AS_KERNELS_CPU_CHOICE_H
#define AS_KERNELS_CPU_CHOICE_H

#include "kernels/cpu/cpu.h"

/* Keys come in ascending order and stay in it; of equal scores the earlier ones stay. NaN counts as infinity.
 */
typedef struct as_choice {
    int64_t top, count;
    float least;   /* a later key must score more than this to be chosen; NaN: any may be */
    float *scores; /* [2 top] */
    float *order;  /* [2 top] */
    int32_t *keys; /* [2 top] */
} as_choice;

/* Bytes of the three arrays. */
static inline int64_t as_choice_bytes(int64_t top)
{
    return 6 * top * (int64_t)sizeof(float);
}

as_choice as_choice_begin(int64_t top, void *room);
void as_choice_shrink(as_choice *choice);
/* Writes the chosen keys and fills the rest of the `top` places with AS_NO_KEY. */
void as_choice_end(as_choice *choice, int32_t *out);

static inline void as_choice_add(as_choice *choice, float score, int32_t key)
{
    if (score <= choice->least) return;
    if (choice->count == 2 * choice->top) {
        as_choice_shrink(choice);
        if (score <= choice->least) return;
    }
    choice->scores[choice->count] = score;
    choice->keys[choice->count++] = key;
}

#endif
