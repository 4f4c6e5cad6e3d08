"""The second stage: receives observations, sends them on in degrees Celsius. See README.md."""

import dmxp
from pipeline_types import Observation, Reading

PATIENCE = 30


def observations(consumer):
    """Messages in their slots, until the stream ends."""
    while True:
        try:
            yield consumer.recv(timeout=PATIENCE)
        except dmxp.Closed:
            return


def main():
    with (
        dmxp.create_consumer(name="observations", message=Observation) as consumer,
        dmxp.create_producer(name="readings", message=Reading) as producer,
    ):
        for observation in observations(consumer):
            with producer.claim(timeout=PATIENCE) as reading:
                reading.time = observation.time
                reading.station = observation.station
                if observation.temperature is not None:
                    reading.temperature = (observation.temperature - 32.0) / 1.8
            # Without this, the loop would wait for the next message with this one still borrowed.
            del observation
        producer.close()


if __name__ == "__main__":
    main()
