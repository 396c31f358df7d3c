/* A small strict reader of the protobuf wire format. */
#ifndef AS_ENGINE_TEXT_PROTOBUF_H
#define AS_ENGINE_TEXT_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct as_proto { /* a message, and where it is being read */
    const unsigned char *data;
    size_t size, at;
} as_proto;

typedef struct as_proto_field {
    uint32_t number;
    enum { AS_PROTO_VARINT = 0, AS_PROTO_64 = 1, AS_PROTO_BYTES = 2, AS_PROTO_32 = 5 } wire;
    uint64_t value;             /* of the fixed and the varying integers */
    const unsigned char *bytes; /* lent from the message */
    size_t size;
} as_proto_field;

/* The next field; *more is false at the end. Groups and bytes that go beyond the end are refused. */
AS_MUST_USE as_code as_proto_next(as_proto *proto, as_proto_field *field, bool *more, as_error *err);

#endif
