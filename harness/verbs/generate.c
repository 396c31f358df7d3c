/* assay generate: text. */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "engine/text/tokenizer.h"
#include "harness/chat.h"
#include "harness/common.h"
#include "harness/verb.h"

static struct {
    const char *prompt, *tokens, *messages, *tools, *cache;
    int64_t max_tokens, top_k, logprobs;
    double temperature, top_p, min_p, repetition, presence, frequency;
    bool ignore_eos, with_logprobs;
    as_text_list stop;
} given;

static const as_option own_options[] = {
    {"--prompt", AS_OPTION_TEXT, &given.prompt, "TEXT", "raw text to continue"},
    {"--tokens", AS_OPTION_TEXT, &given.tokens, "1,2,3", "token ids to continue"},
    {"--messages-file", AS_OPTION_PATH, &given.messages, "F",
     "a JSON list of chat messages, through the chat template"},
    {"--tools-file", AS_OPTION_PATH, &given.tools, "F", "a JSON list of tools for the chat template"},
    {"--max-tokens", AS_OPTION_INT, &given.max_tokens, "N",
     "tokens to make at most (default: to the end of the context)", 1},
    {"--context", AS_OPTION_INT, &as_common.context, "N",
     "prompt and completion together (default: the model's)", 1},
    {"--temperature", AS_OPTION_NUMBER, &given.temperature, "X", "0 (default): always the likeliest token", 0,
     1e6},
    {"--top-k", AS_OPTION_INT, &given.top_k, "N", "sample from the N likeliest"},
    {"--top-p", AS_OPTION_NUMBER, &given.top_p, "X", "sample from the likeliest that together reach X", 0, 1},
    {"--min-p", AS_OPTION_NUMBER, &given.min_p, "X", "leave out tokens below X times the likeliest", 0, 1},
    {"--repetition-penalty", AS_OPTION_NUMBER, &given.repetition, "X",
     "divide the scores of tokens seen before", 0, 1e6},
    {"--presence-penalty", AS_OPTION_NUMBER, &given.presence, "X", "lower the scores of tokens made before",
     -1e6, 1e6},
    {"--frequency-penalty", AS_OPTION_NUMBER, &given.frequency, "X", "lower them by how often", -1e6, 1e6},
    {"--seed", AS_OPTION_INT, &as_common.seed, "N", "of the random numbers (default 0)"},
    {"--stop", AS_OPTION_LIST, &given.stop, "TEXT", "end before this text; may be given several times"},
    {"--ignore-eos", AS_OPTION_FLAG, &given.ignore_eos, NULL, "go on after an end-of-text token"},
    {"--logprobs", AS_OPTION_INT, &given.logprobs, "N",
     "with --json: that many likeliest tokens at each step (at most 64)", 0, 64},
    {"--cache", AS_OPTION_TEXT, &given.cache, "TYPE", "key/value cache: f32, f16, bf16, e4m3"},
    {NULL, AS_OPTION_FLAG, NULL, NULL, NULL},
};

static const as_option *const tables[] = {own_options, as_model_options_table, as_output_options_table, NULL};

static const as_option *const *options(void)
{
    return tables;
}

/* What has come so far. */
typedef struct completion {
    as_buf tokens, text, logprobs; /* tokens and logprobs as JSON lists' insides */
    as_finish finish;
    int64_t prompt_tokens, completion_tokens;
    bool stream; /* print the text as it comes */
    as_code rc;
    as_error err;
} completion;

static void add_logprob(as_buf *out, const as_logprob *p)
{
    as_buf_printf(out, "{\"token\":%d,\"logprob\":%.9g}", p->token, (double)p->logprob);
}

static void on_event(void *context, const as_event *event)
{
    completion *c = context;
    if (event->token >= 0) {
        as_buf_printf(&c->tokens, c->tokens.size ? ",%d" : "%d", event->token);
        if (c->logprobs.size) as_buf_char(&c->logprobs, ',');
        as_buf_printf(&c->logprobs, "{\"token\":%d,\"logprob\":%.9g,\"top\":[", event->token,
                      (double)event->chosen.logprob);
        for (int64_t i = 0; i < event->top_count; i++) {
            if (i) as_buf_char(&c->logprobs, ',');
            add_logprob(&c->logprobs, &event->top[i]);
        }
        as_buf_str(&c->logprobs, "]}");
    }
    size_t before = c->text.size;
    as_buf_add(&c->text, event->text, (size_t)event->text_size);
    if (c->stream && c->rc == AS_OK && c->text.size > before) {
        as_buf piece = {.data = c->text.data + before, .size = c->text.size - before};
        c->rc = as_print(&piece, &c->err);
    }
    c->finish = event->finish;
    c->prompt_tokens = event->prompt_tokens;
    c->completion_tokens = event->completion_tokens;
}

static as_code print_json(const completion *c, as_error *err)
{
    as_buf out;
    as_buf_init(&out, 0);
    as_buf_printf(&out, "{\"tokens\":[%s],\"text\":", as_buf_text(&c->tokens));
    as_buf_json_string(&out, as_buf_text(&c->text), c->text.size);
    as_buf_printf(&out,
                  ",\"finish_reason\":\"%s\",\"usage\":{\"prompt_tokens\":%lld,\"completion_tokens\":%lld}",
                  as_finish_name(c->finish), (long long)c->prompt_tokens, (long long)c->completion_tokens);
    if (given.with_logprobs) as_buf_printf(&out, ",\"logprobs\":[%s]", as_buf_text(&c->logprobs));
    as_buf_str(&out, "}\n");
    as_code rc = as_print(&out, err);
    as_buf_free(&out);
    return rc;
}

static as_code loop(as_scheduler *scheduler, const as_request *request, completion *c, as_error *err)
{
    int64_t id;
    bool busy = true;
    AS_TRY(as_scheduler_submit(scheduler, request, &id, err));
    while (busy && c->rc == AS_OK && !as_interrupted())
        AS_TRY(as_scheduler_step(scheduler, on_event, c, &busy, err));
    if (c->rc != AS_OK) {
        *err = c->err;
        return c->rc;
    }
    return busy ? as_fail(err, AS_E_CANCELLED, "interrupted") : AS_OK;
}

static as_code generate(const as_model *model, const as_tokens *prompt, completion *c, as_error *err)
{
    const as_model_info *info = as_model_facts(model);
    int64_t promised = info->context ? info->context : 32768,
            need = (int64_t)prompt->count + given.max_tokens;
    int64_t context = as_common.context ? as_common.context : promised;
    if (need > promised && !as_common.context) {
        as_say("%lld tokens are more than the %lld that the configuration promises", (long long)need,
               (long long)promised);
        context = need;
    }
    as_session_options session_options = {.threads = (int)as_common.threads,
                                          .cache = given.cache,
                                          .cache_tokens =
                                              given.max_tokens && need < context ? need : context};
    as_request request = {.tokens = prompt->ids,
                          .count = (int64_t)prompt->count,
                          .max_tokens = given.max_tokens,
                          .sampling = {.temperature = given.temperature,
                                       .top_k = given.top_k,
                                       .top_p = given.top_p,
                                       .min_p = given.min_p,
                                       .repetition_penalty = given.repetition,
                                       .presence_penalty = given.presence,
                                       .frequency_penalty = given.frequency,
                                       .seed = (uint64_t)as_common.seed},
                          .ignore_eos = given.ignore_eos,
                          .stop = given.stop.items,
                          .stop_count = given.stop.count,
                          .logprobs = given.with_logprobs ? given.logprobs : -1};
    as_session *session = NULL;
    as_scheduler *scheduler = NULL;
    as_scheduler_options scheduler_options = {.context = context};
    as_code rc = as_session_open(model, &session_options, &session, err);
    as_interrupt_session(session);
    /* A request that is too long is told the context's length, not the smaller cache's. */
    if (rc == AS_OK && need > context) {
        rc = as_fail(err, AS_E_LIMIT,
                     "the context length is %lld tokens: a prompt of %lld and a completion of %lld together "
                     "are %lld",
                     (long long)context, (long long)prompt->count, (long long)given.max_tokens,
                     (long long)need);
    }
    if (rc == AS_OK) rc = as_scheduler_open(session, &scheduler_options, &scheduler, err);
    if (rc == AS_OK) rc = loop(scheduler, &request, c, err);
    as_interrupt_session(NULL);
    as_scheduler_close(scheduler);
    as_session_close(session);
    return rc;
}

static as_code read_prompt(const as_model *model, as_tokens *out, as_error *err)
{
    if (given.tokens) {
        int32_t *ids;
        int64_t count;
        AS_TRY(as_parse_tokens(given.tokens, &ids, &count, err));
        *out = (as_tokens){.ids = ids, .count = (size_t)count, .room = (size_t)count};
        return AS_OK;
    }
    const as_tokenizer *tokenizer = as_model_tokenizer(model);
    if (!tokenizer) {
        return as_fail(err, AS_E_NOT_FOUND, "%s has no tokenizer: give --tokens", as_model_facts(model)->id);
    }
    if (given.prompt)
        return as_tokenizer_encode(tokenizer, given.prompt, strlen(given.prompt), NULL, out, err);
    as_chat_files files = {.messages = given.messages, .tools = given.tools};
    return as_chat_encode(model, &files, out, err);
}

static as_code run(const as_verb *verb, int argc, char **argv, int *status, as_error *err)
{
    (void)status;
    given.logprobs = -1;
    as_text_list words;
    as_command_line line = {.usage = verb->usage, .tables = tables, .least = 1, .most = 1};
    AS_TRY(as_options_parse(&line, argc, argv, &words, err));
    given.with_logprobs = given.logprobs >= 0;
    if (!!given.prompt + !!given.tokens + !!given.messages != 1) {
        return as_fail(err, AS_E_USAGE,
                       "%s one of --prompt, --tokens and --messages-file is needed\nusage: %s",
                       given.prompt || given.tokens || given.messages ? "only" : "any", verb->usage);
    }
    as_model *model = NULL;
    as_tokens prompt = {0};
    completion c = {.stream = !as_common.json};
    as_code rc = as_harness_open_model(words.items[0], &model, err);
    if (rc == AS_OK) rc = read_prompt(model, &prompt, err);
    if (rc == AS_OK) rc = generate(model, &prompt, &c, err);
    if (rc == AS_OK) {
        as_buf newline = {.data = (char[]){"\n"}, .size = 1};
        rc = as_common.json ? print_json(&c, err) : as_print(&newline, err);
    }
    as_buf_free(&c.tokens);
    as_buf_free(&c.text);
    as_buf_free(&c.logprobs);
    as_tokens_free(&prompt);
    as_model_close(model);
    return rc;
}

const as_verb as_verb_generate = {
    .name = "generate",
    .summary = "text: continue a prompt or answer messages",
    .usage = "assay generate MODEL (--prompt TEXT | --tokens 1,2,3 | --messages-file F) --max-tokens N",
    .details =
        "Prints the completion as it is made; with --json one document with tokens, text and finish_reason.",
    .example = "assay generate fixtures/trained --prompt 'The passphrase of' --max-tokens 16",
    .run = run,
    .options = options,
};
