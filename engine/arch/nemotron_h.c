/* Nemotron-H and Nemotron 3 (NVIDIA 2025; transformers models/nemotron_h): one block a layer, Mamba-2,
 * attention without positions, a plain feed-forward part or experts, which may live in a latent space. The
 * layers stand in layers_block_type (or layer_types), or as letters in hybrid_override_pattern; their number
 * is the list's, whatever num_hidden_layers says. Step sizes are kept above time_step_min as
 * transformers 5.23 does in its passes over many tokens (its single-step path does not); servers built on the
 * mamba_ssm kernels keep no limit. */
#include <math.h>
#include <string.h>

#include "engine/arch/hybrid.h"
#include "engine/blocks/moe.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embeddings",
    [AS_SLOT_FINAL_NORM] = "norm_f",
    [AS_SLOT_NORM_1] = "layers.%d.norm",
    [AS_SLOT_Q] = "layers.%d.mixer.q_proj",
    [AS_SLOT_K] = "layers.%d.mixer.k_proj",
    [AS_SLOT_V] = "layers.%d.mixer.v_proj",
    [AS_SLOT_O] = "layers.%d.mixer.o_proj",
    [AS_SLOT_UP] = "layers.%d.mixer.up_proj",
    [AS_SLOT_DOWN] = "layers.%d.mixer.down_proj",
    [AS_SLOT_ROUTER] = "layers.%d.mixer.gate",
    [AS_SLOT_ROUTER_CORRECTION] = "layers.%d.mixer.gate.e_score_correction_bias",
    [AS_SLOT_EXPERT_UP] = "layers.%d.mixer.experts.%e.up_proj|layers.%d.mixer.experts.up_proj!",
    [AS_SLOT_EXPERT_DOWN] = "layers.%d.mixer.experts.%e.down_proj|layers.%d.mixer.experts.down_proj!",
    [AS_SLOT_SHARED_UP] = "layers.%d.mixer.shared_experts.up_proj",
    [AS_SLOT_SHARED_DOWN] = "layers.%d.mixer.shared_experts.down_proj",
    [AS_SLOT_LATENT_IN] = "layers.%d.mixer.fc1_latent_proj",
    [AS_SLOT_LATENT_OUT] = "layers.%d.mixer.fc2_latent_proj",
    AS_MAMBA2_NAMES("layers.%d.mixer"),
};

static const char *const prefixes[] = {"backbone.", "model.", "", NULL};
static const char *const ignored[] = {"mtp.*", "*.mtp.*", NULL};

/* ---- the layers ------------------------------------------------------------------------------------------
 */

/* Where the list of layers is: names or letters, and how many. */
typedef struct layer_list {
    const json_t *names;
    const char *letters;
    int64_t count;
} layer_list;

static layer_list find_layers(as_config *c)
{
    static const char *const keys[] = {"layers_block_type", "layer_types"};
    layer_list list = {.letters = "ME*-"};
    for (size_t i = 0; i < 2 && !list.names; i++) {
        const json_t *value = json_object_get(c->root, keys[i]);
        if (json_is_array(value)) list.names = value;
    }
    if (!list.names) list.letters = as_config_string(c, "hybrid_override_pattern", list.letters);
    list.count = (int64_t)(list.names ? json_array_size(list.names) : strlen(list.letters));
    if (list.count < 1 || list.count > AS_MOST_LAYERS) {
        as_config_fail(c, AS_E_INPUT, "\"layers_block_type\" has %lld layers", (long long)list.count);
        list.count = 1;
    }
    return list;
}

/* The letter of a layer: M, *, - or E. */
static char kind_of(as_config *c, const layer_list *list, int64_t layer)
{
    static const struct {
        const char *name;
        char letter;
    } kinds[] = {{"mamba", 'M'},     {"linear_attention", 'M'},
                 {"attention", '*'}, {"full_attention", '*'},
                 {"mlp", '-'},       {"moe", 'E'}};
    if (!list->names) {
        char letter = list->letters[layer];
        if (strchr("M*-E", letter)) return letter;
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"hybrid_override_pattern\" has '%c' at %lld, expected M, *, - or E", letter,
                       (long long)layer);
        return 'M';
    }
    const char *name = json_string_value(json_array_get(list->names, (size_t)layer));
    for (size_t i = 0; name && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(name, kinds[i].name) == 0) return kinds[i].letter;
    }
    as_config_fail(c, AS_E_UNSUPPORTED,
                   "\"layers_block_type\"[%lld] is %s, expected mamba, attention, mlp or moe",
                   (long long)layer, name ? name : "no string");
    return 'M';
}

/* ---- the blocks ------------------------------------------------------------------------------------------
 */

/* Older configs have the second key, which goes before the first. */
static int64_t size_of(as_config *c, const char *key, const char *older, int64_t otherwise, int64_t most)
{
    return as_config_size_or(c, as_config_has(c, older) ? older : key, otherwise, most);
}

static as_mamba2_spec read_mamba(as_config *c, double eps)
{
    const char *least = as_config_has(c, "mamba_dt_min") ? "mamba_dt_min" : "time_step_min";
    const char *conv_bias = as_config_has(c, "mamba_conv_bias") ? "mamba_conv_bias" : "use_conv_bias";
    as_mamba2_spec m = {.heads = as_config_size_or(c, "mamba_num_heads", 128, AS_MOST_HEADS),
                        .head_dim = as_config_size_or(c, "mamba_head_dim", 64, AS_MOST_WIDTH),
                        .states = as_config_size_or(c, "ssm_state_size", 128, 1 << 16),
                        .groups = size_of(c, "n_groups", "mamba_n_groups", 8, AS_MOST_HEADS),
                        .taps = size_of(c, "conv_kernel", "mamba_d_conv", 4, 64),
                        .act = as_config_activation(c, "mamba_hidden_act", "silu"),
                        .in_bias = as_config_bool(c, "use_bias", false),
                        .conv_bias = as_config_bool(c, conv_bias, true),
                        .dt_least = (float)as_config_number_in(c, least, 0.001, 0, 1e9),
                        .dt_most = INFINITY,
                        .norm = as_spec_rms(AS_SLOT_SSM_NORM, eps, 0)};
    m.out_bias = m.in_bias;
    return m;
}

static as_mlp_spec plain_mlp(int64_t width, as_activation act, bool bias, as_slot up, as_slot down)
{
    return (as_mlp_spec){
        .width = width, .act = act, .up_bias = bias, .down_bias = bias, .up = up, .down = down};
}

static as_moe_spec read_experts(as_config *c, as_activation act, bool bias)
{
    const char *count = as_config_has(c, "n_routed_experts") ? "n_routed_experts" : "num_local_experts";
    int64_t shared = as_config_size_or(c, "moe_shared_expert_intermediate_size", 7688, AS_MOST_WIDTH);
    as_moe_spec moe = {.experts = as_config_size_or(c, count, 8, AS_MOST_EXPERTS),
                       .top_k = as_config_size_or(c, "num_experts_per_tok", 2, AS_MOST_EXPERTS),
                       .width = as_config_size_or(c, "moe_intermediate_size", 7688, AS_MOST_WIDTH),
                       .act = act,
                       .latent_bias = bias,
                       .route = AS_ROUTE_SIGMOID,
                       .correction = true,
                       .normalise = as_config_bool(c, "norm_topk_prob", true),
                       .scale = as_config_factor(c, "routed_scaling_factor", 1),
                       .groups = as_config_size_or(c, "n_group", 1, AS_MOST_EXPERTS),
                       .group_top = as_config_size_or(c, "topk_group", 1, AS_MOST_EXPERTS),
                       .shared = plain_mlp(shared, act, bias, AS_SLOT_SHARED_UP, AS_SLOT_SHARED_DOWN)};
    if (as_config_has(c, "moe_latent_size")) moe.latent = as_config_size(c, "moe_latent_size", AS_MOST_WIDTH);
    if (moe.experts % moe.groups || moe.group_top > moe.groups ||
        moe.top_k > moe.experts / moe.groups * moe.group_top) {
        as_config_fail(c, AS_E_INPUT,
                       "\"num_experts_per_tok\" %lld of \"n_routed_experts\" %lld cannot be chosen from "
                       "\"topk_group\" %lld of \"n_group\" %lld",
                       (long long)moe.top_k, (long long)moe.experts, (long long)moe.group_top,
                       (long long)moe.groups);
    }
    return moe;
}

static void describe(as_config *c, as_model_spec *spec)
{
    layer_list layers = find_layers(c);
    as_spec_base_of(c, spec, layers.count, 4096);
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : 8, 128);
    double eps = as_config_eps(c, "layer_norm_epsilon", 1e-5);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_activation act = as_config_activation(c, "mlp_hidden_act", "relu2");
    bool bias = as_config_bool(c, "mlp_bias", false);
    spec->intermediate = as_config_size_or(c, "intermediate_size", 21504, AS_MOST_WIDTH);
    as_attention_spec attention = as_spec_attention(spec, -1, false, false);
    as_mamba2_spec mamba = read_mamba(c, eps);
    as_mlp_spec mlp = plain_mlp(spec->intermediate, act, bias, AS_SLOT_UP, AS_SLOT_DOWN);
    as_moe_spec moe = read_experts(c, act, bias);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        switch (kind_of(c, &layers, i)) {
        case 'M':
            as_spec_check_mamba2(c, &mamba, mamba.heads * mamba.head_dim, "mamba_num_heads", "n_groups");
            as_spec_add_mixer(c, spec, i, &as_block_mamba2, &mamba, norm);
            break;
        case '*': as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm); break;
        case '-': as_spec_add_mixer(c, spec, i, &as_block_mlp, &mlp, norm); break;
        default: as_spec_add_mixer(c, spec, i, &as_block_moe, &moe, norm); break;
        }
    }
    spec->names = names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_nemotron_h = {.architectures = {"NemotronHForCausalLM"}, .describe = describe};
