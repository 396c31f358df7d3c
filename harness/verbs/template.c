/* assay template: what a chat template makes of messages. */
#include "base/jinja/jinja.h"
#include "harness/chat.h"
#include "harness/common.h"
#include "harness/resolve.h"
#include "harness/verb.h"

static as_chat_files given;

static const as_option own_options[] = {
    {"--template-file", AS_OPTION_PATH, &given.template_file, "F",
     "a template of your own instead of a model's"},
    {"--messages-file", AS_OPTION_PATH, &given.messages, "F", "a JSON list of chat messages"},
    {"--tools-file", AS_OPTION_PATH, &given.tools, "F", "a JSON list of tools"},
    {"--var", AS_OPTION_LIST, &given.variables, "NAME=JSON",
     "a further variable; may be given several times"},
    {"--no-generation-prompt", AS_OPTION_FLAG, &given.no_generation_prompt, NULL,
     "add_generation_prompt is false"},
    {"--now", AS_OPTION_TEXT, &given.now, "TIME", "what strftime_now takes as now: 2026-01-02T03:04:05"},
    {NULL, AS_OPTION_FLAG, NULL, NULL, NULL},
};

static const as_option *const tables[] = {own_options, NULL};

static const as_option *const *options(void)
{
    return tables;
}

static as_code run(const as_verb *verb, int argc, char **argv, int *status, as_error *err)
{
    (void)status;
    as_text_list words;
    as_command_line line = {.usage = verb->usage, .tables = tables, .least = 0, .most = 1};
    AS_TRY(as_options_parse(&line, argc, argv, &words, err));
    if (!given.messages || (words.count == 0) == !given.template_file) {
        return as_fail(err, AS_E_USAGE,
                       "--messages-file and one of MODEL and --template-file are needed\nusage: %s",
                       verb->usage);
    }
    if (given.now && !as_jinja_is_time(given.now)) {
        return as_fail(err, AS_E_USAGE, "--now %s: expected a time such as 2026-01-02T03:04:05", given.now);
    }
    as_resolved found = {0};
    if (words.count) AS_TRY(as_resolve(words.items[0], &found, err));
    as_buf text;
    as_buf_init(&text, 0);
    as_code rc =
        found.synth ? as_fail(err, AS_E_NOT_FOUND, "%s is generated and has no chat template", words.items[0])
                    : as_chat_render_files(found.path, &given, &text, err);
    if (rc == AS_OK) rc = as_print(&text, err);
    as_buf_free(&text);
    as_resolved_free(&found);
    return rc;
}

const as_verb as_verb_template = {
    .name = "template",
    .summary = "the text that a chat template makes of messages",
    .usage = "assay template (MODEL | --template-file F) --messages-file M [--tools-file T]",
    .details = "Renders as transformers does and prints the text, with no newline added.",
    .example = "assay template fixtures/trained --messages-file fixtures/messages/hello.json",
    .run = run,
    .options = options,
};
