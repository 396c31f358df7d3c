/* What no key of a GGUF file says of a configuration, family by family; see gguf.h. */
#ifndef AS_ENGINE_ARCH_GGUF_COMPLETE_H
#define AS_ENGINE_ARCH_GGUF_COMPLETE_H

#include "engine/arch/gguf.h"

#define AS_GGUF_COMPLETE(family)                                                                             \
    AS_MUST_USE as_code as_gguf_complete_##family(const as_gguf *gguf, json_t *config, as_error *err)

AS_GGUF_COMPLETE(afmoe);
AS_GGUF_COMPLETE(apertus);
AS_GGUF_COMPLETE(baichuan);
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
AS_GGUF_COMPLETE(glm_dsa);
AS_GGUF_COMPLETE(gpt2);
AS_GGUF_COMPLETE(gpt_oss);
AS_GGUF_COMPLETE(gptneox);
AS_GGUF_COMPLETE(granitehybrid);
AS_GGUF_COMPLETE(granitemoe);
AS_GGUF_COMPLETE(granite_swa);
AS_GGUF_COMPLETE(jamba);
AS_GGUF_COMPLETE(lfm2);
AS_GGUF_COMPLETE(lfm2moe);
AS_GGUF_COMPLETE(llama4);
AS_GGUF_COMPLETE(mamba);
AS_GGUF_COMPLETE(mamba2);
AS_GGUF_COMPLETE(minicpm);
AS_GGUF_COMPLETE(minicpm3);
AS_GGUF_COMPLETE(mpt);
AS_GGUF_COMPLETE(nemotron_h);
AS_GGUF_COMPLETE(olmo2);
AS_GGUF_COMPLETE(openelm);
AS_GGUF_COMPLETE(phi2);
AS_GGUF_COMPLETE(qwen1);
AS_GGUF_COMPLETE(qwen3moe);
AS_GGUF_COMPLETE(qwen35);
AS_GGUF_COMPLETE(qwen3next);
AS_GGUF_COMPLETE(rwkv6);
AS_GGUF_COMPLETE(rwkv6qwen2);
AS_GGUF_COMPLETE(rwkv7);
AS_GGUF_COMPLETE(stablelm);

#endif
