/* Tries; see trie.h. */
#include "engine/text/trie.h"

#include <stdlib.h>

#include "base/mem.h"

typedef struct key_range { /* the keys below one node, which agree in the first depth bytes */
    uint32_t begin, end;
    uint32_t node;
    uint32_t depth;
} key_range;

static int compare(const void *a, const void *b)
{
    const as_trie_key *x = a, *y = b;
    size_t shorter = x->size < y->size ? x->size : y->size;
    int order = memcmp(x->text, y->text, shorter);
    if (order) return order;
    if (x->size != y->size) return x->size < y->size ? -1 : 1;
    return (x->value > y->value) - (x->value < y->value);
}

static size_t count_nodes(const as_trie_key *keys, size_t count)
{
    size_t nodes = 1;
    for (size_t i = 0; i < count; i++) {
        size_t shared = 0;
        if (i) {
            while (shared < keys[i].size && shared < keys[i - 1].size &&
                   keys[i].text[shared] == keys[i - 1].text[shared]) {
                shared++;
            }
        }
        nodes += keys[i].size - shared;
    }
    return nodes;
}

/* Gives one node its value and its children, and puts the children's ranges after those still to be done. */
static void expand(as_trie *trie, const as_trie_key *keys, key_range *ranges, size_t at)
{
    key_range range = ranges[at];
    as_trie_node *node = &trie->nodes[range.node];
    uint32_t i = range.begin;
    for (; i < range.end && keys[i].size == range.depth; i++) node->value = keys[i].value;
    node->first = (uint32_t)trie->count;
    while (i < range.end) {
        unsigned char label = (unsigned char)keys[i].text[range.depth];
        uint32_t begin = i;
        while (i < range.end && (unsigned char)keys[i].text[range.depth] == label) i++;
        uint32_t child = (uint32_t)trie->count++;
        trie->nodes[child] = (as_trie_node){.value = -1};
        trie->labels[child] = label;
        ranges[child] = (key_range){begin, i, child, range.depth + 1};
        node->count++;
        if (range.node == 0) trie->roots[label] = child;
    }
}

as_code as_trie_build(as_trie *trie, as_trie_key *keys, size_t count, as_error *err)
{
    qsort(keys, count, sizeof *keys, compare);
    size_t nodes = count_nodes(keys, count);
    if (nodes >= UINT32_MAX) return as_fail(err, AS_E_LIMIT, "the vocabulary is too large");
    *trie = (as_trie){.nodes = AS_NEW_ARRAY(as_trie_node, nodes), .labels = as_alloc(nodes)};
    key_range *ranges = AS_NEW_ARRAY(key_range, nodes);
    if (!trie->nodes || !trie->labels || !ranges) {
        as_free(ranges);
        as_trie_free(trie);
        return as_fail_memory(err, "the vocabulary");
    }
    trie->count = 1;
    trie->labels[0] = 0;
    trie->nodes[0].value = -1;
    ranges[0] = (key_range){0, (uint32_t)count, 0, 0};
    for (size_t i = 0; i < trie->count; i++) expand(trie, keys, ranges, i);
    as_free(ranges);
    return AS_OK;
}

void as_trie_free(as_trie *trie)
{
    as_free(trie->nodes);
    as_free(trie->labels);
    *trie = (as_trie){0};
}
