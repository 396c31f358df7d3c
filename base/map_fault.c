/* Faults in mapped files; see map_fault.h. The handler reads a table without a lock and calls nothing that a
 * signal handler may not call. */
#include "base/map_fault.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { NOTED_MAX = 512, PATH_ROOM = 240 };

typedef struct noted {
    _Atomic uintptr_t from; /* 0: free; set last, cleared first */
    size_t size;
    char path[PATH_ROOM];
} noted;

static noted table[NOTED_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int exit_status;

void as_map_fault_note(const void *at, size_t size, const char *path)
{
    size_t length = strlen(path);
    if (length >= PATH_ROOM) path += length - (PATH_ROOM - 1); /* the end tells more than the beginning */
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < NOTED_MAX; i++) {
        if (atomic_load(&table[i].from)) continue;
        table[i].size = size;
        memcpy(table[i].path, path, strlen(path) + 1);
        atomic_store(&table[i].from, (uintptr_t)at);
        break;
    }
    pthread_mutex_unlock(&lock);
}

void as_map_fault_forget(const void *at)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; at && i < NOTED_MAX; i++) {
        if (atomic_load(&table[i].from) != (uintptr_t)at) continue;
        atomic_store(&table[i].from, 0);
        break;
    }
    pthread_mutex_unlock(&lock);
}

static void say(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    uintptr_t at = (uintptr_t)info->si_addr;
    (void)context;
    for (size_t i = 0; i < NOTED_MAX; i++) {
        uintptr_t from = atomic_load(&table[i].from);
        if (!from || at < from || at - from >= table[i].size) continue;
        say("assay: ");
        say(table[i].path);
        say(": cannot be read any more: it became shorter while it was in use, or its disk failed\n");
        _exit(exit_status);
    }
    signal(number, SIG_DFL); /* the instruction runs again and ends the process as it would have */
}

void as_map_fault_exit(int status)
{
    exit_status = status;
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
