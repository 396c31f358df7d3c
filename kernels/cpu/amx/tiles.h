/* Matrix tiles: registers 0-3 hold sums, 4 and 5 weights, 6 and 7 rows of x. */
#ifndef AS_KERNELS_CPU_AMX_TILES_H
#define AS_KERNELS_CPU_AMX_TILES_H

#include <immintrin.h>
#include <stdint.h>

enum {
    TILE_LINE = 64, /* bytes in a whole row of a tile */
    TILE_LINES = 16,
    TILE_BYTES = TILE_LINE * TILE_LINES,
    TILE_DEPTH = 32, /* bf16 numbers in a row of weights: the depth of one product */
};

/* The compiler does not know what memory the tile instructions read and write: nothing moves across this. */
#define AS_TILES_FENCE() __asm__ volatile("" ::: "memory")

/* Sets the tiles up for `columns` rows of x (1..16). Every thread that uses tiles does this for itself. */
static inline void as_tiles_begin(int columns)
{
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t line_bytes[16];
        uint8_t lines[16];
    } config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.line_bytes[i] = (uint16_t)(i == 4 || i == 5 ? TILE_LINE : 4 * columns);
        config.lines[i] = TILE_LINES;
    }
    __asm__ volatile("" ::"r"(&config) : "memory"); /* the intrinsic names only 8 of its 64 bytes */
    _tile_loadconfig(&config);
}

/* Gives the registers back, so that switching threads need not save them. */
static inline void as_tiles_end(void)
{
    _tile_release();
}

#endif
