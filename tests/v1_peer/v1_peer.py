#!/usr/bin/env python3
"""An independent v1 peer: reads and writes queue channels knowing only the published v1 memory format.

Written from one document alone, "The memory format" (LAYOUT.md), section "v1, fixed". It shares no code with the
project and must not: it is the proof that a program which knows only v1 can join a region. Python 3.11, Linux, standard
library only. What v1 calls free or reserved is neither read nor written here.

    v1_peer.py REGION CHANNEL_ID produce COUNT [--seed N] [--type N]
    v1_peer.py REGION CHANNEL_ID consume COUNT [--seed N] [--log FILE]
    v1_peer.py REGION [IN_ID] echo IN_ID OUT_ID COUNT
    v1_peer.py REGION [CHANNEL_ID] check
    v1_peer.py REGION CHANNEL_ID work-produce NAME --ledger FILE
    v1_peer.py REGION CHANNEL_ID work-consume NAME --ledger FILE

All take --timeout SECONDS (default 10), the limit of every single wait: for one message, or for room for one message.
The last two work until they are killed, as the workers of the chaos tests: numbered messages of eight u64 (NAME of the producer, number from 0
on, and NAME rotated left by 13 ^ number ^ 0..5), each written to the ledger by one write(2) as three u64: producer, number, 0. A producer
writes when the message was sent; a consumer before it gives the slot back; 2**64 - 1 twice is a torn message. Some claims are held for a while.

Each of the others prints one JSON line on stdout, also after a timeout (what was done until then). Remarks go to stderr.

Exit codes: 0 all well; 1 mismatch (a message or the entry table is not as v1 says); 2 usage or format error (no such
file, wrong magic or version, not a v1 queue channel); 3 timeout.

The payload generator, all arithmetic modulo 2**64 (splitmix64, G = 0x9E3779B97F4A7C15):

    mix(z):  z = (z ^ z>>30) * 0xBF58476D1CE4E5B9;  z = (z ^ z>>27) * 0x94D049BB133111EB;  return z ^ z>>31
    s        = mix(seed + (i + 1) * G)          i counts the messages of one producer from 0
    length   = [0, 1, 47, 48, 63, 64, 959, 960][i] for i < 8, else mix(s + G) mod 961
    word(j)  = mix(s + (j + 2) * G)             j = 0, 1, 2, ...
    payload  = word(0), word(1), ... each as 8 little-endian bytes, cut off at length

The digest "sha256" is over the concatenation, in order of reading or writing, of length (u32 little-endian) + payload.
"""

import argparse
import ctypes
import errno
import hashlib
import json
import mmap
import os
import platform
import random
import struct
import sys
import time

EXIT_OK, EXIT_MISMATCH, EXIT_FORMAT, EXIT_TIMEOUT = 0, 1, 2, 3

# ---------------------------------------------------------------- the format, as LAYOUT.md "v1, fixed" gives it

MAGIC = 0x444D58505F4D454D
VERSION = 1
MAX_CHANNELS = 256

HEADER_SIZE = 98_432  # GlobalHeader at offset 0; the first ring starts right after it
HEADER_FIELDS = struct.Struct("<QIIII")  # magic, version, max_channels, channel_count, reserved

ENTRY_BASE, ENTRY_SIZE = 128, 384
ENTRY_FIELDS = struct.Struct("<IIQQ")  # channel_id, flags, capacity, band_offset
ENTRY_SIGNAL, ENTRY_TAIL, ENTRY_HEAD = 24, 128, 256
UNUSED_ID = 0xFFFF_FFFF

SLOT_SIZE, SLOT_ALIGN = 1_088, 64
SLOT_META, SLOT_PAYLOAD = 8, 64
PAYLOAD_MAX = 960
# message_id, timestamp_ns, channel_id, message_type, sender_pid, sender_runtime, flags, payload_len (then 4 free bytes)
META_FIELDS = struct.Struct("<QQIIIHHI")

RUNTIME_PYTHON = 2
TOP_BIT = 1 << 63
U64 = (1 << 64) - 1
U32 = (1 << 32) - 1

assert ENTRY_BASE + MAX_CHANNELS * ENTRY_SIZE == HEADER_SIZE
assert META_FIELDS.size == 36 and SLOT_PAYLOAD + PAYLOAD_MAX + 64 == SLOT_SIZE


class FormatError(Exception):
    """The file is not a v1 region, or the channel is not a v1 queue."""


class Timeout(Exception):
    """A wait went past --timeout."""


# ---------------------------------------------------------------- shared memory words

_SEQ_CST, _ACQUIRE, _RELEASE, _RELAXED = 5, 2, 3, 0
_IS_X86_64 = platform.machine() in ("x86_64", "AMD64")


def _load_libatomic():
    try:
        lib = ctypes.CDLL("libatomic.so.1")
        cas, add = lib["__atomic_compare_exchange_8"], lib["__atomic_fetch_add_4"]
        load, store = lib["__atomic_load_8"], lib["__atomic_store_8"]
    except (OSError, AttributeError):
        return None
    cas.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int, ctypes.c_int]
    cas.restype = ctypes.c_bool
    add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int]
    add.restype = ctypes.c_uint32
    load.argtypes, load.restype = [ctypes.c_void_p, ctypes.c_int], ctypes.c_uint64
    store.argtypes, store.restype = [ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int], None
    return cas, add, load, store


class Memory:
    """The mapped file and the few atomic operations v1 needs on it.

    Loads and stores of u64 words go through ctypes.c_uint64.from_buffer(...).value. What that relies on:
      * the words are 8-byte aligned (the format's offsets are multiples of 8, the mapping starts on a page), and ctypes
        copies them with an 8-byte memcpy that compilers turn into one mov (x86-64) or ldr/str (aarch64), so a word is
        never torn;
      * the compiler cannot move an access over another one, since each is its own call inside the interpreter;
      * x86-64 keeps loads in order with loads and stores in order with stores, so a plain store is a release and a plain
        load an acquire. Other machines do not: there, libatomic's acquire load and release store are used instead.
    Claims of tail and head (compare-exchange) and the signal's increment are real atomic operations through libatomic.
    Without libatomic they are plain stores, right only for the single producer or the single consumer of a channel.
    """

    def __init__(self, path):
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                self.size = os.fstat(fd).st_size
                if self.size < HEADER_SIZE:
                    raise FormatError(f"{path}: {self.size} bytes, a v1 region has at least {HEADER_SIZE}")
                self.map = mmap.mmap(fd, self.size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
            finally:
                os.close(fd)
        except OSError as error:
            raise FormatError(f"{path}: {error.strerror}") from error
        self._base = ctypes.c_char.from_buffer(self.map)  # kept: pins the mapping while addresses are in use
        self.address = ctypes.addressof(self._base)
        self.atomics = _load_libatomic()
        self._ordered_plain = _IS_X86_64 or self.atomics is None

    def warn_if_alone(self):
        if self.atomics is None:
            say("libatomic.so.1 not found: plain stores are used, so this must be the only producer and/or the only "
                "consumer of its channel" + ("" if _IS_X86_64 else "; and this machine may reorder plain stores"))

    def load_u64(self, offset):
        if self._ordered_plain:
            return ctypes.c_uint64.from_buffer(self.map, offset).value
        return self.atomics[2](self.address + offset, _ACQUIRE)

    def store_u64(self, offset, value):
        if self._ordered_plain:
            ctypes.c_uint64.from_buffer(self.map, offset).value = value
        else:
            self.atomics[3](self.address + offset, value, _RELEASE)

    def load_u32(self, offset):
        return ctypes.c_uint32.from_buffer(self.map, offset).value

    def claim(self, offset, position):
        """Move the counter at offset from position to position + 1; False when someone else did."""
        if self.atomics is None:
            self.store_u64(offset, position + 1)
            return True
        expected = ctypes.c_uint64(position)
        return self.atomics[0](self.address + offset, ctypes.addressof(expected), position + 1, _SEQ_CST, _RELAXED)

    def increment_u32(self, offset):
        if self.atomics is None:
            word = ctypes.c_uint32.from_buffer(self.map, offset)
            word.value = (word.value + 1) & U32
        else:
            self.atomics[1](self.address + offset, 1, _SEQ_CST)


# ---------------------------------------------------------------- futex (non-private: the word is shared by processes)

_SYS_FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine())
_FUTEX_WAIT, _FUTEX_WAKE, _ALL = 0, 1, 0x7FFF_FFFF
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.argtypes = [ctypes.c_long, ctypes.c_void_p, ctypes.c_long, ctypes.c_long,
                          ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long]
_libc.syscall.restype = ctypes.c_long


class _Timespec(ctypes.Structure):
    _fields_ = [("sec", ctypes.c_long), ("nsec", ctypes.c_long)]


def futex_wait(address, seen, seconds):
    """Sleep while the u32 at address is still `seen`, at most `seconds`. Returning early is always allowed."""
    if _SYS_FUTEX is None:
        time.sleep(min(seconds, 0.001))
        return
    limit = _Timespec(int(seconds), int(seconds % 1 * 1e9))
    if _libc.syscall(_SYS_FUTEX, address, _FUTEX_WAIT, seen, ctypes.addressof(limit), None, 0) == -1:
        code = ctypes.get_errno()
        if code not in (errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT):
            raise OSError(code, "futex wait: " + os.strerror(code))


def futex_wake(address):
    if _SYS_FUTEX is not None:
        if _libc.syscall(_SYS_FUTEX, address, _FUTEX_WAKE, _ALL, None, None, 0) == -1:
            code = ctypes.get_errno()
            raise OSError(code, "futex wake: " + os.strerror(code))


# ---------------------------------------------------------------- region and channel


class Message:
    """One message as read: the meta's fields, the position it was read at and a copy of the payload."""

    def __init__(self, position, meta, payload):
        self.position = position
        (self.message_id, self.timestamp_ns, self.channel_id, self.message_type,
         self.sender_pid, self.sender_runtime, self.flags, self.payload_len) = meta
        self.payload = payload


class Region:
    def __init__(self, path):
        if sys.byteorder != "little":
            raise FormatError("v1 is little-endian; this machine is not")
        self.memory = Memory(path)
        magic, version, max_channels, self.channel_count, self.reserved = HEADER_FIELDS.unpack_from(self.memory.map, 0)
        for name, found, wanted in (("magic", magic, MAGIC), ("version", version, VERSION),
                                    ("max_channels", max_channels, MAX_CHANNELS)):
            if found != wanted:
                raise FormatError(f"{path}: {name} is {found:#x}, v1 has {wanted:#x}")

    def entry(self, channel_id):
        """(channel_id, flags, capacity, band_offset) of an entry."""
        return ENTRY_FIELDS.unpack_from(self.memory.map, ENTRY_BASE + channel_id * ENTRY_SIZE)

    def ring_problem(self, capacity, band_offset):
        """What keeps this from being a ring of the region, or None."""
        if capacity & (capacity - 1) or capacity >= TOP_BIT:
            return f"capacity {capacity} is not a power of two"
        if band_offset % SLOT_ALIGN:
            return f"band_offset {band_offset} is not a multiple of {SLOT_ALIGN}"
        if band_offset < HEADER_SIZE or band_offset + capacity * SLOT_SIZE > self.memory.size:
            return f"ring {band_offset}+{capacity}*{SLOT_SIZE} lies outside {HEADER_SIZE}..{self.memory.size}"
        return None

    def channel(self, channel_id, timeout):
        if not 0 <= channel_id < MAX_CHANNELS:
            raise FormatError(f"channel {channel_id}: ids are 0..{MAX_CHANNELS - 1}")
        found_id, _, capacity, band_offset = self.entry(channel_id)
        if found_id != channel_id or capacity == 0:
            raise FormatError(f"channel {channel_id}: no v1 queue here (channel_id {found_id:#x}, capacity {capacity})")
        problem = self.ring_problem(capacity, band_offset)
        if capacity == 1:
            # readable (p + 1) and writable for the next position (p + capacity) would be the same number
            problem = "capacity 1: the sequence values of v1 are ambiguous"
        if problem:
            raise FormatError(f"channel {channel_id}: {problem}")
        return Channel(self.memory, channel_id, capacity, band_offset, timeout)


class Channel:
    """A v1 queue channel (Vyukov's bounded queue): the slot's sequence says whose turn it is.

    sequence == p: position p may be written; p + 1: it may be read; p + capacity: it may be written for p + capacity.
    A value with the top bit set is never anyone's turn for a v1 program: not ready for readers, full for writers.
    """

    WAIT_SLICE = 0.005  # longest single sleep; a lost or skipped wake-up costs no more than this

    def __init__(self, memory, channel_id, capacity, band_offset, timeout):
        self.memory = memory
        self.channel_id = channel_id
        self.capacity = capacity
        self.band_offset = band_offset
        self.timeout = timeout
        entry = ENTRY_BASE + channel_id * ENTRY_SIZE
        self.signal, self.tail, self.head = entry + ENTRY_SIGNAL, entry + ENTRY_TAIL, entry + ENTRY_HEAD
        self.waits = 0  # how many messages had to wait (found full, or found empty)

    def slot(self, position):
        return self.band_offset + position % self.capacity * SLOT_SIZE

    def _claim_next(self, counter, ready_after, describe, sleep):
        """Claim the next position of counter (tail or head) once its slot's sequence is position + ready_after.

        sleep(seen_signal, seconds) is called while it is not yet our turn; seen_signal was read before the sequence,
        so that a message published in between makes a futex wait return at once.
        """
        memory, deadline, waited = self.memory, time.monotonic() + self.timeout, False
        pause = 0.00005
        while True:
            seen_signal = memory.load_u32(self.signal)
            position = memory.load_u64(counter)
            sequence = memory.load_u64(self.slot(position))
            ready = position + ready_after
            if sequence == ready and memory.claim(counter, position):
                self.waits += waited
                return position
            left = deadline - time.monotonic()
            if left <= 0:
                raise Timeout(f"channel {self.channel_id}: {describe} at position {position} "
                              f"(sequence {sequence:#x}) for {self.timeout} s")
            if not sequence & TOP_BIT and sequence >= ready:
                os.sched_yield()  # someone else took this position: the counter has moved on, look again
                continue
            waited = True
            sleep(seen_signal, min(pause, left))
            pause = min(pause * 2, self.WAIT_SLICE)

    def _sleep_for_room(self, _seen_signal, seconds):
        time.sleep(min(seconds, 0.001))  # v1 has no futex word for room: poll

    def _sleep_for_data(self, seen_signal, seconds):
        futex_wait(self.memory.address + self.signal, seen_signal, max(seconds, 0.001))

    def produce(self, payload, message_type, hold=lambda: None):
        """Write one message, waiting for room; returns its message_id. hold() is called when the slot is claimed."""
        memory = self.memory
        position = self._claim_next(self.tail, 0, "full", self._sleep_for_room)
        hold()
        slot = self.slot(position)
        # The slot is ours alone from the claim until sequence is stored.
        META_FIELDS.pack_into(memory.map, slot + SLOT_META, position + 1, time.time_ns(), self.channel_id,
                              message_type, os.getpid(), RUNTIME_PYTHON, 0, len(payload))
        memory.map[slot + SLOT_PAYLOAD:slot + SLOT_PAYLOAD + len(payload)] = payload
        memory.store_u64(slot, position + 1)
        memory.increment_u32(self.signal)
        futex_wake(memory.address + self.signal)
        return position + 1

    def consume(self, hold=lambda message: None):
        """Read one message, waiting for it. hold(message) is called while the slot is claimed."""
        memory = self.memory
        position = self._claim_next(self.head, 1, "empty", self._sleep_for_data)
        slot = self.slot(position)
        meta = META_FIELDS.unpack_from(memory.map, slot + SLOT_META)
        length = min(meta[-1], PAYLOAD_MAX)  # a longer payload_len is reported by the caller
        payload = memory.map[slot + SLOT_PAYLOAD:slot + SLOT_PAYLOAD + length]
        message = Message(position, meta, payload)
        hold(message)
        memory.store_u64(slot, position + self.capacity)
        return message


# ---------------------------------------------------------------- payloads and digests

_GOLDEN = 0x9E3779B97F4A7C15
_FIRST_LENGTHS = (0, 1, 47, 48, 63, 64, 959, 960)


def _mix(z):
    z &= U64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & U64
    z = (z ^ z >> 27) * 0x94D049BB133111EB & U64
    return z ^ z >> 31


def payload_for(seed, i):
    """Payload of the i-th message of a producer with this seed; see the module's docstring."""
    state = _mix(seed + (i + 1) * _GOLDEN)
    length = _FIRST_LENGTHS[i] if i < len(_FIRST_LENGTHS) else _mix(state + _GOLDEN) % (PAYLOAD_MAX + 1)
    words = [_mix(state + (j + 2) * _GOLDEN) for j in range((length + 7) // 8)]
    return struct.pack(f"<{len(words)}Q", *words)[:length]


class Digest:
    def __init__(self):
        self._sha = hashlib.sha256()

    def add(self, payload):
        self._sha.update(struct.pack("<I", len(payload)) + payload)

    def hex(self):
        return self._sha.hexdigest()


class Audit:
    """Checks every message read against what v1 promises and sums it up."""

    MINUTE_NS = 60 * 10**9
    CHECKS = ("message_id_ok", "channel_id_ok", "flags_zero", "timestamps_ok", "order_ok", "lengths_ok", "payloads_ok")

    def __init__(self, channel_id, seed=None, log=None):
        self.channel_id, self.seed, self.log = channel_id, seed, log
        self.digest = Digest()
        self.count, self.first_id, self.last_id = 0, None, None
        self.consecutive = True
        self.pids, self.runtimes, self.types = set(), set(), set()
        self.failed, self.problems = set(), []

    def _require(self, good, check, detail):
        if not good:
            self.failed.add(check)
            if len(self.problems) < 10:
                self.problems.append(detail())

    def add(self, m):
        where = f"position {m.position}: "
        self._require(m.message_id == m.position + 1, "message_id_ok", lambda: where + f"message_id {m.message_id}")
        self._require(m.channel_id == self.channel_id, "channel_id_ok", lambda: where + f"channel_id {m.channel_id}")
        self._require(m.flags == 0, "flags_zero", lambda: where + f"flags {m.flags:#x}")
        age = time.time_ns() - m.timestamp_ns
        self._require(abs(age) <= self.MINUTE_NS, "timestamps_ok", lambda: where + f"timestamp is {age} ns old")
        self._require(m.payload_len <= PAYLOAD_MAX, "lengths_ok", lambda: where + f"payload_len {m.payload_len}")
        if self.last_id is not None:
            self._require(m.message_id > self.last_id, "order_ok",
                          lambda: where + f"message_id {m.message_id} after {self.last_id}")
            self.consecutive &= m.message_id == self.last_id + 1
        if self.seed is not None:
            wanted = payload_for(self.seed, self.count)
            self._require(m.payload == wanted, "payloads_ok", lambda: where + f"payload is not number {self.count} of "
                          f"seed {self.seed} ({len(m.payload)} bytes, wanted {len(wanted)})")
        if self.log:
            self.log.write(f"{m.message_id} {m.sender_pid} {len(m.payload)} {hashlib.sha256(m.payload).hexdigest()}\n")
        self.digest.add(m.payload)
        self.first_id = m.message_id if self.first_id is None else self.first_id
        self.last_id = m.message_id
        self.pids.add(m.sender_pid)
        self.runtimes.add(m.sender_runtime)
        self.types.add(m.message_type)
        self.count += 1

    def ok(self):
        return not self.failed

    def report(self):
        report = {"count": self.count, "sha256": self.digest.hex()}
        report |= {check: check not in self.failed for check in self.CHECKS}
        if self.seed is None:
            report["payloads_ok"] = None  # nothing to compare with
        report |= {"consecutive": self.consecutive, "first_message_id": self.first_id, "last_message_id": self.last_id,
                   "sender_pids": sorted(self.pids), "sender_runtimes": sorted(self.runtimes),
                   "message_types": sorted(self.types), "problems": self.problems}
        return report


# ---------------------------------------------------------------- commands


def say(text):
    print(f"v1_peer: {text}", file=sys.stderr, flush=True)


def print_report(command, channel, code, report):
    head = {"command": command, "channel": channel, "ok": code == EXIT_OK, "timeout": code == EXIT_TIMEOUT}
    print(json.dumps(head | report), flush=True)
    return code


def produce(region, options, channel_id, count):
    channel = region.channel(channel_id, options.timeout)
    region.memory.warn_if_alone()
    digest, ids, code = Digest(), [], EXIT_OK
    seed = options.seed or 0
    try:
        for i in range(count):
            payload = payload_for(seed, i)
            ids.append(channel.produce(payload, options.type))
            digest.add(payload)
    except Timeout as error:
        say(error)
        code = EXIT_TIMEOUT
    return print_report("produce", channel_id, code, {
        "count": len(ids), "sha256": digest.hex(), "seed": seed, "pid": os.getpid(),
        "first_message_id": ids[0] if ids else None, "last_message_id": ids[-1] if ids else None,
        "capacity": channel.capacity, "found_full": channel.waits, "atomic": region.memory.atomics is not None})


def consume(region, options, channel_id, count):
    channel = region.channel(channel_id, options.timeout)
    region.memory.warn_if_alone()
    log = open(options.log, "w", encoding="ascii") if options.log else None
    audit, code = Audit(channel_id, options.seed, log), EXIT_OK
    try:
        for _ in range(count):
            audit.add(channel.consume())
    except Timeout as error:
        say(error)
        code = EXIT_TIMEOUT
    finally:
        if log:
            log.close()
    if code == EXIT_OK and not audit.ok():
        code = EXIT_MISMATCH
    return print_report("consume", channel_id, code, audit.report() | {
        "pid": os.getpid(), "capacity": channel.capacity, "found_empty": channel.waits,
        "atomic": region.memory.atomics is not None})


def echo(region, options, in_id, out_id, count):
    """Send what IN brings, payload and message_type, on to OUT."""
    if in_id == out_id:
        raise FormatError("echo needs two different channels")
    source, target = region.channel(in_id, options.timeout), region.channel(out_id, options.timeout)
    region.memory.warn_if_alone()
    audit, sent, code = Audit(in_id, options.seed), 0, EXIT_OK
    try:
        for _ in range(count):
            message = source.consume()
            audit.add(message)
            target.produce(message.payload, message.message_type)
            sent += 1
    except Timeout as error:
        say(error)
        code = EXIT_TIMEOUT
    if code == EXIT_OK and not audit.ok():
        code = EXIT_MISMATCH
    return print_report("echo", in_id, code, audit.report() | {
        "out_channel": out_id, "sent": sent, "pid": os.getpid(), "found_empty": source.waits,
        "found_full": target.waits, "atomic": region.memory.atomics is not None})


NUMBERED, LEDGER_ENTRY = struct.Struct("<8Q"), struct.Struct("<3Q")


def numbered(name, count):
    mixed = (name << 13 | name >> 51) & U64 ^ count
    return NUMBERED.pack(name, count, *(mixed ^ k for k in range(6)))


def work(region, options, channel_id, name, consumes):
    channel = region.channel(channel_id, options.timeout)
    region.memory.warn_if_alone()
    ledger = os.open(options.ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    draws = random.Random(name)

    def pause():
        if draws.randrange(2):
            time.sleep(draws.randrange(2000) / 1e6)

    def write(message):
        pause()
        producer, count = struct.unpack_from("<2Q", message.payload) if message.payload_len == NUMBERED.size else (0, 0)
        if message.payload != numbered(producer, count):
            os.write(ledger, LEDGER_ENTRY.pack(U64, U64, 0))
            raise FormatError(f"torn: {message.payload}")
        os.write(ledger, LEDGER_ENTRY.pack(producer, count, 0))
        pause()

    count = 0
    while True:
        if consumes:
            channel.consume(write)
        else:
            channel.produce(numbered(name, count), options.type, pause)
            os.write(ledger, LEDGER_ENTRY.pack(name, count, 0))
        count += 1


def check(region, channel_id):
    """Verify the header and the whole entry table; slots too, where no process moves head or tail meanwhile."""
    memory, problems, warnings, queues = region.memory, [], [], []
    if region.reserved != 0:
        problems.append(f"header: reserved is {region.reserved}, not 0")
    active = not_v1 = 0
    for number in range(MAX_CHANNELS):
        found_id, _, capacity, band_offset = region.entry(number)
        if found_id == UNUSED_ID:
            if capacity:
                problems.append(f"entry {number}: unused, but capacity is {capacity}")
            continue
        if found_id != number:
            problems.append(f"entry {number}: channel_id is {found_id:#x}")
            continue
        active += 1
        if capacity == 0:
            not_v1 += 1  # taken, but "no channel" to a v1 program
            continue
        problem = region.ring_problem(capacity, band_offset)
        if problem:
            problems.append(f"entry {number}: {problem}")
            continue
        if capacity == 1:
            warnings.append(f"entry {number}: capacity 1, v1's sequence values are ambiguous")
        queues.append(check_queue(memory, number, capacity, band_offset, problems))

    rings = sorted((q["band_offset"], q["band_offset"] + q["capacity"] * SLOT_SIZE, q["id"]) for q in queues)
    for (_, end, one), (start, _, other) in zip(rings, rings[1:]):
        if start < end:
            problems.append(f"rings of channels {one} and {other} overlap")

    # "active channels": entries with their channel_id set. An entry that has one but capacity 0 is a channel to others
    # and none to v1; the document does not say whether it counts, so with such entries either number is accepted.
    if region.channel_count not in (active, active - not_v1):
        problems.append(f"header: channel_count is {region.channel_count}, {active} entries are active")

    if channel_id is not None and all(q["id"] != channel_id for q in queues):
        problems.append(f"channel {channel_id} is not a v1 queue")
    code = EXIT_MISMATCH if problems else EXIT_OK
    return print_report("check", channel_id, code, {
        "magic": f"{MAGIC:#x}", "version": VERSION, "max_channels": MAX_CHANNELS, "size": memory.size,
        "channel_count": region.channel_count, "active_entries": active, "not_v1_entries": not_v1,
        "queues": queues, "problems": problems, "warnings": warnings})


def check_queue(memory, number, capacity, band_offset, problems):
    """Check head, tail and slot sequences of one ring, as far as a moment without traffic allows."""
    entry = ENTRY_BASE + number * ENTRY_SIZE

    def counters():
        return memory.load_u64(entry + ENTRY_HEAD), memory.load_u64(entry + ENTRY_TAIL)

    quiet, wrong, special = False, [], 0
    for _ in range(5):
        head, tail = counters()
        wrong, special = [], 0
        if capacity > 1 and head <= tail <= head + capacity:
            for position in range(head, head + capacity):
                sequence = memory.load_u64(band_offset + position % capacity * SLOT_SIZE)
                if sequence & TOP_BIT:
                    special += 1
                # below tail: readable or still being written; from tail on: free or its last message being read
                elif sequence not in (position, position + 1 if position < tail else position - capacity + 1):
                    wrong.append(f"sequence {sequence} at position {position}")
        if counters() == (head, tail):
            quiet = True
            break
    if quiet:
        if not head <= tail <= head + capacity:
            problems.append(f"entry {number}: head {head}, tail {tail}, capacity {capacity}")
        if wrong:
            problems.append(f"entry {number}: head {head}, tail {tail}: {len(wrong)} bad slots, first {wrong[0]}")
    return {"id": number, "capacity": capacity, "band_offset": band_offset, "head": head, "tail": tail,
            "signal": memory.load_u32(entry + ENTRY_SIGNAL), "slots_checked": quiet, "top_bit_slots": special}


# ---------------------------------------------------------------- command line


def number(text):
    value = int(text, 0)
    if value < 0:
        raise ValueError(text)
    return value


def main(arguments):
    parser = argparse.ArgumentParser(prog="v1_peer.py", formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=__doc__)
    parser.add_argument("region", help="path of the region file, such as /dev/shm/dmxp_alloc")
    parser.add_argument("words", nargs="+", metavar="[CHANNEL_ID] COMMAND ARGUMENTS")
    parser.add_argument("--seed", type=number, help="produce: of the payloads (default 0); consume and echo: compare "
                        "the i-th message read with this seed's payload i")
    parser.add_argument("--type", type=number, default=0, help="produce: message_type (default 0)")
    parser.add_argument("--log", metavar="FILE", help="consume: one line per message: id, pid, length, payload SHA-256")
    parser.add_argument("--ledger", metavar="FILE", help="work-produce and work-consume: what was sent or read")
    parser.add_argument("--timeout", type=float, default=10.0, metavar="S", help="limit of every wait (default 10 s)")
    options = parser.parse_intermixed_args(arguments)
    if not 0 <= options.timeout < float("inf"):
        parser.error("--timeout must be a number of seconds")
    if options.type > U32 or (options.seed or 0) > U64:
        parser.error("--type is a u32, --seed a u64")

    words = options.words
    channel_id = None
    try:
        if words[0] not in ("produce", "consume", "echo", "check", "work-produce", "work-consume"):
            channel_id = number(words.pop(0))
        command, numbers = words[0] if words else "", [number(word) for word in words[1:]]
    except ValueError as error:
        parser.error(f"not a number: {error}")

    try:
        match command, channel_id, numbers:
            case "produce", int(), [count]:
                return produce(Region(options.region), options, channel_id, count)
            case "consume", int(), [count]:
                return consume(Region(options.region), options, channel_id, count)
            case "echo", _, [in_id, out_id, count] if channel_id in (None, in_id):
                return echo(Region(options.region), options, in_id, out_id, count)
            case "check", _, []:
                return check(Region(options.region), channel_id)
            case ("work-produce" | "work-consume"), int(), [name] if options.ledger:
                return work(Region(options.region), options, channel_id, name, command == "work-consume")
        parser.error("wanted: REGION CHANNEL_ID produce COUNT | REGION CHANNEL_ID consume COUNT | "
                     "REGION echo IN_ID OUT_ID COUNT | REGION check | "
                     "REGION CHANNEL_ID work-produce | work-consume NAME --ledger FILE")
    except (FormatError, OSError) as error:
        say(error)
        return EXIT_FORMAT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
