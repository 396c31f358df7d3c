/* Files: reading, mapping, writing whole, paths. */
#ifndef AS_BASE_FILE_H
#define AS_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* A file mapped for reading. The bytes stay valid until as_map_close. */
typedef struct as_map {
    const unsigned char *data; /* NULL for an empty file */
    uint64_t size;
} as_map;

AS_MUST_USE as_code as_map_open(const char *path, as_map *out, as_error *err);
void as_map_close(as_map *map);
/* Some bytes of a mapped file that will not be read again soon: their pages need not stay in memory. */
void as_map_release(const void *at, uint64_t size);

/* Appends the file's bytes to buf (whose max is the limit). AS_E_NOT_FOUND when absent; a directory, a device
 * or a pipe is AS_E_INPUT. "-" is not special. */
AS_MUST_USE as_code as_file_read(const char *path, as_buf *buf, as_error *err);
/* Appends all of standard input. */
AS_MUST_USE as_code as_stdin_read(as_buf *buf, as_error *err);

/* Replaces the file at path in one step: writes beside it, syncs, renames. On failure the old file stays and
 * nothing is left behind. A device or a pipe is written straight. */
AS_MUST_USE as_code as_file_write(const char *path, const void *bytes, size_t size, as_error *err);

/* Creates the directory and its parents; it is no error that it exists. Checks that files can be made in it.
 */
AS_MUST_USE as_code as_dir_make(const char *path, as_error *err);

bool as_file_exists(const char *path); /* a regular file (links followed) */
bool as_dir_exists(const char *path);
/* Something other than a regular file: a device, a pipe, a directory. Such a thing is written straight, never
 * replaced by a file of its name. */
bool as_file_is_special(const char *path);
/* Size in bytes of a regular file, -1 if there is none. */
int64_t as_file_size(const char *path);

/* The names in a directory, sorted by bytes, without "." and ".."; *names is one allocation per name and the
 * array (as_names_free). Names are relative to the directory. */
AS_MUST_USE as_code as_dir_list(const char *path, char ***names, size_t *count, as_error *err);
void as_names_free(char **names, size_t count);

/* Last component of a path; points into it. */
const char *as_path_base(const char *path);
/* dir + "/" + name into room (AS_E_LIMIT when it does not fit). */
enum { AS_PATH_MAX = 4096 };
AS_MUST_USE as_code as_path_join(char room[static AS_PATH_MAX], const char *dir, const char *name,
                                 as_error *err);

#endif
