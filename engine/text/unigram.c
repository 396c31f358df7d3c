/* Unigram: the most probable way to cut a sentence into tokens, by Viterbi.
 *
 * As in `tokenizers`, models/unigram, encode_optimized: scores are added in the same order in float64, and of
 * two equal sums the one found first stands, so that ties fall the same way. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "engine/text/model.h"
#include "engine/text/trie.h"
#include "engine/text/unicode.h"

static const double UNKNOWN_PENALTY = 10.0;

typedef struct unigram {
    as_text_model base;
    as_trie trie;
    double *scores; /* by id */
    double unknown_score;
    bool byte_fallback;
    int32_t fallback[256];
} unigram;

typedef struct path { /* the best way to reach a position of the sentence */
    double score;
    int32_t id;
    int32_t start; /* where its last token begins; -1: not reached */
} path;

static as_code read_settings(unigram *m, const as_model_source *source, as_error *err)
{
    int64_t unk = -1, size = (int64_t)source->spec->token_count;
    AS_TRY(as_json_get_int(source->settings, "unk_id", &unk, err));
    AS_TRY(as_json_get_bool(source->settings, "byte_fallback", &m->byte_fallback, err));
    if (as_json_has(source->settings, "unk_id") && (unk < 0 || unk >= size)) {
        return as_fail(err, AS_E_INPUT, "\"unk_id\" is %lld, which is not in the vocabulary of %lld tokens",
                       (long long)unk, (long long)size);
    }
    m->base.unk = (int32_t)unk;
    return AS_OK;
}

static as_code build_trie(unigram *m, const as_tokenizer_spec *spec, as_error *err)
{
    as_trie_key *keys = AS_NEW_ARRAY(as_trie_key, spec->token_count);
    if (!keys) return as_fail_memory(err, "the vocabulary");
    size_t count = 0;
    for (size_t i = 0; i < spec->token_count; i++) {
        const as_vocab_token *token = &spec->tokens[i];
        if (token->size) keys[count++] = (as_trie_key){token->text, token->size, token->id};
    }
    as_code rc = as_trie_build(&m->trie, keys, count, err);
    as_free(keys);
    return rc;
}

static as_code open_unigram(as_text_model *model, const as_model_source *source, as_error *err)
{
    unigram *m = (unigram *)model;
    const as_tokenizer_spec *spec = source->spec;
    AS_TRY(read_settings(m, source, err));
    m->scores = AS_NEW_ARRAY(double, spec->token_count);
    if (!m->scores) return as_fail_memory(err, "the vocabulary");
    double least = INFINITY;
    for (size_t i = 0; i < spec->token_count; i++) {
        if (spec->tokens[i].id != (int32_t)i) {
            return as_fail(err, AS_E_INPUT, "vocabulary: entry %zu has the id %d, expected its place", i,
                           (int)spec->tokens[i].id);
        }
        m->scores[i] = spec->tokens[i].score;
        if (m->scores[i] < least) least = m->scores[i];
    }
    m->unknown_score = least - UNKNOWN_PENALTY;
    as_model_byte_ids(&model->vocab, m->fallback);
    return build_trie(m, spec, err);
}

static void close_unigram(as_text_model *model)
{
    unigram *m = (unigram *)model;
    as_trie_free(&m->trie);
    as_free(m->scores);
}

static inline void offer(path *target, double score, int32_t id, size_t start)
{
    if (target->start >= 0 && !(score > target->score)) return;
    *target = (path){score, id, (int32_t)start};
}

static as_code find_paths(const unigram *m, const char *text, size_t size, path *paths, as_error *err)
{
    for (size_t i = 0; i <= size; i++) paths[i] = (path){0, 0, -1};
    for (size_t start = 0; start < size;) {
        size_t length = (size_t)as_unicode_length(text + start);
        double here = paths[start].score;
        bool single = false;
        uint32_t node = 0;
        for (size_t end = start; end < size;) {
            node = as_trie_step(&m->trie, node, (unsigned char)text[end]);
            if (node == AS_TRIE_NONE) break;
            end++;
            int32_t id = m->trie.nodes[node].value;
            if (id < 0) continue;
            offer(&paths[end], m->scores[id] + here, id, start);
            if (end - start == length) single = true;
        }
        if (!single) {
            path *target = &paths[start + length];
            double score = m->unknown_score + here;
            if (target->start < 0 || score > target->score) {
                if (m->base.unk < 0) {
                    return as_fail(err, AS_E_INPUT,
                                   "the text has an unknown character and the model no \"unk_id\"");
                }
                offer(target, score, m->base.unk, start);
            }
        }
        start += length;
    }
    return AS_OK;
}

/* The id of a stretch of text: unknown neighbours count as one stretch, which may itself be a token. */
static as_code add_stretch(const unigram *m, const char *text, size_t size, as_tokens *out, as_error *err)
{
    int32_t id = as_vocab_find(&m->base.vocab, text, size);
    if (id >= 0) return as_tokens_add(out, &id, 1, err);
    bool all = m->byte_fallback;
    for (size_t i = 0; i < size && all; i++) all = m->fallback[(unsigned char)text[i]] >= 0;
    if (all) {
        for (size_t i = 0; i < size; i++) {
            AS_TRY(as_tokens_add(out, &m->fallback[(unsigned char)text[i]], 1, err));
        }
        return AS_OK;
    }
    if (m->base.unk < 0) {
        return as_fail(err, AS_E_INPUT, "the text has an unknown character and the model no \"unk_id\"");
    }
    return as_tokens_add(out, &m->base.unk, 1, err);
}

static as_code encode(const as_text_model *model, as_scratch *scratch, const char *text, size_t size,
                      as_tokens *out, as_error *err)
{
    const unigram *m = (const unigram *)model;
    if (size >= INT32_MAX) return as_fail(err, AS_E_LIMIT, "a sentence of %zu bytes is too long", size);
    AS_TRY(as_room_fit(&scratch->lattice, size + 1, sizeof(path), err));
    path *paths = scratch->lattice.at;
    AS_TRY(find_paths(m, text, size, paths, err));
    /* Turn the links round: paths[start].start becomes the end of the token that begins there. */
    int32_t end = (int32_t)size;
    int32_t next_end = -1, next_id = -1;
    for (int32_t at = end; at > 0;) {
        int32_t start = paths[at].start, id = paths[at].id;
        paths[at].start = next_end;
        paths[at].id = next_id;
        next_end = at;
        next_id = id;
        at = start;
    }
    paths[0].start = next_end;
    paths[0].id = next_id;
    for (int32_t at = 0; at < end;) {
        int32_t begin = at, id = paths[at].id;
        at = paths[at].start;
        if (id != m->base.unk) {
            AS_TRY(as_tokens_add(out, &id, 1, err));
            continue;
        }
        while (at < end && paths[at].id == m->base.unk) at = paths[at].start;
        AS_TRY(add_stretch(m, text + begin, (size_t)(at - begin), out, err));
    }
    return AS_OK;
}

const as_text_model_kind as_model_unigram = {"Unigram", open_unigram,    close_unigram,
                                             encode,    sizeof(unigram), AS_VOCAB_LIST};
