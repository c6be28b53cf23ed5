#!/usr/bin/env python3
"""Compares the text reports of damo with those of the Python tool, over all recordings of a folder.

    compare_python.py --ours DAMO --python PYTHON_DAMO [--main] [--docs docs/differences.md] FOLDER|RECORD...

Both tools print the same reports of the same records; recordings that only damo reads are converted by it first. Prints
each report that differs and is in no row of the table "Differences by recording" of the docs, and each row of that table
whose recording and report were compared without a difference. Exit code 0: none of either; 1: some; 2: it could not be compared.

What is the same: a line break at the end or none (the Python tool's pager loses it), and numbers of raw heat maps that
agree to nine digits (the order of additions).
"""
import argparse
import concurrent.futures
import difflib
import fnmatch
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

# Words of the Python tool; ours are the same but for what stands behind the bar.
REPORTS = [
    "access --raw_form",
    "access --raw_form --raw_number",
    "access | --color always",
    "access --total_sz_only",
    "access --style simple-boxes | --color always",
    "access --style temperature-sz-hist",
    "access --style recency-sz-hist",
    "access --style recency-percentiles",
    "access --style temperature-percentiles",
    "access --style hot | --color always",
    "access --style cold | --color always",
    "wss",
    "wss --raw_number --range 0 101 5",
    "wss --all_wss --raw_number",
    "wss --sortby time --range 0 101 10",
    "wss --per_target",
    "nr_regions",
    "nr_regions --sortby time",
    "record_info",
    "record_info --raw_numbers",
    "heatmap --guide",
    "heatmap --guide_human",
    "heatmap --output raw --resol 40 80",
    "heatmap --output raw --resol 10 20 --abs_time --abs_addr",
    "heatmap --resol 40 80 --stdout_skip_colorset_example | --style digits --color always",
    "times --access_rate 50% 100%",
    "footprints vsz",
    "footprints rss",
    "footprints sys_used --raw_number",
]
# One for each kind of figure: enough for a test suite, where all of them take minutes.
MAIN = [
    "access --raw_form",
    "access --total_sz_only",
    "access --style temperature-percentiles",
    "wss",
    "nr_regions",
    "record_info",
    "heatmap --output raw --resol 10 20 --abs_time --abs_addr",
    "times --access_rate 50% 100%",
    "footprints rss",
]
HEADING = "## Differences by recording"
PYTHON_READS = "damon.data"
RECORDINGS = [PYTHON_READS, "perf.data", "trace.txt"]


def rows_of(docs):
    """[recording pattern, report pattern, why] of each row of the table."""
    text = pathlib.Path(docs).read_text()
    if HEADING not in text:
        sys.exit(f"compare_python: {docs} has no section `{HEADING}`")
    lines = text.split(HEADING)[1].split("\n## ")[0].splitlines()
    cells = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [row for row in cells[2:] if len(row) == 3]


def recordings(paths):
    """Records, recognised by name, with a name for each."""
    for path in map(pathlib.Path, paths):
        if path.is_file():
            yield path.name, path
            continue
        for file in sorted(path.rglob("*")):
            if file.is_file() and (file.name in RECORDINGS or file.name.endswith(".json.zlib")):
                yield str(file.relative_to(path)), file


def run(command, folder):
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, errors="replace")
    return done.returncode, done.stdout, done.stderr.strip().splitlines()[-1:] or [""]


def same(ours, theirs, report):
    """Whether two outputs are the same, but for a last line break and the last digits of raw heat maps."""
    if ours.rstrip("\n") == theirs.rstrip("\n"):
        return True
    a, b = ours.split(), theirs.split()
    if "--output raw" not in report or len(a) != len(b):
        return False

    def near(x, y):
        try:
            x, y = float(x), float(y)
        except ValueError:
            return x == y
        return math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-9) or math.isnan(x) and math.isnan(y)

    return all(x == y or near(x, y) for x, y in zip(a, b))


def compare(args, name, record, report, folder):
    """None, or what differs, in some lines."""
    theirs, _, more = report.partition("|")
    inputs = ["-i", record + ".mem_footprint" if theirs.startswith("footprints") else record]
    if theirs.startswith("footprints") and not os.path.exists(os.path.join(folder, inputs[1])):
        return None
    options = theirs.split()[:1] + theirs.split()[1:] + inputs
    if theirs.startswith("times"):
        options = ["times", "--inputs", record, record + ".profile", *theirs.split()[1:]]
    code, expected, why = run([args.python, "report", *options], folder)
    # A crash of the Python tool is nothing to compare with.
    if code != 0 or not expected.strip():
        return None
    code, found, why = run([args.ours, "report", *options, *more.split()], folder)
    if code not in (0, 3):
        return f"damo report {' '.join(options)}: exit code {code}: {why[0]}"
    if same(found, expected, report):
        return None
    changed = [
        line
        for line in difflib.unified_diff(expected.splitlines(), found.splitlines(), "python", "damo", lineterm="", n=0)
        if line[:1] in "+-" and line[:3] not in ("---", "+++")
    ]
    head = "\n".join("    " + repr(line[:150]) for line in changed[:6])
    return f"{len(changed)} lines, - of the Python tool, + of damo:\n{head}"


def prepare(args, name, path, folder):
    """The record as a file in `folder` that both tools read, or None."""
    copy = os.path.join(folder, "damon.data")
    if path.name.endswith(".json.zlib"):
        shutil.copy(path, copy)
        return "damon.data"
    if path.name == PYTHON_READS:
        for side in path.parent.glob(path.name + "*"):
            shutil.copy(side, os.path.join(folder, side.name))
        return "damon.data"
    code, _, _ = run([args.ours, "convert", str(path), copy], folder)
    return "damon.data" if code in (0, 3) and os.path.exists(copy) else None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--docs", default=str(pathlib.Path(__file__).parent.parent / "docs/differences.md"))
    parser.add_argument("--main", action="store_true", help="only the main reports")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("records", nargs="+")
    args = parser.parse_args()
    rows = rows_of(args.docs)
    unused = {tuple(row) for row in rows}
    reports = [report for report in REPORTS if not args.main or report in MAIN]
    compared, unexplained, seen = 0, 0, set()
    with tempfile.TemporaryDirectory() as top, concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for number, (name, path) in enumerate(recordings(args.records)):
            folder = os.path.join(top, str(number))
            os.mkdir(folder)
            record = prepare(args, name, path, folder)
            if record is None:
                print(f"{name}: damo reads no record in it")
                continue
            seen.add(name)
            results = pool.map(lambda report: compare(args, name, record, report, folder), reports)
            for report, difference in zip(reports, results):
                compared += 1
                if difference is None:
                    continue
                short = report.partition("|")[0].strip()
                covering = [row for row in rows if fnmatch.fnmatch(name, row[0]) and fnmatch.fnmatch(short, row[1])]
                unused.difference_update(map(tuple, covering))
                if not covering:
                    unexplained += 1
                    print(f"{name}: report {short}: {difference}", flush=True)
            shutil.rmtree(folder)
    short_names = lambda some: {report.partition("|")[0].strip() for report in some}
    left_out = short_names(REPORTS) - short_names(reports)
    # With --main, a row that also speaks of reports that were not compared cannot be judged.
    stale = [
        row
        for row in unused
        if fnmatch.filter(seen, row[0])
        and fnmatch.filter(short_names(reports), row[1])
        and not fnmatch.filter(left_out, row[1])
    ]
    for recording, report, _ in sorted(stale):
        print(f"{args.docs}: `{recording}`, `{report}`: no longer differs; take the row out")
    print(f"{compared} reports of {len(seen)} records compared, {unexplained} unexplained, {len(stale)} rows without a difference")
    if compared == 0:
        sys.exit(2)
    sys.exit(1 if unexplained or stale else 0)


if __name__ == "__main__":
    main()
