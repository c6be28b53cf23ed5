#!/usr/bin/env python3
"""A second reader of .damo records, written from FORMAT.md alone, for Python 3 without further modules.

Prints one JSON object per line: {"meta": ...}, {"target": ...}, {"snapshot": ...}, {"side": ...}, in file order.
Blocks compressed with zstd need the module `zstandard`, Python 3.14's `compression.zstd`, or the command `zstd`.

    read_damo.py FILE [FILE...]
"""
import json
import struct
import subprocess
import sys
import zlib

FILE_MAGIC, BLOCK_MAGIC, END_MAGIC = b"\x89DAMO\r\n\x1a", b"\xdabk\n", b"DAMOEND\n"
MAX_STORED, MAX_RAW = 33 << 20, 32 << 20
OPS = {1: "vaddr", 2: "fvaddr", 3: "paddr"}


def unzstd(data, raw_len):
    try:
        import zstandard
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=raw_len)
    except ImportError:
        pass
    try:
        from compression import zstd
        return zstd.decompress(data)
    except ImportError:
        return subprocess.run(["zstd", "-dcq"], input=data, stdout=subprocess.PIPE, check=True).stdout


def unpack(codec, data, raw_len):
    if raw_len > MAX_RAW or codec not in (0, 1):
        raise ValueError("bad length or codec")
    raw = unzstd(data, raw_len) if codec == 1 else data
    if len(raw) != raw_len:
        raise ValueError("wrong length")
    return raw


def unzigzag(n):
    return (n >> 1) ^ -(n & 1)


def wrap(n):
    """To a signed 64-bit number."""
    return (n + (1 << 63)) % (1 << 64) - (1 << 63)


class Bincode:
    """Takes values off the front of bytes (section 4)."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        self.at += n
        if self.at > len(self.data):
            raise ValueError("data ends early")
        return self.data[self.at - n:self.at]

    def byte(self):
        return self.take(1)[0]

    def uint(self):
        first = self.byte()
        if first < 251:
            return first
        return int.from_bytes(self.take({251: 2, 252: 4, 253: 8}[first]), "little")

    def int(self):
        return unzigzag(self.uint())

    def string(self):
        return self.take(self.uint()).decode()

    def option(self, what):
        return what() if self.byte() else None

    def list(self, what):
        return [what() for _ in range(self.uint())]

    def bool(self):
        return self.byte() != 0

    def stamp(self):
        return {("record", "wall")[self.uint()]: self.int()}

    def intervals(self):
        return {"sample": self.int(), "aggregation": self.int(), "update": self.int()}

    def goal(self):
        return {"access_bp": self.uint(), "aggregations": self.uint(),
                "min_sample": self.int(), "max_sample": self.int()}

    def bounds(self):
        return {"min": self.uint(), "max": self.uint()}

    def ops(self):
        self.ops_by_word = self.byte()
        return OPS.get(self.ops_by_word)

    def differences(self, n):
        """Numbers of 64 bits, each told as what it is more than the one before."""
        last, found = 0, []
        for _ in range(n):
            last = (last + self.int()) % (1 << 64)
            found.append(last)
        return found

    def base(self):
        return {0: lambda: "kept", 1: lambda: "nothing", 2: lambda: {"copy_of": self.int()}}[self.byte()]()

    def stacks(self):
        found = {"at": self.stamp(), "table": self.uint(), "first": self.uint()}
        n = self.uint()
        parents = [self.uint() for _ in range(n)]
        kinds = [self.byte() for _ in range(n)]
        found["nodes"] = [[found["first"] + i - parents[i] if parents[i] else None, address, kinds[i]]
                          for i, address in enumerate(self.differences(n))]
        return found

    def samples(self):
        found = {"at": self.stamp(), "sampled": self.byte(), "table": self.uint(), "unit": self.int(),
                 "threads": self.list(lambda: {"pid": self.int(), "tid": self.int(), "comm": self.string()})}
        times = []
        for thread, count in enumerate(self.list(self.uint)):
            time = 0
            for _ in range(count):
                time += self.uint()
                times.append((time, thread))
        stacks = [(self.uint() - 1) % (1 << 32) for _ in times]
        weights = self.list(self.uint) or [1] * len(times)
        addresses = self.differences(len(times)) if self.byte() else [None] * len(times)
        rows = sorted(zip(times, stacks, weights, addresses), key=lambda row: row[0])
        found["samples"] = [[*time, stack, weight, address] for time, stack, weight, address in rows]
        return found

    def with_ops_word(self, found):
        """`found`, read up to its end, with the operations set that the field behind it names, if it has one."""
        if self.ops_by_word == 4 and self.at < len(self.data):
            word = self.string()
            found["ops"] = word if 1 <= len(word) <= 64 and all("!" <= c <= "~" for c in word) else None
        return found


def meta(raw):
    b = Bincode(raw)
    m = {"tool": b.string(), "kernel_release": b.string(), "features": b.list(b.string)}
    m["formats"] = b.list(lambda: [b.string(), b.string()])
    number = b.uint()
    m["source"] = {"kind": ("unknown", "kernel", "kernel snapshots", "simulator", "imported", "referenced pages")[number]}
    if number == 3:
        m["source"].update(seed=b.uint(), workload=b.string())
    if number == 4:
        m["source"].update(format=b.string())
    m.update(ops=b.ops(), intervals=b.option(b.intervals), intervals_goal=b.option(b.goal),
             nr_regions=b.option(b.bounds), page_size=b.option(b.uint), clock=b.byte(),
             clock_pair=b.option(lambda: [b.int(), b.int()]), boot_id=b.string(), host=b.string(),
             command=b.list(b.string), history=b.list(b.string) if b.at < len(b.data) else [])
    return b.with_ops_word(m)


def targets(raw):
    b = Bincode(raw)

    def process():
        return {"pid": b.int(), "started": b.option(b.int), "comm": b.string(), "cmdline": b.string()}

    return b.list(lambda: {"key": b.uint(), "kdamond": b.option(b.uint), "context": b.option(b.uint),
                           "scheme": b.option(b.uint), "target_id": b.option(b.uint), "process": b.option(process),
                           "data_source": b.string(), "scheme_filters": b.string()})


SIDES = {
    1: lambda b: {"mappings": {"at": b.stamp(), "pid": b.int(), "target": b.option(b.uint), "mappings": b.list(
        lambda: {"start": b.uint(), "end": b.uint(), "perms": b.string(), "offset": b.uint(), "name": b.string()})}},
    2: lambda b: {"process": {"at": b.stamp(), "pid": b.int(), "target": b.option(b.uint), "footprint": dict(zip(
        ("vsz", "rss", "shared", "text", "data", "pss", "swap", "cgroup"), b.list(lambda: b.option(b.uint))))}},
    3: lambda b: {"system": {"at": b.stamp(), "total": b.uint(), "free": b.uint(), "available": b.option(b.uint),
                             "buffers": b.option(b.uint), "cached": b.option(b.uint),
                             "swap_used": b.option(b.uint)}},
    4: lambda b: {"cpu": {"at": b.stamp(), "pid": b.int(), "comm": b.string(), "kdamond": b.bool(),
                          "user": b.int(), "system": b.int()}},
    5: lambda b: {"pressure": {"at": b.stamp(), "resource": b.string(), "some": b.int(), "full": b.option(b.int)}},
    6: lambda b: {"params": b.with_ops_word({"at": b.stamp(), "kdamond": b.option(b.uint), "context": b.option(b.uint),
                             "ops": b.ops(), "intervals": b.option(b.intervals),
                             "intervals_goal": b.option(b.goal), "nr_regions": b.option(b.bounds),
                             "json": b.string()})},
    7: lambda b: {"lost": {"at": b.stamp(), "events": b.uint(), "reason": b.string()}},
    8: lambda b: {"mark": {"at": b.stamp(), "text": b.string()}},
    9: lambda b: {"scheme": {"at": b.stamp(), "kdamond": b.option(b.uint), "context": b.uint(), "scheme": b.uint(),
                             "effective_quota": b.option(b.uint), "counts": b.option(lambda: {
                                 "nr_tried": b.uint(), "sz_tried": b.uint(), "nr_applied": b.uint(),
                                 "sz_applied": b.uint(), "sz_ops_filter_passed": b.option(b.uint),
                                 "qt_exceeds": b.uint(), "nr_snapshots": b.option(b.uint)})}},
    10: lambda b: {"placement": {"at": b.stamp(), "pid": b.int(), "target": b.option(b.uint), "memory": b.list(
        lambda: {"start": b.uint(), "end": b.uint(), "node": b.uint(), "bytes": b.uint()}), "threads": b.list(
            lambda: {"node": b.uint(), "threads": b.uint()})}},
    11: lambda b: {"code": {"at": b.stamp(), "pid": b.int(), "base": b.base(), "mappings": b.list(
        lambda: {"start": b.uint(), "end": b.uint(), "offset": b.uint(), "kind": b.byte(), "name": b.string(),
                 "build_id": bytes(b.list(b.byte)).hex()})}},
    12: lambda b: {"stacks": b.stacks()},
    13: lambda b: {"samples": b.samples()},
    14: lambda b: {"profile": {"at": b.stamp(), "sampled": b.byte(), "event": b.string(), "frequency": b.uint(),
                               "no_kernel": b.string(), "no_addresses": b.string(), "max_frames": b.uint()}},
    15: lambda b: {"lost_samples": {"at": b.stamp(), "samples": b.uint(), "reason": b.string()}},
    16: lambda b: {"symbols": {"at": b.stamp(), "module": {"name": b.string(), "build_id": bytes(b.list(b.byte)).hex(),
                                                           "pid": b.option(b.int)},
                               "texts": b.list(b.string), "addresses": b.list(lambda: {
                                   "address": b.uint(), "frames": b.list(lambda: {
                                       "function": b.uint(), "file": b.option(b.uint), "line": b.option(b.uint)})})}},
}


def sides(raw):
    b = Bincode(raw)
    while b.at < len(raw):
        number, length = b.uint(), b.uint()
        entry = b.take(length)
        if number in SIDES:
            yield SIDES[number](Bincode(entry))


class Column:
    """LEB128 numbers (section 5)."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def uint(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7f) << shift
            if byte < 0x80:
                return value
            shift += 7

    def int(self):
        return unzigzag(self.uint())


def before(old, j, start, end):
    """What the regions of the previous snapshot, from the j-th on, say: access count and age plus one."""
    weight = nr = age = 0
    for o in old[j:]:
        if o[0] >= end:
            break
        shared = min(o[1], end) - max(o[0], start)
        if shared <= 0:
            continue
        nr = (nr * weight + o[2] * shared) // (weight + shared)
        age = (age * weight + o[3] * shared) // (weight + shared)
        weight += shared
    return (nr, age + 1) if weight else (0, 0)


def region_end(code, old, j, start, outer, sizes):
    """The end that an end code means, and the outer tenth to remember."""
    def tenth(k, d, e=None):
        base, size = old[j + k][0], old[j + k][1] - old[j + k][0]
        cut = size * d // 10
        return (base + cut, outer) if e is None else (base + cut * e // 10, base + cut)

    if code <= 7:
        return old[j + code][1], outer
    if code == 8:
        return outer, outer
    if code == 9:
        return start + sizes.uint() + 1, outer
    if code <= 18:
        return tenth(0, code - 9)
    if code <= 99:
        return tenth(0, (code - 19) // 9 + 1, (code - 19) % 9 + 1)
    if code <= 126:
        return tenth((code - 100) // 9 + 1, (code - 100) % 9 + 1)
    raise ValueError("bad end code")


def snapshots(payload):
    b = Bincode(payload)
    first, count, _partial, _regions, time = b.uint(), b.uint(), b.uint(), b.uint(), b.int()
    b.int(), b.uint(), b.uint(), b.uint(), b.uint(), b.list(b.uint)
    shift, flags = b.byte(), b.byte()
    columns = {}
    while b.at < len(payload):
        number, codec, raw, stored = b.uint(), b.byte(), b.uint(), b.uint()
        columns[number] = unpack(codec, b.take(stored), raw)
    heads, sizes, gaps, counts, ages = (Column(columns.get(n, b"")) for n in (1, 3, 4, 5, 6))
    extra = {n - 0x10000: Column(data) for n, data in columns.items() if n >= 0x10000}
    ops, op_at = columns.get(2, b""), 0
    last, intervals, extras, last_start = {}, None, [], time
    for i in range(count):
        head = heads.uint()
        target = heads.uint()
        old_start, old_end, old = last.get(target, (None, None, []))
        n = len(old) + heads.int()
        start = wrap((last_start if old_end is None else old_end) + heads.int())
        end = wrap(start + (0 if old_end is None else old_end - old_start) + heads.int())
        expected = heads.uint() if head & 2 else None
        if head & 4:
            intervals = {k: heads.int() for k in ("sample", "aggregation", "update")} if heads.uint() else None
        if head & 8:
            extras = [heads.uint() for _ in range(heads.uint())]
        nrs = [counts.uint() for _ in range(n)]
        threshold = max(nrs, default=0) // 10
        regions, j, last_region_end, outer = [], 0, 0, 0
        for nr in nrs:
            op, op_at = ops[op_at], op_at + 1
            while j < len(old) and old[j][1] <= last_region_end:
                j += 1
            at = max(old[j][0], last_region_end) if j < len(old) else last_region_end
            if op & 0x80:
                at = last_region_end + gaps.uint()
                while j < len(old) and old[j][1] <= at:
                    j += 1
            to, outer = region_end(op & 0x7f, old, j, at, outer, sizes)
            age = 0
            if head & 1:
                old_nr, next_age = before(old, j, at, to)
                moved = abs(nr - old_nr) > threshold or (flags & 1 and (nr == 0) != (old_nr == 0))
                symbol = ages.uint()
                if symbol < 2:
                    age = 0 if moved == (symbol == 0) else next_age
                else:
                    age = next_age + unzigzag(symbol - 2)
            regions.append((at, to, nr, age))
            last_region_end = to
        yield {"index": first + i, "target": target, "start": start, "end": end, "intervals": intervals,
               "expected": expected,
               "regions": [[a << shift, z << shift, nr, age if head & 1 else None] for a, z, nr, age in regions],
               "extras": {number: [extra[number].uint() for _ in range(n)] for number in extras}}
        last[target], last_start = (start, end, regions), start


def read(data):
    """Yields (name, value) for everything in the record."""
    if data[:8] != FILE_MAGIC or zlib.crc32(data[:12]) != struct.unpack_from("<I", data, 12)[0]:
        raise ValueError("not a .damo record")
    if data[8] != 1:
        raise ValueError("format version %d is not known" % data[8])
    at = 16
    while at + 28 <= len(data):
        magic, kind, codec, _, stored, raw, _sequence, crc, header_crc = struct.unpack_from("<4sHBBIIIII", data, at)
        payload = data[at + 28:at + 28 + stored]
        if magic != BLOCK_MAGIC or zlib.crc32(data[at:at + 24]) != header_crc or stored > MAX_STORED:
            raise ValueError("damaged block header at %d" % at)
        if len(payload) < stored or zlib.crc32(payload) != crc:
            raise ValueError("damaged block at %d" % at)
        if kind == 1:
            yield "meta", meta(unpack(codec, payload, raw))
        elif kind == 2:
            yield from (("target", target) for target in targets(unpack(codec, payload, raw)))
        elif kind == 3:
            yield from (("snapshot", snapshot) for snapshot in snapshots(payload))
        elif kind in (4, 7):
            yield from (("side", side) for side in sides(unpack(codec, payload, raw)))
        elif kind == 6 and payload[8:] != END_MAGIC:
            raise ValueError("bad end block")
        at += 28 + stored


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for name in sys.argv[1:]:
        with open(name, "rb") as file:
            for key, value in read(file.read()):
                print(json.dumps({key: value}))
