/* The list that as_needs_open makes, for whoever adds to it (repository.h tells what it is for). */
#ifndef AS_ENGINE_NEEDS_H
#define AS_ENGINE_NEEDS_H

#include "engine/repository.h"

/* Notes a tensor; the name is copied. One that is asked for again, as by several parts, counts once. */
AS_MUST_USE as_code as_needs_note(as_needs *needs, const as_need *need, as_error *err);

#endif
