/* Payloads and messages that every language can repeat, as README.md tells. */
#ifndef DRAWN_H
#define DRAWN_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draws.h"
#include "every_kind.h"

/* Writes payload i, which has at most 960 bytes, and returns its length. */
static inline size_t draw_payload(uint64_t seed, uint64_t i, uint8_t *payload)
{
    static const size_t edges[] = {0, 1, 47, 48, 63, 64, 959, 960};
    Draws d = draws_of(seed, i);
    size_t length = i < sizeof edges / sizeof *edges ? edges[i] : drawn_mix(d.s + DRAWN_GAMMA) % 961;
    uint64_t word = 0;
    for (size_t j = 0; j < length; j++) {
        word = j % 8 == 0 ? draw_word(&d) : word >> 8;
        payload[j] = (uint8_t)word;
    }
    return length;
}

static inline uint8_t draw_bool(Draws *d)
{
    return draw_word(d) & 1;
}

static inline float draw_float(Draws *d)
{
    uint32_t bits = (uint32_t)draw_word(d);
    float value;
    memcpy(&value, &bits, sizeof value);
    return isnan(value) ? (bits >> 31 ? -INFINITY : INFINITY) : value;
}

static inline double draw_double(Draws *d)
{
    uint64_t bits = draw_word(d);
    double value;
    memcpy(&value, &bits, sizeof value);
    return isnan(value) ? (bits >> 63 ? -(double)INFINITY : (double)INFINITY) : value;
}

static inline uint32_t draw_char(Draws *d)
{
    uint32_t code = (uint32_t)(draw_word(d) % 0x110000);
    return code >= 0xD800 && code <= 0xDFFF ? code - 0x800 : code;
}

static inline void draw_text(Draws *d, char *text, size_t size)
{
    static const char *const characters[] = {"a", "Z", "7", " ", "\xC3\xA9", "\xC3\x9F", "\xE6\xB0\xB4",
                                             "\xF0\x9F\x8C\x8A"};
    size_t room = draw_word(d) % (size + 1);
    char drawn[64] = "";
    for (;;) {
        const char *character = characters[draw_word(d) % 8];
        if (strlen(drawn) + strlen(character) > room) {
            break;
        }
        strcat(drawn, character);
    }
    if (!dmxp_str_set(text, size, drawn)) {
        fprintf(stderr, "the text \"%s\" does not fit %zu bytes\n", drawn, size);
        exit(1);
    }
}

static inline Side draw_side(Draws *d)
{
    static const Side sides[] = {Side_Buy, Side_Sell};
    return sides[draw_word(d) % 2];
}

static inline Level draw_level(Draws *d)
{
    return (Level)((int)(draw_word(d) % 16) - 8);
}

static inline Point draw_point(Draws *d)
{
    Point point;
    point.x = draw_float(d);
    point.y = draw_float(d);
    return point;
}

static inline void draw_shape(Draws *d, Shape *shape)
{
    static const uint64_t tags[] = {0, Shape_tag_Circle, Shape_tag_Line, Shape_tag_Note, Shape_tag_Whose,
                                    Shape_tag_Nothing};
    shape->tag = tags[draw_word(d) % 6];
    switch (shape->tag) {
    case Shape_tag_Circle:
        shape->payload.Circle = draw_double(d);
        break;
    case Shape_tag_Line:
        shape->payload.Line[0] = draw_point(d);
        shape->payload.Line[1] = draw_point(d);
        break;
    case Shape_tag_Note:
        draw_text(d, shape->payload.Note, sizeof shape->payload.Note);
        break;
    case Shape_tag_Whose:
        shape->payload.Whose = draw_side(d);
        break;
    default:
        break;
    }
}

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* Fills a message that is all zeros. */
static inline void draw_every_kind(uint64_t seed, uint64_t i, EveryKind *m)
{
    static const Depth depths[] = {Depth_Abyss, Depth_Shelf, Depth_Sky};
    Draws draws = draws_of(seed, i);
    Draws *d = &draws;
    m->unsigned64 = draw_word(d);
    m->signed64 = (int64_t)draw_word(d);
    m->float64 = draw_double(d);
    m->time = (int64_t)draw_word(d);
    m->depth = depths[draw_word(d) % 3];
    draw_shape(d, &m->shape);
    for (size_t k = 0; k < COUNT_OF(m->shapes); k++) {
        draw_shape(d, &m->shapes[k]);
    }
    if ((m->maybe_float64.present = draw_bool(d))) {
        m->maybe_float64.value = draw_double(d);
    }
    for (size_t k = 0; k < COUNT_OF(m->maybe_times); k++) {
        if ((m->maybe_times[k].present = draw_bool(d))) {
            m->maybe_times[k].value = (int64_t)draw_word(d);
        }
    }
    m->floats.count = draw_word(d) % (COUNT_OF(m->floats.items) + 1);
    for (size_t k = 0; k < m->floats.count; k++) {
        m->floats.items[k] = draw_double(d);
    }
    m->unsigned32 = (uint32_t)draw_word(d);
    m->signed32 = (int32_t)draw_word(d);
    m->float32 = draw_float(d);
    m->letter = draw_char(d);
    m->rights = (Rights)draw_word(d);
    m->corner = draw_point(d);
    m->segment.from = draw_point(d);
    m->segment.to = draw_point(d);
    draw_text(d, m->segment.label, sizeof m->segment.label);
    for (size_t row = 0; row < COUNT_OF(m->matrix); row++) {
        for (size_t column = 0; column < COUNT_OF(m->matrix[row]); column++) {
            m->matrix[row][column] = draw_float(d);
        }
    }
    if ((m->maybe_float32.present = draw_bool(d))) {
        m->maybe_float32.value = draw_float(d);
    }
    if ((m->maybe_point.present = draw_bool(d))) {
        m->maybe_point.value = draw_point(d);
    }
    m->points.count = (uint32_t)(draw_word(d) % (COUNT_OF(m->points.items) + 1));
    for (size_t k = 0; k < m->points.count; k++) {
        m->points.items[k] = draw_point(d);
    }
    for (size_t k = 0; k < COUNT_OF(m->letters); k++) {
        m->letters[k] = draw_char(d);
    }
    m->unsigned16 = (uint16_t)draw_word(d);
    m->signed16 = (int16_t)draw_word(d);
    m->level = draw_level(d);
    if ((m->maybe_unsigned16.present = draw_bool(d))) {
        m->maybe_unsigned16.value = (uint16_t)draw_word(d);
    }
    m->samples.count = (uint16_t)(draw_word(d) % (COUNT_OF(m->samples.items) + 1));
    for (size_t k = 0; k < m->samples.count; k++) {
        m->samples.items[k] = (uint8_t)draw_word(d);
    }
    m->texts.count = (uint16_t)(draw_word(d) % (COUNT_OF(m->texts.items) + 1));
    for (size_t k = 0; k < m->texts.count; k++) {
        draw_text(d, m->texts.items[k], sizeof m->texts.items[k]);
    }
    m->levels.count = (uint16_t)(draw_word(d) % (COUNT_OF(m->levels.items) + 1));
    for (size_t k = 0; k < m->levels.count; k++) {
        m->levels.items[k] = draw_level(d);
    }
    m->unsigned8 = (uint8_t)draw_word(d);
    m->signed8 = (int8_t)draw_word(d);
    m->truth = draw_bool(d);
    m->side = draw_side(d);
    if ((m->maybe_side.present = draw_bool(d))) {
        m->maybe_side.value = draw_side(d);
    }
    if ((m->maybe_text.present = draw_bool(d))) {
        draw_text(d, m->maybe_text.value, sizeof m->maybe_text.value);
    }
    if ((m->maybe_truth.present = draw_bool(d))) {
        m->maybe_truth.value = draw_bool(d);
    }
    for (size_t k = 0; k < COUNT_OF(m->raw); k++) {
        m->raw[k] = (uint8_t)draw_word(d);
    }
    draw_text(d, m->venue, sizeof m->venue);
    for (size_t k = 0; k < COUNT_OF(m->names); k++) {
        draw_text(d, m->names[k], sizeof m->names[k]);
    }
    for (size_t k = 0; k < COUNT_OF(m->sides); k++) {
        m->sides[k] = draw_side(d);
    }
    for (size_t k = 0; k < COUNT_OF(m->switches); k++) {
        m->switches[k] = draw_bool(d);
    }
}

/* The name of a field in which the messages differ; NULL when they are the same. */
static inline const char *differing_field(const EveryKind *a, const EveryKind *b)
{
#define COMPARE(field) \
    if (memcmp(&a->field, &b->field, sizeof a->field) != 0) { \
        return #field; \
    }
    COMPARE(unsigned64)
    COMPARE(signed64)
    COMPARE(float64)
    COMPARE(time)
    COMPARE(depth)
    COMPARE(shape)
    COMPARE(shapes)
    COMPARE(maybe_float64)
    COMPARE(maybe_times)
    COMPARE(floats)
    COMPARE(unsigned32)
    COMPARE(signed32)
    COMPARE(float32)
    COMPARE(letter)
    COMPARE(rights)
    COMPARE(corner)
    COMPARE(segment)
    COMPARE(matrix)
    COMPARE(maybe_float32)
    COMPARE(maybe_point)
    COMPARE(points)
    COMPARE(letters)
    COMPARE(unsigned16)
    COMPARE(signed16)
    COMPARE(level)
    COMPARE(maybe_unsigned16)
    COMPARE(samples)
    COMPARE(texts)
    COMPARE(levels)
    COMPARE(unsigned8)
    COMPARE(signed8)
    COMPARE(truth)
    COMPARE(side)
    COMPARE(maybe_side)
    COMPARE(maybe_text)
    COMPARE(maybe_truth)
    COMPARE(raw)
    COMPARE(venue)
    COMPARE(names)
    COMPARE(sides)
    COMPARE(switches)
    COMPARE(room)
#undef COMPARE
    return NULL;
}

#endif
