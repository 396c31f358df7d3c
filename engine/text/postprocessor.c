/* Post-processors; see postprocessor.h. As in `tokenizers`, processors/.
 *
 * The library hands a list of encodings from one processor to the next and joins them at the end; a template
 * leaves one for each of its pieces, and the next processor then takes the second for the second text of a
 * pair. That is kept here: the same ids come out. */
#include "engine/text/postprocessor.h"

#include <string.h>

#include "base/mem.h"
#include "engine/text/part.h"

enum { SEQUENCE_A = -1, SEQUENCE_B = -2, PROCESSORS_MAX = 256, PIECES_MAX = 4096 };

typedef struct template
{
    int32_t *pieces; /* SEQUENCE_A, SEQUENCE_B, or an index into specials */
    size_t count;
}
template;

typedef struct processor {
    enum { TEMPLATE, BERT, ROBERTA } kind;
    template single, pair;
    as_tokens *specials;
    size_t special_count;
    int32_t cls, sep;
} processor;

struct as_postprocessor {
    processor items[PROCESSORS_MAX];
    size_t count;
};

/* ---- reading ---- */

static as_code read_id(const json_t *value, const char *what, int32_t *id, as_error *err)
{
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < 0 || n > INT32_MAX) {
        char room[64];
        return as_fail(err, AS_E_INPUT, "%s: the id is %s, expected a token id", what,
                       as_json_describe(value, room));
    }
    *id = (int32_t)n;
    return AS_OK;
}

static as_code read_pair(const json_t *owner, const char *key, int32_t *id, as_error *err)
{
    const json_t *value = json_object_get(owner, key);
    if (json_array_size(value) != 2 || !json_is_string(json_array_get(value, 0))) {
        return as_fail(err, AS_E_INPUT, "\"%s\" is not [token, id]", key);
    }
    return read_id(json_array_get(value, 1), key, id, err);
}

static as_code read_specials(processor *p, const json_t *map, as_error *err)
{
    if (!json_is_object(map)) return as_fail(err, AS_E_INPUT, "\"special_tokens\" is not an object");
    p->specials = AS_NEW_ARRAY(as_tokens, json_object_size(map));
    if (!p->specials) return as_fail_memory(err, "the template");
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)map, key, value)
    {
        const json_t *ids = json_object_get(value, "ids");
        if (!json_is_array(ids))
            return as_fail(err, AS_E_INPUT, "special token \"%.60s\" has no list of ids", key);
        as_tokens *special = &p->specials[p->special_count++];
        for (size_t i = 0; i < json_array_size(ids); i++) {
            int32_t id;
            AS_TRY(read_id(json_array_get(ids, i), key, &id, err));
            AS_TRY(as_tokens_add(special, &id, 1, err));
        }
    }
    return AS_OK;
}

static as_code read_piece(const json_t *piece, const json_t *map, int32_t *out, as_error *err)
{
    const json_t *sequence = json_object_get(piece, "Sequence"),
                 *special = json_object_get(piece, "SpecialToken");
    const char *id = json_string_value(json_object_get(sequence ? sequence : special, "id"));
    if (!id) return as_fail(err, AS_E_INPUT, "a piece that is neither Sequence nor SpecialToken");
    if (sequence) {
        if (strcmp(id, "A") != 0 && strcmp(id, "B") != 0) {
            return as_fail(err, AS_E_INPUT, "a sequence \"%.20s\", expected A or B", id);
        }
        *out = *id == 'A' ? SEQUENCE_A : SEQUENCE_B;
        return AS_OK;
    }
    const char *key;
    json_t *value;
    *out = 0;
    json_object_foreach((json_t *)map, key, value)
    {
        if (strcmp(key, id) == 0) return AS_OK;
        ++*out;
    }
    return as_fail(err, AS_E_INPUT, "the special token \"%.60s\" is not among \"special_tokens\"", id);
}

static as_code read_template(template *t, const json_t *owner, const char *key, const json_t *map,
                             as_error *err)
{
    const json_t *list = json_object_get(owner, key);
    if (!json_is_array(list)) return as_fail(err, AS_E_INPUT, "\"%s\" is not a list", key);
    if (json_array_size(list) > PIECES_MAX) return as_fail(err, AS_E_LIMIT, "\"%s\" is too long", key);
    t->pieces = AS_NEW_ARRAY(int32_t, json_array_size(list));
    if (!t->pieces) return as_fail_memory(err, "the template");
    for (; t->count < json_array_size(list); t->count++) {
        as_code rc = read_piece(json_array_get(list, t->count), map, &t->pieces[t->count], err);
        if (rc != AS_OK) return as_wrap(err, "\"%s\"", key);
    }
    return AS_OK;
}

/* The library tells them apart by their fields, not by their types. */
static as_code read_processor(as_postprocessor *pp, const json_t *value, const char *type, as_error *err)
{
    if (pp->count == PROCESSORS_MAX) {
        return as_fail(err, AS_E_LIMIT, "more than %d post-processors", (int)PROCESSORS_MAX);
    }
    processor *p = &pp->items[pp->count];
    if (as_part_has_fields(value, "sep cls")) {
        pp->count++;
        p->kind = as_part_has_fields(value, "trim_offsets add_prefix_space") ? ROBERTA : BERT;
        AS_TRY(read_pair(value, "sep", &p->sep, err));
        return read_pair(value, "cls", &p->cls, err);
    }
    if (type && strcmp(type, "ByteLevel") == 0) return AS_OK; /* only trims offsets */
    if (as_part_has_fields(value, "single pair special_tokens")) {
        pp->count++;
        p->kind = TEMPLATE;
        const json_t *map = json_object_get(value, "special_tokens");
        AS_TRY(read_specials(p, map, err));
        AS_TRY(read_template(&p->single, value, "single", map, err));
        return read_template(&p->pair, value, "pair", map, err);
    }
    return as_part_unknown("post-processor", type, err);
}

static as_code add_processor(void *context, const json_t *value, const char *type, as_error *err)
{
    as_code rc = read_processor(context, value, type, err);
    return rc == AS_OK || !type ? rc : as_wrap(err, "%s", type);
}

as_code as_postprocessor_open(const json_t *value, as_postprocessor **out, as_error *err)
{
    as_postprocessor *pp = AS_NEW(as_postprocessor);
    if (!pp) return as_fail_memory(err, "the post-processors");
    as_code rc = as_part_each(value, "processors", add_processor, pp, err);
    if (rc != AS_OK) {
        as_postprocessor_close(pp);
        return rc;
    }
    *out = pp;
    return AS_OK;
}

void as_postprocessor_close(as_postprocessor *postprocessor)
{
    if (!postprocessor) return;
    for (size_t i = 0; i < postprocessor->count; i++) {
        processor *p = &postprocessor->items[i];
        for (size_t j = 0; j < p->special_count; j++) as_tokens_free(&p->specials[j]);
        as_free(p->specials);
        as_free(p->single.pieces);
        as_free(p->pair.pieces);
    }
    as_free(postprocessor);
}

/* ---- running ---- */

typedef struct parts { /* a list of encodings */
    as_tokens *items;
    size_t count;
} parts;

static void free_parts(parts *p)
{
    for (size_t i = 0; i < p->count; i++) as_tokens_free(&p->items[i]);
    as_free(p->items);
    *p = (parts){0};
}

static as_code make_parts(parts *p, size_t count, as_error *err)
{
    *p = (parts){.items = AS_NEW_ARRAY(as_tokens, count)};
    if (!p->items) return as_fail_memory(err, "the special tokens");
    p->count = count;
    return AS_OK;
}

static as_code apply_template(const processor *p, bool add_special, const parts *in, parts *out,
                              as_error *err)
{
    if (in->count != 1 && in->count != 2) {
        return as_fail(err, AS_E_UNSUPPORTED,
                       "post-processor: a template on the %zu pieces that another one left", in->count);
    }
    const template *t = in->count == 1 ? &p->single : &p->pair;
    AS_TRY(make_parts(out, t->count, err));
    out->count = 0;
    for (size_t i = 0; i < t->count; i++) {
        const as_tokens *source;
        if (t->pieces[i] >= 0) {
            if (!add_special) continue;
            source = &p->specials[t->pieces[i]];
        } else {
            size_t which = t->pieces[i] == SEQUENCE_A ? 0 : 1;
            if (which >= in->count) {
                return as_fail(err, AS_E_INPUT, "post-processor: \"single\" asks for a second text");
            }
            source = &in->items[which];
        }
        AS_TRY(as_tokens_add(&out->items[out->count++], source->ids, source->count, err));
    }
    return AS_OK;
}

static as_code apply_bert(const processor *p, bool add_special, const parts *in, parts *out, as_error *err)
{
    AS_TRY(make_parts(out, in->count, err));
    for (size_t i = 0; i < in->count; i++) {
        as_tokens *to = &out->items[i];
        if (add_special && i == 0) AS_TRY(as_tokens_add(to, &p->cls, 1, err));
        if (add_special && i > 0 && p->kind == ROBERTA) AS_TRY(as_tokens_add(to, &p->sep, 1, err));
        AS_TRY(as_tokens_add(to, in->items[i].ids, in->items[i].count, err));
        if (add_special) AS_TRY(as_tokens_add(to, &p->sep, 1, err));
    }
    return AS_OK;
}

static as_code apply_all(const as_postprocessor *pp, bool add_special, parts *now, as_error *err)
{
    for (size_t i = 0; i < pp->count; i++) {
        const processor *p = &pp->items[i];
        parts next = {0};
        as_code rc = p->kind == TEMPLATE ? apply_template(p, add_special, now, &next, err)
                                         : apply_bert(p, add_special, now, &next, err);
        free_parts(now);
        *now = next;
        if (rc != AS_OK) return rc;
    }
    return AS_OK;
}

as_code as_postprocessor_run(const as_postprocessor *postprocessor, bool add_special, as_tokens *tokens,
                             size_t begin, as_error *err)
{
    if (postprocessor->count == 0) return AS_OK;
    parts now = {0};
    as_code rc = make_parts(&now, 1, err);
    if (rc == AS_OK && tokens->count > begin) {
        rc = as_tokens_add(&now.items[0], tokens->ids + begin, tokens->count - begin, err);
    }
    if (rc == AS_OK) rc = apply_all(postprocessor, add_special, &now, err);
    if (rc == AS_OK) {
        tokens->count = begin;
        for (size_t i = 0; i < now.count && rc == AS_OK; i++) {
            rc = as_tokens_add(tokens, now.items[i].ids, now.items[i].count, err);
        }
    }
    free_parts(&now);
    return rc;
}
