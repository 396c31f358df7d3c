/* WordPiece: the longest token that begins the word, then the longest that goes on, or one unknown token for
 * the whole word. As in `tokenizers`, models/wordpiece. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engine/text/model.h"
#include "engine/text/trie.h"
#include "engine/text/unicode.h"

typedef struct wordpiece {
    as_text_model base;
    as_trie trie;
    uint32_t inside; /* the node of the prefix, from which tokens inside a word go on; AS_TRIE_NONE: there are
                        none */
    bool plain;      /* no prefix: inside is the root */
    int64_t longest; /* characters; a longer word is unknown */
    char *unk_name;
} wordpiece;

static as_code open_wordpiece(as_text_model *model, const as_model_source *source, as_error *err)
{
    wordpiece *m = (wordpiece *)model;
    const char *unk = "[UNK]", *prefix = "##";
    m->longest = 100;
    AS_TRY(as_json_get_string(source->settings, "unk_token", &unk, err));
    AS_TRY(as_json_get_string(source->settings, "continuing_subword_prefix", &prefix, err));
    AS_TRY(as_json_get_int(source->settings, "max_input_chars_per_word", &m->longest, err));
    if (m->longest < 0) return as_fail(err, AS_E_INPUT, "\"max_input_chars_per_word\" is negative");
    m->unk_name = as_strdup(unk);
    as_trie_key *keys = AS_NEW_ARRAY(as_trie_key, model->vocab.count);
    if (!keys || !m->unk_name) {
        as_free(keys);
        return as_fail_memory(err, "the vocabulary");
    }
    model->unk = as_vocab_find(&model->vocab, unk, strlen(unk));
    size_t count = 0;
    for (size_t i = 0; i < model->vocab.count; i++) {
        const as_vocab_entry *entry = &model->vocab.entries[i];
        if (entry->size)
            keys[count++] = (as_trie_key){model->vocab.bytes + entry->offset, entry->size, entry->id};
    }
    as_code rc = as_trie_build(&m->trie, keys, count, err);
    as_free(keys);
    if (rc != AS_OK) return rc;
    m->plain = !*prefix;
    for (const char *at = prefix; *at; at++) {
        m->inside = as_trie_step(&m->trie, m->inside, (unsigned char)*at);
        if (m->inside == AS_TRIE_NONE) break;
    }
    return AS_OK;
}

static void close_wordpiece(as_text_model *model)
{
    wordpiece *m = (wordpiece *)model;
    as_trie_free(&m->trie);
    as_free(m->unk_name);
}

static as_code unknown(const wordpiece *m, as_tokens *out, as_error *err)
{
    if (m->base.unk >= 0) return as_tokens_add(out, &m->base.unk, 1, err);
    return as_fail(err, AS_E_INPUT, "the unknown token \"%s\" is needed but not in the vocabulary",
                   m->unk_name);
}

/* The longest token at text from the given node on; returns its length, 0 for none. */
static size_t longest_token(const as_trie *trie, uint32_t node, const char *text, size_t size, int32_t *id)
{
    size_t found = 0;
    for (size_t i = 0; i < size; i++) {
        node = as_trie_step(trie, node, (unsigned char)text[i]);
        if (node == AS_TRIE_NONE) break;
        if (trie->nodes[node].value >= 0) {
            *id = trie->nodes[node].value;
            found = i + 1;
        }
    }
    return found;
}

static as_code encode(const as_text_model *model, as_scratch *scratch, const char *text, size_t size,
                      as_tokens *out, as_error *err)
{
    const wordpiece *m = (const wordpiece *)model;
    (void)scratch;
    if ((int64_t)size > m->longest && (int64_t)as_utf8_length(text, size) > m->longest)
        return unknown(m, out, err);
    size_t begin = out->count;
    for (size_t at = 0; at < size;) {
        int32_t id = -1;
        size_t length = 0;
        if (at == 0 || m->plain) {
            length = longest_token(&m->trie, 0, text + at, size - at, &id);
        } else if (m->inside != AS_TRIE_NONE) {
            length = longest_token(&m->trie, m->inside, text + at, size - at, &id);
        }
        if (!length) {
            out->count = begin;
            return unknown(m, out, err);
        }
        AS_TRY(as_tokens_add(out, &id, 1, err));
        at += length;
    }
    return AS_OK;
}

const as_text_model_kind as_model_wordpiece = {"WordPiece", open_wordpiece,    close_wordpiece,
                                               encode,      sizeof(wordpiece), AS_VOCAB_MAP};
