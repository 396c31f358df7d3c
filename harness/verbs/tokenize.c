/* assay tokenize and assay detokenize. */
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "engine/text/tokenizer.h"
#include "harness/common.h"
#include "harness/resolve.h"
#include "harness/verb.h"

static struct {
    bool from_stdin, no_special, skip_special;
    const char *text, *tokens;
} given;

static const as_option tokenize_options[] = {
    {"--stdin", AS_OPTION_FLAG, &given.from_stdin, NULL, "read the text from standard input"},
    {"--text", AS_OPTION_TEXT, &given.text, "TEXT", "the text"},
    {"--no-special", AS_OPTION_FLAG, &given.no_special, NULL, "add no special tokens"},
    {NULL, AS_OPTION_FLAG, NULL, NULL, NULL},
};
static const as_option detokenize_options[] = {
    {"--tokens", AS_OPTION_TEXT, &given.tokens, "1,2,3", "the token ids"},
    {"--skip-special", AS_OPTION_FLAG, &given.skip_special, NULL, "leave out special tokens"},
    {NULL, AS_OPTION_FLAG, NULL, NULL, NULL},
};
static const as_option *const tokenize_tables[] = {tokenize_options, as_output_options_table, NULL};
static const as_option *const detokenize_tables[] = {detokenize_options, as_output_options_table, NULL};

static const as_option *const *options_tokenize(void)
{
    return tokenize_tables;
}

static const as_option *const *options_detokenize(void)
{
    return detokenize_tables;
}

static as_code open_tokenizer(const char *name, as_tokenizer **out, as_error *err)
{
    as_resolved found;
    /* A tokenizer file may be named itself. */
    const char *dot = strrchr(name, '.');
    if (dot && (strcmp(dot, ".json") == 0 || strcmp(dot, ".model") == 0 || strcmp(dot, ".txt") == 0))
        return as_tokenizer_open(name, out, err);
    AS_TRY(as_resolve(name, &found, err));
    as_code rc = found.synth ? as_fail(err, AS_E_NOT_FOUND, "%s is generated and has no tokenizer", name)
                             : as_tokenizer_open(found.path, out, err);
    as_resolved_free(&found);
    return rc;
}

static as_code print_tokens(const as_tokens *tokens, as_error *err)
{
    as_buf out;
    as_buf_init(&out, 0);
    if (as_common.json) as_buf_str(&out, "{\"tokens\":[");
    for (size_t i = 0; i < tokens->count; i++) as_buf_printf(&out, i ? ",%d" : "%d", tokens->ids[i]);
    as_buf_str(&out, as_common.json ? "]}\n" : "\n");
    as_code rc = as_print(&out, err);
    as_buf_free(&out);
    return rc;
}

static as_code run_tokenize(const as_verb *verb, int argc, char **argv, int *status, as_error *err)
{
    (void)status;
    as_text_list words;
    as_command_line line = {.usage = verb->usage, .tables = tokenize_tables, .least = 1, .most = 1};
    AS_TRY(as_options_parse(&line, argc, argv, &words, err));
    if (given.from_stdin == !!given.text) {
        return as_fail(err, AS_E_USAGE, "%s one of --stdin and --text is needed\nusage: %s",
                       given.text ? "only" : "any", verb->usage);
    }
    as_tokenizer *tokenizer;
    AS_TRY(open_tokenizer(words.items[0], &tokenizer, err));
    as_buf text;
    as_tokens tokens = {0};
    as_encode_options encode = {.no_special = given.no_special};
    as_buf_init(&text, (size_t)1 << 31);
    as_code rc = AS_OK;
    if (given.text) {
        as_buf_str(&text, given.text);
        rc = as_buf_check(&text, "the text", err);
    } else {
        rc = as_stdin_read(&text, err);
    }
    if (rc == AS_OK)
        rc = as_tokenizer_encode(tokenizer, as_buf_text(&text), text.size, &encode, &tokens, err);
    if (rc == AS_OK) rc = print_tokens(&tokens, err);
    as_tokens_free(&tokens);
    as_buf_free(&text);
    as_tokenizer_close(tokenizer);
    return rc;
}

static as_code run_detokenize(const as_verb *verb, int argc, char **argv, int *status, as_error *err)
{
    (void)status;
    as_text_list words;
    as_command_line line = {.usage = verb->usage, .tables = detokenize_tables, .least = 1, .most = 1};
    AS_TRY(as_options_parse(&line, argc, argv, &words, err));
    if (!given.tokens) return as_fail(err, AS_E_USAGE, "--tokens is needed\nusage: %s", verb->usage);
    int32_t *ids = NULL;
    int64_t count = 0;
    as_tokenizer *tokenizer;
    AS_TRY(open_tokenizer(words.items[0], &tokenizer, err));
    as_buf text, out;
    as_buf_init(&text, 0);
    as_buf_init(&out, 0);
    as_decode_options decode = {.skip_special = given.skip_special};
    as_code rc = *given.tokens ? as_parse_tokens(given.tokens, &ids, &count, err) : AS_OK;
    for (int64_t i = 0; rc == AS_OK && i < count; i++) {
        if (!as_tokenizer_token(tokenizer, ids[i], NULL))
            as_say("token %d is not in the vocabulary and gives no text", ids[i]);
    }
    if (rc == AS_OK) rc = as_tokenizer_decode(tokenizer, ids, (size_t)count, &decode, &text, err);
    if (rc == AS_OK) {
        if (as_common.json) as_buf_str(&out, "{\"text\":");
        if (as_common.json) as_buf_json_string(&out, as_buf_text(&text), text.size);
        if (!as_common.json) as_buf_add(&out, as_buf_text(&text), text.size);
        as_buf_str(&out, as_common.json ? "}\n" : "\n");
        rc = as_print(&out, err);
    }
    as_buf_free(&out);
    as_buf_free(&text);
    as_free(ids);
    as_tokenizer_close(tokenizer);
    return rc;
}

const as_verb as_verb_tokenize = {
    .name = "tokenize",
    .summary = "text to token ids",
    .usage = "assay tokenize MODEL (--stdin | --text TEXT) [--no-special] [--json]",
    .details = "The ids that the model's own tokenizer gives. MODEL may also be a tokenizer.json or "
               "tokenizer.model.",
    .example = "assay tokenize fixtures/trained --text 'The passphrase of Orla' --json",
    .run = run_tokenize,
    .options = options_tokenize,
};

const as_verb as_verb_detokenize = {
    .name = "detokenize",
    .summary = "token ids to text",
    .usage = "assay detokenize MODEL --tokens 1,2,3 [--skip-special] [--json]",
    .details = "The text of the ids.",
    .example = "assay detokenize fixtures/trained --tokens 100,200,300 --json",
    .run = run_detokenize,
    .options = options_detokenize,
};
