/* WordLevel: each piece is one token or unknown. As in `tokenizers`, models/wordlevel. */
#include <string.h>

#include "base/mem.h"
#include "engine/text/model.h"

typedef struct wordlevel {
    as_text_model base;
    char *unk_name;
} wordlevel;

static as_code open_wordlevel(as_text_model *model, const as_model_source *source, as_error *err)
{
    wordlevel *m = (wordlevel *)model;
    const char *unk = "<unk>";
    AS_TRY(as_json_get_string(source->settings, "unk_token", &unk, err));
    model->unk = as_vocab_find(&model->vocab, unk, strlen(unk));
    m->unk_name = as_strdup(unk);
    return m->unk_name ? AS_OK : as_fail_memory(err, "the model");
}

static void close_wordlevel(as_text_model *model)
{
    as_free(((wordlevel *)model)->unk_name);
}

static as_code encode(const as_text_model *model, as_scratch *scratch, const char *text, size_t size,
                      as_tokens *out, as_error *err)
{
    (void)scratch;
    int32_t id = as_vocab_find(&model->vocab, text, size);
    if (id < 0) id = model->unk;
    if (id >= 0) return as_tokens_add(out, &id, 1, err);
    return as_fail(err, AS_E_INPUT, "the unknown token \"%s\" is needed but not in the vocabulary",
                   ((const wordlevel *)model)->unk_name);
}

const as_text_model_kind as_model_wordlevel = {"WordLevel", open_wordlevel,    close_wordlevel,
                                               encode,      sizeof(wordlevel), AS_VOCAB_MAP};
