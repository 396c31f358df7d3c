/* World: RWKV's vocabulary of byte strings, the longest token that fits at each place.
 *
 * As in ChatRWKV, tokenizer/rwkv_tokenizer.py. The vocabulary spells its bytes in the byte-level alphabet, so
 * that every token is text; pieces come in either form. */
#include <string.h>

#include "base/mem.h"
#include "engine/text/byte_level.h"
#include "engine/text/model.h"
#include "engine/text/trie.h"

typedef struct world {
    as_text_model base;
    as_trie trie; /* over bytes; values are ids */
} world;

/* The keys' bytes lie in one buffer, which must not move while they are collected. */
static as_code collect(const as_tokenizer_spec *spec, as_buf *bytes, as_trie_key *keys, size_t *count,
                       as_error *err)
{
    for (size_t i = 0; i < spec->token_count; i++) {
        const as_vocab_token *token = &spec->tokens[i];
        size_t start = bytes->size;
        if (!as_byte_level_read(token->text, token->size, bytes)) {
            return as_fail(err, AS_E_INPUT, "token %d is not in the byte-level alphabet", (int)token->id);
        }
        AS_TRY(as_buf_check(bytes, "the vocabulary", err));
        if (bytes->size == start) continue; /* an empty token never fits */
        keys[(*count)++] = (as_trie_key){.size = bytes->size - start, .value = token->id};
    }
    size_t at = 0;
    for (size_t i = 0; i < *count; i++) {
        keys[i].text = bytes->data + at;
        at += keys[i].size;
    }
    return AS_OK;
}

static as_code encode_bytes(const as_text_model *model, as_scratch *scratch, const char *text, size_t size,
                            as_tokens *out, as_error *err)
{
    (void)scratch;
    const world *m = (const world *)model;
    for (size_t start = 0; start < size;) {
        int32_t id = -1;
        size_t next = start;
        uint32_t node = 0;
        for (size_t end = start; end < size;) {
            node = as_trie_step(&m->trie, node, (unsigned char)text[end]);
            if (node == AS_TRIE_NONE) break;
            end++;
            if (m->trie.nodes[node].value < 0) continue;
            id = m->trie.nodes[node].value;
            next = end;
        }
        if (id < 0) {
            return as_fail(err, AS_E_INPUT, "no token begins with byte 0x%02x of the text",
                           (unsigned char)text[start]);
        }
        AS_TRY(as_tokens_add(out, &id, 1, err));
        start = next;
    }
    return AS_OK;
}

/* A piece that a pre-tokenizer has already spelled in letters. */
static as_code encode(const as_text_model *model, as_scratch *scratch, const char *text, size_t size,
                      as_tokens *out, as_error *err)
{
    as_buf bytes;
    as_buf_init(&bytes, 0);
    as_code rc = AS_OK;
    if (!as_byte_level_read(text, size, &bytes)) {
        rc = as_fail(err, AS_E_INPUT, "the text did not pass the byte-level pre-tokenizer");
    }
    if (rc == AS_OK) rc = as_buf_check(&bytes, "the text", err);
    if (rc == AS_OK) rc = encode_bytes(model, scratch, as_buf_text(&bytes), bytes.size, out, err);
    as_buf_free(&bytes);
    return rc;
}

static as_code open_world(as_text_model *model, const as_model_source *source, as_error *err)
{
    world *m = (world *)model;
    const as_tokenizer_spec *spec = source->spec;
    as_trie_key *keys = AS_NEW_ARRAY(as_trie_key, spec->token_count);
    if (!keys) return as_fail_memory(err, "the vocabulary");
    as_buf bytes;
    as_buf_init(&bytes, 0);
    size_t count = 0;
    as_code rc = collect(spec, &bytes, keys, &count, err);
    if (rc == AS_OK) rc = as_trie_build(&m->trie, keys, count, err);
    as_buf_free(&bytes);
    as_free(keys);
    model->unk = -1;
    model->encode_bytes = encode_bytes;
    return rc;
}

static void close_world(as_text_model *model)
{
    as_trie_free(&((world *)model)->trie);
}

const as_text_model_kind as_model_world = {"World", open_world,    close_world,
                                           encode,  sizeof(world), AS_VOCAB_MAP};
