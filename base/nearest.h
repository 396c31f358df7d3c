/* Of words that are known, the one that was probably meant by a word that is not. */
#ifndef AS_BASE_NEAREST_H
#define AS_BASE_NEAREST_H

#include <stdbool.h>

/* Set `word`, offer every known word; `best` is then borrowed from the likeliest, NULL where none is like it.
 * Capitals do not matter, a part of a name stands for it ("1.1B-Chat" for "org/Model-1.1B-Chat-v1.0"), and so
 * does a word with a few letters left out, added, changed or swapped. */
typedef struct as_nearest {
    const char *word, *best;
    double likeness; /* of the best, 0 to 1 */
    bool anyway;     /* set: a best is found however unlike it is */
} as_nearest;

void as_nearest_offer(as_nearest *nearest, const char *known);

/* " (did you mean PREFIXbest?)", or nothing. */
enum { AS_NEAREST_HINT = 320 };
const char *as_nearest_hint(const as_nearest *nearest, const char *prefix, char room[static AS_NEAREST_HINT]);

#endif
