/* The header of a safetensors file: eight bytes of length, then JSON of a known form,
 *   {"__metadata__": {text: text}, NAME: {"dtype": D, "shape": [..], "data_offsets": [begin, end]}, ...}
 * then the data part. https://github.com/huggingface/safetensors, "Format".
 *
 * The form is read directly instead of through a JSON tree: a header may be 100 MB long, and a tree would
 * take twenty times the memory of the text. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "engine/repository.h"

enum {
    LENGTH_BYTES = 8,
    MAX_HEADER = 100000000, /* what the reference implementation accepts */
    MAX_METADATA = 8 << 20  /* becomes a JSON tree, so it is held shorter */
};

typedef struct reader {
    const char *text;
    size_t size, at;
    as_buf names; /* of all tensors, in order, each followed by a terminator */
    as_buf word;  /* the string read last */
    as_tensor *tensors;
    int64_t count, room;
    json_t *metadata; /* NULL: none seen yet */
    as_error *err;
} reader;

static as_code expected(reader *r, const char *what)
{
    if (r->at >= r->size) return as_fail(r->err, AS_E_INPUT, "the header ends where %s is expected", what);
    unsigned char c = (unsigned char)r->text[r->at];
    char found[8];
    snprintf(found, sizeof found, c >= 0x20 && c < 0x7F ? "'%c'" : "0x%02x", c);
    return as_fail(r->err, AS_E_INPUT, "byte %zu of the header: %s, expected %s", r->at, found, what);
}

static void skip_space(reader *r)
{
    while (r->at < r->size && r->text[r->at] && strchr(" \t\r\n", r->text[r->at])) r->at++;
}

static bool at_char(reader *r, char c)
{
    skip_space(r);
    return r->at < r->size && r->text[r->at] == c;
}

static as_code take_char(reader *r, char c)
{
    if (!at_char(r, c)) {
        char what[] = {'\'', c, '\'', 0};
        return expected(r, what);
    }
    r->at++;
    return AS_OK;
}

/* After a member: *more tells whether another follows or `end` closed the list. */
static as_code take_separator(reader *r, char end, bool *more)
{
    if (at_char(r, end)) {
        r->at++;
        *more = false;
        return AS_OK;
    }
    *more = true;
    return take_char(r, ',');
}

static bool take_hex4(reader *r, uint32_t *out)
{
    uint32_t value = 0;
    if (r->size - r->at < 4) return false;
    for (int i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdef";
        char c = r->text[r->at + (size_t)i];
        const char *digit = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
        if (!digit) return false;
        value = value * 16 + (uint32_t)(digit - digits);
    }
    r->at += 4;
    *out = value;
    return true;
}

/* Behind "\u": one escape, or the two of a surrogate pair. A zero cannot stand in a name. */
static bool take_unicode_escape(reader *r)
{
    uint32_t high, low;
    if (!take_hex4(r, &high) || high == 0 || (high >= 0xDC00 && high <= 0xDFFF)) return false;
    if (high >= 0xD800 && high <= 0xDBFF) {
        if (r->size - r->at < 2 || memcmp(r->text + r->at, "\\u", 2) != 0) return false;
        r->at += 2;
        if (!take_hex4(r, &low) || low < 0xDC00 || low > 0xDFFF) return false;
        high = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    }
    as_buf_codepoint(&r->word, high);
    return true;
}

static as_code take_escape(reader *r)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char c = r->at < r->size ? r->text[r->at] : 0;
    if (c == 'u') {
        r->at++;
        return take_unicode_escape(r) ? AS_OK : expected(r, "a valid \\u escape");
    }
    const char *found = c ? strchr(names, c) : NULL;
    if (!found) return expected(r, "an escape");
    as_buf_char(&r->word, values[found - names]);
    r->at++;
    return AS_OK;
}

/* A string into r->word. The text as a whole is known to be UTF-8. */
static as_code take_string(reader *r, const char *what)
{
    if (!at_char(r, '"')) return expected(r, what);
    as_buf_clear(&r->word);
    for (r->at++;;) {
        size_t start = r->at;
        while (r->at < r->size && r->text[r->at] != '"' && r->text[r->at] != '\\' &&
               (unsigned char)r->text[r->at] >= 0x20) {
            r->at++;
        }
        as_buf_add(&r->word, r->text + start, r->at - start);
        if (r->at >= r->size || (unsigned char)r->text[r->at] < 0x20) return expected(r, "a closing quote");
        if (r->text[r->at++] == '"') return as_buf_check(&r->word, "a name in the header", r->err);
        AS_TRY(take_escape(r));
    }
}

/* A whole number from 0 to 2^63 - 1, as JSON writes it. */
static as_code take_number(reader *r, uint64_t *out)
{
    skip_space(r);
    size_t start = r->at;
    uint64_t value = 0;
    for (; r->at < r->size && r->text[r->at] >= '0' && r->text[r->at] <= '9'; r->at++) {
        uint64_t digit = (uint64_t)(r->text[r->at] - '0');
        if (value > ((uint64_t)INT64_MAX - digit) / 10) {
            return as_fail(r->err, AS_E_INPUT, "byte %zu of the header: a number of more than 63 bits",
                           start);
        }
        value = value * 10 + digit;
    }
    if (r->at == start || (r->text[start] == '0' && r->at - start > 1)) {
        r->at = start;
        return expected(r, "a whole number");
    }
    *out = value;
    return AS_OK;
}

/* A list of at most `most` numbers. */
static as_code take_numbers(reader *r, uint64_t *values, int most, int *count)
{
    AS_TRY(take_char(r, '['));
    *count = 0;
    if (at_char(r, ']')) {
        r->at++;
        return AS_OK;
    }
    for (bool more = true; more;) {
        if (*count == most) {
            return as_fail(r->err, AS_E_INPUT, "byte %zu of the header: a list of more than %d numbers",
                           r->at, most);
        }
        AS_TRY(take_number(r, &values[(*count)++]));
        AS_TRY(take_separator(r, ']', &more));
    }
    return AS_OK;
}

static as_code take_dtype(reader *r, as_tensor *t)
{
    AS_TRY(take_string(r, "an element type"));
    const char *name = as_buf_text(&r->word);
    as_dtype type;
    /* as_dtype_parse also knows torch's names, which have no place here. */
    if (!as_dtype_parse(name, &type) || strcmp(as_dtype_name(type), name) != 0) {
        return as_fail(r->err, AS_E_INPUT, "element type \"%.60s\" is not known", name);
    }
    t->dtype = type;
    return AS_OK;
}

static as_code take_shape(reader *r, as_tensor *t)
{
    uint64_t dims[AS_MAX_DIMS];
    AS_TRY(take_numbers(r, dims, AS_MAX_DIMS, &t->dims));
    t->elements = 1;
    for (int i = 0; i < t->dims; i++) {
        t->shape[i] = (int64_t)dims[i];
        if (__builtin_mul_overflow(t->elements, t->shape[i], &t->elements)) {
            return as_fail(r->err, AS_E_INPUT, "the shape has more than 2^63 elements");
        }
    }
    return AS_OK;
}

/* Left relative to the data part until the whole header is read. */
static as_code take_offsets(reader *r, as_tensor *t)
{
    uint64_t span[2];
    int count;
    AS_TRY(take_numbers(r, span, 2, &count));
    if (count != 2) return as_fail(r->err, AS_E_INPUT, "data_offsets has %d numbers, expected 2", count);
    if (span[1] < span[0]) {
        return as_fail(r->err, AS_E_INPUT, "data_offsets [%" PRIu64 ",%" PRIu64 "] ends before it begins",
                       span[0], span[1]);
    }
    t->offset = span[0];
    t->bytes = span[1] - span[0];
    return AS_OK;
}

static as_code check_bytes(reader *r, const as_tensor *t)
{
    int64_t bits;
    if (__builtin_mul_overflow(t->elements, (int64_t)as_dtype_bits(t->dtype), &bits)) {
        return as_fail(r->err, AS_E_INPUT, "the shape has more than 2^63 bits");
    }
    uint64_t needed = (uint64_t)bits / 8;
    if (bits % 8 != 0 || needed != t->bytes) {
        return as_fail(r->err, AS_E_INPUT,
                       "%" PRId64 " elements of %s are %" PRIu64 " bytes, but data_offsets span %" PRIu64,
                       t->elements, as_dtype_name(t->dtype), needed, t->bytes);
    }
    return AS_OK;
}

static const struct {
    const char *name;
    as_code (*take)(reader *r, as_tensor *t);
} fields[] = {{"dtype", take_dtype}, {"shape", take_shape}, {"data_offsets", take_offsets}};

enum { FIELDS = sizeof fields / sizeof fields[0] };

static as_code take_field(reader *r, as_tensor *t, unsigned *seen)
{
    AS_TRY(take_string(r, "a field's name"));
    AS_TRY(take_char(r, ':'));
    for (size_t i = 0; i < FIELDS; i++) {
        if (strcmp(as_buf_text(&r->word), fields[i].name) != 0) continue;
        if (*seen & 1u << i) return as_fail(r->err, AS_E_INPUT, "\"%s\" stands twice", fields[i].name);
        *seen |= 1u << i;
        as_code rc = fields[i].take(r, t);
        if (rc != AS_OK) (void)as_wrap(r->err, "%s", fields[i].name);
        return rc;
    }
    return as_fail(r->err, AS_E_INPUT, "unknown field \"%.60s\"", as_buf_text(&r->word));
}

static as_code take_tensor(reader *r, as_tensor *t)
{
    unsigned seen = 0;
    AS_TRY(take_char(r, '{'));
    bool more = !at_char(r, '}');
    if (!more) r->at++;
    while (more) {
        AS_TRY(take_field(r, t, &seen));
        AS_TRY(take_separator(r, '}', &more));
    }
    for (size_t i = 0; i < FIELDS; i++) {
        if (!(seen & 1u << i)) return as_fail(r->err, AS_E_INPUT, "\"%s\" is missing", fields[i].name);
    }
    return check_bytes(r, t);
}

/* The object of texts; only its extent is found here, as_json_parse makes the values. */
static as_code take_metadata(reader *r)
{
    if (r->metadata) return as_fail(r->err, AS_E_INPUT, "__metadata__ stands twice");
    AS_TRY(take_char(r, '{'));
    size_t start = r->at - 1;
    bool more = !at_char(r, '}');
    if (!more) r->at++;
    while (more) {
        AS_TRY(take_string(r, "a name in __metadata__"));
        AS_TRY(take_char(r, ':'));
        AS_TRY(take_string(r, "a text in __metadata__"));
        AS_TRY(take_separator(r, '}', &more));
    }
    if (r->at - start > MAX_METADATA) {
        return as_fail(r->err, AS_E_LIMIT, "__metadata__ of %zu bytes, at most %d are read", r->at - start,
                       MAX_METADATA);
    }
    return as_json_parse(r->text + start, r->at - start, AS_JSON_NO_DUPLICATES, "__metadata__", &r->metadata,
                         r->err);
}

static as_code grow(reader *r)
{
    if (r->count < r->room) return AS_OK;
    int64_t room = r->room ? r->room * 2 : 64;
    as_tensor *grown = as_realloc(r->tensors, (size_t)room * sizeof *grown);
    if (!grown) return as_fail_memory(r->err, "the table of tensors");
    r->tensors = grown;
    r->room = room;
    return AS_OK;
}

static as_code take_member(reader *r)
{
    AS_TRY(take_string(r, "a tensor's name"));
    AS_TRY(take_char(r, ':'));
    if (strcmp(as_buf_text(&r->word), "__metadata__") == 0) return take_metadata(r);
    AS_TRY(grow(r));
    size_t name_at = r->names.size;
    as_buf_add(&r->names, r->word.data, r->word.size);
    as_buf_char(&r->names, 0);
    AS_TRY(as_buf_check(&r->names, "the names of the tensors", r->err));
    as_tensor *t = &r->tensors[r->count];
    *t = (as_tensor){0};
    as_code rc = take_tensor(r, t);
    if (rc != AS_OK) {
        (void)as_wrap(r->err, "tensor \"%.160s\"", r->names.data + name_at);
        return rc;
    }
    r->count++;
    return AS_OK;
}

static as_code take_header(reader *r)
{
    if (r->size == 0 || r->text[0] != '{') return expected(r, "'{'");
    r->at = 1;
    bool more = !at_char(r, '}');
    if (!more) r->at++;
    while (more) {
        AS_TRY(take_member(r));
        AS_TRY(take_separator(r, '}', &more));
    }
    skip_space(r); /* writers pad the header with spaces */
    return r->at == r->size ? AS_OK : expected(r, "nothing more");
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const as_tensor *const *)a)->name, (*(const as_tensor *const *)b)->name);
}

static int by_place(const void *a, const void *b)
{
    const as_tensor *x = *(const as_tensor *const *)a, *y = *(const as_tensor *const *)b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

/* The data part is tiled by the tensors: no overlap, no hole, nothing behind the last. */
static as_code check_places(const as_tensor *const *sorted, int64_t count, uint64_t data_bytes, as_error *err)
{
    uint64_t end = 0;
    for (int64_t i = 0; i < count; i++) {
        const as_tensor *t = sorted[i];
        if (t->offset < end) {
            return as_fail(err, AS_E_INPUT, "tensor \"%.160s\" begins at %" PRIu64 ", inside \"%.160s\"",
                           t->name, t->offset, sorted[i - 1]->name);
        }
        if (t->offset > end) {
            return as_fail(err, AS_E_INPUT,
                           "tensor \"%.160s\" begins at %" PRIu64 " and leaves a hole behind %" PRIu64,
                           t->name, t->offset, end);
        }
        end = t->offset + t->bytes; /* both are below 2^63 */
        if (end > data_bytes) {
            return as_fail(err, AS_E_INPUT,
                           "tensor \"%.160s\" ends at %" PRIu64 ", but the file holds %" PRIu64
                           " bytes of data: the file is cut",
                           t->name, end, data_bytes);
        }
    }
    if (end != data_bytes) {
        return as_fail(err, AS_E_INPUT, "%" PRIu64 " bytes of data behind the last tensor", data_bytes - end);
    }
    return AS_OK;
}

static as_code check_tensors(const reader *r, uint64_t data_bytes)
{
    const as_tensor **sorted = AS_NEW_ARRAY(const as_tensor *, r->count);
    if (!sorted) return as_fail_memory(r->err, "the table of tensors");
    for (int64_t i = 0; i < r->count; i++) sorted[i] = &r->tensors[i];
    qsort(sorted, (size_t)r->count, sizeof *sorted, by_name);
    as_code rc = AS_OK;
    for (int64_t i = 1; i < r->count && rc == AS_OK; i++) {
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0) {
            rc = as_fail(r->err, AS_E_INPUT, "tensor \"%.160s\" stands twice", sorted[i]->name);
        }
    }
    if (rc == AS_OK) {
        qsort(sorted, (size_t)r->count, sizeof *sorted, by_place);
        rc = check_places(sorted, r->count, data_bytes, r->err);
    }
    as_free(sorted);
    return rc;
}

/* One JSON object keeps what the tensors point into: the names as one text, and the metadata. */
static as_code keep_names(reader *r, json_t **out)
{
    json_t *kept = NULL;
    AS_TRY(as_json_parse("{}", 2, AS_JSON_LENIENT, "names", &kept, r->err));
    json_t *names = json_stringn_nocheck(r->names.data ? r->names.data : "", r->names.size);
    if (json_object_set_new(kept, "names", names) != 0 ||
        (r->metadata && json_object_set(kept, "__metadata__", r->metadata) != 0)) {
        json_decref(kept);
        return as_fail_memory(r->err, "the names of the tensors");
    }
    const char *name = json_string_value(names);
    for (int64_t i = 0; i < r->count; i++, name += strlen(name) + 1) r->tensors[i].name = name;
    *out = kept;
    return AS_OK;
}

static as_code find_header(const unsigned char *head, uint64_t head_bytes, uint64_t size, uint64_t *length,
                           as_error *err)
{
    if (size < LENGTH_BYTES || head_bytes < LENGTH_BYTES) {
        return as_fail(err, AS_E_INPUT, "%" PRIu64 " bytes, too short for a safetensors file", size);
    }
    uint64_t n = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; i--) n = n << 8 | head[i];
    if (n > size - LENGTH_BYTES) {
        return as_fail(err, AS_E_INPUT,
                       "the header's length is %" PRIu64 " bytes, but the file has %" PRIu64
                       ": cut, or not a safetensors file",
                       n, size);
    }
    if (n > MAX_HEADER) {
        return as_fail(err, AS_E_LIMIT, "the header's length is %" PRIu64 " bytes, at most %d are read", n,
                       MAX_HEADER);
    }
    if (n > head_bytes - LENGTH_BYTES) {
        return as_fail(err, AS_E_INPUT, "%" PRIu64 " of the header's %" PRIu64 " bytes", head_bytes, n);
    }
    *length = n;
    return AS_OK;
}

as_code as_safetensors_parse(const unsigned char *head, uint64_t head_bytes, uint64_t size,
                             as_tensor **tensors, int64_t *count, json_t **names_json, uint64_t *header_bytes,
                             as_error *err)
{
    uint64_t length = 0;
    AS_TRY(find_header(head, head_bytes, size, &length, err));
    reader r = {.text = (const char *)head + LENGTH_BYTES, .size = length, .err = err};
    as_buf_init(&r.names, 0);
    as_buf_init(&r.word, 0);
    as_code rc = AS_OK;
    json_t *kept = NULL;
    size_t valid = as_utf8_valid_prefix(r.text, r.size);
    if (valid < r.size) {
        rc = as_fail(err, AS_E_INPUT, "byte %zu of the header is not UTF-8", valid);
        goto out;
    }
    AS_TRY_OUT(rc, take_header(&r));
    AS_TRY_OUT(rc, keep_names(&r, &kept));
    AS_TRY_OUT(rc, check_tensors(&r, size - LENGTH_BYTES - length));
    for (int64_t i = 0; i < r.count; i++) r.tensors[i].offset += LENGTH_BYTES + length;
    *tensors = r.tensors;
    *count = r.count;
    *names_json = kept;
    *header_bytes = length;
    r.tensors = NULL;
    kept = NULL;
out:
    as_free(r.tensors);
    json_decref(kept);
    json_decref(r.metadata);
    as_buf_free(&r.names);
    as_buf_free(&r.word);
    return rc;
}
