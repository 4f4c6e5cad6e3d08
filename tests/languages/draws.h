/* Random words that every language can repeat, as README.md tells. */
#ifndef DRAWS_H
#define DRAWS_H

#include <stdint.h>

#define DRAWN_GAMMA UINT64_C(0x9E3779B97F4A7C15)

static inline uint64_t drawn_mix(uint64_t z)
{
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* The values of one message, drawn one after the other. */
typedef struct {
    uint64_t s;
    uint64_t next;
} Draws;

static inline Draws draws_of(uint64_t seed, uint64_t i)
{
    uint64_t s = drawn_mix(seed + (i + 1) * DRAWN_GAMMA);
    return (Draws){.s = s, .next = s + 2 * DRAWN_GAMMA};
}

static inline uint64_t draw_word(Draws *d)
{
    uint64_t word = drawn_mix(d->next);
    d->next += DRAWN_GAMMA;
    return word;
}

#endif
