/* What a binder notes instead of reading; see internal.h. */
#include <stdio.h>

#include "engine/bind/internal.h"
#include "engine/needs.h"

/* Whether it has a row for each token; the first tensor of several that hold one has fewer. */
static bool is_embedding(const as_binder *b, const as_wanted_matrix *want)
{
    return (want->slot == AS_SLOT_EMBED || want->slot == AS_SLOT_HEAD) && want->rows >= b->spec->vocab;
}

static as_code note(as_binder *b, const as_need *need, as_error *err)
{
    return as_needs_note(b->source.needs, need, err);
}

/* The packed form of a stack that the checkpoint has in MXFP4. */
static as_code note_packed(as_binder *b, const as_wanted_matrix *want, const as_found *blocks, as_error *err)
{
    as_found scales;
    as_binder_look_up(b, want->slot, ".scales", want->expert, &scales);
    as_need need = {.name = blocks->name,
                    .dims = 4,
                    .shape = {want->experts, want->rows * blocks->storage.parts, want->cols / AS_E2M1_BLOCK,
                              AS_E2M1_BLOCK / 2}};
    AS_TRY(note(b, &need, err));
    need.name = scales.name;
    need.dims = 3;
    return note(b, &need, err);
}

/* Scales have one of several shapes: the binder judges them when it reads them. */
static as_code note_scales(as_binder *b, const as_wanted_matrix *want, as_error *err)
{
    for (int i = 0; as_scale_suffixes[i]; i++) {
        as_found found;
        as_binder_look_up(b, want->slot, as_scale_suffixes[i], want->expert, &found);
        if (!found.tensor) continue;
        as_need need = {.name = found.name,
                        .optional = true,
                        .any_shape = true,
                        .dims = 1,
                        .shape = {found.tensor->elements}};
        return note(b, &need, err);
    }
    return AS_OK;
}

static as_code note_matrix(as_binder *b, const as_wanted_matrix *want, bool optional, as_error *err)
{
    as_found found;
    if (want->experts && b->source.repository) {
        as_binder_look_up(b, want->slot, ".blocks", want->expert, &found);
        if (found.tensor) return note_packed(b, want, &found, err);
    }
    as_binder_look_up(b, want->slot, ".weight", want->expert, &found);
    bool linear = want->experts == 0 && !is_embedding(b, want) && as_ternary_applies(b, want->slot);
    as_need need = linear && found.tensor && found.tensor->dtype == AS_U8
                       ? as_ternary_shape(want, &found.storage)
                       : as_binder_shape(want, &found.storage);
    need.name = found.name;
    need.optional = optional;
    need.either_order = found.storage.perhaps;
    need.embedding = is_embedding(b, want);
    AS_TRY(note(b, &need, err));
    return found.tensor && found.tensor->dtype == AS_E4M3 ? note_scales(b, want, err) : AS_OK;
}

as_code as_survey_ternary(as_binder *b, as_slot slot, int64_t cols, as_error *err)
{
    as_found found;
    const float *unused;
    as_binder_look_up(b, slot, ".weight_scale", 0, &found);
    if (found.tensor) {
        as_need need = {.name = found.name, .optional = true, .any_shape = true, .dims = 1, .shape = {1}};
        AS_TRY(note(b, &need, err));
    }
    if (!b->source.ternary.normed) return AS_OK;
    return as_survey_vector(b, slot, ".rms_norm.weight", 1, cols, &unused, err);
}

as_code as_survey_matrix(as_binder *b, const as_wanted_matrix *want, as_matrix *out, as_error *err)
{
    AS_TRY(note_matrix(b, want, false, err));
    *out = (as_matrix){.dtype = AS_F32, .rows = want->rows, .cols = want->cols, .stride = want->cols};
    return AS_OK;
}

as_code as_bind_copy(as_binder *b, as_slot slot, int64_t rows, int64_t cols, as_error *err)
{
    if (!b->source.needs) return AS_OK;
    return note_matrix(b, &(as_wanted_matrix){.slot = slot, .rows = rows, .cols = cols}, true, err);
}

/* Vectors of heads stand one in a tensor; the first tells how many elements each has. */
static as_code note_each(as_binder *b, as_slot slot, const char *suffix, int64_t count, as_found *found,
                         as_error *err)
{
    int64_t part = found->tensor ? found->tensor->elements : count;
    for (int64_t e = 0; part > 0 && e * part < count; e++) {
        as_binder_look_up(b, slot, suffix, e, found);
        int64_t left = count - e * part;
        as_need need = {
            .name = found->name, .dims = 1, .any_shape = true, .shape = {left < part ? left : part}};
        AS_TRY(note(b, &need, err));
    }
    return AS_OK;
}

as_code as_survey_vector(as_binder *b, as_slot slot, const char *suffix, int64_t stack, int64_t count,
                         const float **out, as_error *err)
{
    as_found found;
    as_binder_look_up(b, slot, suffix, 0, &found);
    as_need need = {
        .name = found.name, .any_shape = true, .dims = 1, .shape = {stack * count * found.storage.parts}};
    if (stack > 1 && found.storage.each_expert) {
        need.shape[0] = count;
        for (int64_t e = 0; e < stack; e++) {
            as_binder_look_up(b, slot, suffix, e, &found);
            AS_TRY(note(b, &need, err));
        }
    } else if (found.storage.each_expert) {
        AS_TRY(note_each(b, slot, suffix, count, &found, err));
    } else {
        AS_TRY(note(b, &need, err));
    }
    return as_binder_zeros(b, stack * count, out, err);
}

as_code as_survey_indices(as_binder *b, const as_index_table *want, as_error *err)
{
    as_found found;
    as_binder_look_up(b, want->slot, "", 0, &found);
    return note(b, &(as_need){.name = found.name, .dims = 2, .shape = {want->rows, want->cols}}, err);
}

as_code as_survey_integers(as_binder *b, as_slot slot, int64_t count, as_error *err)
{
    as_found found;
    as_binder_look_up(b, slot, "", 0, &found);
    as_need need = {.name = found.name, .optional = true, .any_shape = true, .dims = 1, .shape = {count}};
    return note(b, &need, err);
}
