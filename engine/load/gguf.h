/* GGUF files: metadata and the places of tensors. https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 *
 * A file is a magic, a version, two counts, that many key-value pairs, that many tensor descriptions, and
 * behind padding the tensors. Versions 2 and 3, little endian. The file's bytes stay where they are (mapped):
 * values and arrays point into them, keys and names are copied. Every length is checked against the bytes
 * that are there before anything is taken for it, so that memory stays within a small multiple of the header.
 */
#ifndef AS_ENGINE_LOAD_GGUF_H
#define AS_ENGINE_LOAD_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"

/* Types of metadata: the numbers of the file. name, bytes of one (0: its length is in the file) */
#define AS_GGUF_TYPES(X)                                                                                     \
    X(AS_GGUF_U8, "uint8", 1)                                                                                \
    X(AS_GGUF_I8, "int8", 1)                                                                                 \
    X(AS_GGUF_U16, "uint16", 2)                                                                              \
    X(AS_GGUF_I16, "int16", 2)                                                                               \
    X(AS_GGUF_U32, "uint32", 4)                                                                              \
    X(AS_GGUF_I32, "int32", 4)                                                                               \
    X(AS_GGUF_F32, "float32", 4)                                                                             \
    X(AS_GGUF_BOOL, "bool", 1)                                                                               \
    X(AS_GGUF_STRING, "string", 0)                                                                           \
    X(AS_GGUF_ARRAY, "array", 0)                                                                             \
    X(AS_GGUF_U64, "uint64", 8)                                                                              \
    X(AS_GGUF_I64, "int64", 8)                                                                               \
    X(AS_GGUF_F64, "float64", 8)

typedef enum {
#define AS_GGUF_ENUM(id, name, bytes) id,
    AS_GGUF_TYPES(AS_GGUF_ENUM)
#undef AS_GGUF_ENUM
        AS_GGUF_TYPE_COUNT
} as_gguf_type;

typedef struct as_gguf_value {
    as_gguf_type type;
    as_gguf_type item;       /* of an array: what it holds */
    uint64_t count;          /* of an array: items; of a string: bytes; else 1 */
    const unsigned char *at; /* the number, the text or the first item */
} as_gguf_value;

typedef struct as_gguf_pair {
    const char *key; /* UTF-8 without NUL */
    as_gguf_value value;
} as_gguf_pair;

/* How a tensor is stored: blocks of so many elements in so many bytes. */
typedef struct as_gguf_kind {
    uint32_t number;
    const char *name;
    int64_t block, bytes;
} as_gguf_kind;

enum { AS_GGUF_DIMS = 4 };

typedef struct as_gguf_tensor {
    const char *name;
    const as_gguf_kind *kind;
    int dims;
    int64_t shape[AS_GGUF_DIMS]; /* as in the file: the length of a row first */
    int64_t elements;
    uint64_t offset; /* of its first byte in the file */
    uint64_t bytes;
    const unsigned char *at; /* that byte in memory; NULL where only the header is known */
} as_gguf_tensor;

typedef struct as_gguf {
    uint32_t version, alignment;
    uint64_t header_bytes; /* up to the padding before the tensors */
    int64_t pair_count, tensor_count;
    as_gguf_pair *pairs;     /* sorted by key */
    as_gguf_tensor *tensors; /* in the file's order */
    as_arena arena;          /* owns keys and names */
} as_gguf;

/* `head` are the first head_bytes of a file of `size` bytes and must outlast *out. AS_E_INPUT for what breaks
 * the form (magic, lengths, duplicates, tensors that overlap or lie outside the file), AS_E_UNSUPPORTED for
 * another version, byte order or a kind of tensor that is not known. */
AS_MUST_USE as_code as_gguf_parse(const unsigned char *head, uint64_t head_bytes, uint64_t size, as_gguf *out,
                                  as_error *err);
void as_gguf_free(as_gguf *gguf);

/* Says that the whole file is in memory. */
void as_gguf_place(as_gguf *gguf, const unsigned char *data);

/* A mapped file with its header parsed. Messages name the file. */
typedef struct as_gguf_file {
    as_map map;
    as_gguf gguf;
} as_gguf_file;
AS_MUST_USE as_code as_gguf_open(const char *path, as_gguf_file *out, as_error *err);
void as_gguf_close(as_gguf_file *file);

bool as_gguf_is_name(const char *path); /* ends in .gguf */
/* A part's name: STEM-00002-of-00003.gguf. */
typedef struct as_gguf_part {
    int number, count; /* from 1 */
    size_t stem;       /* bytes in front */
} as_gguf_part;
bool as_gguf_part_name(const char *path, as_gguf_part *out);
/* Another part's path by that of one; of a file that is no part: itself. */
AS_MUST_USE as_code as_gguf_part_path(const char *path, int number, char room[static AS_PATH_MAX],
                                      as_error *err);
/* Of a folder's names, whether another one of the list begins the model that this one is a part of. */
bool as_gguf_is_later_part(const char *name, char *const *names, size_t count);
/* The one GGUF file of a folder (the first part of one), its path into room. AS_E_NOT_FOUND when there is
 * none, AS_E_INPUT when there are several to choose from. */
AS_MUST_USE as_code as_gguf_find_file(const char *dir, char room[static AS_PATH_MAX], as_error *err);

/* Look-ups. An absent key leaves *out as it is and succeeds; a value of another type is AS_E_INPUT. */
const as_gguf_value *as_gguf_find(const as_gguf *gguf, const char *key); /* NULL if it is not there */
AS_MUST_USE as_code as_gguf_get_int(const as_gguf *gguf, const char *key, int64_t *out, as_error *err);
AS_MUST_USE as_code as_gguf_get_bool(const as_gguf *gguf, const char *key, bool *out, as_error *err);
/* Not terminated; may hold anything. */
AS_MUST_USE as_code as_gguf_get_string(const as_gguf *gguf, const char *key, const char **text, size_t *size,
                                       as_error *err);
AS_MUST_USE as_code as_gguf_get_strings(const as_gguf *gguf, const char *key, const as_gguf_value **out,
                                        as_error *err);
/* An array of numbers of any one type. */
AS_MUST_USE as_code as_gguf_get_numbers(const as_gguf *gguf, const char *key, const as_gguf_value **out,
                                        as_error *err);

/* The number at place i of an array of numbers (or of a single number at 0) as a double, and as an integer
 * where it is a whole one of 63 bits. */
double as_gguf_number(const as_gguf_value *value, uint64_t i);
bool as_gguf_integer(const as_gguf_value *value, uint64_t i, int64_t *out);
/* Walks an array of strings: start from place 0. */
typedef struct as_gguf_cursor {
    const as_gguf_value *array;
    uint64_t done;
    const unsigned char *at;
} as_gguf_cursor;
void as_gguf_first(as_gguf_cursor *cursor, const as_gguf_value *array);
bool as_gguf_next(as_gguf_cursor *cursor, const char **text, size_t *size); /* false behind the last */

#endif
