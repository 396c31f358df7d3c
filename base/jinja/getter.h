/* The `attribute` parameter of filters: "a.b.0". Internal to base/jinja. */
#ifndef AS_BASE_JINJA_GETTER_H
#define AS_BASE_JINJA_GETTER_H

#include "base/jinja/value.h"

typedef struct as_jinja_getter {
    as_jinja_list *parts;     /* subscripts, one after the other */
    as_jinja_value otherwise; /* for undefined; AS_JINJA_NONE: none */
    bool fold_case;
} as_jinja_getter;

/* attribute AS_JINJA_MISSING or AS_JINJA_NONE: the value itself. */
bool as_jinja_getter_make(as_jinja_vm *vm, as_jinja_value attribute, as_jinja_value otherwise, bool fold_case,
                          as_jinja_getter *out);
bool as_jinja_getter_get(as_jinja_vm *vm, const as_jinja_getter *getter, as_jinja_value item,
                         as_jinja_value *out);

#endif
