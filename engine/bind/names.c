/* Which tensor of a checkpoint fills which slot; see internal.h. */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "engine/bind/internal.h"

static const char *const slot_names[AS_SLOT_COUNT] = {
    [AS_SLOT_NONE] = "nothing",
#define AS_SLOT(id, name) [AS_SLOT_##id] = name,
#include "engine/slots.def"
#undef AS_SLOT
};

const char *as_slot_name(as_slot slot)
{
    return slot_names[slot];
}

/* One of a pattern's names, taken apart. */
typedef struct stored_name {
    const char *text; /* the name with its %d, %e and %p */
    size_t size;
    bool absolute; /* no prefix goes before it */
    bool whole;    /* no ".weight" behind it */
    as_storage storage;
} stored_name;

/* The families' own texts are well formed (tests/engine/test_names.c). */
static stored_name take_apart(const char *pattern, size_t size)
{
    stored_name n = {.text = pattern, .size = size, .storage = {.parts = 1}};
    for (; *n.text == '^' || *n.text == '~'; n.text++, n.size--) {
        n.absolute |= *n.text == '^';
        n.storage.perhaps |= n.storage.transposed && *n.text == '~';
        n.storage.transposed |= *n.text == '~';
    }
    const char *part = memchr(n.text, '#', n.size);
    if (part) {
        char kind = 0;
        AS_BUG(sscanf(part, "#%d%c%d", &n.storage.part, &kind, &n.storage.parts) != 3);
        n.storage.strided = kind == '%';
        n.size = (size_t)(part - n.text);
    }
    n.storage.longer = n.size && n.text[n.size - 1] == '+';
    n.size -= n.storage.longer;
    n.whole = n.size && n.text[n.size - 1] == '!';
    n.size -= n.whole;
    for (size_t i = 0; i + 1 < n.size; i++) n.storage.each_expert |= n.text[i] == '%' && n.text[i + 1] == 'e';
    return n;
}

/* prefix + text + suffix with its numbers filled in. The families' own texts always fit. */
static void format_name(const as_binder *b, const stored_name *n, const char *suffix, int64_t expert,
                        char room[static AS_NAME_BYTES])
{
    const char *at = n->text, *end = n->text + n->size;
    size_t used = 0;
    room[0] = 0;
    if (!n->absolute) used = (size_t)snprintf(room, AS_NAME_BYTES, "%s", b->prefix);
    while (at < end && used < AS_NAME_BYTES) {
        if (at[0] == '%' && at[1] && strchr("dbep", at[1])) {
            long long number = at[1] == 'd'   ? b->layer
                               : at[1] == 'b' ? b->layer - 1
                               : at[1] == 'e' ? expert
                                              : b->part;
            used += (size_t)snprintf(room + used, AS_NAME_BYTES - used, "%lld", number);
            at += 2;
        } else if (at[0] == '%' && at[1] == 's') {
            used += (size_t)snprintf(room + used, AS_NAME_BYTES - used, "%s", b->stem ? b->stem : "");
            at += 2;
        } else {
            used += (size_t)snprintf(room + used, AS_NAME_BYTES - used, "%c", *at++);
        }
    }
    /* name.bias, and name_bias of a whole name */
    if (n->whole && strcmp(suffix, ".weight") == 0) suffix = "";
    AS_BUG(used + strlen(suffix) >= AS_NAME_BYTES);
    memcpy(room + used, suffix, strlen(suffix) + 1);
    if (n->whole && *suffix) room[used] = '_';
}

/* The older names of a layer norm's vectors: LayerNorm.gamma, LayerNorm.beta. False for another's. */
static bool rename_norm(char room[static AS_NAME_BYTES])
{
    static const char *const names[][2] = {{"LayerNorm.weight", "LayerNorm.gamma"},
                                           {"LayerNorm.bias", "LayerNorm.beta"}};
    size_t size = strlen(room);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t last = strlen(names[i][0]);
        if (size < last || strcmp(room + size - last, names[i][0]) != 0) continue;
        memcpy(room + size - last, names[i][1], strlen(names[i][1]) + 1); /* never longer */
        return true;
    }
    return false;
}

void as_binder_look_up(const as_binder *b, as_slot slot, const char *suffix, int64_t expert, as_found *out)
{
    const char *pattern = as_slot_pattern(b->spec, slot), *first = pattern;
    AS_BUG(!pattern); /* the family uses a slot that it does not name */
    *out = (as_found){0};
    while (*pattern && b->source.repository) {
        size_t size = strcspn(pattern, "|");
        stored_name name = take_apart(pattern, size);
        format_name(b, &name, suffix, expert, out->name);
        out->storage = name.storage;
        out->tensor = as_repository_find(b->source.repository, out->name);
        if (!out->tensor && rename_norm(out->name))
            out->tensor = as_repository_find(b->source.repository, out->name);
        if (out->tensor) return;
        pattern += size + (pattern[size] == '|');
    }
    stored_name name = take_apart(first, strcspn(first, "|"));
    out->storage = name.storage;
    format_name(b, &name, suffix, expert, out->name);
}

/* All names that the slot's tensor may have, for a message. */
static void list_names(const as_binder *b, as_slot slot, const char *suffix, int64_t expert, char *room,
                       size_t size)
{
    size_t used = 0;
    room[0] = 0;
    for (const char *at = as_slot_pattern(b->spec, slot); *at && used < size;) {
        char one[AS_NAME_BYTES];
        size_t length = strcspn(at, "|");
        stored_name name = take_apart(at, length);
        format_name(b, &name, suffix, expert, one);
        used += (size_t)snprintf(room + used, size - used, "%s%s", used ? " or " : "", one);
        if (used < size && rename_norm(one)) {
            used += (size_t)snprintf(room + used, size - used, " or %s", one);
        }
        at += length + (at[length] == '|');
    }
}

as_code as_binder_find(const as_binder *b, as_slot slot, const char *suffix, int64_t expert, as_found *out,
                       as_error *err)
{
    as_binder_look_up(b, slot, suffix, expert, out);
    if (out->tensor) return AS_OK;
    char names[4 * AS_NAME_BYTES];
    list_names(b, slot, suffix, expert, names, sizeof names);
    return as_fail(err, AS_E_INPUT, "tensor %s (%s) is missing", names, as_slot_name(slot));
}

as_code as_binder_need(as_binder *b, as_slot slot, const char *suffix, int64_t expert, as_found *out,
                       as_error *err)
{
    AS_TRY(as_binder_find(b, slot, suffix, expert, out, err));
    if (!as_dtype_is_float(out->tensor->dtype)) {
        return as_fail(err, AS_E_UNSUPPORTED, "tensor %s (%s) holds %s, expected floating-point numbers",
                       out->name, as_slot_name(slot), as_dtype_name(out->tensor->dtype));
    }
    as_binder_mark_used(b, out->tensor);
    return AS_OK;
}

void as_binder_choose_prefix(as_binder *b)
{
    /* The final norm's where the embedding itself is missing. */
    static const as_slot marks[] = {AS_SLOT_EMBED, AS_SLOT_FINAL_NORM};
    as_found found;
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (!as_slot_pattern(b->spec, marks[i])) continue;
        for (const char *const *prefix = b->spec->prefixes; *prefix; prefix++) {
            b->prefix = *prefix;
            as_binder_look_up(b, marks[i], ".weight", 0, &found);
            if (found.tensor) return;
        }
    }
    b->prefix = b->spec->prefixes[0];
}

void as_binder_mark_used(as_binder *b, const as_tensor *tensor)
{
    const as_weight_file *file = &b->source.repository->weights[tensor->file];
    bool *used = &b->used[tensor->file][tensor - file->tensors];
    if (*used) return;
    *used = true;
    b->totals.parameters += tensor->elements;
    b->totals.checkpoint_bytes += (int64_t)tensor->bytes;
}

void as_describe_shape(const int64_t *shape, int dims, char room[static 96])
{
    int used = snprintf(room, 96, "[");
    for (int i = 0; i < dims && used < 90; i++) {
        used += snprintf(room + used, (size_t)(96 - used), i ? ",%lld" : "%lld", (long long)shape[i]);
    }
    snprintf(room + used, (size_t)(96 - used), "]");
}

bool as_binder_names(const as_binder *b, as_slot slot)
{
    return as_slot_pattern(b->spec, slot) != NULL;
}

bool as_binder_has(const as_binder *b, as_slot slot, const char *suffix)
{
    as_found found;
    if (!b->source.repository) return true;
    as_binder_look_up(b, slot, suffix, 0, &found);
    return found.tensor != NULL;
}

int64_t as_binder_elements(const as_binder *b, as_slot slot, const char *suffix)
{
    as_found found;
    if (!b->source.repository) return 0;
    as_binder_look_up(b, slot, suffix, 0, &found);
    return found.tensor ? found.tensor->elements : 0;
}

bool as_binder_differs(as_binder *b, as_slot slot, as_slot same)
{
    as_repository *repo = b->source.repository;
    as_found slots, sames;
    if (!repo || b->source.needs) return false;
    as_binder_look_up(b, slot, ".weight", 0, &slots);
    as_binder_look_up(b, same, ".weight", 0, &sames);
    const as_tensor *one = slots.tensor, *other = sames.tensor;
    if (!one || !other) return false;
    const void *one_data, *other_data;
    bool equal = one->bytes == other->bytes && one->dtype == other->dtype &&
                 as_repository_data(repo, one, &one_data, NULL) == AS_OK &&
                 as_repository_data(repo, other, &other_data, NULL) == AS_OK &&
                 memcmp(one_data, other_data, one->bytes) == 0;
    if (equal) b->used[one->file][one - repo->weights[one->file].tensors] = true;
    return !equal;
}

/* What a server rounds activations and its cache by; the numbers here are those of the weights alone. */
static const char *const server_scales[] = {"*.input_scale", "*.activation_scale", "*.input_scale_ub",
                                            "*.k_scale",     "*.v_scale",          "*.q_scale",
                                            "*.kv_scale",    "*.output_scale",     NULL};

bool as_spec_ignores(const as_model_spec *spec, const char *name)
{
    for (const char *const *pattern = server_scales; *pattern; pattern++) {
        if (fnmatch(*pattern, name, 0) == 0) return true;
    }
    for (const char *const *pattern = spec->ignored; *pattern; pattern++) {
        if (fnmatch(*pattern, name, 0) == 0) return true;
    }
    return false;
}

as_code as_binder_check_surplus(const as_binder *b, as_error *err)
{
    const as_repository *repo = b->source.repository;
    for (int64_t f = 0; repo && f < repo->weight_count; f++) {
        for (int64_t t = 0; t < repo->weights[f].tensor_count; t++) {
            const char *name = repo->weights[f].tensors[t].name;
            /* Shared experts that a configuration makes of width 0 are stored all the same. */
            bool known = b->used[f][t] || repo->weights[f].tensors[t].elements == 0;
            /* Another file's tensor of a name that the index gives elsewhere is the rules suite's matter. */
            known |= as_repository_find(repo, name) != &repo->weights[f].tensors[t];
            if (!known && !as_spec_ignores(b->spec, name)) {
                return as_fail(err, AS_E_INPUT, "%s: tensor %s has no place in a %s of this configuration",
                               repo->weights[f].name, name, b->spec->architecture);
            }
        }
    }
    return AS_OK;
}
