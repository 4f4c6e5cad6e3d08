"""Sees everything, as numpy arrays over the slots. See README.md."""

import dmxp
from ticks_types import Tick

PATIENCE = 30


def main():
    ticks = volume = turnover = highest = last = 0
    lowest = 2**32 - 1
    with dmxp.create_consumer(name="ticks", capacity=1 << 20, packed_slots=True, message=Tick) as consumer:
        while True:
            try:
                # All that are there, up to the end of the ring, where they lie: a column of it is `array["price"]`.
                array = consumer.recv_array(1 << 20, timeout=PATIENCE)
            except dmxp.Closed:
                break
            price, quantity = array["price"], array["quantity"]
            ticks += len(array)
            volume += int(quantity.sum(dtype="u8"))
            turnover += int((quantity.astype("u8") * price).sum())
            lowest = min(lowest, int(price.min()))
            highest = max(highest, int(price.max()))
            last = int(array["time"][-1])
            # Their slots are free again when the last array over them is gone.
            del array, price, quantity
    print(
        f"{ticks} ticks, {volume} shares for {turnover} cents, at {lowest} to {highest}, the last one at {last} ns"
    )


if __name__ == "__main__":
    main()
