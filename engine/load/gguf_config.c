/* config.json from the metadata of a GGUF file; see gguf_model.h. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/arch/gguf.h"
#include "engine/arch/gguf_fields.h"
#include "engine/load/gguf_model.h"

enum { MOST_LAYERS = 4096, MOST_HEADS = 1 << 16 };

typedef struct converter {
    const as_gguf *gguf;
    const as_gguf_family *family;
    json_t *config;
    as_error *err;
} converter;

static as_code put(converter *c, json_t *object, const char *key, json_t *value)
{
    if (value && json_object_set_new(object, key, value) == 0) return AS_OK;
    return as_fail_memory(c->err, "the configuration");
}

/* ARCH.name */
static const as_gguf_value *find(const converter *c, const char *name)
{
    return as_gguf_own(c->gguf, name);
}

static json_t *number_json(const as_gguf_value *value, uint64_t i)
{
    int64_t whole;
    as_gguf_type type = value->type == AS_GGUF_ARRAY ? value->item : value->type;
    if (type == AS_GGUF_BOOL) return json_boolean(value->at[i] != 0);
    bool real = type == AS_GGUF_F32 || type == AS_GGUF_F64;
    if (!real && as_gguf_integer(value, i, &whole)) return json_integer(whole);
    return json_real(as_gguf_number(value, i));
}

/* A number, or a list of one for each layer, which is one number where all are the same. */
static json_t *value_json(const as_gguf_value *value)
{
    if (value->type != AS_GGUF_ARRAY) return number_json(value, 0);
    bool same = value->count > 0;
    for (uint64_t i = 1; i < value->count && same; i++) {
        same = as_gguf_number(value, i) == as_gguf_number(value, 0);
    }
    if (same) return number_json(value, 0);
    json_t *list = json_array();
    for (uint64_t i = 0; list && i < value->count; i++) {
        if (json_array_append_new(list, number_json(value, i)) == 0) continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

/* One finite number, or a list of them. */
static bool is_numeric(const as_gguf_value *value)
{
    as_gguf_type type = value->type == AS_GGUF_ARRAY ? value->item : value->type;
    if (type == AS_GGUF_STRING || type == AS_GGUF_ARRAY) return false;
    for (uint64_t i = 0; i < value->count && (type == AS_GGUF_F32 || type == AS_GGUF_F64); i++) {
        if (!isfinite(as_gguf_number(value, i))) return false;
    }
    return true;
}

static as_code put_keys(converter *c, const as_gguf_key *keys)
{
    for (; keys && keys->from; keys++) {
        const as_gguf_value *value = find(c, keys->from);
        if (!value || json_object_get(c->config, keys->to)) continue;
        if (!is_numeric(value)) {
            return as_fail(c->err, AS_E_INPUT, "\"%s.%s\" is not a number", c->family->name, keys->from);
        }
        AS_TRY(put(c, c->config, keys->to, value_json(value)));
    }
    return AS_OK;
}

/* The field that a key of the file fills. */
static const char *field_of(const converter *c, const char *name)
{
    const as_gguf_key *tables[] = {c->family->keys, as_gguf_keys};
    for (size_t i = 0; i < 2; i++) {
        for (const as_gguf_key *key = tables[i]; key && key->from; key++) {
            if (strcmp(key->from, name) == 0) return key->to;
        }
    }
    return NULL;
}

/* What a file that does not say it means, whatever the family's configuration means by saying nothing: every
 * head has keys of its own, and the base of the rotation is ten thousand. */
static as_code put_defaults(converter *c)
{
    const double base = 10000;
    json_t *heads = json_object_get(c->config, "num_attention_heads");
    const char *rope = field_of(c, "rope.freq_base");
    if (json_is_integer(heads) && json_integer_value(heads) > 0) {
        AS_TRY(as_gguf_default(c->config, "num_key_value_heads", json_incref(heads), c->err));
    }
    return rope ? as_gguf_default(c->config, rope, json_real(base), c->err) : AS_OK;
}

/* ---- positions ---- */

/* The numbers of a tensor of F32 as a list. */
static as_code put_list(converter *c, const as_gguf_tensor *t, json_t *object, const char *key)
{
    if (t->kind->number != 0 || t->elements > 1 << 16 || !t->at) {
        return as_fail(c->err, AS_E_UNSUPPORTED, "%s: %" PRId64 " of %s, expected a few of F32", t->name,
                       t->elements, t->kind->name);
    }
    json_t *list = json_array();
    AS_TRY(put(c, object, key, list));
    for (int64_t i = 0; i < t->elements; i++) {
        float number;
        memcpy(&number, t->at + (uint64_t)i * sizeof number, sizeof number);
        if (json_array_append_new(list, json_real(number)) != 0) { /* NULL, and so refused, for no number */
            return as_fail(c->err, AS_E_INPUT, "%s holds what is no number", t->name);
        }
    }
    return AS_OK;
}

/* Factors by which each frequency is divided: one list for short and one for long contexts, or Llama 3's
 * scaling, worked out when the file was made. The same list for every length is what "longrope" says. */
static as_code put_factors(converter *c, const as_gguf_tensor *small, const as_gguf_tensor *large)
{
    const as_gguf_value *attention = find(c, "rope.scaling.attn_factor");
    const as_gguf_value *original = find(c, "rope.scaling.original_context_length");
    json_t *scaling = json_object();
    AS_TRY(put(c, c->config, "rope_scaling", scaling));
    AS_TRY(put(c, scaling, "rope_type", json_string("longrope")));
    AS_TRY(put_list(c, small, scaling, "short_factor"));
    AS_TRY(put_list(c, large, scaling, "long_factor"));
    if (original && is_numeric(original)) {
        AS_TRY(put(c, c->config, "original_max_position_embeddings", number_json(original, 0)));
    }
    bool given = attention && is_numeric(attention) && small != large;
    return put(c, scaling, "attention_factor", given ? number_json(attention, 0) : json_real(1));
}

static as_code put_scaling(converter *c)
{
    static const as_gguf_key keys[] = {
        {"rope.scaling.factor", "factor"},
        {"rope.scaling.original_context_length", "original_max_position_embeddings"},
        {"rope.scaling.yarn_beta_fast", "beta_fast"},
        {"rope.scaling.yarn_beta_slow", "beta_slow"},
        {"rope.scaling.yarn_attn_factor", "attention_factor"},
        {0}};
    const as_gguf_value *type = find(c, "rope.scaling.type"), *linear = find(c, "rope.scale_linear");
    double factor = 0; /* 0: none; of a file that does not say the kind, linear */
    AS_TRY(as_gguf_own_real(c->gguf, "rope.scale_linear", &factor, c->err));
    AS_TRY(as_gguf_own_real(c->gguf, "rope.scaling.factor", &factor, c->err));
    char name[32] = "none";
    if (type && type->type == AS_GGUF_STRING && type->count < sizeof name) {
        memcpy(name, type->at, type->count);
        name[type->count] = 0;
    } else if (factor > 0) {
        strcpy(name, "linear");
    }
    if (strcmp(name, "linear") == 0 && factor == 0) return AS_OK;
    if (strcmp(name, "none") == 0) return AS_OK;
    json_t *scaling = json_object();
    AS_TRY(put(c, c->config, "rope_scaling", scaling));
    AS_TRY(put(c, scaling, "rope_type", json_string(name)));
    if (linear && is_numeric(linear)) AS_TRY(put(c, scaling, "factor", number_json(linear, 0)));
    for (const as_gguf_key *key = keys; key->from; key++) {
        const as_gguf_value *value = find(c, key->from);
        if (value && is_numeric(value)) AS_TRY(put(c, scaling, key->to, number_json(value, 0)));
    }
    return AS_OK;
}

/* ---- what the tensors say ---- */

static as_code put_sizes(converter *c)
{
    const as_gguf_tensor *embed = as_gguf_tensor_named(c->gguf, "token_embd.weight");
    const as_gguf_value *tokens = as_gguf_find(c->gguf, "tokenizer.ggml.tokens");
    int64_t vocab = embed && embed->dims == 2 ? embed->shape[1] : tokens ? (int64_t)tokens->count : 0;
    if (vocab > 0) AS_TRY(put(c, c->config, "vocab_size", json_integer(vocab)));
    return put(c, c->config, "tie_word_embeddings",
               json_boolean(!as_gguf_tensor_named(c->gguf, "output.weight")));
}

/* Every token that ends an answer. */
static as_code put_ends(converter *c)
{
    static const char *const keys[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                                       "tokenizer.ggml.eom_token_id"};
    json_t *ends = json_array();
    AS_TRY(put(c, c->config, "eos_token_id", ends));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        int64_t id = -1;
        AS_TRY(as_gguf_get_int(c->gguf, keys[i], &id, c->err));
        if (id >= 0 && json_array_append_new(ends, json_integer(id)) != 0) {
            return as_fail_memory(c->err, "the configuration");
        }
    }
    return AS_OK;
}

static as_code put_class(converter *c)
{
    const as_gguf_value *experts = find(c, "expert_count");
    const char *name = c->family->architecture;
    if (experts && is_numeric(experts) && experts->count && as_gguf_number(experts, 0) > 0) {
        name = c->family->with_experts;
    }
    if (!name) {
        return as_fail(c->err, AS_E_UNSUPPORTED, "a %s with experts is not known here", c->family->name);
    }
    json_t *list = json_array();
    AS_TRY(put(c, c->config, "architectures", list));
    if (json_array_append_new(list, json_string(name)) != 0)
        return as_fail_memory(c->err, "the configuration");
    AS_TRY(put(c, c->config, "gguf", json_string(c->family->name)));
    return put(c, c->config, "model_type", json_string(c->family->name));
}

/* Fields that a tensor's presence decides. */
static as_code put_signs(converter *c)
{
    for (const as_gguf_sign *sign = c->family->signs; sign && sign->field; sign++) {
        bool inverse = sign->field[0] == '!', there = false;
        for (const char *at = sign->tensor; *at && !there;) {
            char name[64];
            size_t size = strcspn(at, "|");
            snprintf(name, sizeof name, "%.*s", (int)size, at);
            there = as_gguf_layers_have(c->gguf, name);
            at += size + (at[size] == '|');
        }
        AS_TRY(put(c, c->config, sign->field + inverse, json_boolean(there != inverse)));
    }
    return AS_OK;
}

/* Layers behind the last that predict further tokens count as blocks in the file. */
static as_code put_layers(converter *c)
{
    const as_gguf_value *value = find(c, "nextn_predict_layers");
    int64_t further = 0;
    json_int_t layers = json_integer_value(json_object_get(c->config, "num_hidden_layers"));
    if (!value || !is_numeric(value) || !value->count || !as_gguf_integer(value, 0, &further)) return AS_OK;
    if (further < 1 || further >= layers) return AS_OK;
    AS_TRY(put(c, c->config, "num_hidden_layers", json_integer(layers - further)));
    return put(c, c->config, "num_nextn_predict_layers", json_integer(further));
}

/* Which layers have the window: a list, or every so many have none. */
static as_code put_windows(converter *c)
{
    const as_gguf_value *pattern = find(c, "attention.sliding_window_pattern");
    double layers = json_number_value(json_object_get(c->config, "num_hidden_layers"));
    int64_t every = 0;
    if (!pattern || !is_numeric(pattern) || !json_object_get(c->config, "sliding_window")) return AS_OK;
    bool list = pattern->type == AS_GGUF_ARRAY;
    if (!list && (!as_gguf_integer(pattern, 0, &every) || every < 1)) return AS_OK;
    json_t *types = json_array();
    AS_TRY(put(c, c->config, "layer_types", types));
    for (uint64_t i = 0; (double)i < layers && i < (list ? pattern->count : MOST_LAYERS); i++) {
        bool slides = list ? as_gguf_number(pattern, i) != 0 : ((int64_t)i + 1) % every != 0;
        const char *type = slides ? "sliding_attention" : "full_attention";
        if (json_array_append_new(types, json_string(type)) != 0) {
            return as_fail_memory(c->err, "the configuration");
        }
    }
    return AS_OK;
}

static int64_t rows_of(const converter *c, const char *name)
{
    const as_gguf_tensor *t = as_gguf_tensor_named(c->gguf, name);
    return t && t->dims == 2 ? t->shape[1] : 0;
}

/* Files that do not say how wide heads are: the projections do; else heads make up the model's width. */
static as_code put_head_width(converter *c)
{
    json_int_t heads = json_integer_value(json_object_get(c->config, "num_attention_heads"));
    json_int_t kv = json_integer_value(json_object_get(c->config, "num_key_value_heads"));
    json_int_t hidden = json_integer_value(json_object_get(c->config, "hidden_size"));
    int64_t rows = rows_of(c, "blk.0.attn_q.weight"), of = heads;
    if (heads < 1 || heads > MOST_HEADS || kv > MOST_HEADS || json_object_get(c->config, "head_dim"))
        return AS_OK;
    if (!rows && kv > 0) {
        rows = rows_of(c, "blk.0.attn_qkv.weight");
        of = heads + 2 * kv;
    }
    if (rows && rows % of == 0) return put(c, c->config, "head_dim", json_integer(rows / of));
    return hidden % heads ? AS_OK : put(c, c->config, "head_dim", json_integer(hidden / heads));
}

/* The share of a head that is rotated; a share that gives the very width again. */
static as_code put_share(converter *c)
{
    const as_gguf_value *value = find(c, "rope.dimension_count");
    int64_t rotated = 0;
    double heads = json_number_value(json_object_get(c->config, "num_attention_heads"));
    double width = json_number_value(json_object_get(c->config, "head_dim"));
    if (!value || !is_numeric(value) || !value->count || !as_gguf_integer(value, 0, &rotated)) return AS_OK;
    if (width <= 0 && heads > 0) width = json_number_value(json_object_get(c->config, "hidden_size")) / heads;
    if (rotated <= 0 || width <= 0 || (double)rotated > width) return AS_OK;
    return put(c, c->config, "partial_rotary_factor", json_real(as_gguf_share(rotated, width)));
}

static as_code convert(converter *c)
{
    const as_gguf_tensor *factors = as_gguf_tensor_named(c->gguf, "rope_freqs.weight");
    const as_gguf_tensor *small = as_gguf_tensor_named(c->gguf, "rope_factors_short.weight");
    const as_gguf_tensor *large = as_gguf_tensor_named(c->gguf, "rope_factors_long.weight");
    AS_TRY(put_class(c));
    AS_TRY(put_keys(c, c->family->keys));
    AS_TRY(put_keys(c, as_gguf_keys));
    AS_TRY(put_defaults(c));
    AS_TRY(put_sizes(c));
    AS_TRY(put_ends(c));
    AS_TRY(put_signs(c));
    AS_TRY(put_layers(c));
    static const char *const none[] = {"sliding_window", "intermediate_size"}; /* where 0 */
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        json_t *value = json_object_get(c->config, none[i]);
        if (json_is_integer(value) && json_integer_value(value) == 0) json_object_del(c->config, none[i]);
    }
    AS_TRY(put_windows(c));
    AS_TRY(put_head_width(c));
    AS_TRY(put_share(c));
    if (!small || !large) small = large = factors;
    AS_TRY(small ? put_factors(c, small, large) : put_scaling(c));
    return c->family->complete ? c->family->complete(c->gguf, c->config, c->err) : AS_OK;
}

as_code as_gguf_config(const as_gguf *gguf, json_t **out, as_error *err)
{
    converter c = {.gguf = gguf, .err = err};
    AS_TRY(as_gguf_family_find(c.gguf, &c.family, err));
    c.config = json_object();
    if (!c.config) return as_fail_memory(err, "the configuration");
    as_code rc = convert(&c);
    if (rc != AS_OK) {
        json_decref(c.config);
        return rc;
    }
    *out = c.config;
    return AS_OK;
}
