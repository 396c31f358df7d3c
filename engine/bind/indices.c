/* Tables of whole numbers; see binder.h. */
#include <string.h>

#include "base/mem.h"
#include "engine/bind/internal.h"

/* Element i of an array of integers; -1 for a type that is none. */
static int64_t integer_at(as_dtype type, const unsigned char *data, int64_t i)
{
    data += i * as_dtype_bytes(type);
#define READ(name, ctype)                                                                                    \
    case name: {                                                                                             \
        ctype value;                                                                                         \
        memcpy(&value, data, sizeof value);                                                                  \
        return (int64_t)value;                                                                               \
    }
    switch (type) {
        READ(AS_I64, int64_t)
        READ(AS_I32, int32_t)
        READ(AS_I16, int16_t)
        READ(AS_I8, int8_t)
        READ(AS_U64, uint64_t)
        READ(AS_U32, uint32_t)
        READ(AS_U16, uint16_t)
        READ(AS_U8, uint8_t)
    default: return -1;
    }
#undef READ
}

static bool is_integer(as_dtype type)
{
    return !as_dtype_is_blocks(type) && !as_dtype_is_float(type) && type != AS_BOOL;
}

/* The slot's tensor of whole numbers [rows, cols], which counts as used. */
static as_code open_table(as_binder *b, as_slot slot, int64_t rows, int64_t cols, const as_tensor **tensor,
                          const void **data, as_error *err)
{
    as_found found;
    AS_TRY(as_binder_find(b, slot, "", 0, &found, err));
    const as_tensor *t = found.tensor;
    char shape[96];
    as_describe_shape(t->shape, t->dims, shape);
    if (!is_integer(t->dtype) || t->elements != rows * cols) {
        return as_fail(err, AS_E_INPUT, "%s: %s %s, expected whole numbers [%lld,%lld]", t->name,
                       as_dtype_name(t->dtype), shape, (long long)rows, (long long)cols);
    }
    as_binder_mark_used(b, t);
    *tensor = t;
    return as_repository_data(b->source.repository, t, data, err);
}

static as_code read_table(as_binder *b, const as_index_table *want, int32_t *out, as_error *err)
{
    const as_tensor *t;
    const void *data;
    AS_TRY(open_table(b, want->slot, want->rows, want->cols, &t, &data, err));
    for (int64_t i = 0; i < t->elements; i++) {
        int64_t value = integer_at(t->dtype, data, i);
        if (value < 0 || value >= want->limit) {
            return as_fail(err, AS_E_INPUT, "%s: %lld in row %lld, expected 0 to %lld", t->name,
                           (long long)value, (long long)(i / want->cols), (long long)want->limit - 1);
        }
        out[i] = (int32_t)value;
    }
    return AS_OK;
}

as_code as_bind_integers(as_binder *b, as_slot slot, int64_t count, int64_t *values, as_error *err)
{
    const as_tensor *t;
    const void *data;
    if (b->source.needs) return as_survey_integers(b, slot, count, err);
    if (!b->source.repository || !as_binder_has(b, slot, "")) return AS_OK;
    AS_TRY(open_table(b, slot, 1, count, &t, &data, err));
    for (int64_t i = 0; i < count; i++) values[i] = integer_at(t->dtype, data, i);
    return AS_OK;
}

as_code as_bind_indices(as_binder *b, const as_index_table *want, const int32_t **out, as_error *err)
{
    int64_t count = want->rows * want->cols;
    int32_t *table = AS_ARENA_NEW_ARRAY(&b->memory->arena, int32_t, count);
    if (!table) return as_fail_memory(err, "the weights");
    if (b->source.needs) {
        memset(table, 0, (size_t)count * sizeof *table);
        AS_TRY(as_survey_indices(b, want, err));
    } else if (b->source.repository) {
        AS_TRY(read_table(b, want, table, err));
    } else {
        for (int64_t i = 0; i < count; i++) table[i] = (int32_t)(i % want->limit);
        b->totals.parameters += count;
        b->totals.checkpoint_bytes += count * as_dtype_bytes(AS_I64);
    }
    b->totals.weight_bytes += count * (int64_t)sizeof *table;
    *out = table;
    return AS_OK;
}
