/* Rows of x as the tiles take them: split into bf16 pieces, 16 rows and 32 columns at a time, pairs of
 * columns side by side. */
#ifndef AS_KERNELS_CPU_AMX_PACK_H
#define AS_KERNELS_CPU_AMX_PACK_H

#include "kernels/cpu/amx/tiles.h"
#include "kernels/cpu/product.h"

enum { MAX_PIECES = 3 };

/* Some rows of x, packed: [blocks][steps][pieces] tiles of TILE_LINES lines of `columns` pairs. */
typedef struct packed {
    unsigned char *data;
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

/* How many pieces represent the rows of x exactly: one where they were rounded to e4m3, else three. */
static inline int pieces_for(const as_product *p)
{
    return p->x_scale ? 1 : MAX_PIECES;
}

/* The layout for the rows first.. of the product, as many as fit in `room` bytes and `most` (at least one
 * block). data is not set. */
packed as_pack_plan(const as_product *p, int64_t first, int64_t room, int64_t most);

/* Packs steps from..until-1 of every block. */
void as_pack_steps(const as_product *p, const packed *x, int64_t from, int64_t until);

#endif
