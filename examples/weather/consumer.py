"""Makes the table from the messages, read where they lie. See README.md."""

import datetime
import math
import sys
import time

import dmxp
from observation import Observation


class Summary:
    """Present values of one quantity; missing ones are counted and nothing else."""

    def __init__(self):
        self.present = 0
        self.missing = 0
        self.sum = 0.0
        self.minimum = math.inf
        self.maximum = -math.inf

    def add(self, value):
        if value is None:
            self.missing += 1
            return
        self.present += 1
        # Added up in the order of the messages: that order decides the last digit, and it is the same in every language.
        self.sum += value
        self.minimum = min(self.minimum, value)
        self.maximum = max(self.maximum, value)

    def row(self, quantity):
        mean = self.sum / self.present
        return (
            f"  {quantity:<16}  {self.present:>7}  {self.missing:>7}  {mean:>19.12f}"
            f"  {self.minimum:>11.6f}  {self.maximum:>11.6f}"
        )


class Station:
    def __init__(self, observation):
        self.observations = 0
        self.first = self.last = observation.time
        self.temperature = Summary()
        self.wind_speed = Summary()
        self.pressure = Summary()

    def add(self, observation):
        self.observations += 1
        self.first = min(self.first, observation.time)
        self.last = max(self.last, observation.time)
        self.temperature.add(observation.temperature)
        self.wind_speed.add(observation.wind_speed)
        self.pressure.add(observation.pressure)

    def print(self, name):
        first, last = map(utc, (self.first, self.last))
        print(f"{name}: {self.observations} observations from {first} to {last}")
        print(f"  {'':<16}  {'present':>7}  {'missing':>7}  {'mean':>19}  {'minimum':>11}  {'maximum':>11}")
        print(self.temperature.row("temperature degF"))
        print(self.wind_speed.row("wind speed mph"))
        print(self.pressure.row("pressure mbar"))


def utc(nanoseconds):
    seconds = datetime.datetime.fromtimestamp(nanoseconds // 1_000_000_000, datetime.timezone.utc)
    return seconds.strftime("%Y-%m-%dT%H:%M:%SZ")


def main():
    stations = {}
    observations = 0
    start = None
    with dmxp.create_consumer(name="weather-python", message=Observation) as consumer:
        # Each is an Observation over the slot; the slot goes back to the producer when the loop lets go of it.
        for observation in consumer:
            if start is None:
                start = time.perf_counter()
            name = observation.station
            if name not in stations:
                stations[name] = Station(observation)
            stations[name].add(observation)
            observations += 1
            # Without this, the loop would wait for the next message with this one still borrowed.
            del observation
    seconds = time.perf_counter() - start
    for name in sorted(stations):
        stations[name].print(name)
    print(
        f"python: {observations} observations in {seconds:.6f} s: {observations / seconds:.0f} messages/s",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
