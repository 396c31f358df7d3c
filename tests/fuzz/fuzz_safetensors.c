/* The header of a safetensors file. What is accepted must lie within the file and tile its data part. */
#include <stdlib.h>

#include "base/mem.h"
#include "engine/repository.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* The file may be longer than what is at hand, as it is for a reader of headers: the first byte says by
     * how much. */
    if (size == 0) return 0;
    uint64_t beyond = (uint64_t)data[0] * 16;
    data++;
    size--;
    as_tensor *tensors = NULL;
    json_t *names = NULL;
    int64_t count = 0;
    uint64_t header = 0;
    as_error err;
    as_code rc = as_safetensors_parse(data, size, size + beyond, &tensors, &count, &names, &header, &err);
    if (rc != AS_OK) return 0;
    uint64_t bytes = 0;
    for (int64_t i = 0; i < count; i++) {
        const as_tensor *t = &tensors[i];
        int64_t elements = 1;
        for (int d = 0; d < t->dims; d++) elements *= t->shape[d];
        if (elements != t->elements || !t->name) abort();
        if (t->offset < 8 + header || t->offset + t->bytes > size + beyond) abort();
        bytes += t->bytes;
    }
    if (8 + header + bytes != size + beyond) abort();
    as_free(tensors);
    json_decref(names);
    return 0;
}
