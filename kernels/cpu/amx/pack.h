/* Both operands as the tiles take them: rows of x split into bf16 pieces, weights as bf16. */
#ifndef AS_KERNELS_CPU_AMX_PACK_H
#define AS_KERNELS_CPU_AMX_PACK_H

#include "kernels/cpu/amx/tiles.h"
#include "kernels/cpu/product.h"

enum { MAX_PIECES = 3 };

/* Rows of x: [blocks][steps][pieces] tiles of TILE_LINES lines of `columns` pairs. A step is 32 columns; line
 * i holds columns 2i and 2i + 1 of it, or where `apart`, i and i + 16. Block b lies in the scratch of worker
 * b % workers. */
typedef struct packed {
    unsigned char *data;
    int64_t stride; /* bytes from one worker's room to the next */
    int workers;
    int64_t first, rows; /* rows of x of the product */
    int64_t blocks, steps;
    int pieces, columns; /* columns: rows of x in a block */
} packed;

static inline int64_t packed_tile_bytes(const packed *x)
{
    return (int64_t)TILE_LINES * 4 * x->columns;
}

static inline int64_t packed_block_bytes(const packed *x)
{
    return x->steps * x->pieces * packed_tile_bytes(x);
}

static inline unsigned char *packed_block(const packed *x, int64_t block)
{
    return x->data + block % x->workers * x->stride + block / x->workers * packed_block_bytes(x);
}

/* Whether the tiles take the product: bf16 weights, or e4m3 where x was rounded to it too. What decides does
 * not depend on the number of rows. room: bytes for packed x. */
bool as_tiles_take(const as_matrix *w, const float *x_scale, int64_t x_block, int64_t room);

/* The layout for the rows first.. of the product: as many as fit in `room` bytes of each worker, at most
 * `most`, at least one. data, stride and workers are set by the caller beforehand. */
void as_pack_plan(const as_product *p, int64_t first, int64_t room, int64_t most, packed *x);

/* Packs steps from..until-1 of every block. */
void as_pack_steps(const as_product *p, const packed *x, int64_t from, int64_t until);

/* Rows row..row+15 (zero from `end` on) of steps from..until-1 as whole tiles. */
void as_stage_weights(const as_matrix *w, int64_t row, int64_t end, int64_t from, int64_t until,
                      unsigned char *to);

#endif
