/* The tensors of a GGUF file; see gguf_model.h. */
#include <string.h>

#include "base/mem.h"
#include "engine/load/gguf_model.h"

/* Kinds that are read, by their number in the file. */
static const struct {
    uint32_t number;
    as_dtype dtype;
} kinds[] = {{0, AS_F32},  {1, AS_F16},  {8, AS_Q8_0}, {24, AS_I8},   {25, AS_I16},
             {26, AS_I32}, {27, AS_I64}, {28, AS_F64}, {30, AS_BF16}, {39, AS_MXFP4}};

static bool find_dtype(const as_gguf_kind *kind, as_dtype *out)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kinds[i].number != kind->number) continue;
        *out = kinds[i].dtype;
        return true;
    }
    return false;
}

static as_code convert(const as_gguf_tensor *t, as_tensor *out, as_error *err)
{
    as_tensor made = {
        .name = t->name, .dims = t->dims, .elements = t->elements, .offset = t->offset, .bytes = t->bytes};
    if (!find_dtype(t->kind, &made.dtype)) {
        return as_fail(
            err, AS_E_UNSUPPORTED,
            "tensor \"%.160s\" holds %s, which is not supported yet (F32, F16, BF16, Q8_0 and MXFP4 "
            "are)",
            t->name, t->kind->name);
    }
    for (int i = 0; i < t->dims; i++) made.shape[i] = t->shape[t->dims - 1 - i];
    *out = made;
    return AS_OK;
}

as_code as_gguf_tensors(const as_gguf *gguf, as_tensor **out, int64_t *count, as_error *err)
{
    as_tensor *tensors = AS_NEW_ARRAY(as_tensor, gguf->tensor_count);
    if (!tensors) return as_fail_memory(err, "the table of tensors");
    int64_t used = 0;
    for (int64_t i = 0; i < gguf->tensor_count; i++) {
        const as_gguf_tensor *t = &gguf->tensors[i];
        as_code rc = convert(t, &tensors[used], err);
        if (rc != AS_OK) {
            as_free(tensors);
            return rc;
        }
        used += strncmp(t->name, "rope_f", 6) != 0; /* factors: part of the configuration */
    }
    *out = tensors;
    *count = used;
    return AS_OK;
}
