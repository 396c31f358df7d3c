/* SHA-256 (FIPS 180-4): the name of a file's or a model's content. */
#ifndef AS_BASE_SHA256_H
#define AS_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { AS_SHA256_BYTES = 32 };

typedef struct as_sha256 {
    uint32_t state[8];
    uint64_t size;          /* bytes taken in so far */
    unsigned char rest[64]; /* the last of them, not yet a whole block */
} as_sha256;

void as_sha256_init(as_sha256 *hash);
void as_sha256_add(as_sha256 *hash, const void *bytes, size_t size);
/* Ends the message; the hash must be initialised again before further use. */
void as_sha256_finish(as_sha256 *hash, unsigned char digest[static AS_SHA256_BYTES]);
/* The same as 64 lower-case hexadecimal digits and a terminator. */
void as_sha256_finish_hex(as_sha256 *hash, char text[static 2 * AS_SHA256_BYTES + 1]);

#endif
