/* Pages of the cache: never two owners, all of them back after a drop, states empty at every start. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "engine/arch/arch.h"
#include "engine/kv.h"

static as_model_spec spec_of(const char *architecture, const char *changes)
{
    json_t *config = NULL, *over = NULL, *list = json_array();
    as_model_spec spec;
    as_error err;
    static const char base[] = "{\"hidden_size\": 32, \"num_hidden_layers\": 2, \"num_attention_heads\": 4, "
                               "\"num_key_value_heads\": 2, \"intermediate_size\": 48, \"vocab_size\": 50}";
    cr_assert_eq(as_json_parse(base, strlen(base), AS_JSON_LENIENT, "test", &config, &err), AS_OK);
    cr_assert_eq(as_json_parse(changes, strlen(changes), AS_JSON_LENIENT, "test", &over, &err), AS_OK);
    json_object_update(config, over);
    json_array_append_new(list, json_string(architecture));
    json_object_set_new(config, "architectures", list);
    cr_assert_eq(as_spec_from_config(config, &spec, &err), AS_OK, "%s", err.text);
    json_decref(config);
    json_decref(over);
    return spec;
}

/* Every page of every pool is free or in one sequence's table, once. */
static void check_owners(const as_kv *kv)
{
    for (int p = 0; p < kv->pool_count; p++) {
        const as_page_pool *pool = &kv->pools[p];
        int64_t held = 0;
        uint8_t *seen = as_calloc((size_t)pool->pages, 1);
        for (int64_t i = 0; i < pool->free_count; i++) cr_assert_eq(seen[pool->free_pages[i]]++, 0);
        for (int64_t s = 0; s < kv->sequence_count; s++) {
            const as_page_table *table = &kv->sequences[s].tables[p];
            if (!kv->sequences[s].active) continue;
            held += table->count - table->first;
            for (int64_t i = table->first; i < table->count; i++) cr_assert_eq(seen[table->pages[i]]++, 0);
        }
        cr_assert_eq(pool->free_count + held, pool->pages);
        as_free(seen);
    }
}

Test(kv, pages_have_one_owner_through_any_order_of_calls)
{
    enum { SEQUENCES = 7, TOKENS = 2000, ROWS = 512 };
    as_model_spec spec = spec_of("LlamaForCausalLM", "{}");
    as_kv kv;
    as_error err;
    as_rng rng;
    cr_assert_eq(as_kv_open(&kv, &spec, AS_F32, &(as_kv_size){TOKENS, SEQUENCES, ROWS}, &err), AS_OK, "%s",
                 err.text);
    as_rng_init(&rng, 1, 0);
    int64_t refused = 0;
    for (int turn = 0; turn < 5000; turn++) {
        int64_t s = (int64_t)as_rng_below(&rng, SEQUENCES), more = 1 + (int64_t)as_rng_below(&rng, 300);
        if (!kv.sequences[s].active) {
            int64_t added = as_kv_add(&kv);
            cr_assert(added >= 0 && kv.sequences[added].length == 0 &&
                      kv.sequences[added].tables[0].count == 0);
        } else if (as_rng_below(&rng, 12) == 0) {
            as_kv_drop(&kv, s);
        } else if (as_kv_pages_needed(&kv, s, more) <= kv.pools[0].free_count) {
            as_kv_grow(&kv, s, more);
            kv.sequences[s].length += more;
            cr_assert_geq(kv.sequences[s].tables[0].count * AS_PAGE_TOKENS, kv.sequences[s].length);
            cr_assert_lt((kv.sequences[s].tables[0].count - 1) * AS_PAGE_TOKENS, kv.sequences[s].length);
        } else {
            refused++;
        }
        check_owners(&kv);
    }
    cr_assert_gt(refused, 100, "the cache was never full");
    as_kv_close(&kv);
    as_model_spec_free(&spec);
}

Test(kv, room_for_the_tokens_promised_however_they_are_spread)
{
    as_model_spec spec = spec_of("LlamaForCausalLM", "{}");
    for (int64_t sequences = 1; sequences < 10; sequences++) {
        for (int64_t tokens = sequences; tokens < 400; tokens += 7) {
            as_kv kv;
            cr_assert_eq(as_kv_open(&kv, &spec, AS_E4M3, &(as_kv_size){tokens, sequences, 64}, NULL), AS_OK);
            for (int64_t s = 0, left = tokens; s < sequences;
                 s++) { /* one token each, the rest to the last */
                int64_t n = s + 1 < sequences ? 1 : left;
                cr_assert_eq(as_kv_add(&kv), s);
                cr_assert_leq(as_kv_pages_needed(&kv, s, n), kv.pools[0].free_count,
                              "%lld tokens, %lld sequences", (long long)tokens, (long long)sequences);
                as_kv_grow(&kv, s, n);
                left -= n;
            }
            cr_assert_eq(as_kv_add(&kv), -1, "all sequences are taken");
            as_kv_close(&kv);
        }
    }
    as_model_spec_free(&spec);
}

/* A window's pages suffice for any passes of any sequences, and are no more than that. */
Test(kv, pages_of_a_window_always_suffice)
{
    enum { SEQUENCES = 5, TOKENS = 80000 };
    static const int64_t windows[] = {1, 2, 63, 64, 65, 100, 129}, rows[] = {1, 7, 64, 200};
    for (size_t w = 0; w < sizeof windows / sizeof windows[0]; w++) {
        for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
            char changes[64];
            as_kv kv;
            as_rng rng;
            snprintf(changes, sizeof changes, "{\"sliding_window\": %d}", (int)windows[w]);
            as_model_spec spec = spec_of("MistralForCausalLM", changes);
            as_kv_size size = {TOKENS, SEQUENCES, rows[r]};
            cr_assert_eq(as_kv_open(&kv, &spec, AS_E4M3, &size, NULL), AS_OK);
            cr_assert_eq(kv.pool_count, 2);
            cr_assert_eq(kv.layers[0].steps[0].pool, 1);
            cr_assert_lt(kv.pools[1].pages, SEQUENCES * (windows[w] / AS_PAGE_TOKENS + 3) + 5);
            as_rng_init(&rng, 1, w * 10 + r);
            for (int64_t s = 0; s < SEQUENCES; s++) cr_assert_eq(as_kv_add(&kv), s);
            for (int turn = 0; turn < 300; turn++) {
                int64_t left = rows[r], parts[SEQUENCES];
                for (int64_t s = 0; s < SEQUENCES; s++) {
                    parts[s] = left ? (int64_t)as_rng_below(&rng, (uint32_t)left + 1) : 0;
                    left -= parts[s];
                    as_kv_grow(&kv, s, parts[s]);
                    if (parts[s]) as_kv_begin_pass(&kv, s, parts[s]);
                    kv.sequences[s].length += parts[s];
                }
                for (int64_t s = 0; s < SEQUENCES; s++) {
                    const as_page_table *table = &kv.sequences[s].tables[1];
                    if (parts[s]) as_kv_end_pass(&kv, s);
                    int64_t least = kv.sequences[s].length - windows[w] + 1;
                    cr_assert(table->first * AS_PAGE_TOKENS <= (least > 0 ? least : 0));
                    cr_assert(table->count * AS_PAGE_TOKENS >= kv.sequences[s].length);
                }
                check_owners(&kv);
            }
            for (int64_t s = 0; s < SEQUENCES; s++) as_kv_drop(&kv, s);
            cr_assert_eq(kv.pools[1].free_count, kv.pools[1].pages);
            as_kv_close(&kv);
            as_model_spec_free(&spec);
        }
    }
}

Test(kv, states_are_empty_at_every_start)
{
    as_model_spec spec = spec_of("MambaForCausalLM", "{}");
    as_kv kv;
    cr_assert_eq(as_kv_open(&kv, &spec, AS_F32, &(as_kv_size){100, 3, 64}, NULL), AS_OK);
    for (int round = 0; round < 3; round++) {
        int64_t s = as_kv_add(&kv);
        for (int64_t layer = 0; layer < kv.layer_count; layer++) {
            as_step_memory *m = &kv.layers[layer].steps[0];
            for (int p = 0; p < 2; p++) {
                cr_assert_gt(m->state_size[p], 0);
                for (int64_t i = 0; i < m->state_size[p]; i++) {
                    cr_assert_eq(m->state[p][s * m->state_size[p] + i], 0);
                    m->state[p][s * m->state_size[p] + i] = 7;
                }
            }
        }
        as_kv_drop(&kv, s);
    }
    as_kv_close(&kv);
    as_model_spec_free(&spec);
}

Test(kv, what_cannot_be_held_is_refused)
{
    /* heads times width times tokens beyond any memory, and beyond 63 bits */
    as_model_spec spec =
        spec_of("LlamaForCausalLM", "{\"num_attention_heads\": 65536, \"num_key_value_heads\": 65536, "
                                    "\"head_dim\": 16384, \"num_hidden_layers\": 3}");
    as_kv kv;
    as_error err;
    cr_assert_eq(as_kv_open(&kv, &spec, AS_F32, &(as_kv_size){(int64_t)1 << 31, 65536, 64}, &err),
                 AS_E_MEMORY);
    cr_assert(strstr(err.text, "cache"), "%s", err.text);
    as_model_spec_free(&spec);
}
