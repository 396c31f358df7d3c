/* The one door to the heap.
 *
 * Every allocation of assay's own code passes here, so that tests can count the bytes and make the N-th
 * request fail. Functions return NULL on failure; as_fail_memory writes the message. Thread-safe. */
#ifndef AS_BASE_MEM_H
#define AS_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

void *as_alloc(size_t size);                /* uninitialised; size 0 gives a valid pointer */
void *as_calloc(size_t count, size_t size); /* zeroed; checks the product */
void *as_realloc(void *ptr, size_t size);   /* on failure ptr stays valid */
void as_free(void *ptr);                    /* NULL is allowed */
char *as_strdup(const char *text);
char *as_strndup(const char *text, size_t size); /* copies exactly size bytes and a terminator */

/* Large zeroed buffers (caches, generated weights): page aligned, huge pages where the system grants them;
 * pages take memory only once touched. Freed with the same size. */
void *as_alloc_pages(size_t size);
void as_free_pages(void *ptr, size_t size);

/* count * size and a + b with overflow check: false on overflow, *out untouched. */
bool as_mul_size(size_t count, size_t size, size_t *out);
bool as_add_size(size_t a, size_t b, size_t *out);

/* Records "out of memory for WHAT" and returns AS_E_MEMORY. */
as_code as_fail_memory(as_error *err, const char *what);

/* For tests: the allocations made so far, and a countdown after which one request fails (n = 1 fails the
 * next one; 0 switches it off). */
uint64_t as_alloc_count(void);
void as_alloc_fail_after(uint64_t n);

#define AS_NEW(type)          ((type *)as_calloc(1, sizeof(type)))
#define AS_NEW_ARRAY(type, n) ((type *)as_calloc((size_t)(n), sizeof(type)))

#endif
