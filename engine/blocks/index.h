/* The choice of keys by an index (DeepSeek-AI 2025, "DeepSeek-V3.2", section 2.1): what blocks with one
 * share. */
#ifndef AS_ENGINE_BLOCKS_INDEX_H
#define AS_ENGINE_BLOCKS_INDEX_H

#include "engine/pass.h"

typedef struct as_index_choice {
    const as_matrix *weights; /* [heads, hidden]: of x, what each head's score counts */
    const float *x, *q;       /* [N, hidden], [N, heads, width] */
    int64_t heads, width, top, every;
    int32_t *keys; /* [N, top], as index_keys writes them */
    int64_t key_stride;
} as_index_choice;

/* Keys from the step's second cache, into which this pass's are stored. Takes `heads` work floats a row. */
void as_pass_index(as_pass *pass, const as_index_choice *choice);

#endif
