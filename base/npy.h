/* NumPy's .npy files of float32 matrices: what `assay logits` writes and compares with. Format versions 1 to
 * 3 as numpy/lib/format.py defines them. */
#ifndef AS_BASE_NPY_H
#define AS_BASE_NPY_H

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"

/* A file being written row by row; it appears under its name only when closed without failure. A device or a
 * pipe is written straight. */
typedef struct as_npy_writer as_npy_writer;
AS_MUST_USE as_code as_npy_create(const char *path, int64_t rows, int64_t cols, as_npy_writer **out,
                                  as_error *err);
AS_MUST_USE as_code as_npy_write(as_npy_writer *writer, const float *values, int64_t rows, as_error *err);
/* Closes and renames. A writer that got fewer rows than it was made for fails. */
AS_MUST_USE as_code as_npy_finish(as_npy_writer *writer, as_error *err);
/* Gives up: removes what was written. NULL is allowed. */
void as_npy_abandon(as_npy_writer *writer);

/* A little-endian float32 or float64 matrix in C order, of one or two dimensions; rows is 1 for one. */
typedef struct as_npy {
    as_map map;
    int64_t rows, cols;
    int bytes;                 /* of one number: 4 or 8 */
    const unsigned char *data; /* unaligned */
} as_npy;
AS_MUST_USE as_code as_npy_open(const char *path, as_npy *out, as_error *err);
/* The same from bytes in memory; out->map stays empty. */
AS_MUST_USE as_code as_npy_parse(const unsigned char *bytes, uint64_t size, as_npy *out, as_error *err);
void as_npy_close(as_npy *npy);
double as_npy_at(const as_npy *npy, int64_t row, int64_t col);

#endif
