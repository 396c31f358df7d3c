/* Pre-tokenizers by name; see gguf_pre.h. The expressions are those of the models' own tokenizer.json files.
 */
#include "engine/text/gguf_pre.h"

#include <string.h>

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define GPT4_SPLIT(word, digits, others)                                                                     \
    CONTRACTIONS "|" word "|" digits "|" others "[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define WORD       "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define MARKS_WORD "[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+"
#define OTHERS     " ?[^\\s\\p{L}\\p{N}]+"
#define UPPER      "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER      "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
/* Words by their case, `tail` behind each. */
#define CASED_SPLIT(tail, digits)                                                                            \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" tail "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" tail     \
    "|" digits "|" OTHERS "[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define DEEPSEEK_WORDS                                                                                       \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "    \
    "?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
/* The letters with case, as DeepSeek's file lists them; escaped are those that a normal form would replace.
 */
/* clang-format off */
#define CASED_LETTERS \
    "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅ" \
    "ὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ" \
    "-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃"
/* clang-format on */
#define GPT2_SPLIT  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define BLOOM_SPLIT " ?[^(\\s|[.,!?…。，、।۔،])]+"

static const as_gguf_pre pres[] = {
    {.names = "default", .splits = {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2_SPLIT, "digits", "[0-9][0-9][0-9]"}},
    {.names = "gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum exaone4 mpt jais "
              "trillion granite-docling",
     .splits = {"gpt2"}},
    {.names = "olmo modern-bert", .nfc = true, .splits = {"gpt2"}},
    {.names = "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2",
     .ignore_merges = true,
     .adds_bos = true,
     .splits = {GPT4_SPLIT(WORD, "\\p{N}{1,3}", OTHERS)}},
    {.names = "dbrx smaug-bpe glm4 chatglm-bpe", .splits = {GPT4_SPLIT(WORD, "\\p{N}{1,3}", OTHERS)}},
    {.names = "qwen2 deepseek-r1-qwen megrez stablelm2",
     .nfc = true,
     .splits = {GPT4_SPLIT(WORD, "\\p{N}", OTHERS)}},
    {.names = "kormo hunyuan solar-open grok-2", .splits = {GPT4_SPLIT(WORD, "\\p{N}", OTHERS)}},
    {.names = "laguna", .splits = {"[^\\n]+|[\\n]+", GPT4_SPLIT(WORD, "\\p{N}", OTHERS)}},
    {.names = "qwen35",
     .nfc = true,
     .splits = {GPT4_SPLIT(MARKS_WORD, "\\p{N}", " ?[^\\s\\p{L}\\p{M}\\p{N}]+")}},
    {.names = "deepseek-llm",
     .splits = {"[\\r\\n]", "\\s?[" CASED_LETTERS "]+", "\\s?[!-/:-~！-／：-～‘-‟　-。]+", "\\s+$",
                "[一-龥ࠀ-一가-퟿]+", "digits"}},
    {.names = "deepseek-coder",
     .splits = {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", "[一-龥ࠀ-一가-퟿]+", "digit"}},
    {.names = "deepseek-v3 hunyuan-dense hy_v4 joyai-llm",
     .splits = {"\\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", DEEPSEEK_WORDS}},
    {.names = "falcon", .splits = {"punctuation", "gpt2", "digits", "[0-9][0-9][0-9]"}},
    {.names = "starcoder refact smollm codeshell exaone minerva-7b mellum2", .splits = {"digit", "gpt2"}},
    {.names = "command-r", .nfc = true, .splits = {"digit", "gpt2"}},
    {.names = "poro-chat bloom gpt3-finnish", .splits = {BLOOM_SPLIT}},
    {.names = "viking", .splits = {BLOOM_SPLIT, "digit"}},
    {.names = "tekken", .ignore_merges = true, .adds_bos = true, .splits = {CASED_SPLIT("", "\\p{N}")}},
    {.names = "gpt-4o llama4 kanana2 talkie minimax-m2",
     .splits = {CASED_SPLIT(CONTRACTIONS "?", "\\p{N}{1,3}")}},
    {.names = "bailingmoe bailingmoe2 llada-moe",
     .splits = {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| "
                "?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"}},
    {.names = "seed-coder",
     .splits = {CONTRACTIONS "|" WORD
                             "|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
};
enum { PRES = sizeof pres / sizeof pres[0] };

static bool is_listed(const char *names, const char *name, size_t size)
{
    for (const char *at = names; *at;) {
        size_t length = strcspn(at, " ");
        if (length == size && memcmp(at, name, size) == 0) return true;
        at += length + (at[length] == ' ');
    }
    return false;
}

as_code as_gguf_pre_find(const char *name, size_t size, const as_gguf_pre **out, as_error *err)
{
    *out = &pres[0];
    if (size == 0) return AS_OK;
    for (size_t i = 0; i < PRES; i++) {
        if (!is_listed(pres[i].names, name, size)) continue;
        *out = &pres[i];
        return AS_OK;
    }
    return as_fail(err, AS_E_UNSUPPORTED, "the pre-tokenizer \"%.*s\" is not known here",
                   (int)(size < 60 ? size : 60), name);
}

/* ---- as tokenizer.json ---- */

static const struct {
    const char *name, *json;
} steps[] = {
    {"digit", "{\"type\":\"Digits\",\"individual_digits\":true}"},
    {"digits", "{\"type\":\"Digits\",\"individual_digits\":false}"},
    {"punctuation", "{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"}"},
};

static void write_byte_level(bool add_space, bool splits, as_buf *out)
{
    as_buf_printf(out,
                  "{\"type\":\"ByteLevel\",\"add_prefix_space\":%s,\"trim_offsets\":true,\"use_regex\":%s}",
                  add_space ? "true" : "false", splits ? "true" : "false");
}

static void write_step(const char *split, as_buf *out)
{
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (strcmp(steps[i].name, split) == 0) {
            as_buf_str(out, steps[i].json);
            return;
        }
    }
    as_buf_str(out, "{\"type\":\"Split\",\"pattern\":{\"Regex\":");
    as_buf_json_string(out, split, strlen(split));
    as_buf_str(out, "},\"behavior\":\"Isolated\",\"invert\":false}");
}

/* What follows the byte-level step would see its letters: the expressions there are of ASCII, which are their
 * own letters, and digits. */
void as_gguf_pre_write(const as_gguf_pre *pre, bool add_prefix_space, as_buf *out)
{
    bool done = false;
    as_buf_printf(out, "\"normalizer\":%s,\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[",
                  pre->nfc ? "{\"type\":\"NFC\"}" : "null");
    for (int i = 0; i < AS_GGUF_SPLITS && pre->splits[i]; i++) {
        if (i) as_buf_char(out, ',');
        if (strcmp(pre->splits[i], "gpt2") == 0) {
            write_byte_level(add_prefix_space, true, out);
            done = true;
        } else {
            write_step(pre->splits[i], out);
        }
    }
    if (!done) {
        as_buf_char(out, ',');
        write_byte_level(add_prefix_space, false, out);
    }
    as_buf_str(out, "]}");
}
