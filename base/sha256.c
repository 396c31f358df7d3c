/* SHA-256; see sha256.h. Names follow FIPS 180-4, section 6.2. */
#include "base/sha256.h"

#include <string.h>

enum { BLOCK = 64, LENGTH_BYTES = 8 };

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void take_block(uint32_t state[static 8], const unsigned char *block)
{
    uint32_t w[64], v[8];
    for (int t = 0; t < 16; t++) {
        const unsigned char *at = block + 4 * t;
        w[t] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    }
    for (int t = 16; t < 64; t++) {
        uint32_t small_0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
        uint32_t small_1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = small_1 + w[t - 7] + small_0 + w[t - 16];
    }
    memcpy(v, state, sizeof v);
    for (int t = 0; t < 64; t++) {
        uint32_t big_0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        uint32_t big_1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        uint32_t t1 = v[7] + big_1 + choice + constants[t] + w[t], t2 = big_0 + majority;
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) state[i] += v[i];
}

void as_sha256_init(as_sha256 *hash)
{
    *hash = (as_sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
                                  0x1f83d9ab, 0x5be0cd19}};
}

void as_sha256_add(as_sha256 *hash, const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    size_t held = hash->size % BLOCK;
    hash->size += size;
    if (held + size < BLOCK) {
        if (size) memcpy(hash->rest + held, at, size);
        return;
    }
    if (held) {
        memcpy(hash->rest + held, at, BLOCK - held);
        take_block(hash->state, hash->rest);
        at += BLOCK - held;
        size -= BLOCK - held;
    }
    for (; size >= BLOCK; at += BLOCK, size -= BLOCK) take_block(hash->state, at);
    if (size) memcpy(hash->rest, at, size);
}

void as_sha256_finish(as_sha256 *hash, unsigned char digest[static AS_SHA256_BYTES])
{
    static const unsigned char padding[BLOCK] = {0x80};
    unsigned char length[LENGTH_BYTES];
    size_t held = hash->size % BLOCK;
    for (int i = 0; i < LENGTH_BYTES; i++) length[i] = (unsigned char)(hash->size * 8 >> (56 - 8 * i));
    size_t room = BLOCK - LENGTH_BYTES;
    as_sha256_add(hash, padding, held < room ? room - held : room + BLOCK - held);
    as_sha256_add(hash, length, sizeof length);
    for (int i = 0; i < AS_SHA256_BYTES; i++)
        digest[i] = (unsigned char)(hash->state[i / 4] >> (24 - i % 4 * 8));
}

void as_sha256_finish_hex(as_sha256 *hash, char text[static 2 * AS_SHA256_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[AS_SHA256_BYTES];
    as_sha256_finish(hash, digest);
    for (int i = 0; i < AS_SHA256_BYTES; i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15];
    }
    text[2 * AS_SHA256_BYTES] = 0;
}
