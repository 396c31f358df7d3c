/* The best of a stream of scored keys, in memory that does not grow with the stream. */
#ifndef AS_KERNELS_CPU_CHOICE_H
#define AS_KERNELS_CPU_CHOICE_H

#include "kernels/cpu/cpu.h"

/* Keys come in ascending order and stay in it; of equal scores the earlier ones stay. NaN counts as infinity.
 * For lists too long for as_rank. */
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

/* The same of a whole list, in which equal scores are settled as torch.topk settles them on a CPU: by where
 * the standard library's selection leaves them, which depends on all of the list, rows that are not seen
 * included. */
enum { AS_MOST_RANKED = 1 << 17 };

typedef struct as_ranked {
    float score; /* NaN goes before all others */
    int32_t key;
} as_ranked;

/* Orders the list so that the chosen ones are its first `top`, in no order. */
void as_rank(as_ranked *list, int64_t count, int64_t top);

/* How many keys the row of a span that sees `seen` is chosen of, the unseen ones behind them included. */
static inline int64_t as_ranked_count(const as_span *span, int64_t every, int64_t seen)
{
    return as_max_i64(every > 0 ? span->total / every : span->total, seen);
}

/* Room for as_choose_ranked: the list, and a mark for each of its keys. */
static inline int64_t as_ranked_bytes(int64_t count)
{
    return count * (int64_t)(sizeof(as_ranked) + 1);
}

/* list[key].score is set for the keys low <= key < high, those that the row sees, of `count` in all. Writes
 * as as_choice_end does. */
void as_choose_ranked(as_ranked *list, int64_t low, int64_t high, int64_t count, int64_t top, int32_t *out);

/* The scores of runs of keys, given run by run in ascending order, and their choice. */
typedef struct as_run_choice {
    const as_index_runs_args *args;
    const as_span *span;
    int64_t position; /* of the row */
    int64_t runs;     /* that it sees */
    int64_t ranked;   /* runs in the list; 0: a stream, in `choice` */
    as_ranked *list;
    as_choice choice;
} as_run_choice;

/* Bytes of its room at most. */
int64_t as_run_choice_bytes(int64_t top);
/* For a row whose runs must be scored; otherwise (all are chosen) nothing need be given before the end. */
as_run_choice as_run_choice_begin(const as_index_runs_args *args, const as_span *span, int64_t row,
                                  void *room);
bool as_run_choice_is_needed(const as_run_choice *choice);
void as_run_choice_add(as_run_choice *choice, int64_t run, float best);
/* Writes the keys of the chosen runs. */
void as_run_choice_end(as_run_choice *choice, int32_t *out);

#endif
