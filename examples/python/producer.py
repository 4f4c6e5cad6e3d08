"""Sends numbered messages over some channels, and tells the rate. See README.md."""

import itertools
import struct
import sys
import time

import arguments
import dmxp

# A message: its number, little-endian, and zeros.
PAYLOAD = struct.Struct("<Q56x")


def send(producer, payload):
    """Sends a message. When there is no room for it soon, and nobody is there to make room, says so."""
    try:
        producer.send(payload, timeout=2)
        return
    except dmxp.Timeout:
        if producer.consumers() == 0:
            print(f"producer: waiting for a consumer: channel {producer.channel_id} is full", flush=True)
    producer.send(payload)


def main():
    asked = arguments.parse()
    producers = [dmxp.create_producer(channel_id=channel) for channel in asked.channels]
    print(f"producer: {len(producers)} channels, {asked.messages} messages each", flush=True)
    numbers = itertools.count()
    while True:
        start = time.perf_counter()
        for number in itertools.islice(numbers, asked.messages):
            payload = PAYLOAD.pack(number)
            for producer in producers:
                send(producer, payload)
        sent = asked.messages * len(producers)
        print(f"producer: sent {arguments.rate(sent, time.perf_counter() - start)}", flush=True)
        if not asked.follow:
            return
        time.sleep(1)


if __name__ == "__main__":
    try:
        main()
    except dmxp.Error as error:
        sys.exit(f"producer: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
