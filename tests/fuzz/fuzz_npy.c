/* A .npy file: header and numbers. */
#include <stdint.h>

#include "base/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_npy npy;
    as_error err;
    if (as_npy_parse(data, size, &npy, &err) != AS_OK) return 0;
    double sum = 0;
    for (int64_t i = 0; i < npy.rows && i < 8 && npy.cols; i++) sum += as_npy_at(&npy, i, 0);
    if (npy.rows && npy.cols) sum += as_npy_at(&npy, npy.rows - 1, npy.cols - 1);
    (void)*(volatile double *)&sum;
    return 0;
}
