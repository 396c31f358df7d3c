/* Files; see file.h. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map_fault.h"
#include "base/mem.h"

static as_code open_regular(const char *path, int *fd, uint64_t *size, as_error *err)
{
    int at = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not block us */
    if (at < 0) {
        return as_fail_sys(err, errno == ENOENT || errno == ENOTDIR ? AS_E_NOT_FOUND : AS_E_IO, "%s", path);
    }
    struct stat info;
    if (fstat(at, &info) != 0) {
        as_code rc = as_fail_sys(err, AS_E_IO, "%s", path);
        close(at);
        return rc;
    }
    if (!S_ISREG(info.st_mode)) {
        close(at);
        return as_fail(err, AS_E_INPUT, "%s: %s, expected a regular file", path,
                       S_ISDIR(info.st_mode) ? "a directory" : "not a regular file");
    }
    *fd = at;
    *size = (uint64_t)info.st_size;
    return AS_OK;
}

as_code as_map_open(const char *path, as_map *out, as_error *err)
{
    int fd;
    uint64_t size;
    AS_TRY(open_regular(path, &fd, &size, err));
    void *at = NULL;
    if (size) {
        at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        if (at == MAP_FAILED) {
            as_code rc = as_fail_sys(err, AS_E_IO, "%s: cannot be mapped", path);
            close(fd);
            return rc;
        }
        as_map_fault_note(at, size, path);
    }
    close(fd);
    *out = (as_map){.data = at, .size = size};
    return AS_OK;
}

void as_map_close(as_map *map)
{
    as_map_fault_forget(map->data);
    if (map->data) munmap((void *)map->data, map->size);
    *map = (as_map){0};
}

void as_map_release(const void *at, uint64_t size)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)at, to = from + size;
    from = (from + page - 1) / page * page; /* whole pages only: the neighbours' stay */
    to = to / page * page;
    if (from < to) (void)madvise((void *)from, to - from, MADV_DONTNEED);
}

static as_code read_all(int fd, const char *name, as_buf *buf, as_error *err)
{
    char chunk[1 << 16];
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return as_fail_sys(err, AS_E_IO, "%s", name);
        if (got == 0) return as_buf_check(buf, name, err);
        as_buf_add(buf, chunk, (size_t)got);
        if (buf->failed != AS_OK) return as_buf_check(buf, name, err);
    }
}

as_code as_file_read(const char *path, as_buf *buf, as_error *err)
{
    int fd;
    uint64_t size;
    AS_TRY(open_regular(path, &fd, &size, err));
    as_code rc = read_all(fd, path, buf, err);
    close(fd);
    return rc;
}

as_code as_stdin_read(as_buf *buf, as_error *err)
{
    return read_all(STDIN_FILENO, "standard input", buf, err);
}

static as_code write_all(int fd, const char *path, const void *bytes, size_t size, as_error *err)
{
    const char *at = bytes;
    while (size) {
        ssize_t put = write(fd, at, size);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return as_fail_sys(err, AS_E_IO, "%s: cannot be written", path);
        at += put;
        size -= (size_t)put;
    }
    return fsync(fd) == 0 || errno == EINVAL || errno == EROFS
               ? AS_OK
               : as_fail_sys(err, AS_E_IO, "%s: cannot be written", path);
}

as_code as_file_write(const char *path, const void *bytes, size_t size, as_error *err)
{
    char beside[AS_PATH_MAX];
    const char *target = beside;
    if (as_file_is_special(path)) {
        target = path;
    } else if (snprintf(beside, sizeof beside, "%s.tmp.%ld", path, (long)getpid()) >= AS_PATH_MAX) {
        return as_fail(err, AS_E_LIMIT, "%s: path too long", path);
    }
    int fd = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return as_fail_sys(err, AS_E_IO, "%s: cannot be written", path);
    as_code rc = write_all(fd, path, bytes, size, err);
    if (close(fd) != 0 && rc == AS_OK) rc = as_fail_sys(err, AS_E_IO, "%s: cannot be written", path);
    if (target == path) return rc;
    if (rc == AS_OK && rename(beside, path) != 0) {
        rc = as_fail_sys(err, AS_E_IO, "%s: cannot be written", path);
    }
    if (rc != AS_OK) unlink(beside);
    return rc;
}

as_code as_dir_make(const char *path, as_error *err)
{
    char part[AS_PATH_MAX];
    size_t size = strlen(path);
    if (size == 0 || size >= sizeof part) return as_fail(err, AS_E_LIMIT, "%s: not a usable path", path);
    memcpy(part, path, size + 1);
    for (size_t i = 1; i <= size; i++) {
        if (part[i] != '/' && part[i] != 0) continue;
        part[i] = 0;
        if (mkdir(part, 0777) != 0 && errno != EEXIST) {
            return as_fail_sys(err, AS_E_IO, "%s: cannot make the directory %s", path, part);
        }
        part[i] = path[i];
    }
    if (!as_dir_exists(path)) return as_fail(err, AS_E_IO, "%s: exists and is not a directory", path);
    if (access(path, W_OK | X_OK) != 0) return as_fail_sys(err, AS_E_IO, "%s: cannot write into it", path);
    return AS_OK;
}

bool as_file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

bool as_file_is_special(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode);
}

bool as_dir_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

int64_t as_file_size(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) ? (int64_t)info.st_size : -1;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

as_code as_dir_list(const char *path, char ***names, size_t *count, as_error *err)
{
    DIR *dir = opendir(path);
    if (!dir) return as_fail_sys(err, errno == ENOENT ? AS_E_NOT_FOUND : AS_E_IO, "%s", path);
    char **list = NULL;
    size_t used = 0, room = 0;
    as_code rc = AS_OK;
    for (struct dirent *entry; rc == AS_OK && (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (used == room) {
            size_t more = room ? room * 2 : 16;
            char **grown = as_realloc(list, more * sizeof *list);
            if (!grown) {
                rc = as_fail_memory(err, "a directory listing");
                break;
            }
            list = grown;
            room = more;
        }
        if (!(list[used] = as_strdup(entry->d_name))) {
            rc = as_fail_memory(err, "a directory listing");
        } else {
            used++;
        }
    }
    closedir(dir);
    if (rc != AS_OK) {
        as_names_free(list, used);
        return rc;
    }
    if (used) qsort(list, used, sizeof *list, by_bytes);
    *names = list;
    *count = used;
    return AS_OK;
}

void as_names_free(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) as_free(names[i]);
    as_free(names);
}

const char *as_path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

as_code as_path_join(char room[static AS_PATH_MAX], const char *dir, const char *name, as_error *err)
{
    if (snprintf(room, AS_PATH_MAX, "%s/%s", dir, name) >= AS_PATH_MAX) {
        return as_fail(err, AS_E_LIMIT, "%s/%s: path too long", dir, name);
    }
    return AS_OK;
}
