/* base/map_fault.h: a mapped file that becomes shorter ends the process with a message, not without one. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/map_fault.h"

enum { SIZE = 1 << 20, STATUS = 3 };

/* The child: maps the file, cuts it, and reads behind its new end. */
static void read_behind_the_end(const char *path, int to)
{
    as_map map;
    as_error err;
    dup2(to, STDERR_FILENO);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    as_map_fault_exit(STATUS);
    for (int i = 0; i < 2000; i++) { /* what is closed leaves its room to others */
        if (as_map_open(path, &map, &err) != AS_OK) _exit(49);
        as_map_close(&map);
    }
    if (as_map_open(path, &map, &err) != AS_OK || truncate(path, 100) != 0) _exit(50);
    _exit(((const volatile unsigned char *)map.data)[SIZE - 1] ? 51 : 52);
}

Test(map_fault, a_file_that_shrinks_is_named)
{
    char path[] = "/tmp/assay-shrinks-XXXXXX", said[512] = "";
    int fd = mkstemp(path), ends[2], status;
    cr_assert(fd >= 0 && ftruncate(fd, SIZE) == 0 && pipe(ends) == 0);
    close(fd);
    pid_t child = fork();
    if (child == 0) read_behind_the_end(path, ends[1]);
    close(ends[1]);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(read(ends[0], said, sizeof said - 1) >= 0);
    close(ends[0]);
    unlink(path);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == STATUS, "status %x: %s", (unsigned)status, said);
    cr_assert(strstr(said, path) && strstr(said, "became shorter"), "%s", said);
}
