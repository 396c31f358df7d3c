/* Hashed n-grams in the residual streams (Qwen 2026, "Qwen4"; Cheng et al. 2026, "Engram"). The last tokens
 * of a row, as pairs, triples and so on, are hashed to rows of one large table, several for each length; what
 * stands there, e, becomes a value for all streams and a key for each,
 *   g_s = norm(key(e))_s . norm(x_s) / sqrt(hidden)
 *   u_s = sigmoid(sign(g_s) sqrt(max(|g_s|, 1e-6))) value(e)
 *   x_s = x_s + u_s + silu(conv(norm(u)))_s
 * conv: over tokens, each channel alone, of `taps` taps `orders` tokens apart. A document's end hides the
 * tokens before it. The hash of tokens t, t-1, ... is the exclusive or of each times a factor, modulo the
 * head's number of rows. */
#ifndef AS_ENGINE_BLOCKS_NGRAM_H
#define AS_ENGINE_BLOCKS_NGRAM_H

#include "engine/blocks/block.h"

enum { AS_MOST_NGRAM = 16, AS_MOST_NGRAM_HEADS = 512 };

typedef struct as_ngram_spec {
    int64_t streams, at; /* of the streams in what is carried */
    int64_t orders;      /* the longest n-gram */
    int64_t heads;       /* rows of the table for a token, those of the pairs first */
    int64_t width;       /* of all of them together */
    int64_t rows, parts; /* of the table, and the tensors that hold it unless one does */
    int64_t taps;
    int64_t end;                    /* the token that ends a document */
    const int64_t *factors;         /* [orders] */
    const int64_t *sizes, *offsets; /* [heads]: unless the checkpoint says otherwise */
    as_norm_spec key_norm, query_norm, conv_norm;
} as_ngram_spec;

extern const as_block as_block_ngram;

#endif
