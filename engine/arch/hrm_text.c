/* HRM Text (Sapient 2026): transformers models/hrm_text. Two stacks of layers run in turn, L_cycles times the
 * fast one and once the slow one, H_cycles times; each run has a cache of its own, so that the model is one
 * of as many layers as runs, whose weights repeat. Norms without weights, an element-wise gate of the
 * attention. Text is read from left to right (prefix_lm concerns tokens marked as a prompt). */
#include "engine/arch/arch.h"
#include "engine/blocks/recurrence.h"

#define AT    "%s.layers.%p."
#define FUSED "|" AT "attn.gqkv_proj"
static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_FAST_STATE] = "z_L_init",
    [AS_SLOT_ATTENTION_GATE] = AT "self_attn.gate_proj" FUSED "#0/4",
    [AS_SLOT_Q] = AT "self_attn.q_proj" FUSED "#1/4",
    [AS_SLOT_K] = AT "self_attn.k_proj" FUSED "#2/4",
    [AS_SLOT_V] = AT "self_attn.v_proj" FUSED "#3/4",
    [AS_SLOT_O] = AT "self_attn.o_proj|" AT "attn.o_proj",
    [AS_SLOT_GATE] = AT "mlp.gate_proj|" AT "mlp.gate_up_proj#0/2",
    [AS_SLOT_UP] = AT "mlp.up_proj|" AT "mlp.gate_up_proj#1/2",
    [AS_SLOT_DOWN] = AT "mlp.down_proj",
};
#undef AT
#undef FUSED

/* The fast stack of a model that never runs it. */
static const char *const ignored_fast[] = {"*rotary_emb.inv_freq", "*L_module.*", NULL};

/* How the layers of one model follow from the stacks. */
typedef struct cycles {
    int64_t stack, fast,
        slow; /* layers of a stack; runs of the fast one before each of the slow one's; those */
} cycles;

static cycles read_cycles(as_config *c)
{
    const char *key = as_config_key(c, "num_layers_per_stack", "num_hidden_layers");
    cycles n = {.stack = as_config_size(c, key, AS_MOST_LAYERS),
                .fast = as_config_int(c, "L_cycles", 3),
                .slow = as_config_size_or(c, "H_cycles", 2, AS_MOST_LAYERS)};
    if (n.fast < 0 || n.fast >= AS_MOST_LAYERS) {
        as_config_fail(c, AS_E_INPUT, "\"L_cycles\" is %lld, expected 0 to %d", (long long)n.fast,
                       AS_MOST_LAYERS - 1);
        n.fast = 0;
    }
    if (n.stack * (n.fast + 1) > AS_MOST_LAYERS / n.slow) {
        as_config_fail(c, AS_E_LIMIT, "%lld layers run %lld times %lld are more than %d", (long long)n.stack,
                       (long long)n.slow, (long long)(n.fast + 1), AS_MOST_LAYERS);
        n = (cycles){1, 0, 1};
    }
    return n;
}

static void add_layer(as_config *c, as_model_spec *spec, int64_t layer, const cycles *n,
                      const as_attention_spec *attention, const as_mlp_spec *mlp, as_norm_spec norm)
{
    int64_t run = layer / n->stack, within = layer % n->stack;
    bool slow = run % (n->fast + 1) == n->fast;
    as_recurrence_spec turn = {.begin = true};
    if (layer == 0)
        as_spec_add_step(c, spec, layer, &as_block_recurrence, NULL, &turn)->effect = AS_STEP_REPLACES;
    as_spec_pre_norm_layer(c, spec, layer, attention, mlp, norm);
    if (within + 1 == n->stack) {
        turn = (as_recurrence_spec){.slow = slow, .last = layer + 1 == spec->layer_count};
        as_step *step = as_spec_add_step(c, spec, layer, &as_block_recurrence, NULL, &turn);
        step->in_norm = norm;
        step->effect = AS_STEP_REPLACES;
    }
    for (int s = 0; s < spec->layers[layer].step_count; s++) {
        spec->layers[layer].steps[s].part = (int)within;
        spec->layers[layer].steps[s].stem = slow ? "H_module" : "L_module";
    }
}

static void describe(as_config *c, as_model_spec *spec)
{
    cycles n = read_cycles(c);
    as_spec_base_of(c, spec, n.stack * (n.fast + 1) * n.slow, 2048);
    spec->heads = spec->kv_heads = as_config_size(c, "num_attention_heads", AS_MOST_HEADS);
    spec->head_dim = as_config_size_or(c, "head_dim", 128, 1 << 14);
    double range = as_config_number_in(c, "initializer_range", 0.02, 1e-9, 1);
    spec->embed_scale = (float)as_config_number_in(c, "embedding_scale", 1 / range, -1e9, 1e9);
    spec->carried = 2 * spec->hidden;
    spec->streams = true;
    if (c->rc != AS_OK) return;
    bool bias = as_config_bool(c, "attention_bias", false);
    as_rope_defaults rope = {.kind = AS_ROPE_HALF, .head_dim = spec->head_dim, .theta = 10000};
    as_attention_spec attention = as_spec_attention(spec, as_config_rope(c, &rope, spec), bias, bias);
    attention.gate = AS_ATTENTION_GATE_ELEMENTS;
    attention.gate_act = AS_ACT_SIGMOID;
    attention.gate_bias = bias;
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"),
                                        as_config_bool(c, "mlp_bias", false));
    as_norm_spec norm = as_spec_rms(AS_SLOT_NONE, as_config_eps(c, "rms_norm_eps", 1e-6), 0);
    norm.weightless = true;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        add_layer(c, spec, i, &n, &attention, &mlp, norm);
    }
    spec->names = names;
    if (n.fast == 0) spec->ignored = ignored_fast;
    as_spec_finish(c, spec, (as_norm_spec){.present = false}, false);
}

const as_family as_family_hrm_text = {.architectures = {"HrmTextForCausalLM"}, .describe = describe};
