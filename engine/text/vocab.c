/* The table of tokens; see vocab.h. */
#include "engine/text/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load(const char *text, size_t size) /* up to eight bytes */
{
    uint64_t value = 0;
    memcpy(&value, text, size);
    return value;
}

uint64_t as_vocab_hash(const char *text, size_t size, uint64_t seed)
{
    uint64_t h = seed ^ 0x9E3779B97F4A7C15u;
    for (; size > 8; text += 8, size -= 8) h = mix(h ^ load(text, 8), 0xD6E8FEB86659FD93u);
    h = mix(h ^ load(text, size), 0xA0761D6478BD642Fu ^ size);
    return h ^ h >> 32;
}

void as_vocab_free(as_vocab *vocab)
{
    as_free(vocab->bytes);
    as_free(vocab->entries);
    as_free(vocab->slots);
    as_free(vocab->by_id);
    *vocab = (as_vocab){0};
}

static as_code grow(void **at, size_t *room, size_t need, size_t size, as_error *err)
{
    if (need <= *room) return AS_OK;
    size_t more = *room < 64 ? 64 : *room + *room / 2;
    if (more < need) more = need;
    size_t bytes;
    void *now = as_mul_size(more, size, &bytes) ? as_realloc(*at, bytes) : NULL;
    if (!now) return as_fail_memory(err, "the vocabulary");
    *at = now;
    *room = more;
    return AS_OK;
}

as_code as_vocab_reserve(as_vocab *vocab, size_t count, size_t bytes, as_error *err)
{
    void *at = vocab->entries;
    as_code rc = grow(&at, &vocab->entries_room, count, sizeof *vocab->entries, err);
    vocab->entries = at;
    if (rc != AS_OK) return rc;
    at = vocab->bytes;
    rc = grow(&at, &vocab->room, bytes, 1, err);
    vocab->bytes = at;
    return rc;
}

as_code as_vocab_add(as_vocab *vocab, const char *text, size_t size, int32_t id, as_error *err)
{
    if (size >= UINT32_MAX || vocab->count >= INT32_MAX) {
        return as_fail(err, AS_E_LIMIT, "the vocabulary is too large");
    }
    AS_TRY(as_vocab_reserve(vocab, vocab->count + 1, vocab->used + size + 1, err));
    vocab->entries[vocab->count++] =
        (as_vocab_entry){.offset = vocab->used, .size = (uint32_t)size, .id = id};
    if (size) memcpy(vocab->bytes + vocab->used, text, size);
    vocab->bytes[vocab->used + size] = 0;
    vocab->used += size + 1;
    return AS_OK;
}

static uint32_t *slot_of(const as_vocab *vocab, const char *text, size_t size)
{
    size_t at = as_vocab_hash(text, size, vocab->seed) & vocab->mask;
    for (;; at = (at + 1) & vocab->mask) {
        uint32_t index = vocab->slots[at];
        if (!index) return &vocab->slots[at];
        const as_vocab_entry *entry = &vocab->entries[index - 1];
        if (entry->size == size && memcmp(vocab->bytes + entry->offset, text, size) == 0)
            return &vocab->slots[at];
    }
}

static int by_id(const void *a, const void *b, void *context)
{
    const as_vocab_entry *entries = context;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    if (entries[i].id != entries[j].id) return entries[i].id < entries[j].id ? -1 : 1;
    return i < j ? -1 : i > j;
}

/* The entries that stand, by id: none is kept where ids are simply 0, 1, 2, ... */
static as_code index_ids(as_vocab *vocab, as_error *err)
{
    bool plain = true;
    vocab->max_id = -1;
    for (size_t i = 0; i < vocab->count; i++) {
        if (vocab->entries[i].id != (int32_t)i) plain = false;
        if (vocab->entries[i].id > vocab->max_id) vocab->max_id = vocab->entries[i].id;
    }
    if (plain) return AS_OK;
    vocab->by_id = AS_NEW_ARRAY(uint32_t, vocab->count);
    if (!vocab->by_id) return as_fail_memory(err, "the vocabulary");
    for (size_t i = 0; i < vocab->count; i++) vocab->by_id[i] = (uint32_t)i;
    qsort_r(vocab->by_id, vocab->count, sizeof *vocab->by_id, by_id, vocab->entries);
    for (size_t i = 1; i < vocab->count; i++) {
        const as_vocab_entry *a = &vocab->entries[vocab->by_id[i - 1]], *b = &vocab->entries[vocab->by_id[i]];
        if (a->id == b->id) {
            return as_fail(err, AS_E_INPUT, "id %d is given to two tokens, \"%.60s\" and \"%.60s\"",
                           (int)a->id, vocab->bytes + a->offset, vocab->bytes + b->offset);
        }
    }
    return AS_OK;
}

as_code as_vocab_finish(as_vocab *vocab, as_vocab_form form, as_error *err)
{
    size_t slots = 16;
    while (slots < vocab->count * 2) slots *= 2;
    vocab->slots = AS_NEW_ARRAY(uint32_t, slots);
    if (!vocab->slots) return as_fail_memory(err, "the vocabulary");
    vocab->mask = slots - 1;
    vocab->seed = (uint64_t)as_clock_ns() * 0x9E3779B97F4A7C15u; /* so that no file can choose collisions */
    size_t kept = 0;
    for (size_t i = 0; i < vocab->count; i++) {
        as_vocab_entry *entry = &vocab->entries[i];
        uint32_t *slot = slot_of(vocab, vocab->bytes + entry->offset, entry->size);
        if (*slot && form == AS_VOCAB_MAP) {
            vocab->entries[*slot - 1].id = entry->id;
            continue;
        }
        if (!*slot) vocab->distinct++;
        vocab->entries[kept] = *entry;
        *slot = (uint32_t)++kept;
    }
    vocab->count = kept;
    return index_ids(vocab, err);
}

int32_t as_vocab_find(const as_vocab *vocab, const char *text, size_t size)
{
    uint32_t index = *slot_of(vocab, text, size);
    return index ? vocab->entries[index - 1].id : -1;
}

const char *as_vocab_text(const as_vocab *vocab, int32_t id, size_t *size)
{
    const as_vocab_entry *entry = NULL;
    if (id < 0) return NULL;
    if (!vocab->by_id) {
        if ((size_t)id < vocab->count) entry = &vocab->entries[id];
    } else if ((size_t)id < vocab->count && vocab->entries[vocab->by_id[id]].id == id) {
        entry = &vocab->entries[vocab->by_id[id]]; /* no holes below it */
    } else {
        size_t low = 0, high = vocab->count;
        while (low < high) {
            size_t middle = (low + high) / 2;
            const as_vocab_entry *at = &vocab->entries[vocab->by_id[middle]];
            if (at->id == id) {
                entry = at;
                break;
            }
            if (at->id < id) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
    }
    if (!entry) return NULL;
    if (size) *size = entry->size;
    return vocab->bytes + entry->offset;
}
