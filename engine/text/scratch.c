/* Scratch memory; see scratch.h. */
#include "engine/text/scratch.h"

#include "base/mem.h"
#include "engine/text/regex.h"
#include "engine/text/word_cache.h"

as_code as_scratch_new(as_scratch **out, as_error *err)
{
    as_scratch *s = AS_NEW(as_scratch);
    if (!s) return as_fail_memory(err, "the tokenizer");
    s->cache = AS_NEW(as_word_cache);
    if (!s->cache || as_matcher_new(&s->matcher) != AS_OK) {
        as_scratch_free(s);
        return as_fail_memory(err, "the tokenizer");
    }
    *out = s;
    return AS_OK;
}

void as_scratch_free(as_scratch *scratch)
{
    if (!scratch) return;
    as_buf_free(&scratch->clean);
    for (int i = 0; i < 2; i++) as_buf_free(&scratch->normal[i]);
    for (int i = 0; i < AS_STAGES_MAX; i++) {
        as_buf_free(&scratch->stages[i]);
        as_buf_free(&scratch->subjects[i]);
        as_buf_free(&scratch->letters[i]);
    }
    as_free(scratch->points.at);
    as_free(scratch->symbols.at);
    as_free(scratch->heap.at);
    as_free(scratch->lattice.at);
    as_free(scratch->cache);
    as_matcher_free(scratch->matcher);
    as_free(scratch);
}

/* A buffer above this size is not kept between calls. */
enum { KEEP_BYTES = 4 << 20 };

static void trim_buf(as_buf *buf)
{
    if (buf->room > KEEP_BYTES) as_buf_free(buf);
}

void as_scratch_trim(as_scratch *scratch)
{
    trim_buf(&scratch->clean);
    for (int i = 0; i < 2; i++) trim_buf(&scratch->normal[i]);
    for (int i = 0; i < AS_STAGES_MAX; i++) {
        trim_buf(&scratch->stages[i]);
        trim_buf(&scratch->subjects[i]);
        trim_buf(&scratch->letters[i]);
    }
    as_room *rooms[] = {&scratch->points, &scratch->symbols, &scratch->heap, &scratch->lattice};
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
        if (rooms[i]->size > KEEP_BYTES) as_room_free(rooms[i]);
    }
}

as_code as_room_fit(as_room *room, size_t count, size_t size, as_error *err)
{
    size_t bytes;
    if (!as_mul_size(count, size, &bytes)) return as_fail_memory(err, "a very long text");
    if (bytes <= room->size) return AS_OK;
    if (bytes < room->size * 2) bytes = room->size * 2;
    as_free(room->at); /* contents are not kept */
    room->at = as_alloc(bytes);
    room->size = room->at ? bytes : 0;
    return room->at ? AS_OK : as_fail_memory(err, "a long text");
}

void as_room_free(as_room *room)
{
    as_free(room->at);
    *room = (as_room){0};
}
