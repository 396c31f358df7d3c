/* Heap with counting and injected failures; see mem.h. */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static atomic_uint_fast64_t count_made;
static atomic_int_fast64_t countdown; /* 0: off; otherwise the number of requests until one fails */

static bool request_fails(void)
{
    atomic_fetch_add_explicit(&count_made, 1, memory_order_relaxed);
    if (atomic_load_explicit(&countdown, memory_order_relaxed) <= 0) return false;
    return atomic_fetch_sub(&countdown, 1) == 1;
}

void *as_alloc(size_t size)
{
    if (request_fails()) return NULL;
    return malloc(size ? size : 1);
}

void *as_calloc(size_t count, size_t size)
{
    if (request_fails()) return NULL;
    return calloc(count ? count : 1, size ? size : 1);
}

void *as_realloc(void *ptr, size_t size)
{
    if (request_fails()) return NULL;
    return realloc(ptr, size ? size : 1);
}

void as_free(void *ptr)
{
    free(ptr);
}

char *as_strndup(const char *text, size_t size)
{
    char *copy = as_alloc(size + 1);
    if (!copy) return NULL;
    memcpy(copy, text, size);
    copy[size] = 0;
    return copy;
}

char *as_strdup(const char *text)
{
    return as_strndup(text, strlen(text));
}

void *as_alloc_pages(size_t size)
{
    if (request_fails()) return NULL;
    if (size == 0) size = 1;
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return NULL;
    (void)madvise(at, size, MADV_HUGEPAGE);
    return at;
}

void as_free_pages(void *ptr, size_t size)
{
    if (ptr) munmap(ptr, size ? size : 1);
}

bool as_mul_size(size_t count, size_t size, size_t *out)
{
    size_t product;
    if (__builtin_mul_overflow(count, size, &product)) return false;
    *out = product;
    return true;
}

bool as_add_size(size_t a, size_t b, size_t *out)
{
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum)) return false;
    *out = sum;
    return true;
}

as_code as_fail_memory(as_error *err, const char *what)
{
    return as_fail(err, AS_E_MEMORY, "out of memory for %s", what);
}

uint64_t as_alloc_count(void)
{
    return atomic_load(&count_made);
}

void as_alloc_fail_after(uint64_t n)
{
    atomic_store(&countdown, (int64_t)n);
}
