"""Receives the messages that a producer sends, checks their order, and tells the rate and the latency. See README.md."""

import struct
import sys
import time

import arguments
import dmxp

NUMBER = struct.Struct("<Q")


class Sequence:
    """The numbers of one channel's messages: each is one more than the last, or zero when a new producer begins. The very
    first may be any, because channels outlive processes and an earlier consumer may have stopped half-way."""

    def __init__(self):
        self.last = None

    def check(self, message):
        (number,) = NUMBER.unpack_from(message)
        if self.last is not None and number not in (0, self.last + 1):
            sys.exit(f"consumer: message {number} follows message {self.last}")
        self.last = number


def first_message(consumer):
    try:
        return consumer.recv(timeout=2)
    except dmxp.Timeout:
        print("consumer: waiting for a producer", flush=True)
    return consumer.recv()


def main():
    asked = arguments.parse()
    consumers = [dmxp.create_consumer(channel_id=channel) for channel in asked.channels]
    sequences = [Sequence() for _ in consumers]
    pairs = list(zip(consumers, sequences))
    print(f"consumer: {len(consumers)} channels, {asked.messages} messages each", flush=True)
    while True:
        latencies = []
        # The clock starts with the first message: how long its producer took to come is not of interest.
        with first_message(consumers[0]) as message:
            start = time.perf_counter()
            sequences[0].check(message)
            latencies.append(time.time_ns() - message.metadata.timestamp_ns)
        for consumer, sequence in pairs[1:]:
            with consumer.recv() as message:
                sequence.check(message)
                latencies.append(time.time_ns() - message.metadata.timestamp_ns)
        for _ in range(1, asked.messages):
            for consumer, sequence in pairs:
                with consumer.recv() as message:
                    sequence.check(message)
                    latencies.append(time.time_ns() - message.metadata.timestamp_ns)
        received = asked.messages * len(consumers)
        print(f"consumer: received {arguments.rate(received, time.perf_counter() - start)}", flush=True)
        print(f"consumer: {arguments.latency(latencies)}", flush=True)
        if not asked.follow:
            return


if __name__ == "__main__":
    try:
        main()
    except dmxp.Error as error:
        sys.exit(f"consumer: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
