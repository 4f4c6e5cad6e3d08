/* What the programs of the tests have in common: each ends with a line that says what was expected. */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include "dmxp.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s; last error: %s\n", __FILE__, __LINE__, #condition, dmxp_last_error()); \
            exit(1); \
        } \
    } while (0)

/* The call answers with that status. */
#define ANSWERS(expected, call) \
    do { \
        int32_t answer_ = (call); \
        if (answer_ != (expected)) { \
            fprintf(stderr, "%s:%d: %s answers %s instead of %s; last error: %s\n", __FILE__, __LINE__, #call, \
                    dmxp_status_name(answer_), #expected, dmxp_last_error()); \
            exit(1); \
        } \
    } while (0)

#define OK(call) ANSWERS(DMXP_OK, call)

/* The last error says that. */
#define SAYS(text) CHECK(strstr(dmxp_last_error(), text) != NULL)

static inline dmxp_region *open_region(const char *name)
{
    dmxp_region_options options;
    dmxp_region *region;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.name = name;
    options.size = 8 << 20;
#ifdef __cplusplus
    options.runtime = DMXP_RUNTIME_CPP;
#endif
    OK(dmxp_region_open_or_create(&options, &region));
    return region;
}

static inline dmxp_channel_options channel_named(const char *name, uint64_t capacity)
{
    dmxp_channel_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.name = name;
    options.capacity = capacity;
    return options;
}

static inline double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

#endif
