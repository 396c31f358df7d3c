/* GGUF files made in memory, for the tests that spoil them. */
#ifndef AS_TESTS_ENGINE_GGUF_BUILD_H
#define AS_TESTS_ENGINE_GGUF_BUILD_H

#include <string.h>

#include "base/buf.h"
#include "engine/load/gguf.h"

static inline void put_u32(as_buf *b, uint32_t v)
{
    as_buf_add(b, &v, sizeof v);
}

static inline void put_u64(as_buf *b, uint64_t v)
{
    as_buf_add(b, &v, sizeof v);
}

static inline void put_text(as_buf *b, const char *text)
{
    put_u64(b, strlen(text));
    as_buf_str(b, text);
}

static inline void put_header(as_buf *b, uint32_t version, uint64_t tensors, uint64_t pairs)
{
    as_buf_add(b, "GGUF", 4);
    put_u32(b, version);
    put_u64(b, tensors);
    put_u64(b, pairs);
}

static inline void put_pair_u32(as_buf *b, const char *key, uint32_t value)
{
    put_text(b, key);
    put_u32(b, AS_GGUF_U32);
    put_u32(b, value);
}

static inline void put_pair_text(as_buf *b, const char *key, const char *value)
{
    put_text(b, key);
    put_u32(b, AS_GGUF_STRING);
    put_text(b, value);
}

static inline void put_array(as_buf *b, const char *key, as_gguf_type item, uint64_t count)
{
    put_text(b, key);
    put_u32(b, AS_GGUF_ARRAY);
    put_u32(b, item);
    put_u64(b, count);
}

/* A matrix of `rows` rows of `cols`; rows 0: a vector. */
static inline void put_tensor(as_buf *b, const char *name, uint64_t rows, uint64_t cols, uint32_t kind,
                              uint64_t offset)
{
    put_text(b, name);
    put_u32(b, rows ? 2 : 1);
    put_u64(b, cols);
    if (rows) put_u64(b, rows);
    put_u32(b, kind);
    put_u64(b, offset);
}

/* Pads to the alignment and appends that many bytes. */
static inline void put_data(as_buf *b, size_t alignment, size_t bytes)
{
    while (b->size % alignment) as_buf_char(b, 0);
    for (size_t i = 0; i < bytes; i++) as_buf_char(b, (char)i);
}

#endif
