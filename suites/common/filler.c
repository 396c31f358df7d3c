/* Filler text; see filler.h. */
#include "suites/common/filler.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

enum { STREAM = 0xF111, SENTENCES_AT_ONCE = 64 };

static const char *const ADJECTIVES[] = {"old",    "new",     "small", "large",  "bright", "quiet", "heavy",
                                         "clean",  "strange", "plain", "soft",   "cold",   "warm",  "long",
                                         "narrow", "tall",    "empty", "simple", "gentle", "busy",  "happy"};
static const char *const PEOPLE[] = {"baker",  "teacher", "farmer",  "sailor",  "painter",
                                     "doctor", "miller",  "singer",  "writer",  "hunter",
                                     "tailor", "weaver",  "captain", "gardener"};
static const char *const THINGS[] = {"kite",  "book", "lamp",  "box",   "coat", "drum", "map",    "bell",
                                     "clock", "cup",  "chair", "coin",  "hat",  "key",  "letter", "boat",
                                     "flute", "ring", "rope",  "stone", "bag",  "ball", "brush"};
static const char *const PLACES[] = {"market", "river",   "harbour", "mill",   "forest", "school", "garden",
                                     "bridge", "station", "library", "farm",   "tower",  "valley", "bakery",
                                     "museum", "lake",    "village", "castle", "beach",  "square"};
static const char *const VERBS[] = {"found",   "lost", "saw",     "bought", "sold",    "painted",
                                    "carried", "hid",  "cleaned", "mended", "dropped", "borrowed"};
static const char *const TIMES[] = {"in the morning", "at noon",        "in the evening", "at night",
                                    "after lunch",    "before sunrise", "on Monday",      "on Friday",
                                    "in spring",      "in the rain"};
static const char *const COLOURS[] = {"red",   "blue", "green",  "yellow", "white", "black",
                                      "brown", "grey", "purple", "orange", "pink",  "gold"};

#define PICK(rng, list) (list)[as_rng_below((rng), sizeof(list) / sizeof *(list))]

static void say_found(as_rng *r, as_buf *out)
{
    as_buf_printf(out, "The %s ", PICK(r, ADJECTIVES));
    as_buf_printf(out, "%s ", PICK(r, PEOPLE));
    as_buf_printf(out, "%s ", PICK(r, VERBS));
    as_buf_printf(out, "a %s ", PICK(r, COLOURS));
    as_buf_printf(out, "%s ", PICK(r, THINGS));
    as_buf_printf(out, "near the %s ", PICK(r, PLACES));
    as_buf_printf(out, "%s.", PICK(r, TIMES));
}

static void say_count(as_rng *r, as_buf *out)
{
    as_buf_printf(out, "There were %d ", (int)as_rng_below(r, 98) + 2);
    as_buf_printf(out, "%s ", PICK(r, COLOURS));
    as_buf_printf(out, "%ss at the ", PICK(r, THINGS));
    as_buf_printf(out, "%s ", PICK(r, PLACES));
    as_buf_printf(out, "%s.", PICK(r, TIMES));
}

static void say_way(as_rng *r, as_buf *out)
{
    const char *from = PICK(r, PLACES), *to = PICK(r, PLACES);
    as_buf_printf(out, "From the %s the road runs to the %s", from, to);
    as_buf_printf(out, ", and the %s waits there ", PICK(r, PEOPLE));
    as_buf_printf(out, "with a %s ", PICK(r, ADJECTIVES));
    as_buf_printf(out, "%s.", PICK(r, THINGS));
}

void as_filler_sentence(uint64_t seed, uint64_t number, as_buf *out)
{
    static void (*const kinds[])(as_rng *, as_buf *) = {say_found, say_count, say_way};
    as_rng rng;
    as_rng_init(&rng, seed ^ (number << 20), STREAM + number);
    PICK(&rng, kinds)(&rng, out);
}

static void random_tokens(const as_target *target, uint64_t seed, uint64_t first, int32_t *out, int64_t count)
{
    /* The lowest ids are the special ones in most vocabularies. */
    int64_t vocab = target->facts.vocab > 1 ? target->facts.vocab : 256;
    int64_t low = vocab > 512 ? 256 : 0;
    as_rng rng;
    as_rng_init(&rng, seed, STREAM + first);
    for (int64_t i = 0; i < count; i++)
        out[i] = (int32_t)(low + (int64_t)as_rng_below(&rng, (uint64_t)(vocab - low)));
}

as_code as_filler_tokens(as_target *target, uint64_t seed, uint64_t first, int32_t *out, int64_t count,
                         as_error *err)
{
    if (!(target->facts.can & AS_CAN_TOKENIZE)) {
        random_tokens(target, seed, first, out, count);
        return AS_OK;
    }
    as_buf text;
    as_buf_init(&text, 0);
    as_code rc = AS_OK;
    for (int64_t have = 0; have < count && rc == AS_OK;) {
        as_buf_clear(&text);
        for (int i = 0; i < SENTENCES_AT_ONCE; i++) {
            as_filler_sentence(seed, first++, &text);
            as_buf_char(&text, ' ');
        }
        int32_t *tokens = NULL;
        int64_t n = 0;
        rc = as_buf_check(&text, "filler text", err);
        if (rc == AS_OK) rc = target->ops->tokenize(target, text.data, text.size, false, &tokens, &n, err);
        if (rc == AS_OK && n < 1)
            rc = as_fail(err, AS_E_INPUT, "the tokenizer gave no tokens for plain English text");
        if (rc != AS_OK) break;
        if (n > count - have) n = count - have;
        memcpy(out + have, tokens, (size_t)n * sizeof *out);
        have += n;
        as_free(tokens);
    }
    as_buf_free(&text);
    return rc;
}
