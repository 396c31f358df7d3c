/* Merges of SentencePiece BPE vocabularies; see load.h. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/text/load.h"
#include "engine/text/unicode.h"
#include "engine/text/vocab.h"

static const uint64_t WORK_MAX = (uint64_t)1 << 33; /* bytes looked at to find the merges */

typedef struct cut {
    double score; /* 0 where the order does not ask for it */
    int32_t id;
    uint32_t left_characters;
    as_vocab_merge merge;
} cut;

typedef struct cut_list {
    cut *cuts;
    size_t count, room;
    uint64_t work;
} cut_list;

static int by_rank(const void *a, const void *b)
{
    const cut *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    return (x->left_characters > y->left_characters) - (x->left_characters < y->left_characters);
}

static as_code push(cut_list *list, cut item, as_error *err)
{
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 4096;
        cut *more = as_realloc(list->cuts, room * sizeof *more);
        if (!more) return as_fail_memory(err, "the merges");
        list->cuts = more;
        list->room = room;
    }
    list->cuts[list->count++] = item;
    return AS_OK;
}

static as_code add_cuts(cut_list *list, const as_vocab *vocab, const as_vocab_token *token,
                        as_spm_order order, as_error *err)
{
    uint32_t characters = 0;
    if (as_vocab_find(vocab, token->text, token->size) != token->id) {
        return AS_OK; /* a repeated token: the last counts */
    }
    double score = order == AS_SPM_BY_SCORE && token->score == token->score ? token->score : 0;
    for (size_t at = 0; at < token->size;) {
        at += (size_t)as_unicode_length(token->text + at);
        characters++;
        if (at >= token->size) break;
        list->work += token->size;
        if (list->work > WORK_MAX) return as_fail(err, AS_E_LIMIT, "the tokens are too long");
        const char *rest = token->text + at;
        if (as_vocab_find(vocab, token->text, at) < 0 || as_vocab_find(vocab, rest, token->size - at) < 0)
            continue;
        AS_TRY(
            push(list, (cut){score, token->id, characters, {token->text, rest, at, token->size - at}}, err));
    }
    return AS_OK;
}

static as_code make_vocab(const as_vocab_reader *reader, as_vocab *vocab, as_error *err)
{
    for (size_t i = 0; i < reader->token_count; i++) {
        const as_vocab_token *token = &reader->tokens[i];
        AS_TRY(as_vocab_add(vocab, token->text, token->size, token->id, err));
    }
    return as_vocab_finish(vocab, AS_VOCAB_LIST, err);
}

as_code as_spm_make_merges(as_vocab_reader *reader, as_spm_order order, as_error *err)
{
    as_vocab vocab = {0};
    cut_list list = {0};
    as_code rc = make_vocab(reader, &vocab, err);
    for (size_t i = 0; i < reader->token_count && rc == AS_OK; i++) {
        rc = add_cuts(&list, &vocab, &reader->tokens[i], order, err);
    }
    if (rc == AS_OK && list.count) qsort(list.cuts, list.count, sizeof *list.cuts, by_rank);
    reader->merges = as_alloc(sizeof *reader->merges);
    reader->merge_room = 1;
    if (rc == AS_OK && !reader->merges) rc = as_fail_memory(err, "the merges");
    for (size_t i = 0; i < list.count && rc == AS_OK; i++) {
        rc = as_vocab_reader_merge(reader, list.cuts[i].merge, err);
    }
    as_free(list.cuts);
    as_vocab_free(&vocab);
    return rc;
}
