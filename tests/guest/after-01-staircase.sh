#!/bin/sh
# raw, heats and wss show the staircase that was recorded in the guest where and when it was
# On the host, after the guest check 01-staircase. DIR holds what that kept: stairs.damo, and stairs.truth with the areas and
# phases as they were. The three reports of the talk are made of the record with the programs' own words, read as a person
# would (text and pixels, not tables), and laid over the truth. They stay in DIR. Exit code 1 if a report shows something
# else, 2 if it cannot be told.
# Usage: DAMO=path/to/damo after-01-staircase.sh DIR
[ $# = 1 ] && [ -n "${DAMO:-}" ] && [ -r "$1/stairs.damo" ] && [ -r "$1/stairs.truth" ] || {
    echo "usage: DAMO=path/to/damo after-01-staircase.sh DIR, with stairs.damo and stairs.truth in DIR" >&2
    exit 2
}
DAMO=$(realpath "$DAMO")
cd "$1" || exit 2
report() { $DAMO report "$@" -i stairs.damo || { echo "after-01-staircase: damo report $* fails" >&2; exit 2; }; }
report raw --raw_number >raw.txt
report wss --raw_number >wss.txt
report heats --heatmap stdout >heats.txt
report heats --guide >guide.txt
rm -f heats.png
report heats --heatmap heats.png >/dev/null
exec python3 - <<'PY'
import json, re, struct, sys, zlib

MIB = 1 << 20
failures = []

def judge(what, good, seen):
    if not good:
        failures.append(f"{what}: {seen}")

# What really was: areas in the order of their steps, and when each step began and ended.
areas, phases = {}, []
for line in open("stairs.truth"):
    event = json.loads(line)
    if event["event"] == "region":
        areas[event["name"]] = (event["range"]["start"], event["range"]["end"])
    elif event["event"] == "begin":
        phases.append([event["phase"], event["at"], None, event["regions"]])
    elif event["event"] == "end":
        phases[-1][2] = event["at"]
steps = [(name, begin, end, areas[regions[0]]) for name, begin, end, regions in phases if len(regions) == 1 and end]
everything = next((begin, end) for name, begin, end, regions in phases if len(regions) == len(areas))
low, high = min(a for a, _ in areas.values()), max(b for _, b in areas.values())
judge("steps in the truth", len(steps) == 5, len(steps))

# raw: of all that was accessed in a step's time, what part in its area? And how hot is that?
base, snapshots = None, []
for line in open("raw.txt"):
    words = line.replace(",", "").split()
    if line.startswith("base_time_absolute:"):
        base = int(words[1])
    elif line.startswith("monitoring_start:"):
        snapshots.append([base + int(words[1]), None, []])
    elif line.startswith("monitoring_end:"):
        snapshots[-1][1] = base + int(words[1])
    else:
        region = re.match(r"([0-9a-f]+)-([0-9a-f]+) \( *\d+\) +(\d+) ", line)
        if region:
            snapshots[-1][2].append((int(region[1], 16), int(region[2], 16), int(region[3])))
most = max(n for _, _, regions in snapshots for _, _, n in regions)
for name, begin, end, (start, stop) in steps:
    # A step is found some aggregations after it began.
    within = [r for a, b, r in snapshots if a >= begin + 500_000_000 and b <= end]
    both = lambda a, b: max(0, min(b, stop) - max(a, start))
    hot = sum(both(a, b) * n for regions in within for a, b, n in regions)
    total = sum((b - a) * n for regions in within for a, b, n in regions)
    judge(f"raw, snapshots of {name}", len(within) >= 10, len(within))
    judge(f"raw, part of the accesses that are in the area of {name}", hot > 0.9 * total, f"{hot} of {total}")
    heat = hot / max(1, len(within) * (stop - start) * most)
    judge(f"raw, how hot the area of {name} is", heat > 0.5, heat)

# wss: one area most of the time, all of them at most.
sizes = {int(a): int(b) for a, b in re.findall(r"^ *(\d+) +(\d+) \|", open("wss.txt").read(), re.M)}
judge("wss, percentiles", {25, 100} <= sizes.keys(), sizes)
one, all_areas = sizes.get(25, 0) / 10e6, sizes.get(100, 0) / 50e6
judge("wss, a quarter of the time or more, in areas", 0.9 <= one <= 1.2, one)
judge("wss, at most, in all areas", 0.9 <= all_areas <= 1.1, all_areas)

def stairs(what, cells, times, addresses):
    """cells[t][a]: whether hot, over these times and addresses. The hot cells of a step are those of its area."""
    seen = []
    for name, begin, end, (start, stop) in steps:
        # The middle of the step: a cell on its border is of both.
        margin = (end - begin) / 4
        at = lambda moment: int((moment - times[0]) / (times[1] - times[0]) * len(cells))
        rows = cells[at(begin + margin): at(end - margin)]
        judge(f"{what}, rows of {name}", len(rows) >= 1, len(rows))
        hot = right = wanted = 0
        for row in rows:
            for i, is_hot in enumerate(row):
                address = addresses[0] + (i + 0.5) / len(row) * (addresses[1] - addresses[0])
                hot += is_hot
                right += is_hot and start <= address < stop
                wanted += start <= address < stop
        seen.append(hot)
        judge(f"{what}, part of the hot cells that are in the area of {name}", hot and right >= 0.85 * hot, f"{right} of {hot}")
        judge(f"{what}, part of the area of {name} that is hot", wanted and right >= 0.85 * wanted, f"{right} of {wanted}")

# heats on the terminal: a digit a cell, time downwards.
text = open("heats.txt").read()
plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
rows = re.findall(r"^[0-9]{80}$", plain, re.M)
guide = [tuple(map(int, pair)) for pair in re.findall(r"\[(-?\d+), (-?\d+)\)", open("guide.txt").read())]
# Of its area the map tells the addresses roughly, the guide to the byte.
area = max(guide[1:], key=lambda pair: min(pair[1], high) - max(pair[0], low))
judge("heats, the area of the text map", f"[{area[0] / (1 << 40):.6f} TiB, {area[1] / (1 << 40):.6f} TiB)" in plain, (area, plain[-300:]))
judge("heats, rows of the text map", len(rows) == 40, len(rows))
stairs("heats", [[digit >= "5" for digit in row] for row in rows], guide[0], area)

# heats as a picture, out of its pixels alone: the map is where in the first phase all is coloured, and goes as far to the
# right as there is colour without a gap. Addresses go up.
def pixels(name):
    data = open(name, "rb").read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", "no PNG"
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    assert (depth, kind) == (8, 2), "no PNG of 8 bit RGB"
    packed, at = b"", 8
    while at < len(data):
        length, chunk = struct.unpack(">I4s", data[at:at + 8])
        if chunk == b"IDAT":
            packed += data[at + 8:at + 8 + length]
        at += length + 12
    raw, rows, last, size = zlib.decompress(packed), [], bytes(width * 3), width * 3
    for y in range(height):
        how, row = raw[y * (size + 1)], bytearray(raw[y * (size + 1) + 1:(y + 1) * (size + 1)])
        for i in range(size if how else 0):
            a, b, c = row[i - 3] if i >= 3 else 0, last[i], last[i - 3] if i >= 3 else 0
            if how == 4:
                p = a + b - c
                near = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            else:
                near = (0, a, b, (a + b) // 2)[how]
            row[i] = (row[i] + near) & 255
        rows.append([tuple(row[x:x + 3]) for x in range(0, size, 3)])
        last = row
    return rows

def longest(flags):
    """The longest run of true values: (start, end)."""
    best, start = (0, 0), None
    for i, flag in enumerate([*flags, False]):
        if flag and start is None:
            start = i
        elif not flag and start is not None:
            best, start = max(best, (start, i), key=lambda run: run[1] - run[0]), None
    return best

image = pixels("heats.png")
coloured = [[max(p) - min(p) > 50 for p in row] for row in image]
hot = [[0.3 * r + 0.6 * g + 0.1 * b < 110 and b > g + 20 for r, g, b in row] for row in image]
left, right = longest([sum(row[x] for row in coloured) > 40 for x in range(len(image[0]))])
first, last = snapshots[0][0], snapshots[-1][1]
end_of_all = left + (right - left) * (everything[1] - first) / (last - first)
columns = range(left + 3, int(end_of_all) - 3)
top, bottom = longest([len(columns) > 0 and sum(row[x] for x in columns) > len(columns) * 0.6 for row in coloured])
judge("picture, where the map is", right - left > 300 and bottom - top > 100, (left, right, top, bottom))
if right > left and bottom > top:
    cells = [[hot[y][x] for y in range(bottom - 1, top - 1, -1)] for x in range(left, right)]
    stairs("picture", cells, (first, last), (low, high))

for failure in failures:
    print(f"FAILED: {failure}")
if not failures:
    print(f"ok: {len(snapshots)} snapshots; working set {sizes[25] / MIB:.1f} MiB in a step, {sizes[100] / MIB:.1f} in all; "
          f"the staircase is in numbers, text and picture ({right - left} x {bottom - top} pixels of it)")
sys.exit(bool(failures))
PY
