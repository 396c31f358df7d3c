/* Character classes; see unicode.h. */
#include "engine/text/unicode.h"

#include <pthread.h>
#include <string.h>

#include "engine/text/unicode_data.h"

uint8_t as_unicode_class_of[0x110000];

static void expand(void)
{
    for (size_t i = 0; i < as_unicode_ranges_count; i++) {
        uint32_t start = as_unicode_ranges[i].start;
        uint32_t end = i + 1 < as_unicode_ranges_count ? as_unicode_ranges[i + 1].start : 0x110000;
        memset(as_unicode_class_of + start, as_unicode_ranges[i].value, end - start);
    }
}

void as_unicode_prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, expand);
}

int as_unicode_to_lower(uint32_t codepoint, uint32_t out[static 2])
{
    out[0] = codepoint;
    if (codepoint < 0x80) {
        if (codepoint >= 'A' && codepoint <= 'Z') out[0] += 32;
        return 1;
    }
    if (codepoint == 0x130) {
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    size_t low = 0, high = as_unicode_lower_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const as_unicode_case *run = &as_unicode_lower[middle];
        if (codepoint < run->first) {
            high = middle;
        } else if (codepoint > run->last) {
            low = middle + 1;
        } else {
            if ((codepoint - run->first) % (uint32_t)run->step == 0) {
                out[0] = (uint32_t)((int32_t)codepoint + run->delta);
            }
            return 1;
        }
    }
    return 1;
}

int as_unicode_script(uint32_t codepoint)
{
    size_t low = 0, high = as_unicode_scripts_count; /* the last range that starts at or below it */
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (as_unicode_scripts[middle].start <= codepoint) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return as_unicode_scripts[low].value;
}

uint32_t as_unicode_stand_in(uint32_t codepoint, uint32_t low, uint32_t high)
{
    static const uint32_t bounds[] = {0, 0x80, 0x800, 0x10000, 0x110000}; /* of lengths in UTF-8 */
    const uint32_t same = AS_U_CATEGORY | AS_U_SPACE | AS_U_ALPHABETIC | AS_U_HAN | AS_U_LOWER;
    uint32_t wanted = as_unicode_class(codepoint) & same;
    int length = 0;
    while (codepoint >= bounds[length + 1]) length++;
    if (low < bounds[length]) low = bounds[length];
    if (high > bounds[length + 1]) high = bounds[length + 1];
    for (uint32_t distance = 1;; distance++) {
        bool below = codepoint >= low + distance, above = codepoint + distance < high;
        if (!below && !above) return codepoint;
        if (below && (as_unicode_class(codepoint - distance) & (same | AS_U_NEWER)) == wanted)
            return codepoint - distance;
        if (above && (as_unicode_class(codepoint + distance) & (same | AS_U_NEWER)) == wanted)
            return codepoint + distance;
    }
}
