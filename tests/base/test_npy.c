/* .npy files: written and read back, broken in every part, and a disk that is full. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/npy.h"

static char folder[64];

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/assay-npy-XXXXXX");
    cr_assert(mkdtemp(folder));
}

static void remove_folder(void)
{
    char **names = NULL, path[512];
    size_t count = 0;
    cr_assert_eq(as_dir_list(folder, &names, &count, NULL), AS_OK);
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    as_names_free(names, count);
    rmdir(folder);
}

TestSuite(npy, .init = make_folder, .fini = remove_folder);

static const char *in_folder(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static size_t files_in_folder(void)
{
    char **names = NULL;
    size_t count = 0;
    cr_assert_eq(as_dir_list(folder, &names, &count, NULL), AS_OK);
    as_names_free(names, count);
    return count;
}

static as_code write_ramp(const char *path, int64_t rows, int64_t cols, as_error *err)
{
    as_npy_writer *w = NULL;
    float *row = as_alloc((size_t)cols * sizeof *row);
    as_code rc = as_npy_create(path, rows, cols, &w, err);
    bool opened = rc == AS_OK;
    for (int64_t r = 0; rc == AS_OK && r < rows; r++) {
        for (int64_t c = 0; c < cols; c++) row[c] = (float)(r * cols + c) / 3;
        rc = as_npy_write(w, row, 1, err);
    }
    if (rc == AS_OK) {
        rc = as_npy_finish(w, err);
    } else if (opened) {
        as_npy_abandon(w);
    }
    as_free(row);
    return rc;
}

Test(npy, what_is_written_is_read_back)
{
    static const int64_t shapes[][2] = {{1, 1}, {3, 5}, {0, 7}, {17, 64}, {2, 100000}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        as_error err;
        as_npy npy;
        int64_t rows = shapes[i][0], cols = shapes[i][1];
        cr_assert_eq(write_ramp(in_folder("a.npy"), rows, cols, &err), AS_OK, "%s", err.text);
        cr_assert_eq(as_npy_open(in_folder("a.npy"), &npy, &err), AS_OK, "%s", err.text);
        cr_assert_eq(npy.rows, rows);
        cr_assert_eq(npy.cols, cols);
        cr_assert_eq((npy.data - npy.map.data) % 64, 0, "numpy aligns the numbers to 64 bytes");
        for (int64_t r = 0; r < rows; r++) {
            for (int64_t c = 0; c < cols; c++) {
                cr_assert_eq(as_npy_at(&npy, r, c), (double)((float)(r * cols + c) / 3));
            }
        }
        as_npy_close(&npy);
        cr_assert_eq(files_in_folder(), 1, "something was left beside the file");
    }
}

/* The bytes of a file with that header and `numbers` bytes behind it. */
static as_buf file_of(int version, const char *header, size_t numbers)
{
    as_buf bytes;
    size_t size = strlen(header);
    as_buf_init(&bytes, 0);
    as_buf_add(&bytes, "\x93NUMPY", 6);
    as_buf_char(&bytes, (char)version);
    as_buf_char(&bytes, 0);
    for (int i = 0; i < (version >= 2 ? 4 : 2); i++) as_buf_char(&bytes, (char)(size >> 8 * i));
    as_buf_add(&bytes, header, size);
    for (size_t i = 0; i < numbers; i++) as_buf_char(&bytes, (char)(i * 37));
    return bytes;
}

static as_code parse(const as_buf *bytes, as_npy *npy, as_error *err)
{
    /* A copy of the exact size, so that the address sanitizer sees a read behind its end. */
    unsigned char *copy = as_alloc(bytes->size);
    memcpy(copy, as_buf_text(bytes), bytes->size);
    as_code rc = as_npy_parse(copy, bytes->size, npy, err);
    if (rc == AS_OK && npy->rows > 0 && npy->cols > 0) (void)as_npy_at(npy, npy->rows - 1, npy->cols - 1);
    as_free(copy);
    return rc;
}

Test(npy, forms_that_numpy_writes)
{
    static const struct {
        int version;
        const char *header;
        size_t numbers;
        int64_t rows, cols;
        int bytes;
    } cases[] = {
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 24, 2, 3, 4},
        {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }\n", 48, 2, 3, 8},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }\n", 20, 1, 5, 4},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }\n", 0, 0, 3, 4},
        {2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", 24, 2, 3, 4},
        {3, "{'shape':(2,3),'fortran_order':False,'descr':'<f4'}", 24, 2, 3, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        as_buf bytes = file_of(cases[i].version, cases[i].header, cases[i].numbers);
        as_npy npy;
        as_error err;
        cr_assert_eq(parse(&bytes, &npy, &err), AS_OK, "case %zu: %s", i, err.text);
        cr_assert(npy.rows == cases[i].rows && npy.cols == cases[i].cols && npy.bytes == cases[i].bytes,
                  "case %zu", i);
        for (size_t size = 0; size < bytes.size; size++) { /* cut anywhere, it fails and reads no further */
            as_buf cut = {.data = bytes.data, .size = size};
            cr_assert_neq(parse(&cut, &npy, &err), AS_OK, "case %zu, cut to %zu bytes", i, size);
        }
        as_buf_free(&bytes);
    }
}

Test(npy, bad_headers_get_a_message)
{
    static const struct {
        int version;
        const char *header;
        as_code code;
        const char *words;
    } cases[] = {
        {1, "", AS_E_UNSUPPORTED, "nothing"},
        {0, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", AS_E_UNSUPPORTED, "version"},
        {4, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", AS_E_UNSUPPORTED, "version"},
        {1, "{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }", AS_E_UNSUPPORTED, ">f4"},
        {1, "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 3), }", AS_E_UNSUPPORTED, "<i4"},
        {1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,)}", AS_E_UNSUPPORTED, "type"},
        {1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", AS_E_UNSUPPORTED, "fortran_order"},
        {1, "{'descr': '<f4', 'shape': (2, 3), }", AS_E_UNSUPPORTED, "fortran_order"},
        {1, "{'descr': '<f4', 'fortran_order': False, }", AS_E_INPUT, "shape"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': 6, }", AS_E_INPUT, "shape"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }", AS_E_INPUT, "matrix"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3", AS_E_INPUT, "matrix"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}", AS_E_INPUT, "matrix"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, x)}", AS_E_INPUT, "shape"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -3)}", AS_E_INPUT, "shape"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3)}", AS_E_UNSUPPORTED, "dimensions"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4)}", AS_E_INPUT, "24 bytes"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", AS_E_INPUT,
         "bytes"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 4)}", AS_E_INPUT,
         "shape"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        as_buf bytes = file_of(cases[i].version, cases[i].header, 24);
        as_npy npy;
        as_error err;
        cr_assert_eq(parse(&bytes, &npy, &err), cases[i].code, "case %zu: %s", i, err.text);
        cr_assert(strstr(err.text, cases[i].words), "case %zu: %s", i, err.text);
        cr_assert_eq(parse(&bytes, &npy, NULL), cases[i].code, "case %zu without an error record", i);
        as_buf_free(&bytes);
    }
}

Test(npy, absent_and_foreign_files)
{
    as_npy npy;
    as_error err;
    cr_assert_eq(as_npy_open(in_folder("none.npy"), &npy, &err), AS_E_NOT_FOUND);
    cr_assert_eq(as_npy_open(folder, &npy, &err), AS_E_INPUT);
    cr_assert_eq(as_file_write(in_folder("empty.npy"), "", 0, &err), AS_OK);
    cr_assert_eq(as_npy_open(in_folder("empty.npy"), &npy, &err), AS_E_INPUT);
    cr_assert(strstr(err.text, "empty.npy"), "%s", err.text);
    cr_assert_eq(as_npy_open(in_folder("empty.npy"), &npy, NULL), AS_E_INPUT);
}

Test(npy, a_full_disk_is_an_error_and_the_device_stays)
{
    struct stat before, after;
    as_error err;
    cr_assert_eq(stat("/dev/full", &before), 0);
    cr_assert_eq(write_ramp("/dev/full", 4, 8, &err), AS_E_IO, "small: found out when closing");
    cr_assert(strstr(err.text, "/dev/full") && strstr(err.text, "No space"), "%s", err.text);
    cr_assert_eq(write_ramp("/dev/full", 100, 10000, &err), AS_E_IO, "large: found out while writing");
    cr_assert_eq(as_file_write("/dev/full", "text", 4, &err), AS_E_IO);
    cr_assert_eq(write_ramp("/dev/null", 4, 8, &err), AS_OK, "%s", err.text);
    cr_assert_eq(as_file_write("/dev/null", "text", 4, &err), AS_OK, "%s", err.text);
    cr_assert(stat("/dev/full", &after) == 0 && S_ISCHR(after.st_mode) && after.st_ino == before.st_ino);
    cr_assert(stat("/dev/null", &after) == 0 && S_ISCHR(after.st_mode));
}

Test(npy, a_failed_write_leaves_the_old_file_alone)
{
    as_error err;
    cr_assert_eq(write_ramp(in_folder("a.npy"), 2, 2, &err), AS_OK);
    int64_t size = as_file_size(in_folder("a.npy"));
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN); /* beyond the limit a write fails, as on a full disk */
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = 64 << 10;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(write_ramp(in_folder("a.npy"), 100, 1000, &err), AS_E_IO);
    cr_assert_eq(files_in_folder(), 1, "something was left beside the file");
    cr_assert_eq(as_file_size(in_folder("a.npy")), size);
    limit.rlim_cur = limit.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(npy, fewer_rows_than_promised_is_a_failure)
{
    static const float row[3];
    as_npy_writer *w = NULL;
    as_error err;
    cr_assert_eq(as_npy_create(in_folder("a.npy"), 2, 3, &w, &err), AS_OK);
    cr_assert_eq(as_npy_write(w, row, 1, &err), AS_OK);
    cr_assert_eq(as_npy_finish(w, &err), AS_E_INTERNAL);
    cr_assert(strstr(err.text, "1 rows") && strstr(err.text, "2"), "%s", err.text);
    cr_assert_eq(as_npy_create(in_folder("a.npy"), 2, 3, &w, &err), AS_OK);
    as_npy_abandon(w);
    cr_assert_eq(files_in_folder(), 0);
    cr_assert_eq(as_npy_create("/no/such/folder/a.npy", 2, 3, &w, &err), AS_E_IO);
    cr_assert(strstr(err.text, "/no/such/folder/a.npy"), "%s", err.text);
}
