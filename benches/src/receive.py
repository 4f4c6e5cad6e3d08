"""Ways to receive, each for some messages, in turns; prints what came of it in JSON.

Started by the benchmarks: receive.py REGION REPETITIONS MESSAGES, with the generated class in DMXP_BENCH_CLASS.
"""

import json
import os
import sys
import time

import dmxp

try:
    import numpy
except ImportError:
    numpy = None
    print("numpy is not installed: no arrays", file=sys.stderr)

generated = {"__name__": "words"}
exec(os.environ["DMXP_BENCH_CLASS"], generated)
Words8 = generated["Words8"]

region = dmxp.Region(sys.argv[1])
repetitions, messages = int(sys.argv[2]), int(sys.argv[3])
consumer = dmxp.create_consumer(name="words", message=Words8, region=region)


def single():
    receive = consumer.recv
    for _ in range(messages):
        bytes(receive(dmxp.Message))


def one():
    receive = consumer.recv
    for _ in range(messages):
        receive()


def borrowed():
    left = messages
    while left > 0:
        for _message in consumer.recv_up_to(64):
            left -= 1


def arrays():
    left = messages
    while left > 0:
        for message in consumer.recv_up_to(64, dmxp.Message):
            message.numpy()
            left -= 1


def array_of_batch():
    left = messages
    while left > 0:
        left -= len(consumer.recv_array(256))


def summed():
    left, total = messages, 0
    while left > 0:
        array = consumer.recv_array(256)["words"]
        total += int(array[:, 0].sum())
        left -= len(array)
    return total


ways = [
    ("single", "one a call, copied to bytes", single),
    ("one", "one a call, borrowed, typed", one),
    ("borrowed", "batches of up to 64, borrowed, typed, one after the other", borrowed),
]
if numpy is not None:
    ways.append(("arrays", "batches of up to 64, an array of each message", arrays))
    ways.append(("numpy", "batches of up to 256, one array of each batch", array_of_batch))
    ways.append(("summed", "the same, and a field summed", summed))

runs = []
for _ in range(repetitions):
    for what, title, way in ways:
        started = time.perf_counter()
        way()
        rate = messages / (time.perf_counter() - started)
        runs.append({"what": what, "title": title, "per_second": rate})
print(json.dumps(runs))
