/* Fields of configurations made of GGUF files; see gguf_fields.h. */
#include "engine/arch/gguf_fields.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static bool is_number(const as_gguf_value *value)
{
    as_gguf_type type = value->type == AS_GGUF_ARRAY ? value->item : value->type;
    return type != AS_GGUF_STRING && type != AS_GGUF_ARRAY;
}

as_code as_gguf_own_int(const as_gguf *gguf, const char *name, int64_t *out, as_error *err)
{
    const as_gguf_value *value = as_gguf_own(gguf, name);
    return value ? as_gguf_layer_number(value, 0, name, out, err) : AS_OK;
}

as_code as_gguf_own_real(const as_gguf *gguf, const char *name, double *out, as_error *err)
{
    const as_gguf_value *value = as_gguf_own(gguf, name);
    if (!value) return AS_OK;
    double number = is_number(value) && value->count ? as_gguf_number(value, 0) : -1;
    if (!(number >= 0 && number < 1e30)) return as_fail(err, AS_E_INPUT, "\"%s\" is not a number", name);
    *out = number;
    return AS_OK;
}

as_code as_gguf_own_bool(const as_gguf *gguf, const char *name, bool *out, as_error *err)
{
    int64_t number = *out;
    AS_TRY(as_gguf_own_int(gguf, name, &number, err));
    *out = number != 0;
    return AS_OK;
}

as_code as_gguf_layer_number(const as_gguf_value *value, uint64_t layer, const char *name, int64_t *out,
                             as_error *err)
{
    uint64_t at = value->type == AS_GGUF_ARRAY ? layer : 0;
    if (!is_number(value) || at >= value->count || !as_gguf_integer(value, at, out) || *out < 0) {
        return as_fail(err, AS_E_INPUT, "\"%s\" is not a whole number for each of the layers", name);
    }
    return AS_OK;
}

int64_t as_gguf_rows(const as_gguf *gguf, const char *name)
{
    for (int64_t i = 0; i < gguf->tensor_count; i++) {
        const as_gguf_tensor *t = &gguf->tensors[i];
        if (strncmp(t->name, "blk.", 4) != 0 || t->dims != 2) continue;
        const char *at = t->name + 4 + strspn(t->name + 4, "0123456789");
        if (*at == '.' && strcmp(at + 1, name) == 0) return t->shape[1];
    }
    return 0;
}

bool as_gguf_layer_has(const as_gguf *gguf, int64_t layer, const char *name)
{
    char whole[160];
    snprintf(whole, sizeof whole, "blk.%lld.%s", (long long)layer, name);
    return as_gguf_tensor_named(gguf, whole) != NULL;
}

double as_gguf_field(const json_t *config, const char *field)
{
    return json_number_value(json_object_get(config, field));
}

as_code as_gguf_set(json_t *config, const char *field, json_t *value, as_error *err)
{
    return json_object_set_new(config, field, value) == 0 ? AS_OK : as_fail_memory(err, "the configuration");
}

as_code as_gguf_default(json_t *config, const char *field, json_t *value, as_error *err)
{
    if (!json_object_get(config, field)) return as_gguf_set(config, field, value, err);
    json_decref(value);
    return AS_OK;
}

as_code as_gguf_copy(const json_t *from, const char *field, json_t *to, const char *name, as_error *err)
{
    json_t *value = json_object_get(from, field);
    return value ? as_gguf_set(to, name, json_incref(value), err) : AS_OK;
}

as_code as_gguf_append(json_t *list, json_t *value, as_error *err)
{
    return json_array_append_new(list, value) == 0 ? AS_OK : as_fail_memory(err, "the configuration");
}

as_code as_gguf_set_list(json_t *config, const char *field, const as_gguf_value *array, as_error *err)
{
    json_t *list = json_array();
    AS_TRY(as_gguf_set(config, field, list, err));
    for (uint64_t i = 0; i < array->count && i < AS_GGUF_MOST_LAYERS; i++) {
        json_t *number = json_real(as_gguf_number(array, i));
        if (!number) return as_fail(err, AS_E_INPUT, "\"%s\" holds what is no number", field);
        AS_TRY(as_gguf_append(list, number, err));
    }
    return AS_OK;
}

as_code as_gguf_set_class(json_t *config, const char *architecture, as_error *err)
{
    return as_gguf_set(config, "architectures", json_pack("[s]", architecture), err);
}

as_code as_gguf_set_mixers(const as_gguf *gguf, json_t *config, const char *field, const char *attention,
                           const char *other, as_error *err)
{
    const as_gguf_value *kv = as_gguf_own(gguf, "attention.head_count_kv");
    if (!kv || kv->type != AS_GGUF_ARRAY) return AS_OK;
    int64_t heads = 0, layers = (int64_t)as_gguf_field(config, "num_hidden_layers");
    json_t *words = json_array();
    AS_TRY(as_gguf_set(config, field, words, err));
    for (int64_t i = 0; i < layers && i < AS_GGUF_MOST_LAYERS; i++) {
        int64_t count = 0;
        AS_TRY(as_gguf_layer_number(kv, (uint64_t)i, "attention.head_count_kv", &count, err));
        if (count > heads) heads = count;
        AS_TRY(as_gguf_append(words, json_string(count > 0 ? attention : other), err));
    }
    return as_gguf_set(config, "num_key_value_heads", json_integer(heads > 0 ? heads : 1), err);
}

double as_gguf_share(int64_t rotated, double width)
{
    const double most = 1e15; /* beyond any head, within what a double holds exactly */
    double share = (double)rotated / width;
    while (width < most && (int64_t)(share * width) < rotated) share = nextafter(share, 2);
    return share;
}

as_code as_gguf_set_rotations(const as_gguf *gguf, json_t *config, int64_t sliding_width, as_error *err)
{
    int64_t rotated = 0;
    double base = as_gguf_field(config, "rope_theta");
    AS_TRY(as_gguf_own_real(gguf, "rope.freq_base_swa", &base, err));
    AS_TRY(as_gguf_own_int(gguf, "rope.dimension_count", &rotated, err));
    AS_TRY(as_gguf_own_int(gguf, "rope.dimension_count_swa", &rotated, err));
    json_t *kinds = json_object(), *full = json_object_get(config, "rope_scaling"), *sliding = json_object();
    full = full ? json_incref(full) : json_object();
    AS_TRY(as_gguf_set(config, "rope_parameters", kinds, err));
    AS_TRY(as_gguf_set(kinds, "full_attention", full, err));
    AS_TRY(as_gguf_set(kinds, "sliding_attention", sliding, err));
    AS_TRY(as_gguf_default(full, "rope_type", json_string("default"), err));
    AS_TRY(as_gguf_set(sliding, "rope_type", json_string("default"), err));
    AS_TRY(as_gguf_copy(config, "rope_theta", full, "rope_theta", err));
    AS_TRY(as_gguf_copy(config, "partial_rotary_factor", full, "partial_rotary_factor", err));
    if (base > 0) AS_TRY(as_gguf_set(sliding, "rope_theta", json_real(base), err));
    if (rotated > 0 && rotated <= sliding_width) {
        json_t *share = json_real(as_gguf_share(rotated, (double)sliding_width));
        AS_TRY(as_gguf_set(sliding, "partial_rotary_factor", share, err));
    }
    static const char *const flat[] = {"rope_theta", "rope_scaling", "partial_rotary_factor"};
    for (size_t i = 0; i < sizeof flat / sizeof flat[0]; i++) json_object_del(config, flat[i]);
    return AS_OK;
}

as_code as_gguf_set_windows(const as_gguf *gguf, json_t *config, int64_t every, bool full_first,
                            as_error *err)
{
    const as_gguf_value *pattern = as_gguf_own(gguf, "attention.sliding_window_pattern");
    bool windows = json_object_get(config, "sliding_window") != NULL;
    if (windows && pattern && pattern->type == AS_GGUF_ARRAY) return AS_OK;
    AS_TRY(as_gguf_own_int(gguf, "attention.sliding_window_pattern", &every, err));
    json_t *types = json_array();
    double layers = as_gguf_field(config, "num_hidden_layers");
    AS_TRY(as_gguf_set(config, "layer_types", types, err));
    for (int64_t i = 0; (double)i < layers && i < AS_GGUF_MOST_LAYERS; i++) {
        bool slides = windows && every > 0 && (i + !full_first) % every != 0;
        AS_TRY(as_gguf_append(types, json_string(slides ? "sliding_attention" : "full_attention"), err));
    }
    return AS_OK;
}

as_code as_gguf_set_words(const as_gguf *gguf, json_t *config, const char *field, const char *tensor,
                          const char *with, const char *without, as_error *err)
{
    json_t *words = json_array();
    double layers = as_gguf_field(config, "num_hidden_layers");
    AS_TRY(as_gguf_set(config, field, words, err));
    for (int64_t i = 0; (double)i < layers && i < AS_GGUF_MOST_LAYERS; i++) {
        AS_TRY(as_gguf_append(words, json_string(as_gguf_layer_has(gguf, i, tensor) ? with : without), err));
    }
    return AS_OK;
}

as_code as_gguf_set_sparsity(const as_gguf *gguf, json_t *config, as_error *err)
{
    return as_gguf_set_words(gguf, config, "mlp_layer_types", "ffn_gate_inp.weight", "sparse", "dense", err);
}

as_code as_gguf_kind_numbers(const as_gguf *gguf, const json_t *config, const char *name, int64_t *full,
                             int64_t *sliding, as_error *err)
{
    const as_gguf_value *value = as_gguf_own(gguf, name);
    const json_t *types = json_object_get(config, "layer_types"), *type;
    size_t i;
    if (!value) return AS_OK;
    json_array_foreach(types, i, type)
    {
        bool slides = strcmp(json_string_value(type), "sliding_attention") == 0;
        AS_TRY(as_gguf_layer_number(value, i, name, slides ? sliding : full, err));
    }
    return AS_OK;
}
