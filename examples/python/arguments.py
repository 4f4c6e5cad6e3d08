"""What was asked for on the command line: the same as for the programs in ../rust."""

import argparse

# The id of the first channel. Named channels get the lowest ids that are free, so the low ones may be taken.
FIRST_CHANNEL = 100
MOST_CHANNELS = 156


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("channels", nargs="?", type=int, default=4, help=f"1 to {MOST_CHANNELS}")
    parser.add_argument("messages", nargs="?", type=int, default=1000, help="messages on each channel in a round")
    parser.add_argument("--auto-exit", action="store_true", help="end after one round")
    arguments = parser.parse_args()
    if not 1 <= arguments.channels <= MOST_CHANNELS:
        parser.error(f"{arguments.channels} channels; 1 to {MOST_CHANNELS} are possible")
    if arguments.messages < 1:
        parser.error(f"{arguments.messages} messages; at least 1 is needed")
    arguments.channels = range(FIRST_CHANNEL, FIRST_CHANNEL + arguments.channels)
    return arguments


def rate(messages, seconds):
    return f"{messages} messages in {seconds:.6f} s: {messages / seconds:.0f} messages/s"
