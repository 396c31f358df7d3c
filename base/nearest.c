/* Near words; see nearest.h. */
#include "base/nearest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 96 }; /* letters looked at */

static const double like_enough = 0.6, shortest_part = 4;

static size_t folded(const char *word, char out[static MOST + 1])
{
    size_t size = 0;
    for (; word[size] && size < MOST; size++) out[size] = (char)tolower((unsigned char)word[size]);
    out[size] = 0;
    return size;
}

static int least_of(int a, int b, int c)
{
    int least = a < b ? a : b;
    return least < c ? least : c;
}

/* Letters left out, added, changed, or two neighbours swapped (optimal string alignment). */
static int distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    int rows[3][MOST + 1], *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t k = 0; k <= b_size; k++) above[k] = before[k] = (int)k;
    for (size_t i = 1; i <= a_size; i++) {
        row[0] = (int)i;
        for (size_t k = 1; k <= b_size; k++) {
            row[k] = least_of(above[k] + 1, row[k - 1] + 1, above[k - 1] + (a[i - 1] != b[k - 1]));
            bool swapped = i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1];
            if (swapped && before[k - 2] + 1 < row[k]) row[k] = before[k - 2] + 1;
        }
        int *free_row = before;
        before = above;
        above = row;
        row = free_row;
    }
    return above[b_size];
}

static double likeness(const char *word, const char *known)
{
    char a[MOST + 1], b[MOST + 1];
    size_t a_size = folded(word, a), b_size = folded(known, b);
    if (a_size == 0 || b_size == 0) return 0;
    double shorter = (double)(a_size < b_size ? a_size : b_size);
    double longer = (double)(a_size > b_size ? a_size : b_size);
    double by_letters = 1 - distance(a, a_size, b, b_size) / longer;
    bool inside = shorter >= shortest_part && (strstr(a, b) || strstr(b, a));
    double by_part = inside ? 0.7 + 0.3 * shorter / longer : 0;
    return by_part > by_letters ? by_part : by_letters;
}

void as_nearest_offer(as_nearest *nearest, const char *known)
{
    const char *slash = strchr(known, '/');
    double whole = likeness(nearest->word, known);
    double behind = slash ? 0.99 * likeness(nearest->word, slash + 1) : 0;
    double found = whole > behind ? whole : behind;
    if ((found < like_enough && !nearest->anyway) || (nearest->best && found <= nearest->likeness)) return;
    nearest->best = known;
    nearest->likeness = found;
}

const char *as_nearest_hint(const as_nearest *nearest, const char *prefix, char room[static AS_NEAREST_HINT])
{
    room[0] = 0;
    if (nearest->best) snprintf(room, AS_NEAREST_HINT, " (did you mean %s%.200s?)", prefix, nearest->best);
    return room;
}
