/* .npy files; see npy.h. */
#include "base/npy.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

struct as_npy_writer {
    FILE *file;
    int64_t rows, cols, written;
    char *path;
    char *temporary; /* NULL where path is written straight */
};

enum { ALIGNMENT = 64, PREAMBLE = 10, MAX_HEADER = 1 << 16 };

/* ---- writing ---------------------------------------------------------------------------------------------
 */

static void free_writer(as_npy_writer *w)
{
    if (w->file) fclose(w->file);
    as_free(w->path);
    as_free(w->temporary);
    as_free(w);
}

static as_code write_header(as_npy_writer *w, as_error *err)
{
    as_buf header;
    as_buf_init(&header, 0);
    as_buf_printf(&header, "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %lld), }",
                  (long long)w->rows, (long long)w->cols);
    while ((PREAMBLE + header.size + 1) % ALIGNMENT) as_buf_char(&header, ' ');
    as_buf_char(&header, '\n');
    unsigned char preamble[PREAMBLE] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)header.size, (unsigned char)(header.size >> 8)};
    as_code rc = as_buf_check(&header, "a header", err);
    if (rc == AS_OK && (fwrite(preamble, sizeof preamble, 1, w->file) != 1 ||
                        fwrite(header.data, header.size, 1, w->file) != 1)) {
        rc = as_fail_sys(err, AS_E_IO, "%s: cannot be written", w->path);
    }
    as_buf_free(&header);
    return rc;
}

as_code as_npy_create(const char *path, int64_t rows, int64_t cols, as_npy_writer **out, as_error *err)
{
    as_npy_writer *w = AS_NEW(as_npy_writer);
    if (!w) return as_fail_memory(err, "a file");
    *w = (as_npy_writer){.rows = rows, .cols = cols, .path = as_strdup(path)};
    bool straight = as_file_is_special(path);
    size_t size = strlen(path) + 32;
    if (!straight) w->temporary = as_alloc(size);
    if (!w->path || (!straight && !w->temporary)) {
        free_writer(w);
        return as_fail_memory(err, "a file");
    }
    if (!straight) snprintf(w->temporary, size, "%s.tmp.%ld", path, (long)getpid());
    w->file = fopen(straight ? path : w->temporary, "wb");
    as_code rc = w->file ? write_header(w, err) : as_fail_sys(err, AS_E_IO, "%s: cannot be written", path);
    if (rc != AS_OK) {
        as_npy_abandon(w);
        return rc;
    }
    *out = w;
    return AS_OK;
}

as_code as_npy_write(as_npy_writer *w, const float *values, int64_t rows, as_error *err)
{
    AS_BUG(w->written + rows > w->rows);
    size_t count = (size_t)(rows * w->cols);
    if (fwrite(values, sizeof *values, count, w->file) != count) {
        return as_fail_sys(err, AS_E_IO, "%s: cannot be written", w->path);
    }
    w->written += rows;
    return AS_OK;
}

as_code as_npy_finish(as_npy_writer *w, as_error *err)
{
    as_code rc = AS_OK;
    if (w->written != w->rows) {
        rc = as_fail(err, AS_E_INTERNAL, "%s: %lld rows written, expected %lld", w->path,
                     (long long)w->written, (long long)w->rows);
    } else if (fclose(w->file) != 0) {
        w->file = NULL;
        rc = as_fail_sys(err, AS_E_IO, "%s: cannot be written", w->path);
    } else {
        w->file = NULL;
        if (w->temporary && rename(w->temporary, w->path) != 0) {
            rc = as_fail_sys(err, AS_E_IO, "%s: cannot be written", w->path);
        }
    }
    if (rc == AS_OK) {
        free_writer(w);
    } else {
        as_npy_abandon(w);
    }
    return rc;
}

void as_npy_abandon(as_npy_writer *w)
{
    if (!w) return;
    if (w->temporary) unlink(w->temporary);
    free_writer(w);
}

/* ---- reading ---------------------------------------------------------------------------------------------
 */

/* The value of 'key' in the header's Python dict: a pointer behind the colon, or NULL. */
static const char *find_key(const char *header, const char *key)
{
    const char *at = strstr(header, key);
    if (!at) return NULL;
    at += strlen(key);
    while (isspace((unsigned char)*at)) at++;
    if (*at++ != ':') return NULL;
    while (isspace((unsigned char)*at)) at++;
    return at;
}

static as_code parse_shape(const char *at, as_npy *npy, as_error *err)
{
    int64_t dims[2] = {1, 1};
    int count = 0;
    if (!at || *at++ != '(') return as_fail(err, AS_E_INPUT, "not a .npy file: no shape");
    while (*at && *at != ')') {
        char *end;
        errno = 0;
        long long n = strtoll(at, &end, 10);
        if (end == at || errno || n < 0)
            return as_fail(err, AS_E_INPUT, "not a .npy file: a shape that is no list of sizes");
        if (count == 2) return as_fail(err, AS_E_UNSUPPORTED, "an array of more than two dimensions");
        dims[count++] = n;
        at = end;
        while (isspace((unsigned char)*at)) at++;
        if (*at == ',') {
            at++;
        } else if (*at != ')') {
            break;
        }
        while (isspace((unsigned char)*at)) at++;
    }
    if (count == 0 || *at != ')') return as_fail(err, AS_E_INPUT, "not a matrix");
    npy->rows = count == 2 ? dims[0] : 1;
    npy->cols = count == 2 ? dims[1] : dims[0];
    return AS_OK;
}

static as_code parse_header(const char *header, as_npy *npy, as_error *err)
{
    const char *type = find_key(header, "'descr'"), *order = find_key(header, "'fortran_order'");
    if (type && strncmp(type, "'<f4'", 5) == 0) {
        npy->bytes = 4;
    } else if (type && strncmp(type, "'<f8'", 5) == 0) {
        npy->bytes = 8;
    } else {
        return as_fail(err, AS_E_UNSUPPORTED, "numbers of type %.12s, expected '<f4' or '<f8'",
                       type ? type : "nothing");
    }
    if (!order || strncmp(order, "False", 5) != 0) {
        return as_fail(err, AS_E_UNSUPPORTED, "a column-major array, expected fortran_order False");
    }
    return parse_shape(find_key(header, "'shape'"), npy, err);
}

as_code as_npy_parse(const unsigned char *bytes, uint64_t size, as_npy *out, as_error *err)
{
    if (size < PREAMBLE || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return as_fail(err, AS_E_INPUT, "not a .npy file");
    uint64_t head = PREAMBLE, length = (uint64_t)bytes[8] | (uint64_t)bytes[9] << 8;
    if (bytes[6] >= 2) { /* four bytes of length */
        head = 12;
        if (size < head) return as_fail(err, AS_E_INPUT, "cut in the header");
        length |= (uint64_t)bytes[10] << 16 | (uint64_t)bytes[11] << 24;
    }
    if (bytes[6] < 1 || bytes[6] > 3) return as_fail(err, AS_E_UNSUPPORTED, ".npy version %d", bytes[6]);
    if (length > size - head) return as_fail(err, AS_E_INPUT, "cut in the header");
    if (length > MAX_HEADER) {
        return as_fail(err, AS_E_LIMIT, "a header of %llu bytes, at most %d are read",
                       (unsigned long long)length, MAX_HEADER);
    }
    char *header = as_strndup((const char *)bytes + head, length);
    if (!header) return as_fail_memory(err, "a header");
    as_npy npy = {.data = bytes + head + length};
    as_code rc = parse_header(header, &npy, err);
    as_free(header);
    if (rc != AS_OK) return rc;
    size_t count, need;
    if (!as_mul_size((size_t)npy.rows, (size_t)npy.cols, &count) ||
        !as_mul_size(count, (size_t)npy.bytes, &need) || need != size - head - length) {
        return as_fail(err, AS_E_INPUT, "holds %llu bytes of numbers, expected %lld x %lld of %d bytes",
                       (unsigned long long)(size - head - length), (long long)npy.rows, (long long)npy.cols,
                       npy.bytes);
    }
    *out = npy;
    return AS_OK;
}

as_code as_npy_open(const char *path, as_npy *out, as_error *err)
{
    as_map map;
    as_npy npy;
    AS_TRY(as_map_open(path, &map, err));
    as_code rc = as_npy_parse(map.data, map.size, &npy, err);
    if (rc != AS_OK) {
        as_map_close(&map);
        (void)as_wrap(err, "%s", path);
        return rc;
    }
    npy.map = map;
    *out = npy;
    return AS_OK;
}

void as_npy_close(as_npy *npy)
{
    as_map_close(&npy->map);
}

double as_npy_at(const as_npy *npy, int64_t row, int64_t col)
{
    const unsigned char *at = npy->data + (row * npy->cols + col) * npy->bytes;
    if (npy->bytes == 8) {
        double wide;
        memcpy(&wide, at, sizeof wide);
        return wide;
    }
    float narrow;
    memcpy(&narrow, at, sizeof narrow);
    return narrow;
}
