/* Makes the table from the messages, read where they lie. See README.md. */

#include <dmxp.h>
#include <float.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "observation.h"

enum { MOST_STATIONS = 16 };

/* Missing values are counted and nothing else. */
typedef struct {
    uint64_t present;
    uint64_t missing;
    /* Added up in the order of the messages: that order decides the last digit, and it is the same in every language. */
    double sum;
    double minimum;
    double maximum;
} Summary;

typedef struct {
    char name[sizeof ((Observation *)0)->station + 1];
    uint64_t observations;
    int64_t first;
    int64_t last;
    Summary temperature;
    Summary wind_speed;
    Summary pressure;
} Station;

/* By name. */
static Station stations[MOST_STATIONS];
static size_t station_count;

static void fail(const char *what)
{
    fprintf(stderr, "weather consumer: %s: %s\n", what, dmxp_last_error());
    exit(1);
}

static void add_value(Summary *summary, const dmxp_nullable_f64 *value)
{
    if (!value->present) {
        summary->missing++;
        return;
    }
    summary->present++;
    summary->sum += value->value;
    if (value->value < summary->minimum) {
        summary->minimum = value->value;
    }
    if (value->value > summary->maximum) {
        summary->maximum = value->value;
    }
}

static Station *station_of(const Observation *observation)
{
    char name[sizeof stations->name] = {0};
    size_t place = 0;
    memcpy(name, observation->station, dmxp_str_len(observation->station, sizeof observation->station));
    while (place < station_count && strcmp(stations[place].name, name) < 0) {
        place++;
    }
    if (place < station_count && strcmp(stations[place].name, name) == 0) {
        return &stations[place];
    }
    if (station_count == MOST_STATIONS) {
        fprintf(stderr, "weather consumer: more than %d stations\n", MOST_STATIONS);
        exit(1);
    }
    memmove(&stations[place + 1], &stations[place], (station_count - place) * sizeof *stations);
    station_count++;

    const Summary empty = {.minimum = DBL_MAX, .maximum = -DBL_MAX};
    Station *station = &stations[place];
    *station = (Station){
        .first = observation->time,
        .last = observation->time,
        .temperature = empty,
        .wind_speed = empty,
        .pressure = empty,
    };
    memcpy(station->name, name, sizeof name);
    return station;
}

static void add(const Observation *observation)
{
    Station *station = station_of(observation);
    station->observations++;
    if (observation->time < station->first) {
        station->first = observation->time;
    }
    if (observation->time > station->last) {
        station->last = observation->time;
    }
    add_value(&station->temperature, &observation->temperature);
    add_value(&station->wind_speed, &observation->wind_speed);
    add_value(&station->pressure, &observation->pressure);
}

static void print_time(int64_t nanoseconds)
{
    time_t seconds = (time_t)(nanoseconds / 1000000000);
    char text[sizeof "2013-01-01T06:00:00Z"];
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime(&seconds));
    fputs(text, stdout);
}

static void print_summary(const char *quantity, const Summary *summary)
{
    printf("  %-16s  %7" PRIu64 "  %7" PRIu64 "  %19.12f  %11.6f  %11.6f\n", quantity, summary->present,
           summary->missing, summary->sum / (double)summary->present, summary->minimum, summary->maximum);
}

static void print_station(const Station *station)
{
    printf("%s: %" PRIu64 " observations from ", station->name, station->observations);
    print_time(station->first);
    printf(" to ");
    print_time(station->last);
    printf("\n  %-16s  %7s  %7s  %19s  %11s  %11s\n", "", "present", "missing", "mean", "minimum", "maximum");
    print_summary("temperature degF", &station->temperature);
    print_summary("wind speed mph", &station->wind_speed);
    print_summary("pressure mbar", &station->pressure);
}

static double now(void)
{
    struct timespec time;
    timespec_get(&time, TIME_UTC);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(void)
{
    const dmxp_channel_options options = {.struct_size = sizeof options, .name = "weather-c", .schema = OBSERVATION_SCHEMA};
    dmxp_consumer *consumer;
    if (dmxp_consumer_open(NULL, &options, &consumer) != DMXP_OK) {
        fail("opening the channel");
    }

    uint64_t observations = 0;
    double start = 0;
    for (;;) {
        dmxp_message message = DMXP_MESSAGE_INIT;
        int32_t status = dmxp_consumer_recv(consumer, DMXP_FOREVER, &message);
        if (status == DMXP_CLOSED) {
            break;
        }
        if (status != DMXP_OK) {
            fail("receiving");
        }
        if (observations++ == 0) {
            start = now();
        }
        /* The slot itself; it is the size of the type, and no process writes it until it is released. */
        add(message.data);
        dmxp_consumer_release(consumer, &message);
    }
    double seconds = now() - start;
    dmxp_consumer_destroy(consumer);

    for (size_t i = 0; i < station_count; i++) {
        print_station(&stations[i]);
    }
    fprintf(stderr, "c: %" PRIu64 " observations in %.6f s: %.0f messages/s\n", observations, seconds,
            (double)observations / seconds);
    return 0;
}
