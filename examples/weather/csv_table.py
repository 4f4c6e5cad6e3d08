"""Prints the table of the consumers straight from the CSV: no dmxp, no code in common with them."""

import csv
import gzip
import pathlib

QUANTITIES = {"temperature degF": "temp", "wind speed mph": "wind_speed", "pressure mbar": "pressure"}

with gzip.open(pathlib.Path(__file__).with_name("weather.csv.gz"), "rt", newline="") as file:
    rows = list(csv.DictReader(file))

for station in sorted({row["origin"] for row in rows}):
    here = [row for row in rows if row["origin"] == station]
    times = [row["time_hour"] for row in here]
    print(f"{station}: {len(here)} observations from {min(times)} to {max(times)}")
    print(f"  {'':<16}  {'present':>7}  {'missing':>7}  {'mean':>19}  {'minimum':>11}  {'maximum':>11}")
    for quantity, column in QUANTITIES.items():
        values = [float(row[column]) for row in here if row[column] != "NA"]
        # Not sum(): from Python 3.12 on it compensates for rounding, which plain addition does not.
        total = 0.0
        for value in values:
            total += value
        print(
            f"  {quantity:<16}  {len(values):>7}  {len(here) - len(values):>7}  {total / len(values):>19.12f}"
            f"  {min(values):>11.6f}  {max(values):>11.6f}"
        )
