/* What no key of a GGUF file says of a configuration, family by family; see gguf.h. */
#ifndef AS_ENGINE_ARCH_GGUF_COMPLETE_H
#define AS_ENGINE_ARCH_GGUF_COMPLETE_H

#include "engine/arch/gguf.h"

#define AS_GGUF_COMPLETE(family)                                                                             \
    AS_MUST_USE as_code as_gguf_complete_##family(const as_gguf *gguf, json_t *config, as_error *err)

AS_GGUF_COMPLETE(afmoe);
AS_GGUF_COMPLETE(apertus);
AS_GGUF_COMPLETE(baichuan);
AS_GGUF_COMPLETE(bitnet);
AS_GGUF_COMPLETE(chameleon);
AS_GGUF_COMPLETE(cohere2moe);
AS_GGUF_COMPLETE(dbrx);
AS_GGUF_COMPLETE(deci);
AS_GGUF_COMPLETE(deepseek);
AS_GGUF_COMPLETE(deepseek2);
AS_GGUF_COMPLETE(deepseek32);
AS_GGUF_COMPLETE(falcon);
AS_GGUF_COMPLETE(falcon_h1);
AS_GGUF_COMPLETE(gemma2);
AS_GGUF_COMPLETE(gemma3);
AS_GGUF_COMPLETE(gemma3n);
AS_GGUF_COMPLETE(gemma4);
AS_GGUF_COMPLETE(glm_dsa);
AS_GGUF_COMPLETE(gpt2);
AS_GGUF_COMPLETE(gpt_oss);
AS_GGUF_COMPLETE(gptneox);
AS_GGUF_COMPLETE(granite_swa);
AS_GGUF_COMPLETE(granitehybrid);
AS_GGUF_COMPLETE(granitemoe);
AS_GGUF_COMPLETE(hunyuan_vl);
AS_GGUF_COMPLETE(hy_v3);
AS_GGUF_COMPLETE(jais);
AS_GGUF_COMPLETE(jamba);
AS_GGUF_COMPLETE(kimi_linear);
AS_GGUF_COMPLETE(laguna);
AS_GGUF_COMPLETE(lfm2);
AS_GGUF_COMPLETE(lfm2moe);
AS_GGUF_COMPLETE(llama4);
AS_GGUF_COMPLETE(mamba);
AS_GGUF_COMPLETE(mamba2);
AS_GGUF_COMPLETE(mellum);
AS_GGUF_COMPLETE(mimo2);
AS_GGUF_COMPLETE(minicpm);
AS_GGUF_COMPLETE(minicpm3);
AS_GGUF_COMPLETE(minimax01);
AS_GGUF_COMPLETE(mistral3);
AS_GGUF_COMPLETE(mistral4);
AS_GGUF_COMPLETE(mpt);
AS_GGUF_COMPLETE(muse_glimmer);
AS_GGUF_COMPLETE(nemotron_h);
AS_GGUF_COMPLETE(olmo2);
AS_GGUF_COMPLETE(openelm);
AS_GGUF_COMPLETE(phi2);
AS_GGUF_COMPLETE(phimoe);
AS_GGUF_COMPLETE(qwen1);
AS_GGUF_COMPLETE(qwen35);
AS_GGUF_COMPLETE(qwen3moe);
AS_GGUF_COMPLETE(qwen3next);
AS_GGUF_COMPLETE(rwkv6);
AS_GGUF_COMPLETE(rwkv6qwen2);
AS_GGUF_COMPLETE(rwkv7);
AS_GGUF_COMPLETE(stablelm);
AS_GGUF_COMPLETE(step35);

/* Widths of latent attention's heads: newer files hold the latent's as key_length and the heads' as
 * key_length_mla. */
AS_MUST_USE as_code as_gguf_set_latent_widths(const as_gguf *gguf, json_t *config, as_error *err);

#endif
