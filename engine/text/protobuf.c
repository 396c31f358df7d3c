/* The protobuf wire format; see protobuf.h and protobuf.dev/programming-guides/encoding. */
#include "engine/text/protobuf.h"

#include <string.h>

static as_code cut_short(const as_proto *proto, as_error *err)
{
    return as_fail(err, AS_E_INPUT,
                   "not a SentencePiece model: the message ends or breaks at byte %zu of %zu", proto->at,
                   proto->size);
}

static bool take_varint(as_proto *proto, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 70 && proto->at < proto->size; shift += 7) {
        unsigned char byte = proto->data[proto->at++];
        if (shift == 63 && byte > 1) return false;
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) return true;
    }
    return false;
}

static bool take_fixed(as_proto *proto, size_t size, uint64_t *value)
{
    if (proto->size - proto->at < size) return false;
    *value = 0;
    memcpy(value, proto->data + proto->at, size);
    proto->at += size;
    return true;
}

as_code as_proto_next(as_proto *proto, as_proto_field *field, bool *more, as_error *err)
{
    uint64_t tag;
    *more = proto->at < proto->size;
    if (!*more) return AS_OK;
    *field = (as_proto_field){0};
    if (!take_varint(proto, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF) return cut_short(proto, err);
    field->number = (uint32_t)(tag >> 3);
    bool good = false;
    if ((tag & 7) == AS_PROTO_VARINT) {
        field->wire = AS_PROTO_VARINT;
        good = take_varint(proto, &field->value);
    } else if ((tag & 7) == AS_PROTO_64 || (tag & 7) == AS_PROTO_32) {
        field->wire = (tag & 7) == AS_PROTO_64 ? AS_PROTO_64 : AS_PROTO_32;
        good = take_fixed(proto, field->wire == AS_PROTO_64 ? 8 : 4, &field->value);
    } else if ((tag & 7) == AS_PROTO_BYTES) {
        uint64_t size;
        field->wire = AS_PROTO_BYTES;
        good = take_varint(proto, &size) && size <= proto->size - proto->at;
        if (good) {
            field->bytes = proto->data + proto->at;
            field->size = (size_t)size;
            proto->at += field->size;
        }
    }
    return good ? AS_OK : cut_short(proto, err);
}
