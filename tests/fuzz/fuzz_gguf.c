/* GGUF files of any bytes: the form, the configuration and tensors made of it, the tokenizer and the chat
 * template. The first byte says how much longer the file is than what is at hand, as for a reader of headers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/arch/arch.h"
#include "engine/load/gguf_model.h"
#include "engine/text/chat.h"
#include "engine/text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_places(const as_gguf *g, uint64_t size)
{
    for (int64_t i = 0; i < g->tensor_count; i++) {
        const as_gguf_tensor *t = &g->tensors[i];
        if (t->offset > size || t->bytes > size - t->offset) abort();
        if (t->elements % t->kind->block && t->dims) abort();
    }
    for (int64_t i = 1; i < g->pair_count; i++) {
        if (as_gguf_find(g, g->pairs[i].key) != &g->pairs[i].value) abort();
    }
}

static void convert(const uint8_t *data, uint64_t size)
{
    as_gguf_file file = {.map = {data, size}};
    json_t *config = NULL;
    as_tensor *tensors = NULL;
    int64_t count = 0;
    if (as_gguf_parse(data, size, size, &file.gguf, NULL) != AS_OK) return;
    as_gguf_place(&file.gguf, data);
    if (as_gguf_config(&file.gguf, &config, NULL) == AS_OK) {
        as_model_spec spec;
        if (as_spec_from_config(config, &spec, NULL) == AS_OK) as_model_spec_free(&spec);
        json_decref(config);
    }
    if (as_gguf_tensors(&file.gguf, &tensors, &count, NULL) == AS_OK) {
        for (int64_t i = 0; i < count; i++) {
            if (tensors[i].offset > size || tensors[i].bytes > size - tensors[i].offset) abort();
        }
        as_free(tensors);
    }
    as_gguf_free(&file.gguf);
}

static void open_text(const uint8_t *data, size_t size)
{
    static char path[64];
    if (!path[0]) snprintf(path, sizeof path, "/tmp/assay-fuzz-%d.gguf", (int)getpid());
    FILE *out = fopen(path, "wb");
    if (!out || fwrite(data, 1, size, out) != size) abort();
    fclose(out);
    as_tokenizer *t = NULL;
    as_chat *chat = NULL;
    if (as_tokenizer_open(path, &t, NULL) == AS_OK) {
        as_tokens ids = {0};
        (void)!as_tokenizer_encode(t, "Hello  wörld \n1234", 18, NULL, &ids, NULL);
        as_tokens_free(&ids);
    }
    if (as_chat_open(path, &chat, NULL) == AS_OK) as_chat_close(chat);
    as_tokenizer_close(t);
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_gguf g;
    if (size == 0) return 0;
    uint64_t beyond = (uint64_t)data[0] * 16;
    data++;
    size--;
    if (as_gguf_parse(data, size, size + beyond, &g, NULL) == AS_OK) {
        check_places(&g, size + beyond);
        as_gguf_free(&g);
    }
    if (beyond) return 0;
    convert(data, size);
    open_text(data, size);
    return 0;
}
