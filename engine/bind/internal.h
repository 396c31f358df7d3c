/* Shared by the files of the binder only. */
#ifndef AS_ENGINE_BIND_INTERNAL_H
#define AS_ENGINE_BIND_INTERNAL_H

#include "engine/binder.h"

enum { AS_NAME_BYTES = 256 };

struct as_binder {
    as_binder_source source;
    const as_model_spec *spec;
    const as_precision *precision;
    as_pool *pool;
    as_model_memory *memory;
    const char *prefix;
    int64_t layer;
    int part;
    const char *stem;   /* or NULL */
    uint64_t generated; /* tensors made so far: the stream of the next one */
    bool **used;        /* [weight file][tensor] */
    /* Of a counted binder: what its vectors share, all zero, and what blocks write theirs into. */
    struct as_shared_floats {
        float *at;
        int64_t count;
    } zeros, scratch;
    int64_t derived; /* floats of scratch that were asked for, in all */
    as_binder_totals totals;
};

/* How the tensor under one of a slot's names holds what the slot asks for (spec.h, as_slot_pattern). */
typedef struct as_storage {
    bool transposed, perhaps; /* perhaps: unless its shape is that of one that is not */
    bool each_expert;         /* one tensor an expert */
    int part, parts;          /* of its rows; parts 1: all */
    bool longer;              /* a stack that may hold more matrices */
    bool strided;             /* the part's rows stand `parts` apart */
} as_storage;

/* A slot's tensor in the checkpoint. */
typedef struct as_found {
    const as_tensor *tensor; /* NULL: none */
    as_storage storage;
    char name[AS_NAME_BYTES]; /* the first of its names where none was found */
} as_found;

/* What a matrix slot asks for: [rows, cols], of one expert of `experts` (0: not of experts). */
typedef struct as_wanted_matrix {
    as_slot slot;
    int64_t rows, cols, experts, expert;
} as_wanted_matrix;

/* The shape in which its tensor stands: [height, width], or a stack of them [stack, height, width]. */
as_need as_binder_shape(const as_wanted_matrix *want, const as_storage *in);

AS_MUST_USE as_code as_check_shape(const as_tensor *t, const as_need *need, as_error *err);
/* A matrix as stored (or generated), in a type that products read and aligned for it. */
AS_MUST_USE as_code as_fetch_matrix(as_binder *b, const as_wanted_matrix *want, as_matrix *out,
                                    as_error *err);

/* Whether the slot's linear layer is of three values; if so, its matrix and how its inputs are rounded. A
 * bias is to be multiplied by *bias_scale. */
bool as_ternary_applies(const as_binder *b, as_slot slot);
AS_MUST_USE as_code as_fetch_ternary(as_binder *b, const as_wanted_matrix *want, as_linear *out,
                                     float *bias_scale, as_error *err);
/* The shape in which it stands packed. */
as_need as_ternary_shape(const as_wanted_matrix *want, const as_storage *in);

/* Endings of the names of a matrix's scales; NULL-terminated. */
extern const char *const as_scale_suffixes[];

/* Looks a slot's tensor up under all its names. suffix: ".weight", ".bias", another, or "". */
void as_binder_look_up(const as_binder *b, as_slot slot, const char *suffix, int64_t expert, as_found *out);
/* The same for one that must be there. */
AS_MUST_USE as_code as_binder_find(const as_binder *b, as_slot slot, const char *suffix, int64_t expert,
                                   as_found *out, as_error *err);
/* The same for one that must hold floating-point numbers; it counts as used. */
AS_MUST_USE as_code as_binder_need(as_binder *b, as_slot slot, const char *suffix, int64_t expert,
                                   as_found *out, as_error *err);
/* Settles under which prefix this checkpoint holds its tensors. */
void as_binder_choose_prefix(as_binder *b);
void as_binder_mark_used(as_binder *b, const as_tensor *tensor);
void as_describe_shape(const int64_t *shape, int dims, char room[static 96]);

/* What a binder does that notes needs: the matrix has no data, the vector is zero. */
AS_MUST_USE as_code as_survey_matrix(as_binder *b, const as_wanted_matrix *want, as_matrix *out,
                                     as_error *err);
/* What a linear layer of three values has besides. */
AS_MUST_USE as_code as_survey_ternary(as_binder *b, as_slot slot, int64_t cols, as_error *err);
/* `stack` runs of `count` values. */
AS_MUST_USE as_code as_survey_vector(as_binder *b, as_slot slot, const char *suffix, int64_t stack,
                                     int64_t count, const float **out, as_error *err);
AS_MUST_USE as_code as_survey_indices(as_binder *b, const as_index_table *want, as_error *err);
/* Numbers that may lack. */
AS_MUST_USE as_code as_survey_integers(as_binder *b, as_slot slot, int64_t count, as_error *err);
/* Generated weights, at the tensor's own place in the random stream. */
AS_MUST_USE as_code as_generate_matrix(as_binder *b, int64_t rows, int64_t cols, as_matrix *out,
                                       as_error *err);
AS_MUST_USE as_code as_generate_vector(as_binder *b, as_slot slot, const char *suffix, int64_t count,
                                       const float **out, as_error *err);

/* The zeros of a counted binder. */
AS_MUST_USE as_code as_binder_zeros(as_binder *b, int64_t count, const float **out, as_error *err);
/* Zeroed pages that live as long as the model; NULL when there is no memory for them. */
void *as_binder_take(as_binder *b, int64_t bytes);
/* Replaces the matrix by a copy in another type, without scales. */
AS_MUST_USE as_code as_convert_matrix(as_binder *b, as_matrix *m, as_dtype type, as_error *err);
/* Replaces a matrix of MXFP4 by the same numbers as E2M1 with powers. */
AS_MUST_USE as_code as_unpack_mxfp4(as_binder *b, as_matrix *m, as_error *err);
/* [heads * (k + v), rank] from [rank, k] and [v, rank] of each head, which are given up. */
AS_MUST_USE as_code as_join_latent(as_binder *b, const as_matrix *keys, const as_matrix *values,
                                   int64_t heads, as_matrix *out, as_error *err);
/* Replaces m, [cols, rows] as stored, by the transposed copy, [rows, cols] in the same type: its columns
 * first, first + step, ... */
AS_MUST_USE as_code as_transpose_matrix(as_binder *b, as_matrix *m, int64_t rows, int64_t first, int64_t step,
                                        as_error *err);
/* Replaces the matrix by its rounding to the run's precision. */
AS_MUST_USE as_code as_quantize_matrix(as_binder *b, as_matrix *m, as_error *err);

#endif
