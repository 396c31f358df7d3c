/* config.json to a spec: contradictions get a message that names the field, both forms give the same spec,
 * absurd sizes cost nothing. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/arch/text_parts.h"
#include "engine/blocks/block.h"
#include "engine/blocks/mamba.h"
#include "engine/blocks/moe.h"

static json_t *parse(const char *text)
{
    json_t *value = NULL;
    as_error err;
    cr_assert_eq(as_json_parse(text, strlen(text), AS_JSON_LENIENT, "test", &value, &err), AS_OK, "%s",
                 err.text);
    return value;
}

/* A sound configuration of the family, over which `changes` are laid; a null value removes nothing, the word
 * "ABSENT" does. */
static json_t *config_with(const char *architecture, const char *changes)
{
    json_t *config = parse("{\"hidden_size\": 64, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, "
                           "\"num_key_value_heads\": 2, \"intermediate_size\": 96, \"vocab_size\": 100, "
                           "\"max_position_embeddings\": 256, "
                           /* recurrent mixers */
                           "\"mamba_n_heads\": 4, \"mamba_d_ssm\": 128, \"num_heads\": 2, \"n_groups\": 1, "
                           "\"layers_block_type\": [\"mamba\", \"mamba\"], "
                           "\"num_local_experts\": 16, \"num_experts_per_tok\": 2, \"num_layers\": 2, "
                           "\"num_kv_shared_layers\": 0, \"is_decoder\": true}");
    json_t *list = json_array(), *over = parse(changes), *value;
    const char *key;
    json_array_append_new(list, json_string(architecture));
    json_object_set_new(config, "architectures", list);
    json_object_foreach(over, key, value)
    {
        const char *word = json_string_value(value);
        if (word && strcmp(word, "ABSENT") == 0) {
            json_object_del(config, key);
        } else {
            json_object_set(config, key, value);
        }
    }
    json_decref(over);
    return config;
}

typedef struct broken {
    const char *architecture, *changes;
    as_code code;
    const char *words[3]; /* all must stand in the message */
} broken;

#define LLAMA  "LlamaForCausalLM"
#define GEMMA4 "Gemma4ForCausalLM"
#define QWEN4  "Qwen4ExpForCausalLM"
#define INDEXED                                                                                              \
    "\"layer_types\": [\"linear_attention\", \"full_attention\"], \"indexer_n_heads\": 2, "                  \
    "\"indexer_head_dim\": 256, \"indexer_compress_ratio\": 3, "

static const broken cases[] = {
    /* presence, type, range */
    {LLAMA, "{\"hidden_size\": \"ABSENT\"}", AS_E_INPUT, {"\"hidden_size\"", "missing"}},
    {LLAMA, "{\"hidden_size\": null}", AS_E_INPUT, {"\"hidden_size\"", "missing"}},
    {LLAMA, "{\"hidden_size\": \"64\"}", AS_E_INPUT, {"\"hidden_size\"", "\"64\"", "integer"}},
    {LLAMA, "{\"hidden_size\": 64.5}", AS_E_INPUT, {"\"hidden_size\"", "64.5", "integer"}},
    {LLAMA, "{\"hidden_size\": 0}", AS_E_INPUT, {"\"hidden_size\"", "is 0"}},
    {LLAMA, "{\"hidden_size\": -64}", AS_E_INPUT, {"\"hidden_size\"", "-64"}},
    {LLAMA, "{\"hidden_size\": 1099511627776}", AS_E_INPUT, {"\"hidden_size\"", "1099511627776"}},
    {LLAMA, "{\"hidden_size\": 1e400}", AS_E_INPUT, {"\"hidden_size\""}},
    {LLAMA, "{\"hidden_size\": 99999999999999999999999}", AS_E_INPUT, {"\"hidden_size\""}},
    {LLAMA, "{\"num_hidden_layers\": 1000000}", AS_E_INPUT, {"\"num_hidden_layers\"", "1000000"}},
    {LLAMA, "{\"num_hidden_layers\": [2]}", AS_E_INPUT, {"\"num_hidden_layers\"", "[2]"}},
    {LLAMA, "{\"vocab_size\": 0}", AS_E_INPUT, {"\"vocab_size\""}},
    {LLAMA, "{\"vocab_size\": \"ABSENT\"}", AS_E_INPUT, {"\"vocab_size\"", "missing"}},
    {LLAMA, "{\"intermediate_size\": \"ABSENT\"}", AS_E_INPUT, {"\"intermediate_size\"", "missing"}},
    {LLAMA, "{\"max_position_embeddings\": 0}", AS_E_INPUT, {"\"max_position_embeddings\""}},
    {LLAMA, "{\"max_position_embeddings\": 1e12}", AS_E_INPUT, {"\"max_position_embeddings\""}},
    {LLAMA, "{\"rms_norm_eps\": \"small\"}", AS_E_INPUT, {"\"rms_norm_eps\"", "small"}},
    {LLAMA, "{\"rms_norm_eps\": -1e-5}", AS_E_INPUT, {"\"rms_norm_eps\"", "-1e-05"}},
    {LLAMA, "{\"rms_norm_eps\": NaN}", AS_E_INPUT, {"\"rms_norm_eps\"", "nan"}},
    {LLAMA, "{\"attention_bias\": 1}", AS_E_INPUT, {"\"attention_bias\"", "true or false"}},
    {LLAMA, "{\"tie_word_embeddings\": \"yes\"}", AS_E_INPUT, {"\"tie_word_embeddings\"", "true or false"}},
    {LLAMA, "{\"hidden_act\": \"swoosh\"}", AS_E_UNSUPPORTED, {"\"hidden_act\"", "swoosh", "silu"}},
    {LLAMA, "{\"hidden_act\": 3}", AS_E_INPUT, {"\"hidden_act\"", "string"}},
    {LLAMA, "{\"model_type\": 3}", AS_E_INPUT, {"\"model_type\"", "string"}},
    /* of the 16 elements of a head 16 * 0.1 = 1 turns; of StableLM's 8 * 0.4 = 3 */
    {"PhiForCausalLM", "{\"partial_rotary_factor\": 0.1}", AS_E_INPUT, {"\"head_dim\"", "1", "pairs"}},
    {"StableLmForCausalLM",
     "{\"num_attention_heads\": 8, \"partial_rotary_factor\": 0.4}",
     AS_E_INPUT,
     {"\"head_dim\"", "3", "pairs"}},
    /* heads */
    {LLAMA,
     "{\"num_key_value_heads\": 3}",
     AS_E_INPUT,
     {"\"num_key_value_heads\" is 3", "\"num_attention_heads\" 4"}},
    {LLAMA,
     "{\"num_key_value_heads\": 8}",
     AS_E_INPUT,
     {"\"num_key_value_heads\" is 8", "\"num_attention_heads\" 4"}},
    {LLAMA,
     "{\"num_attention_heads\": 7, \"num_key_value_heads\": 7}",
     AS_E_INPUT,
     {"\"hidden_size\" is 64", "\"num_attention_heads\" 7", "\"head_dim\""}},
    {LLAMA,
     "{\"num_attention_heads\": 128, \"num_key_value_heads\": 128}",
     AS_E_INPUT,
     {"\"hidden_size\" is 64"}},
    {LLAMA, "{\"num_attention_heads\": 1099511627776}", AS_E_INPUT, {"\"num_attention_heads\""}},
    {LLAMA, "{\"head_dim\": 15}", AS_E_INPUT, {"\"head_dim\" is 15", "pairs"}},
    {LLAMA, "{\"head_dim\": 1000000}", AS_E_INPUT, {"\"head_dim\" is 1000000"}},
    {"GPTNeoXForCausalLM", "{\"num_attention_heads\": 5}", AS_E_INPUT, {"\"hidden_size\" is 64", "5"}},
    /* positions */
    {LLAMA, "{\"rope_theta\": 0}", AS_E_INPUT, {"\"rope_theta\" is 0"}},
    {LLAMA, "{\"rope_theta\": -1}", AS_E_INPUT, {"\"rope_theta\" is -1"}},
    {LLAMA, "{\"rope_theta\": Infinity}", AS_E_INPUT, {"\"rope_theta\" is inf"}},
    {LLAMA,
     "{\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": NaN}}",
     AS_E_INPUT,
     {"\"rope_theta\" is nan"}},
    {LLAMA, "{\"rope_scaling\": 2}", AS_E_INPUT, {"\"rope_scaling\" is 2", "object"}},
    {LLAMA, "{\"rope_parameters\": [1]}", AS_E_INPUT, {"\"rope_parameters\"", "object"}},
    {LLAMA, "{\"rope_scaling\": {\"type\": \"twisted\"}}", AS_E_UNSUPPORTED, {"twisted", "yarn"}},
    {LLAMA, "{\"rope_scaling\": {\"type\": 7}}", AS_E_INPUT, {"\"type\" is 7"}},
    {LLAMA, "{\"rope_scaling\": {\"type\": \"linear\"}}", AS_E_INPUT, {"\"factor\""}},
    {LLAMA, "{\"rope_scaling\": {\"type\": \"dynamic\"}}", AS_E_INPUT, {"\"factor\""}},
    {LLAMA, "{\"rope_scaling\": {\"type\": \"llama3\"}}", AS_E_INPUT, {"\"factor\""}},
    {LLAMA, "{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 0}}", AS_E_INPUT, {"\"factor\" is 0"}},
    {LLAMA,
     "{\"rope_scaling\": {\"type\": \"linear\", \"factor\": \"2\"}}",
     AS_E_INPUT,
     {"\"factor\" is \"2\""}},
    {LLAMA, "{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": -2}}", AS_E_INPUT, {"\"factor\" is -2"}},
    {LLAMA,
     "{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2, \"beta_fast\": NaN}}",
     AS_E_INPUT,
     {"\"beta_fast\""}},
    {LLAMA,
     "{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2, \"attention_factor\": -1}}",
     AS_E_INPUT,
     {"\"attention_factor\""}},
    {LLAMA,
     "{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2, \"original_max_position_embeddings\": 0}}",
     AS_E_INPUT,
     {"\"original_max_position_embeddings\""}},
    {LLAMA,
     "{\"rope_scaling\": {\"type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 5, \"high_freq_factor\": "
     "4}}",
     AS_E_INPUT,
     {"\"low_freq_factor\" is 5", "\"high_freq_factor\" 4"}},
    {LLAMA,
     "{\"rope_scaling\": {\"type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 0}}",
     AS_E_INPUT,
     {"\"low_freq_factor\" is 0"}},
    {LLAMA, "{\"rope_scaling\": {\"type\": \"longrope\"}}", AS_E_INPUT, {"\"short_factor\"", "8 numbers"}},
    {LLAMA,
     "{\"rope_scaling\": {\"type\": \"longrope\", \"short_factor\": [1,1,1,1,1,1,1,1], \"long_factor\": "
     "[1,1]}}",
     AS_E_INPUT,
     {"\"long_factor\"", "8 numbers"}},
    {LLAMA,
     "{\"rope_scaling\": {\"type\": \"longrope\", \"short_factor\": [1,1,1,0,1,1,1,1]}}",
     AS_E_INPUT,
     {"\"short_factor\"[3]"}},
    {LLAMA,
     "{\"rope_scaling\": {\"type\": \"longrope\", \"short_factor\": [1,1,1,1,1,1,1,\"1\"]}}",
     AS_E_INPUT,
     {"\"short_factor\"[7]"}},
    {"GPTNeoXForCausalLM", "{\"rotary_pct\": 1.5}", AS_E_INPUT, {"\"rotary_pct\" is 1.5"}},
    {"GPTNeoXForCausalLM", "{\"rotary_pct\": 1e300}", AS_E_INPUT, {"\"rotary_pct\""}},
    {"GPTNeoXForCausalLM", "{\"rotary_pct\": -0.25}", AS_E_INPUT, {"\"rotary_pct\" is -0.25"}},
    {"GPTNeoXForCausalLM", "{\"rotary_emb_base\": 0}", AS_E_INPUT, {"\"rotary_emb_base\" is 0"}},
    {"GlmForCausalLM", "{\"partial_rotary_factor\": NaN}", AS_E_INPUT, {"\"partial_rotary_factor\""}},
    {"GPTNeoXForCausalLM",
     "{\"rope_parameters\": {\"partial_rotary_factor\": 1e300}}",
     AS_E_INPUT,
     {"\"partial_rotary_factor\""}},
    /* windows and layers */
    {"MistralForCausalLM", "{\"sliding_window\": 0}", AS_E_INPUT, {"\"sliding_window\" is 0"}},
    {"MistralForCausalLM", "{\"sliding_window\": \"wide\"}", AS_E_INPUT, {"\"sliding_window\"", "wide"}},
    {"Qwen2ForCausalLM",
     "{\"use_sliding_window\": true, \"sliding_window\": -3}",
     AS_E_INPUT,
     {"\"sliding_window\" is -3"}},
    {"Qwen2ForCausalLM",
     "{\"layer_types\": [\"full_attention\"]}",
     AS_E_INPUT,
     {"\"layer_types\"", "2 layers"}},
    {"Qwen2ForCausalLM", "{\"layer_types\": \"full_attention\"}", AS_E_INPUT, {"\"layer_types\"", "list"}},
    {"Qwen2ForCausalLM",
     "{\"layer_types\": [\"full_attention\", 2]}",
     AS_E_INPUT,
     {"\"layer_types\"[1]", "string"}},
    {"Qwen3ForCausalLM",
     "{\"layer_types\": [\"full_attention\", \"half_attention\"]}",
     AS_E_UNSUPPORTED,
     {"\"layer_types\"[1]", "half_attention", "sliding_attention"}},
    {"Gemma2ForCausalLM", "{\"query_pre_attn_scalar\": 0}", AS_E_INPUT, {"\"query_pre_attn_scalar\" is 0"}},
    {"Gemma2ForCausalLM",
     "{\"final_logit_softcapping\": \"no\"}",
     AS_E_INPUT,
     {"\"final_logit_softcapping\""}},
    {"Gemma2ForCausalLM",
     "{\"attn_logit_softcapping\": -50}",
     AS_E_INPUT,
     {"\"attn_logit_softcapping\" is -50"}},
    {"Gemma2ForCausalLM",
     "{\"hidden_activation\": \"none\"}",
     AS_E_UNSUPPORTED,
     {"\"hidden_activation\"", "none"}},
    /* GPT-2 and its kind, whose sizes have names of their own */
    {"GPT2LMHeadModel", "{\"hidden_size\": \"ABSENT\"}", AS_E_INPUT, {"\"n_embd\"", "missing"}},
    {"GPT2LMHeadModel", "{\"n_head\": 5}", AS_E_INPUT, {"\"hidden_size\" is 64", "\"n_head\" 5"}},
    {"GPT2LMHeadModel", "{\"add_cross_attention\": true}", AS_E_UNSUPPORTED, {"\"add_cross_attention\""}},
    {"GPT2LMHeadModel", "{\"n_inner\": 0}", AS_E_INPUT, {"\"n_inner\" is 0"}},
    {"OPTForCausalLM", "{\"activation_function\": \"swoosh\"}", AS_E_UNSUPPORTED, {"swoosh"}},
    {"OPTForCausalLM", "{\"word_embed_proj_dim\": -4}", AS_E_INPUT, {"\"word_embed_proj_dim\" is -4"}},
    {"GPTJForCausalLM", "{\"rotary_dim\": 7}", AS_E_INPUT, {"\"head_dim\" is 16, of which 7", "pairs"}},
    {"GPTJForCausalLM", "{\"rotary_dim\": 18}", AS_E_INPUT, {"\"head_dim\" is 16, of which 18"}},
    {"CodeGenForCausalLM", "{\"num_attention_heads\": 2}", AS_E_INPUT, {"\"n_head\" is 2", "4 parts"}},
    {"GPTNeoForCausalLM",
     "{\"attention_types\": [[[\"global\", \"local\"], 2]]}",
     AS_E_INPUT,
     {"\"attention_types\"", "expected 2"}},
    {"GPTNeoForCausalLM",
     "{\"attention_types\": [[[\"global\", \"distant\"], 1]]}",
     AS_E_UNSUPPORTED,
     {"distant"}},
    {"GPTNeoForCausalLM",
     "{\"attention_types\": [[[\"global\"], 1000000000000]]}",
     AS_E_INPUT,
     {"or more layers"}},
    {"FalconForCausalLM",
     "{\"num_ln_in_parallel_attn\": 2}",
     AS_E_UNSUPPORTED,
     {"\"num_ln_in_parallel_attn\" is 2"}},
    {"FalconForCausalLM",
     "{\"new_decoder_architecture\": true, \"num_kv_heads\": 3}",
     AS_E_INPUT,
     {"\"num_kv_heads\" is 3", "4 heads"}},
    {"MptForCausalLM", "{\"attn_config\": [1]}", AS_E_INPUT, {"\"attn_config\"", "object"}},
    {"MPTForCausalLM",
     "{\"attn_config\": {\"attn_type\": \"spherical\"}}",
     AS_E_UNSUPPORTED,
     {"\"attn_type\" is \"spherical\""}},
    {"MPTForCausalLM", "{\"attn_config\": {\"prefix_lm\": true}}", AS_E_UNSUPPORTED, {"\"prefix_lm\""}},
    {"MiniMaxM3VLForCausalLM",
     "{\"layer_types\": [\"minimax_m3_sparse\", \"minimax_m3_sparse\"], \"index_n_heads\": 3}",
     AS_E_INPUT,
     {"\"index_n_heads\" is 3", "4 heads"}},
    {"MiniMaxM3VLForCausalLM",
     "{\"layer_types\": [\"full_attention\", \"minimax_m3_sparse\"], \"index_head_dim\": 8}",
     AS_E_UNSUPPORTED,
     {"\"index_head_dim\" is 8"}},
    {"MiniMaxM3VLForCausalLM", "{\"moe_layer_freq\": [1]}", AS_E_INPUT, {"\"moe_layer_freq\"", "2 layers"}},
    {"MistralLarge4ForConditionalGeneration",
     "{\"kv_source_layers\": [0, 2]}",
     AS_E_INPUT,
     {"\"kv_source_layers\"", "2 layers"}},
    {"MistralLarge4ForConditionalGeneration",
     "{\"kv_source_layers\": [0, 0], \"no_rope_layers\": [1, 0]}",
     AS_E_INPUT,
     {"\"kv_source_layers\"", "does not rotate"}},
    {"Inkling2ForCausalLM",
     "{\"scoring_func\": \"softmax\"}",
     AS_E_UNSUPPORTED,
     {"\"scoring_func\"", "softmax"}},
    {"UnlimitedOcrForConditionalGeneration",
     "{\"sliding_window\": null}",
     AS_E_INPUT,
     {"\"sliding_window\""}},
    {"XLNetLMHeadModel", "{}", AS_E_UNSUPPORTED, {"XLNetLMHeadModel", "not supported", "permutation"}},
    {"XGLMForCausalLM", "{\"hidden_size\": 3, \"num_attention_heads\": 1}", AS_E_INPUT, {"sinusoids"}},
    /* what repositories define in code of their own */
    {"ChatGLMModel", "{\"position_encoding_2d\": true}", AS_E_UNSUPPORTED, {"\"position_encoding_2d\""}},
    {"ChatGLMModel",
     "{\"multi_query_attention\": true, \"multi_query_group_num\": 3}",
     AS_E_INPUT,
     {"\"multi_query_group_num\" is 3"}},
    {"OpenELMForCausalLM", "{\"num_query_heads\": [2]}", AS_E_INPUT, {"\"num_query_heads\" has 1 entries"}},
    {"OpenELMForCausalLM", "{\"ffn_multipliers\": [1, \"2\"]}", AS_E_INPUT, {"\"ffn_multipliers\"[1]"}},
    {"OpenELMForCausalLM", "{\"num_kv_heads\": [2, 3]}", AS_E_INPUT, {"layer 1 has 3 key/value heads"}},
    {"DeciLMForCausalLM",
     "{\"num_key_value_heads_per_layer\": [4, 3]}",
     AS_E_INPUT,
     {"layer 1 has 3 key/value heads"}},
    {"DeciLMForCausalLM", "{\"block_configs\": [{}]}", AS_E_INPUT, {"\"block_configs\" has 1 entries"}},
    {"DeciLMForCausalLM",
     "{\"block_configs\": [{\"ffn\": {\"no_op\": true}}, {}]}",
     AS_E_INPUT,
     {"\"ffn_mult\" is 0"}},
    {"InternLMForCausalLM", "{\"rotary\": {\"type\": \"twisted\"}}", AS_E_UNSUPPORTED, {"twisted"}},
    {"MiniCPMForCausalLM", "{\"num_experts\": 8}", AS_E_UNSUPPORTED, {"\"num_experts\""}},
    {"QWenLMHeadModel", "{\"kv_channels\": 5}", AS_E_INPUT, {"\"head_dim\" is 5"}},
    /* experts, states */
    {"MixtralForCausalLM",
     "{\"num_local_experts\": 4, \"num_experts_per_tok\": 5}",
     AS_E_INPUT,
     {"\"num_experts_per_tok\" is 5", "4 experts"}},
    {"MixtralForCausalLM", "{\"num_local_experts\": 0}", AS_E_INPUT, {"\"num_local_experts\" is 0"}},
    {"MixtralForCausalLM",
     "{\"num_local_experts\": 1000000}",
     AS_E_INPUT,
     {"\"num_local_experts\" is 1000000"}},
    {"MambaForCausalLM", "{\"expand\": 0}", AS_E_INPUT, {"\"expand\" is 0"}},
    {"MambaForCausalLM", "{\"expand\": 1e300}", AS_E_INPUT, {"\"expand\""}},
    {"MambaForCausalLM", "{\"state_size\": 1099511627776}", AS_E_INPUT, {"\"state_size\""}},
    {"MambaForCausalLM", "{\"conv_kernel\": 0}", AS_E_INPUT, {"\"conv_kernel\" is 0"}},
    {"MambaForCausalLM",
     "{\"time_step_rank\": \"automatic\"}",
     AS_E_INPUT,
     {"\"time_step_rank\"", "automatic"}},
    {"MambaForCausalLM", "{\"time_step_rank\": -1}", AS_E_INPUT, {"\"time_step_rank\" is -1"}},
    /* families with rules of their own */
    {"HeliumForCausalLM", "{\"head_dim\": 24}", AS_E_INPUT, {"\"hidden_size\" is 64", "\"head_dim\" 24"}},
    {"DiffLlamaForCausalLM",
     "{\"num_key_value_heads\": 1}",
     AS_E_INPUT,
     {"\"num_key_value_heads\" is 1", "even"}},
    {"SmolLM3ForCausalLM", "{\"no_rope_layers\": [1]}", AS_E_INPUT, {"\"no_rope_layers\"", "2 layers"}},
    {"GraniteSWAForCausalLM",
     "{\"layer_rope_theta\": [1]}",
     AS_E_INPUT,
     {"\"layer_rope_theta\"", "2 layers"}},
    {"GraniteSWAForCausalLM", "{\"layer_rope_theta\": [-1, 2]}", AS_E_INPUT, {"\"layer_rope_theta\"", "-1"}},
    {"GraniteForCausalLM", "{\"logits_scaling\": 0}", AS_E_INPUT, {"\"logits_scaling\" is 0"}},
    {"CohereForCausalLM", "{\"logit_scale\": -1}", AS_E_INPUT, {"\"logit_scale\" is -1"}},
    {"OlmoForCausalLM", "{\"clip_qkv\": -8}", AS_E_INPUT, {"\"clip_qkv\" is -8"}},
    {"ZayaForCausalLM", "{}", AS_E_INPUT, {"\"num_experts_per_tok\" is 2"}},
    {"Phi3ForCausalLM",
     "{\"rope_scaling\": {\"type\": \"su\", \"short_factor\": [1, 1]}}",
     AS_E_INPUT,
     {"\"short_factor\"", "8 numbers"}},
    {"LlavaForConditionalGeneration",
     "{\"text_config\": {\"model_type\": \"whale\"}}",
     AS_E_UNSUPPORTED,
     {"\"text_config\"", "whale"}},
    {GEMMA4, "{\"use_bidirectional_attention\": \"all\"}", AS_E_UNSUPPORTED, {"\"all\"", "generate"}},
    {GEMMA4,
     "{\"per_layer_config\": {\"01\": {\"intermediate_size\": 12}}}",
     AS_E_UNSUPPORTED,
     {"\"per_layer_config\"", "layer 1", "\"intermediate_size\""}},
    {GEMMA4,
     "{\"layer_types\": [\"full_attention\", \"full_attention\"], \"per_layer_config\": {\"0\": "
     "{\"head_dim\": 12}}}",
     AS_E_INPUT,
     {"\"per_layer_config\"", "layer 1", "other heads"}},
    {GEMMA4,
     "{\"attention_k_eq_v\": true, \"num_global_key_value_heads\": 3}",
     AS_E_INPUT,
     {"3 key/value heads", "\"num_attention_heads\" 4"}},
    {GEMMA4, "{\"num_kv_shared_layers\": 1}", AS_E_INPUT, {"layer 1", "full", "\"num_kv_shared_layers\""}},
    {GEMMA4, "{\"hidden_size_per_layer_input\": -1}", AS_E_INPUT, {"\"hidden_size_per_layer_input\" is -1"}},
    {GEMMA4, "{\"enable_moe_block\": true}", AS_E_INPUT, {"\"num_experts\"", "missing"}},
    {"Qwen2MoeForCausalLM",
     "{\"layer_types\": [\"full_attention\", \"sliding_attention\"], \"use_sliding_window\": false}",
     AS_E_INPUT,
     {"\"layer_types\"[1]", "\"use_sliding_window\""}},
    {"BertLMHeadModel", "{\"is_decoder\": \"ABSENT\"}", AS_E_UNSUPPORTED, {"\"is_decoder\"", "continue"}},
    {"RobertaForCausalLM", "{\"pad_token_id\": 511}", AS_E_INPUT, {"\"pad_token_id\" is 511"}},
    {QWEN4, "{" INDEXED "\"indexer_budget\": 7}", AS_E_INPUT, {"\"indexer_budget\" is 7"}},
    {QWEN4, "{\"ple_layer_ids\": [1]}", AS_E_INPUT, {"\"eos_token_id\" is missing"}},
    {QWEN4,
     "{" INDEXED "\"indexer_budget\": 6, \"ple_layer_ids\": [2], \"eos_token_id\": 3}",
     AS_E_INPUT,
     {"\"ple_layer_ids\" names layer 2"}},
    {QWEN4,
     "{" INDEXED "\"indexer_budget\": 6, \"rope_parameters\": {\"rope_type\": \"dynamic\", \"factor\": 2.0, "
     "\"rope_theta\": 500.0}}",
     AS_E_UNSUPPORTED,
     {"\"dynamic\"", "index"}},
};

Test(config, contradictions_name_the_field)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const broken *c = &cases[i];
        json_t *config = config_with(c->architecture, c->changes);
        as_model_spec spec;
        as_error err = {.text = ""};
        as_code rc = as_spec_from_config(config, &spec, &err);
        cr_assert_eq(rc, c->code, "%s %s: code %s: %s", c->architecture, c->changes, as_code_name(rc),
                     err.text);
        cr_assert_eq(err.code, c->code);
        cr_assert(strncmp(err.text, "config.json: ", 13) == 0, "%s", err.text);
        for (int w = 0; w < 3 && c->words[w]; w++) {
            cr_assert(strstr(err.text, c->words[w]), "%s %s: no %s in: %s", c->architecture, c->changes,
                      c->words[w], err.text);
        }
        cr_assert_eq(as_spec_from_config(config, &spec, NULL), c->code, "%s without an error record",
                     c->changes);
        json_decref(config);
    }
}

Test(config, sizes_of_layers_that_it_lacks_contradict_nothing)
{
    json_t *config = config_with("NemotronHForCausalLM",
                                 "{\"layers_block_type\": [\"attention\", \"mlp\"], \"mamba_num_heads\": 6, "
                                 "\"n_groups\": 4, \"hybrid_override_pattern\": \"ABSENT\"}");
    as_model_spec spec;
    as_error err = {.text = ""};
    cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_OK, "%s", err.text);
    as_model_spec_free(&spec);
    json_object_set_new(config, "layers_block_type", json_pack("[s, s]", "attention", "mamba"));
    cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_E_INPUT);
    cr_assert(strstr(err.text, "\"n_groups\" is 4"), "%s", err.text);
    json_decref(config);
}

Test(config, families_are_found_or_the_nearest_is_named)
{
    static const struct {
        const char *text;
        as_code code;
        const char *words[2];
    } roots[] = {
        {"[]", AS_E_INPUT, {"not a JSON object"}},
        {"{}", AS_E_INPUT, {"\"architectures\"", "LlamaForCausalLM"}},
        {"{\"architectures\": []}", AS_E_INPUT, {"\"architectures\""}},
        {"{\"architectures\": null}", AS_E_INPUT, {"\"architectures\""}},
        {"{\"architectures\": [3]}", AS_E_INPUT, {"\"architectures\""}},
        {"{\"architectures\": \"LlamaForCausalLM\"}", AS_E_INPUT, {"\"architectures\""}},
        {"{\"architectures\": [\"LLaMAForCausalLM\"]}",
         AS_E_UNSUPPORTED,
         {"\"LLaMAForCausalLM\"", "LlamaForCausalLM"}},
        {"{\"architectures\": [\"Qwen3ForCausalLm\"]}",
         AS_E_UNSUPPORTED,
         {"Qwen3ForCausalLm", "is Qwen3ForCausalLM"}},
        {"{\"architectures\": [\"Mixtral\"]}", AS_E_UNSUPPORTED, {"\"Mixtral\"", "assay catalog"}},
        {"{\"architectures\": [\"\"]}", AS_E_UNSUPPORTED, {"\"\""}},
        {"{\"architectures\": [\"MyOwnForCausalLM\"], \"auto_map\": {\"AutoModelForCausalLM\": "
         "\"modeling_my_own.MyOwnForCausalLM\"}}",
         AS_E_UNSUPPORTED,
         {"\"MyOwnForCausalLM\" is defined by the repository's own code", "never executed"}},
        {"{\"architectures\": "
         "[\"Gemma9876543210ForSomethingOfANameThatIsVeryVeryLongIndeedAndGoesOnAndOnWithoutAnyEndInSight\"]"
         "}",
         AS_E_UNSUPPORTED,
         {"Gemma9876543210"}},
    };
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        json_t *config = parse(roots[i].text);
        as_model_spec spec;
        as_error err;
        cr_assert_eq(as_spec_from_config(config, &spec, &err), roots[i].code, "%s: %s", roots[i].text,
                     err.text);
        for (int w = 0; w < 2 && roots[i].words[w]; w++)
            cr_assert(strstr(err.text, roots[i].words[w]), "%s", err.text);
        json_decref(config);
    }
}

Test(config, every_family_reads_a_sound_configuration)
{
    int families = 0;
    for (const as_family *const *family = as_families; *family; family++, families++) {
        for (const char *const *name = (*family)->architectures; *name; name++) {
            bool single = strcmp(*name, "ZayaForCausalLM") == 0; /* one expert a token, and no other number */
            json_t *config = config_with(*name, single ? "{\"num_experts_per_tok\": 1}" : "{}");
            as_model_spec spec;
            as_error err;
            cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_OK, "%s: %s", *name, err.text);
            cr_assert_str_eq(spec.architecture, *name);
            bool again = strcmp(*name, "HrmTextForCausalLM") == 0; /* its stacks run again and again */
            cr_assert(again ? spec.layer_count > 2 : spec.layer_count == 2, "%s: %lld layers", *name,
                      (long long)spec.layer_count);
            cr_assert_gt(spec.layers[1].step_count, 0);
            json_decref(config);
            as_model_spec_free(&spec);
        }
    }
    cr_assert_geq(families, 8);
}

Test(config, every_text_part_has_its_class_sizes)
{
    const char *name;
    for (int64_t i = 0; (name = as_text_part_at(i)); i++) {
        json_t *config =
            json_pack("{s:[s], s:{s:i}}", "architectures", name, "text_config", "num_attention_heads", 64);
        as_model_spec spec;
        as_error err;
        cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_OK, "%s: %s", name, err.text);
        cr_assert_str_eq(spec.architecture, name);
        cr_assert_gt(spec.hidden, 100, "%s", name);
        cr_assert_gt(spec.layer_count, 3, "%s", name);
        cr_assert_gt(spec.vocab, 3000, "%s", name);
        json_decref(config);
        as_model_spec_free(&spec);
    }
}

static void expect_text_part(const char *text, int64_t layers, bool scaled)
{
    json_t *config = json_loads(text, 0, NULL);
    as_model_spec spec;
    as_error err;
    cr_assert(config, "%s", text);
    cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_OK, "%s: %s", text, err.text);
    cr_assert_eq(spec.layer_count, layers, "%s: %lld layers", text, (long long)spec.layer_count);
    cr_assert_eq(spec.logit_scale != 0 && spec.logit_scale != 1, scaled, "%s: scale %g", text,
                 (double)spec.logit_scale);
    json_decref(config);
    as_model_spec_free(&spec);
}

Test(config, a_text_part_is_found_wherever_it_is_nested)
{
    expect_text_part("{\"architectures\": [\"LlavaForConditionalGeneration\"], \"text_config\": "
                     "{\"model_type\": \"qwen2\", \"num_hidden_layers\": 3}}",
                     3, false);
    expect_text_part("{\"architectures\": [\"InternVLChatModel\"], \"llm_config\": "
                     "{\"model_type\": \"internlm2\", \"num_hidden_layers\": 5}}",
                     5, false);
    expect_text_part("{\"architectures\": [\"MultiModalityCausalLM\"], \"language_config\": "
                     "{\"model_type\": \"llama\", \"num_hidden_layers\": 7}}",
                     7, false);
    expect_text_part("{\"architectures\": [\"Qwen2_5OmniModel\"], \"thinker_config\": {\"text_config\": "
                     "{\"num_hidden_layers\": 9}}, \"talker_config\": {\"num_hidden_layers\": 2}}",
                     9, false);
    expect_text_part("{\"architectures\": [\"Qwen2VLForConditionalGeneration\"], \"num_hidden_layers\": 4}",
                     4, false);
    expect_text_part("{\"architectures\": [\"DotsOCRForCausalLM\"], \"model_type\": \"dots_ocr\", "
                     "\"num_hidden_layers\": 6}",
                     6, false);
    expect_text_part("{\"architectures\": [\"Ovis\"], \"llm_config\": {\"model_type\": \"gemma2\", "
                     "\"num_hidden_layers\": 8}}",
                     8, false);
}

/* transformers' GlmAsrConfig and VoxtralConfig lay the nested configuration over values of their own. */
Test(config, a_class_has_values_of_its_own_for_what_is_left_out)
{
    static const struct {
        const char *text;
        int64_t kv_heads, head_dim;
        double theta, eps;
    } classes[] = {
        {"{\"architectures\": [\"GlmAsrForConditionalGeneration\"], \"text_config\": {\"model_type\": "
         "\"llama\", \"hidden_size\": 64, \"num_attention_heads\": 8, \"rope_theta\": 5e5}}",
         4, 8, 10000, 1e-5},
        {"{\"architectures\": [\"VoxtralForConditionalGeneration\"], \"text_config\": {\"model_type\": "
         "\"llama\", \"hidden_size\": 64, \"num_attention_heads\": 16}}",
         8, 128, 1e8, 1e-5},
        {"{\"architectures\": [\"LlavaForConditionalGeneration\"], \"text_config\": {\"model_type\": "
         "\"llama\", \"hidden_size\": 64, \"num_attention_heads\": 16, \"rope_theta\": 5e5}}",
         16, 4, 5e5, 1e-6},
    };
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        json_t *config = json_loads(classes[i].text, 0, NULL);
        as_model_spec spec;
        as_error err;
        cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_OK, "%zu: %s", i, err.text);
        cr_expect_eq(spec.kv_heads, classes[i].kv_heads, "%zu: %lld", i, (long long)spec.kv_heads);
        cr_expect_eq(spec.head_dim, classes[i].head_dim, "%zu: %lld", i, (long long)spec.head_dim);
        cr_expect_eq(spec.ropes[0].theta, classes[i].theta, "%zu: %g", i, spec.ropes[0].theta);
        cr_expect_float_eq(spec.final_norm.eps, classes[i].eps, 1e-12, "%zu: %g", i,
                           (double)spec.final_norm.eps);
        json_decref(config);
        as_model_spec_free(&spec);
    }
}

Test(config, the_scale_of_the_logits_is_the_class_s)
{
    expect_text_part("{\"architectures\": [\"AyaVisionForConditionalGeneration\"], \"text_config\": "
                     "{\"model_type\": \"cohere2\", \"num_hidden_layers\": 4, \"logit_scale\": 0.25}}",
                     4, false);
    expect_text_part(
        "{\"architectures\": [\"HyperCLOVAXVisionV2ForConditionalGeneration\"], \"text_config\": "
        "{\"model_type\": \"hyperclovax\", \"num_hidden_layers\": 4, \"logits_scaling\": 0.25}}",
        4, true);
}

/* ---- two forms, one spec ---------------------------------------------------------------------------------
 */

static bool same_rope(const as_rope_spec *a, const as_rope_spec *b)
{
    return a->kind == b->kind && a->head_dim == b->head_dim && a->rotary == b->rotary && a->dim == b->dim &&
           a->theta == b->theta && a->scaling == b->scaling && a->factor == b->factor &&
           a->max_context == b->max_context && a->original_context == b->original_context &&
           a->low_freq_factor == b->low_freq_factor && a->high_freq_factor == b->high_freq_factor &&
           a->beta_fast == b->beta_fast && a->beta_slow == b->beta_slow && a->no_truncate == b->no_truncate &&
           a->attention_factor == b->attention_factor;
}

Test(config, the_older_and_the_newer_form_agree)
{
    static const struct {
        const char *architecture, *older, *newer;
    } pairs[] = {
        {LLAMA, "{}", "{\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 10000.0}}"},
        {LLAMA, "{\"rope_theta\": 500000.0, \"rope_scaling\": null}",
         "{\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 500000.0}}"},
        {LLAMA,
         "{\"rope_theta\": 5e5, \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8, "
         "\"low_freq_factor\": 1, "
         "\"high_freq_factor\": 4, \"original_max_position_embeddings\": 128}}",
         "{\"rope_parameters\": {\"rope_type\": \"llama3\", \"rope_theta\": 5e5, \"factor\": 8.0, "
         "\"low_freq_factor\": 1.0, "
         "\"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 128}}"},
        {"Qwen2ForCausalLM",
         "{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4.0, \"original_max_position_embeddings\": "
         "64}}",
         "{\"rope_parameters\": {\"rope_type\": \"yarn\", \"rope_theta\": 10000, \"factor\": 4.0, "
         "\"original_max_position_embeddings\": 64}}"},
        {LLAMA, "{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}}",
         "{\"rope_parameters\": {\"type\": \"linear\", \"rope_type\": \"linear\", \"factor\": 2.0}}"},
        /* where a config has both the older goes before */
        {LLAMA, "{\"rope_theta\": 700.0, \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}}",
         "{\"rope_theta\": 700.0, \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}, "
         "\"rope_parameters\": {\"rope_type\": \"dynamic\", \"rope_theta\": 500.0, \"factor\": 4.0}}"},
        {"GPTNeoXForCausalLM", "{\"rotary_pct\": 0.5, \"rotary_emb_base\": 20000}",
         "{\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 20000.0, "
         "\"partial_rotary_factor\": 0.5}}"},
        /* rope_scaling goes before rope_parameters, unless it is empty */
        {LLAMA,
         "{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}, \"rope_parameters\": {\"rope_theta\": "
         "5}}",
         "{\"rope_parameters\": {\"rope_type\": \"linear\", \"factor\": 2}}"},
        {LLAMA, "{\"rope_scaling\": {}, \"rope_parameters\": {\"rope_theta\": 5}}", "{\"rope_theta\": 5}"},
        /* each family's own names of the base and the share, and no others */
        {"GPTNeoXForCausalLM", "{\"rope_theta\": 5, \"partial_rotary_factor\": 0.5}", "{}"},
        {"BambaForCausalLM", "{\"partial_rotary_factor\": 1.0}", "{}"},
        {"GlmForCausalLM", "{\"partial_rotary_factor\": null}", "{\"partial_rotary_factor\": 1.0}"},
        {"DbrxForCausalLM", "{\"attn_config\": {\"rope_theta\": 5}}", "{}"},
        {"Cohere2MoeForCausalLM", "{\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 2}}", "{}"},
        /* an empty object is a statement, and takes the place of the family's own scaling */
        {"ApertusForCausalLM", "{\"rope_parameters\": {}}",
         "{\"rope_parameters\": {\"rope_type\": \"default\"}}"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        json_t *older = config_with(pairs[i].architecture, pairs[i].older),
               *newer = config_with(pairs[i].architecture, pairs[i].newer);
        as_model_spec a, b;
        as_error err;
        cr_assert_eq(as_spec_from_config(older, &a, &err), AS_OK, "%s", err.text);
        cr_assert_eq(as_spec_from_config(newer, &b, &err), AS_OK, "%s", err.text);
        cr_assert_eq(a.rope_count, 1);
        cr_assert_eq(b.rope_count, 1);
        cr_assert(same_rope(&a.ropes[0], &b.ropes[0]), "%s", pairs[i].newer);
        as_model_spec_free(&a);
        as_model_spec_free(&b);
        json_decref(older);
        json_decref(newer);
    }
}

/* transformers multiplies by a tensor of the list, which one number fits as well. */
Test(config, one_longrope_factor_counts_for_all_elements)
{
    json_t *config =
        config_with(LLAMA, "{\"rope_scaling\": {\"type\": \"longrope\", \"short_factor\": [1.5], "
                           "\"long_factor\": [2,3,4,5,6,7,8,9]}}");
    as_model_spec spec;
    as_error err;
    cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_OK, "%s", err.text);
    for (int i = 0; i < 8; i++) {
        cr_expect_eq(spec.ropes[0].short_factor[i], 1.5);
        cr_expect_eq(spec.ropes[0].long_factor[i], i + 2);
    }
    as_model_spec_free(&spec);
    json_decref(config);
}

/* transformers looks for "truncate" beside the layer types, not under one. */
Test(config, yarn_of_a_layer_type_rounds_its_range)
{
    json_t *config = config_with(
        GEMMA4, "{\"rope_parameters\": {\"full_attention\": {\"rope_type\": \"yarn\", \"factor\": 2.0, "
                "\"rope_theta\": 100.0, \"truncate\": false}}}");
    as_model_spec spec;
    as_error err;
    cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_OK, "%s", err.text);
    cr_assert_eq(spec.ropes[0].scaling, AS_ROPE_YARN);
    cr_assert_not(spec.ropes[0].no_truncate);
    as_model_spec_free(&spec);
    json_decref(config);
}

/* The share of a head that turns may stand beside the rotary parameters. */
Test(config, a_proportional_rotation_takes_the_share_of_all)
{
    json_t *config = config_with(
        GEMMA4, "{\"global_head_dim\": 16, \"partial_rotary_factor\": 0.5, \"rope_parameters\": "
                "{\"full_attention\": {\"rope_type\": \"proportional\", \"rope_theta\": 100.0}}}");
    as_model_spec spec;
    as_error err;
    cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_OK, "%s", err.text);
    cr_assert_eq(spec.ropes[0].angles, 4);
    as_model_spec_free(&spec);
    json_decref(config);
}

/* A length that the family gives where the config is silent holds for the position scaling too. */
Test(config, the_context_is_one_for_all)
{
    json_t *config =
        config_with("Qwen2ForCausalLM", "{\"max_position_embeddings\": \"ABSENT\", "
                                        "\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2}}");
    as_model_spec spec;
    as_error err;
    cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_OK, "%s", err.text);
    cr_assert_eq(spec.ropes[0].max_context, spec.context);
    as_model_spec_free(&spec);
    json_decref(config);
}

static as_model_spec spec_of(const char *architecture, const char *changes)
{
    json_t *config = config_with(architecture, changes);
    as_model_spec spec;
    as_error err;
    cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_OK, "%s: %s", architecture, err.text);
    json_decref(config);
    return spec;
}

/* OLMo 3's class takes rope_theta for the full layers alone, null for the default; and transformers looks for
 * YaRN's truncate beside the layer types, not under them. */
Test(config, rotary_parameters_of_layer_types_are_read_as_transformers_does)
{
    as_model_spec spec = spec_of("Olmo3ForCausalLM", "{\"rope_theta\": 700.0}");
    cr_assert_eq(spec.rope_count, 2);
    cr_assert_eq(spec.ropes[0].theta, 700);
    cr_assert_eq(spec.ropes[1].theta, 500000);
    as_model_spec_free(&spec);
    spec =
        spec_of("Olmo3ForCausalLM", "{\"rope_parameters\": {\"sliding_attention\": null, \"full_attention\": "
                                    "{\"rope_type\": \"yarn\", \"factor\": 4, \"truncate\": false}}}");
    cr_assert_eq(spec.rope_count, 2);
    cr_assert(!spec.ropes[0].no_truncate);
    cr_assert_eq(spec.ropes[1].scaling, AS_ROPE_PLAIN);
    cr_assert_eq(spec.ropes[1].theta, 500000);
    as_model_spec_free(&spec);
}

Test(config, layer_types_have_older_names)
{
    as_model_spec spec = spec_of("Qwen3NextForCausalLM", "{\"layer_types\": [\"attention\", \"mamba\"]}");
    cr_assert_str_eq(spec.layers[0].steps[0].block->name, "attention");
    cr_assert_str_neq(spec.layers[1].steps[0].block->name, "attention");
    as_model_spec_free(&spec);
}

/* SparseMixer chooses two experts whatever the config says; HunYuan's class knows its fields by other names
 * too; a null rope_interleave is none. */
Test(config, fields_mean_what_the_class_makes_of_them)
{
    as_model_spec spec = spec_of("PhimoeForCausalLM", "{\"num_experts_per_tok\": 4}");
    cr_assert_eq(((const as_moe_spec *)spec.layers[0].steps[1].form)->top_k, 2);
    as_model_spec_free(&spec);
    spec = spec_of("HunYuanMoEV1ForCausalLM", "{\"num_experts_per_tok\": 3, \"num_local_experts\": 5}");
    cr_assert_eq(((const as_moe_spec *)spec.layers[0].steps[1].form)->top_k, 3);
    cr_assert_eq(((const as_moe_spec *)spec.layers[0].steps[1].form)->experts, 5);
    as_model_spec_free(&spec);
    spec = spec_of("YoutuForCausalLM", "{\"rope_interleave\": null}");
    cr_assert_eq(spec.ropes[0].kind, AS_ROPE_HALF);
    as_model_spec_free(&spec);
}

static int64_t experts_of_text_part(const char *text)
{
    json_t *config = json_pack("{s:[s], s:o}", "architectures", "Qwen3VLMoeForConditionalGeneration",
                               "text_config", parse(text));
    as_model_spec spec;
    as_error err;
    cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_OK, "%s", err.text);
    int64_t experts = ((const as_moe_spec *)spec.layers[0].steps[1].form)->experts;
    json_decref(config);
    as_model_spec_free(&spec);
    return experts;
}

/* What the class has where a config says nothing does not go before the name under which one is saved. */
Test(config, a_saved_count_of_experts_goes_before_the_class_s)
{
    cr_assert_eq(experts_of_text_part("{\"num_local_experts\": 12}"), 12);
    cr_assert_eq(experts_of_text_part("{\"num_experts\": 12}"), 12);
    cr_assert_eq(experts_of_text_part("{}"), 60);
}

/* Where the class has no check the size of a head is rounded down. */
Test(config, heads_need_not_fill_the_width)
{
    as_model_spec spec = spec_of("MistralForCausalLM", "{\"hidden_size\": 50}");
    cr_assert_eq(spec.head_dim, 12);
    as_model_spec_free(&spec);
}

/* A text part may say alone that its head is tied. */
Test(config, a_part_is_tied_by_its_own_word)
{
    as_model_spec spec =
        spec_of("Qwen3_5ForConditionalGeneration", "{\"tie_word_embeddings\": false, \"text_config\": "
                                                   "{\"tie_word_embeddings\": true, \"hidden_size\": 64, "
                                                   "\"num_hidden_layers\": 2, \"num_attention_heads\": 4, "
                                                   "\"num_key_value_heads\": 2, \"vocab_size\": 100}}");
    cr_assert(spec.tied_head);
    as_model_spec_free(&spec);
}

Test(config, null_is_the_default_where_transformers_takes_it_so)
{
    json_t *config =
        config_with(LLAMA, "{\"num_key_value_heads\": null, \"head_dim\": null, \"rope_theta\": null, "
                           "\"rope_scaling\": {}, \"hidden_act\": null, \"rms_norm_eps\": null}");
    as_model_spec spec;
    as_error err;
    cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_OK, "%s", err.text);
    cr_assert_eq(spec.kv_heads, 4);
    cr_assert_eq(spec.head_dim, 16);
    cr_assert_eq(spec.ropes[0].theta, 10000);
    cr_assert_eq(((const as_mlp_spec *)spec.layers[0].steps[1].form)->act, AS_ACT_SILU);
    as_model_spec_free(&spec);
    json_decref(config);
}

/* A configuration saved without its model names no class; its type tells it. */
Test(config, the_type_stands_for_a_missing_class)
{
    static const char *const pairs[][2] = {{"llama", "LlamaForCausalLM"},
                                           {"gpt_neox", "GPTNeoXForCausalLM"},
                                           {"gpt2", "GPT2LMHeadModel"},
                                           {"openai-gpt", "OpenAIGPTLMHeadModel"},
                                           {"gemma3_text", "Gemma3ForCausalLM"},
                                           {"ernie4_5_moe", "Ernie4_5_MoeForCausalLM"},
                                           {"deepseek_v3", "DeepseekV3ForCausalLM"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        json_t *config = config_with("", "{\"architectures\": \"ABSENT\"}");
        json_object_set_new(config, "model_type", json_string(pairs[i][0]));
        as_model_spec spec;
        as_error err;
        cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_OK, "%s: %s", pairs[i][0], err.text);
        cr_assert_str_eq(spec.architecture, pairs[i][1]);
        as_model_spec_free(&spec);
        json_decref(config);
    }
}

/* As in transformers, which asks the type alone; but what the repository's own code defines stays unknown. */
Test(config, the_type_stands_for_a_class_that_nobody_knows)
{
    static const char *const classes[][3] = {{"BloomModel", "bloom", "BloomForCausalLM"},
                                             {"LLaMAForCausalLM", "llama", "LlamaForCausalLM"},
                                             {"GPT2Model", "gpt2", "GPT2LMHeadModel"}};
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        json_t *config = config_with(classes[i][0], "{}");
        json_object_set_new(config, "model_type", json_string(classes[i][1]));
        as_model_spec spec;
        as_error err;
        cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_OK, "%s: %s", classes[i][0], err.text);
        cr_assert_str_eq(spec.architecture, classes[i][2]);
        as_model_spec_free(&spec);
        json_object_set_new(config, "auto_map", json_pack("{s:s}", "AutoModel", "modeling.Own"));
        cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_E_UNSUPPORTED);
        cr_assert(strstr(err.text, classes[i][0]) && strstr(err.text, "own code"), "%s", err.text);
        json_decref(config);
    }
}

/* In the oracle's conditions null is false, whatever a switch is where it is absent. */
Test(config, a_null_switch_is_off)
{
    json_t *config = config_with("MambaForCausalLM", "{\"use_conv_bias\": null}");
    as_model_spec spec;
    as_error err;
    cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_OK, "%s", err.text);
    cr_assert(!((const as_mamba_spec *)spec.layers[0].steps[0].form)->conv_bias);
    as_model_spec_free(&spec);
    json_decref(config);
}

/* Of Gemma's scaling in the older form only rope_type counts. */
Test(config, type_without_rope_type_is_nothing_to_gemma)
{
    static const struct {
        const char *scaling;
        as_rope_scaling expected;
    } forms[] = {{"{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 8}}", AS_ROPE_PLAIN},
                 {"{\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 8}}", AS_ROPE_LINEAR},
                 {"{\"rope_parameters\": {\"full_attention\": {\"type\": \"linear\", \"factor\": 8}}}",
                  AS_ROPE_LINEAR},
                 {"{\"rope_parameters\": {\"full_attention\": null}}", AS_ROPE_PLAIN}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        json_t *config = config_with("Gemma3ForCausalLM", forms[i].scaling);
        as_model_spec spec;
        as_error err;
        cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_OK, "%s", err.text);
        cr_assert_eq(spec.rope_count, 2);
        cr_assert_eq(spec.ropes[0].scaling, forms[i].expected, "%s", forms[i].scaling);
        cr_assert_eq(spec.ropes[0].theta, 1e6);
        as_model_spec_free(&spec);
        json_decref(config);
    }
}

/* GPT-Neo's attention_layers goes before attention_types, which may be of another length. */
Test(config, a_kind_for_each_layer_goes_before_the_pattern)
{
    json_t *config = config_with("GPTNeoForCausalLM",
                                 "{\"attention_layers\": [\"local\", \"global\"], \"window_size\": 7, "
                                 "\"attention_types\": [[[\"global\", \"local\"], 12]]}");
    as_model_spec spec;
    as_error err;
    cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_OK, "%s", err.text);
    cr_assert_eq(((const as_attention_spec *)spec.layers[0].steps[0].form)->window, 7);
    cr_assert_eq(((const as_attention_spec *)spec.layers[1].steps[0].form)->window, 0);
    as_model_spec_free(&spec);
    json_decref(config);
}

Test(config, failing_allocations_are_told_as_such)
{
    json_t *config =
        config_with(LLAMA, "{\"rope_scaling\": {\"type\": \"longrope\", \"short_factor\": [1,1,1,1,1,1,1,1], "
                           "\"long_factor\": [1,1,1,1,1,1,1,1]}, \"num_hidden_layers\": 4096}");
    as_code rc = AS_E_MEMORY;
    int n = 1;
    for (; rc != AS_OK && n < 100; n++) {
        as_model_spec spec;
        as_alloc_fail_after((uint64_t)n);
        rc = as_spec_from_config(config, &spec, NULL);
        as_alloc_fail_after(0);
        cr_assert(rc == AS_OK || rc == AS_E_MEMORY, "allocation %d: %s", n, as_code_name(rc));
        if (rc == AS_OK) as_model_spec_free(&spec);
    }
    cr_assert(rc == AS_OK && n > 2);
    json_decref(config);
}

/* In a spec 0 means 1: a factor that is 0 leaves nothing of what it is on, and is not taken for an absent
 * one. */
Test(config, factor_of_zero_is_none_of_one)
{
    static const char *const changes[] = {"{\"routed_scaling_factor\": 0}",
                                          "{\"routed_scaling_factor\": 0.5}"};
    float scales[2];
    for (int i = 0; i < 2; i++) {
        as_config config;
        json_t *root = parse(changes[i]);
        as_config_init(&config, root);
        scales[i] = as_config_factor(&config, "routed_scaling_factor", 2.5);
        cr_assert_eq(config.rc, AS_OK);
        json_decref(root);
    }
    cr_expect(scales[0] > 0 && scales[0] < 1e-30f, "%g", (double)scales[0]);
    cr_expect_eq(scales[1], 0.5f);
}
