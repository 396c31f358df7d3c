/* Added tokens; see added.h. As in `tokenizers`, tokenizer/added_vocabulary. */
#include "engine/text/added.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/text/part.h"
#include "engine/text/unicode.h"

enum { CONTENT_MAX = 1 << 14 };

/* ---- reading ---- */

static as_code read_flags(const json_t *item, unsigned *flags, as_error *err)
{
    static const struct {
        const char *name;
        unsigned flag;
    } names[] = {{"single_word", AS_ADDED_SINGLE_WORD},
                 {"lstrip", AS_ADDED_LSTRIP},
                 {"rstrip", AS_ADDED_RSTRIP},
                 {"normalized", AS_ADDED_NORMALIZED},
                 {"special", AS_ADDED_SPECIAL}};
    *flags = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        bool set;
        AS_TRY(as_part_bool(item, names[i].name, &set, err));
        if (set) *flags |= names[i].flag;
    }
    return AS_OK;
}

static as_code read_token(const json_t *item, as_added_token *token, as_error *err)
{
    int64_t id; /* must be there, but a token's id is the vocabulary's or the next free one */
    AS_TRY(as_part_text(item, "content", &token->content, &token->size, err));
    AS_TRY(as_part_count(item, "id", &id, err));
    if (token->size > CONTENT_MAX) {
        return as_fail(err, AS_E_LIMIT, "an added token of %zu bytes, at most %d are taken", token->size,
                       (int)CONTENT_MAX);
    }
    return read_flags(item, &token->flags, err);
}

static as_code read_list(as_added *added, const json_t *list, as_error *err)
{
    size_t count = json_array_size(list);
    added->tokens = AS_NEW_ARRAY(as_added_token, count);
    added->name_ids = AS_NEW_ARRAY(int32_t, count);
    added->name_special = AS_NEW_ARRAY(bool, count);
    if (!added->tokens || !added->name_ids || !added->name_special)
        return as_fail_memory(err, "the added tokens");
    for (size_t i = 0; i < count; i++) {
        as_added_token *token = &added->tokens[added->count];
        as_code rc = read_token(json_array_get(list, i), token, err);
        added->count++; /* so that closing frees what was read */
        if (rc != AS_OK) return as_wrap(err, "entry %zu", i);
        if (token->size == 0) { /* ignored */
            as_free(token->content);
            *token = (as_added_token){0};
            added->count--;
        }
    }
    return AS_OK;
}

/* ---- ids ---- */

static as_code name_tokens(as_added *added, as_error *err)
{
    for (size_t i = 0; i < added->count; i++) {
        const as_added_token *token = &added->tokens[i];
        AS_TRY(as_vocab_add(&added->names, token->content, token->size, (int32_t)i, err));
        added->name_ids[i] = -1;
    }
    return as_vocab_finish(&added->names, AS_VOCAB_LIST, err);
}

static as_code give_ids(as_added *added, const as_text_model *model, as_error *err)
{
    AS_TRY(name_tokens(added, err));
    size_t next = model->vocab_size;
    for (size_t i = 0; i < added->count; i++) {
        as_added_token *token = &added->tokens[i];
        int32_t name = as_vocab_find(&added->names, token->content, token->size);
        int32_t *id = &added->name_ids[name];
        if (*id < 0) *id = as_vocab_find(&model->vocab, token->content, token->size);
        if (*id < 0) {
            if (next > INT32_MAX) return as_fail(err, AS_E_LIMIT, "too many tokens");
            *id = (int32_t)next++;
        }
        if (token->flags & AS_ADDED_SPECIAL) added->name_special[name] = true;
        token->id = *id;
    }
    return AS_OK;
}

static as_code normalize_content(as_added_token *token, const as_normalizer *normalizer, as_scratch *scratch,
                                 as_error *err)
{
    if (!(token->flags & AS_ADDED_NORMALIZED)) return AS_OK;
    as_stretch text = {token->content, token->size, 0};
    AS_TRY(as_normalizer_run(normalizer, scratch, &text, err));
    if (text.size == token->size && memcmp(text.text, token->content, text.size) == 0) return AS_OK;
    token->normal = as_strndup(text.text, text.size);
    token->normal_size = text.size;
    return token->normal ? AS_OK : as_fail_memory(err, "the added tokens");
}

static int by_id(const void *a,
                 const void *b) /* stable for equal ids: contents lie in the order of the file */
{
    const as_added_token *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static void merge_sort(as_added_token *tokens, size_t count, as_added_token *room)
{
    if (count < 2) return;
    size_t half = count / 2, i = 0, j = half, k = 0;
    merge_sort(tokens, half, room);
    merge_sort(tokens + half, count - half, room);
    memcpy(room, tokens, count * sizeof *tokens);
    while (k < count) {
        bool left = j == count || (i < half && by_id(&room[i], &room[j]) <= 0);
        tokens[k++] = left ? room[i++] : room[j++];
    }
}

/* Of the entries with one id the last stands; a normalized form stays from an earlier one, as in the library.
 */
static as_code keep_last(as_added *added, as_error *err)
{
    as_added_token *room = AS_NEW_ARRAY(as_added_token, added->count);
    if (!room) return as_fail_memory(err, "the added tokens");
    merge_sort(added->tokens, added->count, room);
    as_free(room);
    size_t kept = 0;
    for (size_t i = 0; i < added->count; i++) {
        as_added_token *last = kept ? &added->tokens[kept - 1] : NULL, now = added->tokens[i];
        if (!last || last->id != now.id) {
            added->tokens[kept++] = now;
            continue;
        }
        as_free(last->content);
        if (now.normal) {
            as_free(last->normal);
        } else {
            now.normal = last->normal;
            now.normal_size = last->normal_size;
        }
        *last = now;
    }
    added->count = kept;
    return AS_OK;
}

/* ---- patterns ---- */

static as_code build_set(as_added *added, as_added_set set, as_error *err)
{
    as_trie_key *keys = AS_NEW_ARRAY(as_trie_key, added->count);
    if (!keys) return as_fail_memory(err, "the added tokens");
    size_t count = 0;
    for (size_t i = 0; i < added->count; i++) {
        const as_added_token *token = &added->tokens[i];
        bool normal = token->flags & AS_ADDED_NORMALIZED;
        if (normal != (set == AS_ADDED_NORMAL)) continue;
        bool other = normal && token->normal;
        if (other && token->normal_size == 0) continue; /* nothing that could be found */
        keys[count++] = (as_trie_key){other ? token->normal : token->content,
                                      other ? token->normal_size : token->size, (int32_t)i};
    }
    added->empty[set] = count == 0;
    added->only[set] = count ? (unsigned char)keys[0].text[0] : -1;
    for (size_t i = 0; i < count; i++) {
        if ((unsigned char)keys[i].text[0] != added->only[set]) added->only[set] = -1;
    }
    /* Of two tokens with one normalized form the library finds one or the other by chance; here it is the one
     * with the higher id. */
    as_code rc = as_trie_build(&added->sets[set], keys, count, err);
    as_free(keys);
    return rc;
}

static as_code open_added(as_added *added, const json_t *list, const as_text_model *model,
                          const as_normalizer *normalizer, as_scratch *scratch, as_error *err)
{
    if (list && !json_is_null(list) && !json_is_array(list)) return as_fail(err, AS_E_INPUT, "not a list");
    AS_TRY(read_list(added, list, err));
    AS_TRY(give_ids(added, model, err));
    for (size_t i = 0; i < added->count; i++) {
        AS_TRY(normalize_content(&added->tokens[i], normalizer, scratch, err));
    }
    AS_TRY(keep_last(added, err));
    AS_TRY(build_set(added, AS_ADDED_RAW, err));
    return build_set(added, AS_ADDED_NORMAL, err);
}

as_code as_added_open(const json_t *list, const as_text_model *model, const as_normalizer *normalizer,
                      as_scratch *scratch, as_added *out, as_error *err)
{
    as_added added = {0};
    as_code rc = open_added(&added, list, model, normalizer, scratch, err);
    if (rc != AS_OK) {
        as_added_close(&added);
        return as_wrap(err, "added_tokens");
    }
    *out = added;
    return AS_OK;
}

void as_added_close(as_added *added)
{
    for (size_t i = 0; i < added->count; i++) {
        as_free(added->tokens[i].content);
        as_free(added->tokens[i].normal);
    }
    as_free(added->tokens);
    as_vocab_free(&added->names);
    as_free(added->name_ids);
    as_free(added->name_special);
    for (int i = 0; i < AS_ADDED_SETS; i++) as_trie_free(&added->sets[i]);
    *added = (as_added){0};
}

/* ---- splitting ---- */

static const as_added_token *longest_at(const as_added *added, as_added_set set, const char *text,
                                        size_t size, size_t *length)
{
    const as_trie *trie = &added->sets[set];
    const as_added_token *found = NULL;
    uint32_t node = 0;
    for (size_t i = 0; i < size; i++) {
        node = as_trie_step(trie, node, (unsigned char)text[i]);
        if (node == AS_TRIE_NONE) break;
        if (trie->nodes[node].value >= 0) {
            found = &added->tokens[trie->nodes[node].value];
            *length = i + 1;
        }
    }
    return found;
}

/* The leftmost, there longest token from `at` on. */
static const as_added_token *find_token(const as_added *added, as_added_set set, const char *text,
                                        size_t size, size_t at, size_t *start, size_t *length)
{
    for (; at < size; at++) {
        if (added->only[set] >= 0) {
            const char *hit = memchr(text + at, added->only[set], size - at);
            if (!hit) return NULL;
            at = (size_t)(hit - text);
        } else {
            while (at < size && !added->sets[set].roots[(unsigned char)text[at]]) at++;
            if (at == size) return NULL;
        }
        const as_added_token *token = longest_at(added, set, text + at, size - at, length);
        if (token) {
            *start = at;
            return token;
        }
    }
    return NULL;
}

static bool is_single_word(const char *text, size_t size, size_t start, size_t end)
{
    int length;
    if (start && as_unicode_is(as_unicode_before(text, start, &length), AS_U_WORD)) return false;
    return end == size || !as_unicode_is(as_unicode_read(text + end, &length), AS_U_WORD);
}

static size_t spaces_before(const char *text, size_t start)
{
    int length;
    while (start && as_unicode_is(as_unicode_before(text, start, &length), AS_U_SPACE))
        start -= (size_t)length;
    return start;
}

static size_t spaces_after(const char *text, size_t size, size_t end)
{
    int length;
    while (end < size && as_unicode_is(as_unicode_read(text + end, &length), AS_U_SPACE))
        end += (size_t)length;
    return end;
}

as_code as_added_split(const as_added *added, as_added_set set, const char *text, size_t size,
                       as_added_sink *sink, void *context, as_error *err)
{
    if (added->empty[set]) return size ? sink(context, NULL, 0, size, err) : AS_OK;
    size_t done = 0, at = 0, start, length = 0;
    for (;;) {
        const as_added_token *token = find_token(added, set, text, size, at, &start, &length);
        if (!token) break;
        size_t end = start + length;
        at = end; /* the search goes on here even where the token takes further spaces: so does the library's
                   */
        if (token->flags & AS_ADDED_SINGLE_WORD && !is_single_word(text, size, start, end)) continue;
        if (token->flags & AS_ADDED_LSTRIP) {
            start = spaces_before(text, start);
            if (start < done) start = done;
        }
        if (token->flags & AS_ADDED_RSTRIP) end = spaces_after(text, size, end);
        if (done < start) AS_TRY(sink(context, NULL, done, start, err));
        if (start < end)
            AS_TRY(sink(context, token, start, end, err)); /* else the token before it took it all */
        done = end;
    }
    return done < size ? sink(context, NULL, done, size, err) : AS_OK;
}

/* ---- look-ups ---- */

const as_added_token *as_added_by_id(const as_added *added, int32_t id)
{
    size_t low = 0, high = added->count;
    if (!high || id < added->tokens[0].id || id > added->tokens[high - 1].id) return NULL;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (added->tokens[middle].id == id) return &added->tokens[middle];
        if (added->tokens[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

int32_t as_added_find(const as_added *added, const char *text, size_t size)
{
    int32_t name = as_vocab_find(&added->names, text, size);
    return name < 0 ? -1 : added->name_ids[name];
}

bool as_added_is_special(const as_added *added, const char *text, size_t size)
{
    int32_t name = as_vocab_find(&added->names, text, size);
    return name >= 0 && added->name_special[name];
}
