/* Character classes as `tokenizers` has them.
 *
 * The library's parts follow different Unicode versions; the table (unicode_data.c, made by
 * fixtures/make_character_classes.py) holds what each of them answers. Constant after as_unicode_prepare. */
#ifndef AS_ENGINE_TEXT_UNICODE_H
#define AS_ENGINE_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { /* general category, the low five bits of a class; order of make_character_classes.py */
               AS_UC_LU,
               AS_UC_LL,
               AS_UC_LT,
               AS_UC_LM,
               AS_UC_LO,
               AS_UC_MN,
               AS_UC_MC,
               AS_UC_ME,
               AS_UC_ND,
               AS_UC_NL,
               AS_UC_NO,
               AS_UC_PC,
               AS_UC_PD,
               AS_UC_PS,
               AS_UC_PE,
               AS_UC_PI,
               AS_UC_PF,
               AS_UC_PO,
               AS_UC_SM,
               AS_UC_SC,
               AS_UC_SK,
               AS_UC_SO,
               AS_UC_ZS,
               AS_UC_ZL,
               AS_UC_ZP,
               AS_UC_CC,
               AS_UC_CF,
               AS_UC_CS,
               AS_UC_CO,
               AS_UC_CN
} as_unicode_category;

enum {
    AS_U_SPACE = 1 << 5,       /* White_Space */
    AS_U_NUMERIC = 1 << 6,     /* Rust's char::is_numeric */
    AS_U_WORD = 1 << 7,        /* \w of Rust's regex */
    AS_U_PUNCT = 1 << 8,       /* punctuation as BERT has it */
    AS_U_OTHER = 1 << 9,       /* removed by BERT's clean_text */
    AS_U_MN = 1 << 10,         /* removed by BERT's strip_accents */
    AS_U_MARK = 1 << 11,       /* removed by StripAccents */
    AS_U_EXTEND = 1 << 12,     /* joins the grapheme cluster before it */
    AS_U_PREPEND = 1 << 13,    /* joins the grapheme cluster after it */
    AS_U_CONTROL = 1 << 14,    /* a grapheme cluster of its own */
    AS_U_NORM = 1 << 15,       /* takes part in normal forms at all */
    AS_U_NFC_MAYBE = 1 << 16,  /* NFC may change or move it */
    AS_U_NFKC_MAYBE = 1 << 17, /* NFKC may change or move it */
    AS_U_ALPHABETIC = 1 << 18,
    AS_U_HAN = 1 << 19,   /* of the script Han */
    AS_U_LOWER = 1 << 20, /* the property Lowercase */
    AS_U_NEWER = 1 << 21, /* new, or of other properties, since Unicode 14 */
    AS_U_CATEGORY = 31
};

/* Expands the table; to be called before anything below. Cheap after the first time; thread-safe. */
void as_unicode_prepare(void);

extern uint8_t as_unicode_class_of[0x110000];
extern const uint32_t as_unicode_classes[];

static inline uint32_t as_unicode_class(uint32_t codepoint)
{
    return as_unicode_classes[as_unicode_class_of[codepoint]];
}

static inline bool as_unicode_is(uint32_t codepoint, uint32_t flags)
{
    return (as_unicode_class(codepoint) & flags) != 0;
}

/* Lower case: one character for all but U+0130, which gives two. Returns how many. */
int as_unicode_to_lower(uint32_t codepoint, uint32_t out[static 2]);

/* Script number for the UnicodeScripts pre-tokenizer: 0 is any script, else equal or not. */
int as_unicode_script(uint32_t codepoint);

/* For matchers of Unicode 14: the nearest character from low to high - 1 that has the properties of this
 * newer one and its length in UTF-8; the character itself if there is none. Slow. */
uint32_t as_unicode_stand_in(uint32_t codepoint, uint32_t low, uint32_t high);

/* A valid UTF-8 sequence at text: its character; *length is 1 to 4. No checks: text was validated. */
static inline uint32_t as_unicode_read(const char *text, int *length)
{
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] < 0x80) {
        *length = 1;
        return s[0];
    }
    if (s[0] < 0xE0) {
        *length = 2;
        return (uint32_t)(s[0] & 0x1F) << 6 | (s[1] & 0x3Fu);
    }
    if (s[0] < 0xF0) {
        *length = 3;
        return (uint32_t)(s[0] & 0x0F) << 12 | (uint32_t)(s[1] & 0x3F) << 6 | (s[2] & 0x3Fu);
    }
    *length = 4;
    return (uint32_t)(s[0] & 0x07) << 18 | (uint32_t)(s[1] & 0x3F) << 12 | (uint32_t)(s[2] & 0x3F) << 6 |
           (s[3] & 0x3Fu);
}

static inline int as_unicode_length(const char *text) /* of the sequence that begins here */
{
    unsigned char c = (unsigned char)*text;
    return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

/* The character that ends at text[end]. */
static inline uint32_t as_unicode_before(const char *text, size_t end, int *length)
{
    size_t at = end - 1;
    while (at && ((unsigned char)text[at] & 0xC0) == 0x80) at--;
    uint32_t c = as_unicode_read(text + at, length);
    return c;
}

#endif
