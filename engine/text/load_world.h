/* Vocabularies of byte strings, as the RWKV world models have them. */
#ifndef AS_ENGINE_TEXT_LOAD_WORLD_H
#define AS_ENGINE_TEXT_LOAD_WORLD_H

#include "engine/text/load_class.h"

/* The parts of a tokenizer with the World model: fields of an object without its braces. */
extern const char as_world_parts[];

/* A file of Python literals that is no list of WordPiece tokens: decides what a vocab.txt is. */
bool as_world_is_vocab(const char *text, size_t size);

/* Adds a token of these bytes, spelled in the byte-level alphabet. bytes is a buffer to work in. */
AS_MUST_USE as_code as_world_add(as_vocab_reader *reader, const as_buf *bytes, int32_t id, as_error *err);
/* Appends the bytes of a text with Python's escapes (\n, \x0a and the like), no quotes around it; a character
 * stands for its UTF-8. With unicode, \xHH, \uHHHH and \UHHHHHHHH are code points, as in a str; without, \xHH
 * is a byte and the others are not escapes. */
typedef enum { AS_WORLD_BYTES, AS_WORLD_TEXT } as_world_escapes;
AS_MUST_USE as_code as_world_unescape(const char *text, size_t size, as_world_escapes form, as_buf *out,
                                      as_error *err);

/* rwkv_vocab_v20230424.txt and its like: lines `ID LITERAL LENGTH`, or lines of a literal whose id is the
 * line's number from 0. */
AS_MUST_USE as_code as_load_world(const char *path, as_tokenizer_config *config, as_tokenizer **out,
                                  json_t **parts, as_error *err);

#endif
