/* Byte-pair encoding: the merges are applied in the order of their rank, at equal rank from the left.
 *
 * As in `tokenizers`, models/bpe. Short words are merged by looking for the best pair again and again, long
 * ones with a heap, which bounds the time by n log n. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/text/byte_level.h"
#include "engine/text/model.h"
#include "engine/text/pair_set.h"
#include "engine/text/unicode.h"
#include "engine/text/word_cache.h"

enum { SHORT_WORD = 40, NO_MERGE = -1, GONE = -1 };

typedef struct merge_slot {
    uint64_t pair; /* left id << 32 | right id */
    int32_t rank;  /* NO_MERGE: an empty slot */
    int32_t id;    /* of the pair as one token */
} merge_slot;

typedef struct bpe {
    as_text_model base;
    merge_slot *merges;
    size_t mask;
    const char *prefix, *suffix; /* continuing_subword_prefix, end_of_word_suffix; NULL: none */
    size_t prefix_size, suffix_size;
    char *names;    /* holds both */
    char *unk_name; /* set where unk_token names no token: an error once it is needed */
    bool fuse_unk, byte_fallback, ignore_merges;
    int32_t ascii[128];    /* ids of single characters, where neither prefix nor suffix apply */
    int32_t fallback[256]; /* ids of "<0x..>" */
    int32_t bytes[256];    /* ids of the byte-level alphabet */
    as_pair_set *crossed;  /* characters between which some merge reaches across; NULL: not known */
    as_vocab raw;          /* tokens by the bytes they stand for; filled for ignore_merges only */
} bpe;

typedef struct symbol {
    int32_t id;         /* GONE: joined to one before it */
    int32_t prev, next; /* -1: none */
} symbol;

typedef struct heap_item {
    int32_t rank, at;
    int32_t id;
} heap_item;

/* ---- merges ---- */

static size_t slot_hash(uint64_t pair)
{
    pair *= 0x9E3779B97F4A7C15u;
    pair ^= pair >> 29;
    pair *= 0xBF58476D1CE4E5B9u;
    return (size_t)(pair ^ pair >> 32);
}

static const merge_slot *find_merge(const bpe *m, int32_t left, int32_t right)
{
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    for (size_t at = slot_hash(pair) & m->mask;; at = (at + 1) & m->mask) {
        const merge_slot *slot = &m->merges[at];
        if (slot->rank == NO_MERGE) return NULL;
        if (slot->pair == pair) return slot;
    }
}

static void put_merge(bpe *m, int32_t left, int32_t right, int32_t rank, int32_t id)
{
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    size_t at = slot_hash(pair) & m->mask;
    while (m->merges[at].rank != NO_MERGE && m->merges[at].pair != pair) at = (at + 1) & m->mask;
    m->merges[at] = (merge_slot){pair, rank, id}; /* of a repeated pair the last stands */
}

static as_code merge_token(const bpe *m, const char *text, size_t size, size_t rank, int32_t *id,
                           as_error *err)
{
    *id = as_vocab_find(&m->base.vocab, text, size);
    if (*id >= 0) return AS_OK;
    return as_fail(err, AS_E_INPUT, "merge %zu: \"%.*s\" is not in the vocabulary", rank,
                   (int)(size < 100 ? size : 100), text);
}

static as_code add_merge(bpe *m, const as_vocab_merge *merge, size_t rank, as_buf *joined, as_error *err)
{
    int32_t left, right, id;
    AS_TRY(merge_token(m, merge->left, merge->left_size, rank, &left, err));
    AS_TRY(merge_token(m, merge->right, merge->right_size, rank, &right, err));
    if (merge->right_size < m->prefix_size) {
        return as_fail(err, AS_E_INPUT,
                       "merge %zu: \"%.*s\" is shorter than the prefix of continuing subwords", rank,
                       (int)merge->right_size, merge->right);
    }
    as_buf_clear(joined);
    as_buf_add(joined, merge->left, merge->left_size);
    as_buf_add(joined, merge->right + m->prefix_size, merge->right_size - m->prefix_size);
    AS_TRY(as_buf_check(joined, "a merge", err));
    AS_TRY(merge_token(m, as_buf_text(joined), joined->size, rank, &id, err));
    put_merge(m, left, right, (int32_t)rank, id);
    return AS_OK;
}

static int32_t character_id(const bpe *m, const char *text, size_t size)
{
    if (size == 1 && (unsigned char)*text < 128) return m->ascii[(unsigned char)*text];
    return as_vocab_find(&m->base.vocab, text, size);
}

static bool is_byte_token(const char *text, size_t size)
{
    return size == 6 && memcmp(text, "<0x", 3) == 0 && text[5] == '>';
}

/* Finds out between which characters a merge can reach across: between the last of its left side and the
 * first of its right side. Elsewhere a long text without pre-tokenizer can be cut, and the parts merged one
 * by one. Not for files whose merges have a side that is no text: a byte, the unknown token, a prefix or
 * suffix. */
static as_code find_crossed(bpe *m, const as_tokenizer_spec *spec, as_error *err)
{
    if (m->prefix_size || m->suffix_size || m->ignore_merges) return AS_OK;
    m->crossed = AS_NEW(as_pair_set);
    if (!m->crossed) return as_fail_memory(err, "the merges");
    for (size_t i = 0; i < spec->merge_count; i++) {
        const as_vocab_merge *merge = &spec->merges[i];
        const char *sides[2] = {merge->left, merge->right};
        size_t sizes[2] = {merge->left_size, merge->right_size};
        for (int j = 0; j < 2; j++) {
            bool text = sizes[j] && !is_byte_token(sides[j], sizes[j]) &&
                        as_vocab_find(&m->base.vocab, sides[j], sizes[j]) != m->base.unk;
            if (!text) {
                as_free(m->crossed);
                m->crossed = NULL;
                return AS_OK;
            }
        }
        int length;
        as_unicode_before(sides[0], sizes[0], &length);
        int32_t last = character_id(m, sides[0] + sizes[0] - (size_t)length, (size_t)length);
        int32_t first = character_id(m, sides[1], (size_t)as_unicode_length(sides[1]));
        if (last >= 0 && first >= 0) as_pair_set_add(m->crossed, last, first);
    }
    return AS_OK;
}

static as_code read_merges(bpe *m, const as_tokenizer_spec *spec, as_error *err)
{
    size_t slots = 16;
    if (spec->merge_count >= INT32_MAX / 2) return as_fail(err, AS_E_LIMIT, "too many merges");
    while (slots < spec->merge_count * 2) slots *= 2;
    m->merges = AS_NEW_ARRAY(merge_slot, slots);
    if (!m->merges) return as_fail_memory(err, "the merges");
    for (size_t i = 0; i < slots; i++) m->merges[i].rank = NO_MERGE;
    m->mask = slots - 1;
    as_buf joined;
    as_buf_init(&joined, 0);
    as_code rc = AS_OK;
    for (size_t i = 0; i < spec->merge_count && rc == AS_OK; i++) {
        rc = add_merge(m, &spec->merges[i], i, &joined, err);
    }
    as_buf_free(&joined);
    return rc;
}

/* ---- opening ---- */

/* Where a file sets the option to "" it is still an option set, with no effect on the text. */
static as_code read_settings(bpe *m, const json_t *settings, as_error *err)
{
    const char *unk = NULL, *prefix = NULL, *suffix = NULL;
    double dropout = 0;
    AS_TRY(as_json_get_string(settings, "unk_token", &unk, err));
    AS_TRY(as_json_get_string(settings, "continuing_subword_prefix", &prefix, err));
    AS_TRY(as_json_get_string(settings, "end_of_word_suffix", &suffix, err));
    AS_TRY(as_json_get_bool(settings, "fuse_unk", &m->fuse_unk, err));
    AS_TRY(as_json_get_bool(settings, "byte_fallback", &m->byte_fallback, err));
    AS_TRY(as_json_get_bool(settings, "ignore_merges", &m->ignore_merges, err));
    AS_TRY(as_json_get_number(settings, "dropout", &dropout, err)); /* only for training: not applied */
    if (!(dropout >= 0 && dropout <= 1))
        return as_fail(err, AS_E_INPUT, "\"dropout\" is not between 0 and 1");
    m->prefix_size = prefix ? strlen(prefix) : 0;
    m->suffix_size = suffix ? strlen(suffix) : 0;
    m->names = as_alloc(m->prefix_size + m->suffix_size + 1);
    if (!m->names) return as_fail_memory(err, "the model");
    if (m->prefix_size) memcpy(m->names, prefix, m->prefix_size);
    if (m->suffix_size) memcpy(m->names + m->prefix_size, suffix, m->suffix_size);
    m->prefix = m->names;
    m->suffix = m->names + m->prefix_size;
    if (!unk) return AS_OK;
    m->base.unk = as_vocab_find(&m->base.vocab, unk, strlen(unk));
    if (m->base.unk >= 0) return AS_OK;
    m->unk_name = as_strdup(unk);
    return m->unk_name ? AS_OK : as_fail_memory(err, "the model");
}

static as_code encode_bytes(const as_text_model *model, as_scratch *scratch, const char *text, size_t size,
                            as_tokens *out, as_error *err);

/* The tokens as the bytes that their letters stand for. Tokens with other letters can never equal a word. */
static as_code index_raw(bpe *m, as_error *err)
{
    const as_vocab *vocab = &m->base.vocab;
    as_buf bytes;
    as_buf_init(&bytes, 0);
    as_code rc = as_vocab_reserve(&m->raw, vocab->count, vocab->used, err);
    for (size_t i = 0; i < vocab->count && rc == AS_OK; i++) {
        const as_vocab_entry *entry = &vocab->entries[i];
        as_buf_clear(&bytes);
        if (!as_byte_level_read(vocab->bytes + entry->offset, entry->size, &bytes)) continue;
        rc = as_buf_check(&bytes, "the vocabulary", err);
        if (rc == AS_OK) rc = as_vocab_add(&m->raw, as_buf_text(&bytes), bytes.size, entry->id, err);
    }
    as_buf_free(&bytes);
    return rc == AS_OK ? as_vocab_finish(&m->raw, AS_VOCAB_MAP, err) : rc;
}

static as_code index_characters(bpe *m, as_error *err)
{
    bool whole = m->prefix_size == 0 && m->suffix_size == 0;
    for (int i = 0; i < 256; i++) {
        char letter[4];
        int size = as_byte_level_letter((unsigned char)i, letter);
        m->bytes[i] = as_vocab_find(&m->base.vocab, letter, (size_t)size);
        if (m->bytes[i] < 0) whole = false;
        char self = (char)i;
        if (i < 128) m->ascii[i] = as_vocab_find(&m->base.vocab, &self, 1);
    }
    as_model_byte_ids(&m->base.vocab, m->fallback);
    if (!whole) return AS_OK;
    m->base.encode_bytes = encode_bytes;
    return m->ignore_merges ? index_raw(m, err) : AS_OK;
}

static as_code open_bpe(as_text_model *model, const as_model_source *source, as_error *err)
{
    bpe *m = (bpe *)model;
    AS_TRY(read_settings(m, source->settings, err));
    AS_TRY(read_merges(m, source->spec, err));
    AS_TRY(index_characters(m, err));
    return m->base.encode_bytes ? AS_OK : find_crossed(m, source->spec, err);
}

static void close_bpe(as_text_model *model)
{
    bpe *m = (bpe *)model;
    as_free(m->merges);
    as_free(m->crossed);
    as_free(m->names);
    as_free(m->unk_name);
    as_vocab_free(&m->raw);
}

/* ---- merging ---- */

/* Looks for the best pair until there is none; count is small. */
static size_t merge_short(const bpe *m, int32_t *ids, size_t count)
{
    const merge_slot *pairs[SHORT_WORD]; /* pairs[i]: of ids[i] and ids[i + 1] */
    for (size_t i = 0; i + 1 < count; i++) pairs[i] = find_merge(m, ids[i], ids[i + 1]);
    while (count > 1) {
        size_t best = 0;
        int32_t rank = INT32_MAX;
        for (size_t i = 0; i + 1 < count; i++) {
            if (pairs[i] && pairs[i]->rank < rank) {
                rank = pairs[i]->rank;
                best = i;
            }
        }
        if (rank == INT32_MAX) break;
        ids[best] = pairs[best]->id;
        count--;
        memmove(ids + best + 1, ids + best + 2, (count - best - 1) * sizeof *ids);
        if (best + 1 < count) {
            memmove(pairs + best + 1, pairs + best + 2, (count - best - 2) * sizeof *pairs);
            pairs[best] = find_merge(m, ids[best], ids[best + 1]);
        }
        if (best) pairs[best - 1] = find_merge(m, ids[best - 1], ids[best]);
    }
    return count;
}

static bool before(const heap_item *a, const heap_item *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void sift_down(heap_item *heap, size_t count, size_t at)
{
    heap_item moved = heap[at];
    for (size_t child; (child = at * 4 + 1) < count; at = child) {
        size_t last = child + 4 < count ? child + 4 : count, best = child;
        for (size_t i = child + 1; i < last; i++) {
            if (before(&heap[i], &heap[best])) best = i;
        }
        if (!before(&heap[best], &moved)) break;
        heap[at] = heap[best];
        child = best;
    }
    heap[at] = moved;
}

static void push(heap_item *heap, size_t *count, heap_item item)
{
    size_t at = (*count)++;
    while (at && before(&item, &heap[(at - 1) / 4])) {
        heap[at] = heap[(at - 1) / 4];
        at = (at - 1) / 4;
    }
    heap[at] = item;
}

static void push_pair(const bpe *m, const symbol *symbols, int32_t left, heap_item *heap, size_t *count)
{
    if (left < 0 || symbols[left].next < 0) return;
    const merge_slot *slot = find_merge(m, symbols[left].id, symbols[symbols[left].next].id);
    if (slot) push(heap, count, (heap_item){slot->rank, left, slot->id});
}

static void merge_at(const bpe *m, symbol *symbols, heap_item top, heap_item *heap, size_t *waiting)
{
    symbol *left = &symbols[top.at];
    if (left->id == GONE || left->next < 0) return;
    symbol *right = &symbols[left->next];
    const merge_slot *now = find_merge(m, left->id, right->id);
    if (!now || now->id != top.id) return; /* an older pair stood here */
    left->id = top.id;
    left->next = right->next;
    right->id = GONE;
    if (right->next >= 0) symbols[right->next].prev = top.at;
    push_pair(m, symbols, left->prev, heap, waiting);
    push_pair(m, symbols, top.at, heap, waiting);
}

/* The same with a heap. A merge takes one item off and adds at most two, so that 2 * count items are room
 * enough: there are at most count - 1 merges after count - 1 first pairs. */
static as_code merge_long(const bpe *m, as_scratch *scratch, int32_t *ids, size_t *count, as_error *err)
{
    size_t n = *count, waiting = 0;
    if (n > INT32_MAX / 4) return as_fail(err, AS_E_LIMIT, "a word of %zu characters is too long", n);
    AS_TRY(as_room_fit(&scratch->symbols, n, sizeof(symbol), err));
    AS_TRY(as_room_fit(&scratch->heap, 2 * n, sizeof(heap_item), err));
    symbol *symbols = scratch->symbols.at;
    heap_item *heap = scratch->heap.at;
    for (size_t i = 0; i < n; i++) {
        symbols[i] = (symbol){ids[i], (int32_t)i - 1, i + 1 < n ? (int32_t)i + 1 : -1};
    }
    for (size_t i = 0; i + 1 < n; i++) {
        const merge_slot *slot = find_merge(m, ids[i], ids[i + 1]);
        if (slot) heap[waiting++] = (heap_item){slot->rank, (int32_t)i, slot->id};
    }
    for (size_t i = waiting / 4 + 1; i-- > 0;) {
        if (i < waiting) sift_down(heap, waiting, i);
    }
    while (waiting) {
        heap_item top = heap[0];
        heap[0] = heap[--waiting];
        if (waiting) sift_down(heap, waiting, 0);
        merge_at(m, symbols, top, heap, &waiting);
    }
    *count = 0;
    for (size_t i = 0; i < n; i++) {
        if (symbols[i].id != GONE) ids[(*count)++] = symbols[i].id;
    }
    return AS_OK;
}

/* Merges out->ids[begin..] in place. */
static as_code merge_word(const bpe *m, as_scratch *scratch, as_tokens *out, size_t begin, as_error *err)
{
    size_t count = out->count - begin;
    if (count < 2) return AS_OK;
    if (count <= SHORT_WORD) {
        out->count = begin + merge_short(m, out->ids + begin, count);
        return AS_OK;
    }
    AS_TRY(merge_long(m, scratch, out->ids + begin, &count, err));
    out->count = begin + count;
    return AS_OK;
}

/* ---- words to first symbols ---- */

typedef struct spelling {
    const bpe *model;
    as_tokens *out;
    bool unk_waits; /* an unknown symbol that is not written yet, so that the next may join it */
} spelling;

static as_code flush_unk(spelling *s, as_error *err)
{
    if (!s->unk_waits) return AS_OK;
    s->unk_waits = false;
    return as_tokens_add(s->out, &s->model->base.unk, 1, err);
}

static as_code spell_unknown(spelling *s, const char *text, size_t size, as_error *err)
{
    const bpe *m = s->model;
    bool all = m->byte_fallback;
    for (size_t i = 0; i < size && all; i++) all = m->fallback[(unsigned char)text[i]] >= 0;
    if (all) { /* an unknown symbol goes on waiting: so does the library */
        for (size_t i = 0; i < size; i++) {
            AS_TRY(as_tokens_add(s->out, &m->fallback[(unsigned char)text[i]], 1, err));
        }
        return AS_OK;
    }
    if (m->unk_name) {
        return as_fail(err, AS_E_INPUT, "the unknown token \"%s\" is needed but not in the vocabulary",
                       m->unk_name);
    }
    if (m->base.unk < 0) return AS_OK;
    if (!m->fuse_unk) AS_TRY(flush_unk(s, err));
    s->unk_waits = true;
    return AS_OK;
}

static as_code spell_character(spelling *s, const char *text, size_t size, bool first, bool last,
                               as_error *err)
{
    const bpe *m = s->model;
    char room[512];
    if ((!first && m->prefix_size) || (last && m->suffix_size)) {
        size_t prefix = first ? 0 : m->prefix_size, suffix = last ? m->suffix_size : 0;
        if (prefix + suffix + 4 > sizeof room)
            return as_fail(err, AS_E_LIMIT, "the subword prefix is too long");
        memcpy(room, m->prefix, prefix);
        memcpy(room + prefix, text, size);
        memcpy(room + prefix + size, m->suffix, suffix);
        text = room;
        size += prefix + suffix;
    }
    int32_t id = character_id(m, text, size);
    if (id < 0) return spell_unknown(s, text, size, err);
    AS_TRY(flush_unk(s, err));
    return as_tokens_add(s->out, &id, 1, err);
}

static as_code spell(const bpe *m, const char *text, size_t size, as_tokens *out, as_error *err)
{
    spelling s = {.model = m, .out = out};
    for (size_t at = 0; at < size;) {
        size_t length = (size_t)as_unicode_length(text + at);
        AS_TRY(spell_character(&s, text + at, length, at == 0, at + length == size, err));
        at += length;
    }
    return flush_unk(&s, err);
}

static as_code spell_bytes(const bpe *m, const char *text, size_t size, as_tokens *out, as_error *err)
{
    for (size_t i = 0; i < size; i++) AS_TRY(as_tokens_add(out, &m->bytes[(unsigned char)text[i]], 1, err));
    return AS_OK;
}

/* ---- encoding ---- */

static as_code encode_word(const bpe *m, as_scratch *scratch, const char *text, size_t size, bool raw,
                           as_tokens *out, as_error *err)
{
    uint64_t hash = 0;
    if (size <= AS_WORD_MAX) {
        hash = as_word_cache_hash(text, size);
        const as_word *word = as_word_cache_find(scratch->cache, hash, text, size);
        if (word) return as_tokens_add(out, word->ids, word->count, err);
    }
    size_t begin = out->count;
    int32_t whole = m->ignore_merges ? as_vocab_find(raw ? &m->raw : &m->base.vocab, text, size) : -1;
    if (whole >= 0) {
        AS_TRY(as_tokens_add(out, &whole, 1, err));
    } else {
        AS_TRY(raw ? spell_bytes(m, text, size, out, err) : spell(m, text, size, out, err));
        AS_TRY(merge_word(m, scratch, out, begin, err));
    }
    if (size <= AS_WORD_MAX) {
        const int32_t *ids = out->count > begin ? out->ids + begin : NULL;
        as_word_cache_put(scratch->cache, hash, text, size, ids, out->count - begin);
    }
    return AS_OK;
}

/* A long piece, cut where no merge reaches across. Both characters at a cut are known, so that unknown ones
 * do not join over it. */
static as_code encode_parts(const bpe *m, as_scratch *scratch, const char *text, size_t size, as_tokens *out,
                            as_error *err)
{
    size_t begin = 0, at = 0;
    int32_t last = -1;
    while (at < size) {
        size_t length = (size_t)as_unicode_length(text + at);
        int32_t id = character_id(m, text + at, length);
        if (last >= 0 && id >= 0 && !as_pair_set_has(m->crossed, last, id)) {
            AS_TRY(encode_word(m, scratch, text + begin, at - begin, false, out, err));
            begin = at;
        }
        last = id;
        at += length;
    }
    return encode_word(m, scratch, text + begin, size - begin, false, out, err);
}

static as_code encode(const as_text_model *model, as_scratch *scratch, const char *text, size_t size,
                      as_tokens *out, as_error *err)
{
    const bpe *m = (const bpe *)model;
    if (size > AS_WORD_MAX && m->crossed) return encode_parts(m, scratch, text, size, out, err);
    return encode_word(m, scratch, text, size, false, out, err);
}

static as_code encode_bytes(const as_text_model *model, as_scratch *scratch, const char *text, size_t size,
                            as_tokens *out, as_error *err)
{
    return encode_word((const bpe *)model, scratch, text, size, true, out, err);
}

const as_text_model_kind as_model_bpe = {"BPE", open_bpe, close_bpe, encode, sizeof(bpe), AS_VOCAB_MAP};
