#!/usr/bin/env python3
"""Looks whether `damo report phases` finds the phases of real programs at their true times, recorded by referenced pages.

The truth comes from the programs themselves or from who runs them, never from the record: SQLite's statements and the areas of
damo-workload are timed by the program; the stages of `sort` by when its input ends and its output begins; those of `gcc` by when
its driver starts each program. Needs Python, sqlite3, gcc and sort, no root.

  scripts/phase_truth.py [--runs N] [--damo FILE] [--workload FILE] [--keep DIR] [PROGRAM...]     PROGRAM: areas sqlite sort gcc

Prints a row of Markdown for each program: changes that were found within one aggregation interval of the true time, others that
were reported, and true ones that were not found. A time in which the program goes from the one to the other (SQLite fills its
cache, `gcc` has its driver only) is longer than a moment: a change is right anywhere in it.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

SECOND = 1_000_000_000
# A phase has at least so many snapshots, as docs/phases.md says.
SHORTEST = 6


def record(damo, out, command, **more):
    """Records a command by referenced pages, two snapshots a second if that takes no more than a hundredth of a CPU."""
    words = [damo, "record", "--quiet", "--source", "referenced", "-a", "500ms", "-o", str(out), "--", *command]
    subprocess.run(words, check=True, **more)


def areas(args, directory):
    """Areas of 12, 24 and 40 MiB, accessed in turn and together; the program writes down when."""
    order = [[0], [1], [0, 1, 2], [2], [0], [1, 2], [0]]
    lines = [f"area{number}, {size << 20}" for number, size in enumerate([12, 24, 40])]
    for number, together in enumerate(order):
        lines += ["", f"phase {number}", "8000", *(f"area{area}, 0, 4096, 1" for area in together)]
    config, truth = directory / "areas.cfg", directory / "truth"
    config.write_text("\n".join(lines) + "\n")
    record(args.damo, directory / "a.damo", [args.workload, "--quiet", "--truth", str(truth), str(config)])
    events = [json.loads(line) for line in truth.read_text().splitlines()]
    ends = {event["phase"]: event["at"] for event in events if event["event"] == "end"}
    return [(event["at"], ends[event["phase"]], event["phase"]) for event in events if event["event"] == "begin"]


SQLITE = """
import json, random, sqlite3, sys, time
out, rows = open(sys.argv[1], "w"), int(sys.argv[2])
def stage(name, seconds, work):
    begin = time.monotonic_ns()
    while time.monotonic_ns() < begin + seconds * 1_000_000_000:
        work()
    out.write(json.dumps([begin, time.monotonic_ns(), name]) + "\\n"); out.flush()
base = sqlite3.connect(sys.argv[3])
base.execute("pragma cache_size = -200000")
base.execute("create table t (k integer primary key, b text)")
draw = random.Random(7)
base.executemany("insert into t values (?, ?)", ((k, "%0100d" % draw.randrange(rows)) for k in range(rows)))
base.commit()
few = [draw.randrange(rows) for _ in range(100)]
def scan():
    base.execute("select sum(length(b)) from t where k % 1000 = 1").fetchone()
def look_up():
    for k in few:
        base.execute("select b from t where k = ?", (k,)).fetchone()
def count():
    base.execute("select count(*) from t indexed by i where b > ''").fetchone()
scan()
for turn in range(2):
    stage("scan", 8, scan)
    stage("look up", 8, look_up)
base.execute("create index i on t (b)")
stage("count", 8, count)
stage("look up", 8, look_up)
"""


def sqlite(args, directory):
    """Scans of a table, look-ups of a few of its rows and counts of an index, timed by the program."""
    truth = directory / "truth"
    record(args.damo, directory / "a.damo", [sys.executable, "-c", SQLITE, str(truth), "200000", str(directory / "t.db")])
    return [json.loads(line) for line in truth.read_text().splitlines()]


def sort(args, directory):
    """Three sorts, one after the other, whose input comes slowly and whose output is taken slowly: it reads while its input
    lasts, and writes from its first output on."""
    draw = random.Random(args.seed)
    lines = [f"{draw.getrandbits(64):020d}{'x' * 980}\n".encode() for _ in range(40_000)]
    stages = []

    def feed(path):
        with open(path, "wb") as out:
            begin = time.monotonic()
            for number, line in enumerate(lines):
                if number % 100 == 0:
                    time.sleep(max(0.0, begin + 8 * number / len(lines) - time.monotonic()))
                out.write(line)
        return time.monotonic_ns()

    def take(output):
        output.read(1)
        first, done, size = time.monotonic_ns(), 1, len(lines) * len(lines[0])
        while block := output.read(1 << 15):
            done += len(block)
            time.sleep(max(0.0, first / SECOND + 8 * done / size - time.monotonic()))
        return first

    def follow(count):
        for number in range(count):
            # The shell waits for who takes the output before it starts `sort`.
            with open(directory / f"out{number}", "rb", buffering=0) as output:
                begin = time.monotonic_ns()
                end_of_input = feed(directory / f"in{number}")
                first_output = take(output)
            stages.append((begin, end_of_input, "read"))
            stages.append((first_output, time.monotonic_ns(), "write"))

    count = 3
    for number in range(count):
        os.mkfifo(directory / f"in{number}")
        os.mkfifo(directory / f"out{number}")
    other = threading.Thread(target=follow, args=(count,), daemon=True)
    other.start()
    script = "".join(f"sort --parallel=1 -S 64M {directory}/in{n} >{directory}/out{n}\n" for n in range(count))
    record(args.damo, directory / "a.damo", ["sh", "-c", script], env={**os.environ, "LC_ALL": "C"})
    other.join()
    return stages


def gcc(args, directory):
    """One run of the driver, which starts a compiler, assemblers and a compiler again: when is written down by a program that it
    starts them with."""
    expressions = [" + ".join(f"(x >> {i + j} ^ {i * j} * y)" for j in range(12)) for i in range(12)]
    # A compiler that keeps its memory small, so that snapshots are short.
    functions = [
        f"int f{n}(int x, int y) {{ int z = {n}; for (int i = 0; i < x; i++) {{ "
        + " ".join(f"if (i % {k + 2} == {n % (k + 2)}) z += {e}; else y ^= z;" for k, e in enumerate(expressions))
        + " } return z + y; }"
        for n in range(args.functions)
    ]
    for name in "ab":
        (directory / f"{name}.c").write_text("\n".join(functions))
    (directory / "long.s").write_text("".join(f" addl ${n}, {n % 64 * 4}(%rax,%rbx,4)\n" for n in range(args.instructions)))
    stamp = directory / "stamp"
    stamp.write_text('#!/bin/sh\nread -r up _ </proc/uptime\necho "$up $(basename "$1")" >>' + f'{directory}/truth\nexec "$@"\n')
    stamp.chmod(0o755)
    command = ["gcc", "-wrapper", str(stamp), "-O2", "--param", "ggc-min-expand=10", "--param",
               "ggc-min-heapsize=8192", "-c", "a.c", "long.s", "b.c"]
    record(args.damo, directory / "a.damo", command, cwd=directory)
    # What /proc/uptime counts goes on in suspend, which the record's clock does not.
    offset = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    starts = [line.split() for line in (directory / "truth").read_text().splitlines()]
    starts = [(round((float(up) - offset) * SECOND), name) for up, name in starts]
    ends = [start for start, _ in starts[1:]] + [time.monotonic_ns()]
    return [(start, end, name) for (start, name), end in zip(starts, ends)]


def found(args, file):
    """The phases that are reported, and how long a snapshot is at each time."""
    report = lambda *words: json.loads(subprocess.run([args.damo, "report", *words, str(file), "--abs_time", "--format", "json"],
                                                      check=True, capture_output=True).stdout)["tables"]
    phases = [phase["start_ns"] for phase in report("phases")["phases"]]
    snapshots = [(row["start_ns"], row["end_ns"]) for row in report("wss")["series"]]
    return phases[1:], snapshots


def score(stages, changes, snapshots, late):
    """Changes that are right, others that were reported, and true ones that were not found; and how far off the right ones are.
    `late` is what a true one may take longer, because the recorder takes no notice before."""
    inside = [(start, end, name) for start, end, name in stages
              if sum(start <= at and until <= end for at, until in snapshots) >= SHORTEST]
    true = [(end, start) for (_, end, a), (start, _, b) in zip(inside, inside[1:]) if a != b]
    # A change between stages of which one is too short for a phase need not be found, and is right if it is.
    every = [(end, start) for (_, end, _), (start, _, _) in zip(stages, stages[1:])]
    left, wrong, errors = list(true), 0, []
    for change in changes:
        # One snapshot before and one after the change: it is known to the snapshot that it is in.
        length = max(until - at for at, until in snapshots if at <= change <= until + SECOND // 2)
        off = lambda window: max(window[0] - change, change - window[1] - late, 0)
        near = min(left, key=off, default=None)
        if near is not None and off(near) <= length:
            left.remove(near)
            errors.append(off(near) / SECOND)
        elif all(off(window) > length for window in every):
            wrong += 1
    return len(errors), wrong, len(left), errors, true


PROGRAMS = {"areas": (areas, 0), "sqlite": (sqlite, 0), "sort": (sort, SECOND), "gcc": (gcc, SECOND)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=f"of {', '.join(PROGRAMS)} (default: all)")
    parser.add_argument("--runs", type=int, default=5, help="of each program (default: %(default)s)")
    parser.add_argument("--damo", default="damo", help="the program that records and reports")
    parser.add_argument("--workload", default="damo-workload", help="the program whose areas are accessed")
    parser.add_argument("--keep", type=pathlib.Path, help="keep the records here")
    parser.add_argument("--functions", type=int, default=100, help="that gcc compiles, twice")
    parser.add_argument("--instructions", type=int, default=4_000_000, help="that gcc assembles")
    args = parser.parse_args()
    if unknown := set(args.programs) - set(PROGRAMS):
        parser.error(f"there is no program {', '.join(unknown)}: there are {', '.join(PROGRAMS)}")
    print("| program | runs | found | others | not found | precision | recall | farthest off | a snapshot |\n" + "|---" * 9 + "|")
    for name in args.programs or PROGRAMS:
        work, late = PROGRAMS[name]
        sums, errors, lengths = [0, 0, 0], [], []
        for run in range(args.runs):
            args.seed = run
            with tempfile.TemporaryDirectory() as directory:
                directory = pathlib.Path(directory)
                stages = work(args, directory)
                changes, snapshots = found(args, directory / "a.damo")
                *counts, off, true = score(stages, changes, snapshots, late)
                lengths += [(until - at) / SECOND for at, until in snapshots]
                sums = [a + b for a, b in zip(sums, counts)]
                errors += off
                if counts[1] or counts[2]:
                    zero = snapshots[0][0]
                    since = lambda at: round((at - zero) / SECOND, 1)
                    print(f"{name}, run {run}: reported {[*map(since, changes)]}, true {[(since(a), since(b)) for a, b in true]}",
                          file=sys.stderr)
                if args.keep:
                    args.keep.mkdir(parents=True, exist_ok=True)
                    (args.keep / f"{name}-{run}.damo").write_bytes((directory / "a.damo").read_bytes())
                    (args.keep / f"{name}-{run}.json").write_text(json.dumps(stages))
        right, wrong, missed = sums
        precision, recall = (right / max(right + other, 1) for other in (wrong, missed))
        median = sorted(lengths)[len(lengths) // 2]
        print(f"| `{name}` | {args.runs} | {right} | {wrong} | {missed} | {precision:.2f} | {recall:.2f} "
              f"| {max(errors, default=0):.2f} s | {median:.2f} s |", flush=True)


if __name__ == "__main__":
    main()
