"""What was asked for on the command line: the same as for the programs in ../rust."""

import argparse

# Channels with an id are numbered from 0 by those who choose it; named ones get theirs from the other end.
MOST_CHANNELS = 256


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("channels", nargs="?", type=int, default=4, help=f"1 to {MOST_CHANNELS}")
    parser.add_argument("messages", nargs="?", type=int, default=1000, help="messages on each channel in a round")
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--follow", action="store_true", help="go on after the first round, until Ctrl-C")
    end.add_argument("--auto-exit", action="store_true", help="end after the first round: the default")
    arguments = parser.parse_args()
    if not 1 <= arguments.channels <= MOST_CHANNELS:
        parser.error(f"{arguments.channels} channels; 1 to {MOST_CHANNELS} are possible")
    if arguments.messages < 1:
        parser.error(f"{arguments.messages} messages; at least 1 is needed")
    arguments.channels = range(arguments.channels)
    return arguments


def rate(messages, seconds):
    each = seconds * 1e9 / messages
    return f"{messages} messages in {seconds:.6f} s: {messages / seconds:.0f} messages/s, {each:.0f} ns each"


def latency(nanoseconds):
    """How long messages were on their way: from their publication, of which each carries the time, to their reception."""
    nanoseconds = sorted(nanoseconds)
    median, most = (nanoseconds[len(nanoseconds) * part // 100] / 1000 for part in (50, 99))
    return f"latency {median:.3f} us median, {most:.3f} us for 99 of 100, {nanoseconds[-1] / 1000:.3f} us at most"
