/* Matrix tiles: all eight are 16 rows of 64 bytes. */
#ifndef AS_KERNELS_CPU_AMX_TILES_H
#define AS_KERNELS_CPU_AMX_TILES_H

#include <immintrin.h>
#include <stdint.h>

enum {
    TILE_LINE = 64, /* bytes in a row of a tile */
    TILE_LINES = 16,
    TILE_BYTES = TILE_LINE * TILE_LINES,
    TILE_DEPTH = 32, /* bf16 numbers in a row: the depth of one product */
};

/* The compiler does not know what memory the tile instructions read: what was written stays before them. */
#define AS_TILES_FENCE() __asm__ volatile("" ::: "memory")

typedef struct as_tile_config {
    uint8_t palette, start, reserved[14];
    uint16_t line_bytes[16];
    uint8_t lines[16];
} as_tile_config;

static inline void as_tiles_begin(void)
{
    static const as_tile_config config = {
        .palette = 1,
        .line_bytes = {TILE_LINE, TILE_LINE, TILE_LINE, TILE_LINE, TILE_LINE, TILE_LINE, TILE_LINE,
                       TILE_LINE},
        .lines = {TILE_LINES, TILE_LINES, TILE_LINES, TILE_LINES, TILE_LINES, TILE_LINES, TILE_LINES,
                  TILE_LINES},
    };
    AS_TILES_FENCE();
    _tile_loadconfig(&config);
}

/* Gives the registers back, so that switching threads need not save them. */
static inline void as_tiles_end(void)
{
    _tile_release();
}

#endif
