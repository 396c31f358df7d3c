/* Gives blocks their weights by slot: from a checkpoint, or generated. Checks shapes, converts to the
 * asked-for precision, keeps count of what was used. */
#ifndef AS_ENGINE_BINDER_H
#define AS_ENGINE_BINDER_H

#include "engine/precision.h"
#include "engine/repository.h"
#include "engine/spec.h"

/* A linear layer: y = x w^T + bias. quant says how its inputs are rounded first. */
typedef struct as_linear {
    as_matrix w;
    const float *bias; /* or NULL */
    as_activation_rounding rounding;
} as_linear;

/* One stack of experts' matrices [experts], all of one shape. */
typedef struct as_expert_stack {
    const as_matrix *w;
    const float *bias; /* [experts, rows] or NULL */
    as_activation_rounding rounding;
} as_expert_stack;

/* A norm's vectors; NULL where it has none. */
typedef struct as_norm_weights {
    const float *weight, *bias;
} as_norm_weights;

/* Pages, each freed as it was taken. */
typedef struct as_pages {
    void *at;
    size_t size;
    struct as_pages *next;
} as_pages;

/* A shift and a factor of each channel; NULL where there is none. */
typedef struct as_affine_weights {
    const float *shift, *scale;
} as_affine_weights;

/* Memory that a model owns. */
typedef struct as_model_memory {
    as_arena arena;
    as_pages *pages;
} as_model_memory;
/* Zeroed pages for count elements of size bytes, NULL when there is no memory for them. */
void *as_model_memory_take(as_model_memory *memory, int64_t count, size_t size);
void as_model_memory_free(as_model_memory *memory);

/* What binding has found so far. */
typedef struct as_binder_totals {
    int64_t parameters;        /* elements of all tensors used, each once */
    int64_t expert_parameters; /* those of routed experts among them */
    int64_t weight_bytes;      /* as held */
    int64_t checkpoint_bytes;  /* as stored */
} as_binder_totals;

/* How a checkpoint's linear layers hold three values (BitNet). */
typedef enum {
    AS_TERNARY_NONE,
    AS_TERNARY_DIVIDED, /* packed; the product is divided by weight_scale */
    AS_TERNARY_TIMES,   /* packed or as numbers; the product with its bias is multiplied by weight_scale */
    AS_TERNARY_ONLINE,  /* as numbers, which are rounded to three about their mean magnitude */
} as_ternary_kind;

typedef struct as_ternary_source {
    as_ternary_kind kind;
    bool normed; /* each layer has an RMS norm of its inputs */
    float eps;
    const json_t *kept; /* names of modules that are not of the kind, or NULL */
} as_ternary_source;

/* What a quantization_config says of them; it must outlive the source. */
void as_ternary_from_config(const json_t *quantization, as_ternary_source *out);

/* Where weights come from. */
typedef struct as_binder_source {
    as_repository *repository; /* NULL: generated */
    bool counted; /* sizes alone: no memory is taken, matrices have no data and vectors are zero */
    /* Receives every tensor that is asked for, there or not, with its shape; nothing is read, and counted is
     * set. NULL: none. */
    as_needs *needs;
    uint64_t seed;                  /* of generated weights */
    as_dtype dtype;                 /* of generated weights */
    bool scaled;                    /* the configuration says that matrices in 8 bits have scales */
    int64_t block_rows, block_cols; /* that share a scale in 8-bit checkpoints; 0: 128 */
    as_ternary_source ternary;
} as_binder_source;

typedef struct as_binder as_binder;

/* All pointers are borrowed; memory receives what is converted or generated. */
AS_MUST_USE as_code as_binder_open(const as_binder_source *source, const as_model_spec *spec,
                                   const as_precision *precision, as_pool *pool, as_model_memory *memory,
                                   as_binder **out, as_error *err);
void as_binder_close(as_binder *binder);
as_binder_totals as_binder_result(const as_binder *binder);
/* AS_E_CANCELLED once the pool was told to stop: what was converted since then is not whole. */
AS_MUST_USE as_code as_binder_go_on(const as_binder *binder, as_error *err);
/* Whether the family names the slot. */
bool as_binder_names(const as_binder *binder, as_slot slot);
/* Whether the checkpoint has the slot's tensor. Always true for generated weights. */
bool as_binder_has(const as_binder *binder, as_slot slot, const char *suffix);
/* Whether the checkpoint holds a tensor for `slot` that is another than `same`'s. A copy counts as known
 * without being used: a tied model may carry its head twice, and one that differs is not tied (as
 * transformers decides). */
bool as_binder_differs(as_binder *binder, as_slot slot, as_slot same);
/* Notes, where needs are noted, that the checkpoint may hold a copy of another matrix in this slot. */
AS_MUST_USE as_code as_bind_copy(as_binder *binder, as_slot slot, int64_t rows, int64_t cols, as_error *err);
/* Fails on a tensor that nothing asked for and that the family does not name as ignorable. */
AS_MUST_USE as_code as_binder_check_surplus(const as_binder *binder, as_error *err);

/* The layer (-1: the model's own) and the part of a step whose slots the calls below mean. */
void as_binder_at(as_binder *binder, int64_t layer, int part);
/* The stem of the step's names from here on; NULL: none. */
void as_binder_stem(as_binder *binder, const char *stem);

/* A linear layer inside the blocks, [rows, cols], converted to the run's precision. */
AS_MUST_USE as_code as_bind_linear(as_binder *binder, as_slot slot, int64_t rows, int64_t cols, bool bias,
                                   as_linear *out, as_error *err);
/* A matrix that keeps the checkpoint's type unless a 16- or 32-bit type was asked for: embedding, head,
 * router. */
AS_MUST_USE as_code as_bind_matrix(as_binder *binder, as_slot slot, int64_t rows, int64_t cols,
                                   as_matrix *out, as_error *err);
/* The same of two slots' rows, one behind the other; the first one's tensor says how many it has. */
AS_MUST_USE as_code as_bind_joined(as_binder *binder, as_slot first, as_slot second, int64_t rows,
                                   int64_t cols, as_matrix *out, as_error *err);
/* Gives each row of a matrix the scale under which its length is one. */
AS_MUST_USE as_code as_bind_unit_rows(as_binder *binder, as_matrix *matrix, as_error *err);
/* `count` values as float32; the tensor may have any shape of that many elements. suffix: ".weight", ".bias"
 * or "" for a pattern that is a whole name. */
AS_MUST_USE as_code as_bind_vector(as_binder *binder, as_slot slot, const char *suffix, int64_t count,
                                   const float **out, as_error *err);
/* A table of whole numbers from 0 on, below `limit`. */
typedef struct as_index_table {
    as_slot slot;
    int64_t rows, cols, limit;
} as_index_table;
/* The table in a slot whose pattern is a whole name, [rows, cols], of any integer type. A generated one goes
 * through the numbers in turn. */
AS_MUST_USE as_code as_bind_indices(as_binder *binder, const as_index_table *want, const int32_t **out,
                                    as_error *err);
/* The slot's whole numbers, of any size, into values [count], which are left as they are where the checkpoint
 * has none. */
AS_MUST_USE as_code as_bind_integers(as_binder *binder, as_slot slot, int64_t count, int64_t *values,
                                     as_error *err);
/* A matrix [rows, cols] whose rows stand in several tensors, as as_bind_matrix gives it: parts of *height
 * rows each, the last of what is left. The first tensor says how many; without one there are `parts`. */
AS_MUST_USE as_code as_bind_rows(as_binder *binder, as_slot slot, int64_t rows, int64_t cols, int64_t parts,
                                 const as_matrix **out, int64_t *height, as_error *err);
/* The slot's one value into *value, which is left as it is where the checkpoint has none. */
AS_MUST_USE as_code as_bind_number(as_binder *binder, as_slot slot, const char *suffix, float *value,
                                   as_error *err);
/* Room for `count` constants that a block derives from its tensors; lives as long as the model. */
AS_MUST_USE as_code as_bind_floats(as_binder *binder, int64_t count, float **out, as_error *err);
AS_MUST_USE as_code as_bind_norm(as_binder *binder, const as_norm_spec *norm, int64_t width,
                                 as_norm_weights *out, as_error *err);
/* [width, taps], one added to each last tap, times a factor: a convolution and what it convolves, together.
 */
AS_MUST_USE as_code as_bind_added_conv(as_binder *binder, as_slot slot, int64_t width, int64_t taps,
                                       float factor, const float **out, as_error *err);
AS_MUST_USE as_code as_bind_affine(as_binder *binder, const as_affine_spec *affine, int64_t width,
                                   as_affine_weights *out, as_error *err);
AS_MUST_USE as_code as_bind_experts(as_binder *binder, as_slot slot, int64_t experts, int64_t rows,
                                    int64_t cols, bool bias, as_expert_stack *out, as_error *err);
/* The same for a stack of matrices that every token uses. */
AS_MUST_USE as_code as_bind_stack(as_binder *binder, as_slot slot, int64_t count, int64_t rows, int64_t cols,
                                  as_expert_stack *out, as_error *err);
/* A stack over numbers that the binder has given: [blocks, rows, cols]. */
AS_MUST_USE as_code as_bind_float_blocks(as_binder *binder, const float *values, int64_t blocks, int64_t rows,
                                         int64_t cols, as_expert_stack *out, as_error *err);
/* Puts the matrices of another stack, of the same shape, behind a stack's own. Biases are left as they are.
 */
AS_MUST_USE as_code as_bind_joined_stacks(as_binder *binder, as_expert_stack *stack, int64_t count,
                                          const as_expert_stack *more, int64_t more_count, as_error *err);
/* The projection [heads * (k + v), rank] out of a latent from one [rank, k] (slot K_UP) and one [v, rank]
 * (slot V_UP) for each head. */
AS_MUST_USE as_code as_bind_latent_up(as_binder *binder, int64_t heads, int64_t k, int64_t v, int64_t rank,
                                      as_linear *out, as_error *err);
/* Elements of the slot's tensor, for a size that no config states; 0 where there is none or it is generated.
 */
int64_t as_binder_elements(const as_binder *binder, as_slot slot, const char *suffix);

/* The matrices of a block-diagonal layer, stored as one stack; not experts. */
AS_MUST_USE as_code as_bind_blocks(as_binder *binder, as_slot slot, int64_t blocks, int64_t rows,
                                   int64_t cols, as_expert_stack *out, as_error *err);

#endif
