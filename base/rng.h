/* Random numbers from a counter: element i of stream (seed, stream) is a pure function, so work can be split
 * over threads in any way and give the same numbers. Philox 4x32-10 (Salmon et al., "Parallel random numbers:
 * as easy as 1, 2, 3", SC 2011). */
#ifndef AS_BASE_RNG_H
#define AS_BASE_RNG_H

#include <stdint.h>

/* The four words of block `counter` of stream `stream` under `seed`. */
void as_rng_block(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4]);

/* A sequential reader of one stream. */
typedef struct as_rng {
    uint64_t seed, stream, counter;
    uint32_t words[4];
    int left;
} as_rng;

void as_rng_init(as_rng *rng, uint64_t seed, uint64_t stream);
uint32_t as_rng_u32(as_rng *rng);
uint64_t as_rng_below(as_rng *rng, uint64_t bound); /* 0..bound-1 without bias; bound above 0 */
double as_rng_unit(as_rng *rng);                    /* [0, 1), 53 bits */
double as_rng_normal(as_rng *rng);                  /* mean 0, deviation 1 */
double as_rng_exponential(as_rng *rng);             /* mean 1 */

#endif
