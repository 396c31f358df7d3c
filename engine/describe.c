/* A model's layers in words, from its spec. */
#include <string.h>

#include "base/mem.h"
#include "engine/model.h"

enum { MOST_KINDS = 16 };

/* Layers that read alike. */
typedef struct layer_kind {
    as_buf text;
    int64_t count;
} layer_kind;

static void describe_layer(const as_model_spec *spec, const as_layer_spec *layer, as_buf *out)
{
    for (int s = 0; s < layer->step_count; s++) {
        const as_step *step = &layer->steps[s];
        if (s) as_buf_str(out, step->parallel ? " beside " : " + ");
        if (step->in_gate.rank) {
            as_buf_printf(out, "self-gated norm of rank %lld, ", (long long)step->in_gate.rank);
        }
        as_buf_str(out, step->block->name);
        if (!step->block->describe) continue;
        as_buf_str(out, " (");
        step->block->describe(spec, step, out);
        as_buf_char(out, ')');
    }
}

static void count_layer(layer_kind *kinds, int *used, const as_buf *text)
{
    for (int k = 0; k < *used; k++) {
        if (strcmp(as_buf_text(&kinds[k].text), as_buf_text(text)) == 0) {
            kinds[k].count++;
            return;
        }
    }
    if (*used == MOST_KINDS) {
        kinds[MOST_KINDS - 1].count++; /* more kinds than a reader takes in */
        return;
    }
    as_buf_init(&kinds[*used].text, 0);
    as_buf_str(&kinds[*used].text, as_buf_text(text));
    kinds[(*used)++].count = 1;
}

void as_model_describe(const as_model *m, as_buf *out)
{
    layer_kind kinds[MOST_KINDS];
    int used = 0;
    as_buf text;
    as_buf_init(&text, 0);
    for (int64_t i = 0; i < m->spec.layer_count; i++) {
        as_buf_clear(&text);
        describe_layer(&m->spec, &m->spec.layers[i], &text);
        count_layer(kinds, &used, &text);
    }
    for (int k = 0; k < used; k++) {
        as_buf_printf(out, "%s%lld x %s", k ? "; " : "", (long long)kinds[k].count,
                      as_buf_text(&kinds[k].text));
        as_buf_free(&kinds[k].text);
    }
    as_buf_free(&text);
}
