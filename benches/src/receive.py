"""Ways to receive, each for some messages, in turns; prints what came of it in JSON.

Started by the benchmarks: receive.py REGION REPETITIONS MESSAGES, with the generated classes in DMXP_BENCH_CLASSES.
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
exec(os.environ["DMXP_BENCH_CLASSES"], generated)
Words1, Words8 = generated["Words1"], generated["Words8"]

region = dmxp.Region(sys.argv[1])
repetitions, messages = int(sys.argv[2]), int(sys.argv[3])
consumer = dmxp.create_consumer(name="words", message=Words8, region=region)
stream = dmxp.create_consumer(name="packed", message=Words1, region=region)
# Messages of 8 bytes in packed slots come so much faster that there are more of them.
packed_messages = 100 * messages


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


def packed():
    left = packed_messages
    while left > 0:
        left -= len(stream.recv_array(1 << 16))


def packed_summed():
    left, total = packed_messages, 0
    while left > 0:
        array = stream.recv_array(1 << 16)["words"]
        total += int(array.sum())
        left -= len(array)
        # Their slots are free again when the array is gone.
        del array
    return total


ways = [
    ("single", "one a call, copied to bytes", single, messages),
    ("one", "one a call, borrowed, typed", one, messages),
    ("borrowed", "batches of up to 64, borrowed, typed, one after the other", borrowed, messages),
]
if numpy is not None:
    ways.append(("arrays", "batches of up to 64, an array of each message", arrays, messages))
    ways.append(("numpy", "batches of up to 256, one array of each batch", array_of_batch, messages))
    ways.append(("summed", "the same, and a field summed", summed, messages))
    ways.append(("packed", "packed slots, 8 bytes, an array of all that are there", packed, packed_messages))
    ways.append(("packed-summed", "the same, summed", packed_summed, packed_messages))

runs = []
for _ in range(repetitions):
    for what, title, way, count in ways:
        started = time.perf_counter()
        way()
        rate = count / (time.perf_counter() - started)
        runs.append({"what": what, "title": title, "per_second": rate})
print(json.dumps(runs))
