/* Which class a model belongs to, by its dimensions; see catalog.h. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "suites/catalog.h"
#include "suites/catalog/internal.h"

/* What must be equal. Models without a dimension (experts of a dense one) state none or 0. */
static const char *const widths[] = {"hidden",       "heads",   "kv_heads",         "head_dim",
                                     "intermediate", "experts", "moe_intermediate", "mla.kv_lora_rank"};

typedef struct candidate {
    const json_t *model_class, *base;
    int kind; /* 0 equal, 1 another vocabulary, 2 another depth */
    int agreement;
    int64_t distance; /* in layers or rows */
} candidate;

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static int64_t stated(const json_t *object, const char *word)
{
    const json_t *value = json_object_get(object, word);
    if (!value && strchr(word, '.')) { /* in the catalogue's models a part is an object */
        char part[32];
        size_t n = (size_t)(strchr(word, '.') - word);
        if (n >= sizeof part) return 0;
        memcpy(part, word, n);
        part[n] = 0;
        value = json_object_get(json_object_get(object, part), word + n + 1);
    }
    return json_is_integer(value) ? json_integer_value(value) : 0;
}

static bool same_architecture(const json_t *dims, const json_t *base)
{
    if (strcmp(text_of(dims, "architecture"), text_of(base, "architecture")) == 0) return true;
    /* the language part of a base with several parts, published alone */
    const char *part = text_of(base, "text_model_type");
    return *part && strcmp(part, text_of(dims, "model_type")) == 0;
}

/* -1 where it does not fit, else the kind. */
static int compare(const json_t *dims, const json_t *base)
{
    if (!same_architecture(dims, base)) return -1;
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        if (stated(dims, widths[i]) != stated(base, widths[i])) return -1;
    }
    bool layers = stated(dims, "layers") == stated(base, "layers");
    bool vocab = stated(dims, "vocab") == stated(base, "vocab");
    return layers && vocab ? 0 : layers ? 1 : vocab ? 2 : -1;
}

/* Of classes with equal dimensions: which one the rest of the configuration speaks for. */
static int agreement_of(const json_t *dims, const json_t *base, const json_t *model_class)
{
    double theirs = 0, ours = 0;
    (void)as_json_number(json_object_get(base, "rope_theta"), &theirs);
    (void)as_json_number(json_object_get(dims, "rope_theta"), &ours);
    const char *type = text_of(json_object_get(base, "rope_scaling"), "rope_type");
    int sum = 0;
    if (!json_object_get(model_class, "base_shape")) sum += 32; /* not a stand-in */
    if (strcmp(type, text_of(dims, "rope_type")) == 0) sum += 16;
    if (theirs == ours) sum += 8;
    if (stated(base, "sliding_window") == stated(dims, "sliding_window")) sum += 4;
    if (stated(base, "native_context") == stated(dims, "native_context")) sum += 2;
    if (json_is_true(json_object_get(model_class, "named"))) sum += 1;
    return sum;
}

static bool is_better(const candidate *a, const candidate *b)
{
    if (a->kind != b->kind) return a->kind < b->kind;
    if (a->distance != b->distance) return a->distance < b->distance;
    return a->agreement > b->agreement;
}

static bool compare_class(const json_t *catalog, const json_t *dims, const json_t *model_class,
                          candidate *best)
{
    bool found = false;
    size_t i;
    json_t *id;
    json_array_foreach(json_object_get(model_class, "base_models"), i, id)
    {
        const json_t *base = as_catalog_model(catalog, json_string_value(id));
        int kind = base ? compare(dims, base) : -1;
        if (kind < 0) continue;
        candidate c = {.model_class = model_class, .base = base, .kind = kind};
        const char *word = kind == 2 ? "layers" : "vocab";
        c.distance = kind ? llabs(stated(base, word) - stated(dims, word)) : 0;
        c.agreement = agreement_of(dims, base, model_class);
        if (!found || is_better(&c, best)) *best = c;
        found = true;
    }
    return found;
}

static void add_alike(as_class_match *match, const json_t *model_class)
{
    if (match->alike_count < AS_CLASS_ALIKE) {
        match->alike[match->alike_count++] = text_of(model_class, "class");
    }
}

void as_catalog_match(const json_t *catalog, const json_t *dims, as_class_match *out)
{
    candidate best = {0};
    *out = (as_class_match){0};
    size_t i;
    json_t *model_class;
    json_array_foreach(json_object_get(catalog, "classes"), i, model_class)
    {
        candidate c = {0};
        if (!compare_class(catalog, dims, model_class, &c)) continue;
        if (!best.base || is_better(&c, &best)) {
            if (best.base && best.kind == c.kind && best.distance == c.distance) {
                add_alike(out, best.model_class);
            } else {
                out->alike_count = 0;
            }
            best = c;
        } else if (best.kind == c.kind && best.distance == c.distance) {
            add_alike(out, model_class);
        }
    }
    out->model_class = best.model_class;
    out->base = best.base;
    out->vocab_differs = best.kind == 1;
    out->layers_differ = best.kind == 2;
    out->stand_in = json_object_get(best.model_class, "base_shape") != NULL;
}
