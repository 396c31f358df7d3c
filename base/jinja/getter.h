/* The `attribute` parameter of filters: "a.b.0". Internal to base/jinja. */
#ifndef AS_BASE_JINJA_GETTER_H
#define AS_BASE_JINJA_GETTER_H

#include "base/jinja/value.h"

typedef struct aj_getter {
    aj_list *parts;     /* subscripts, one after the other */
    aj_value otherwise; /* for undefined; AJ_NONE: none */
    bool fold_case;
} aj_getter;

/* attribute AJ_MISSING or AJ_NONE: the value itself. */
bool aj_getter_make(aj_vm *vm, aj_value attribute, aj_value otherwise, bool fold_case, aj_getter *out);
bool aj_getter_get(aj_vm *vm, const aj_getter *getter, aj_value item, aj_value *out);

#endif
