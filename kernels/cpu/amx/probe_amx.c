/* The peak of the matrix tiles; see probe_level.h. */
#include <immintrin.h>

#include "kernels/cpu/amx/tiles.h"
#include "kernels/cpu/probe_level.h"

enum { ROUNDS = 4000 };

double as_probe_bf16_amx(void)
{
    static const _Alignas(64) uint8_t zeros[TILE_BYTES];
    as_tiles_begin(16);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, zeros, TILE_LINE);
    _tile_loadd(5, zeros, TILE_LINE);
    _tile_loadd(6, zeros, TILE_LINE);
    _tile_loadd(7, zeros, TILE_LINE);
    for (int round = 0; round < ROUNDS; round++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    as_tiles_end();
    return 4.0 * 2 * 16 * 16 * 32 * ROUNDS;
}
