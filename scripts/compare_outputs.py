#!/usr/bin/env python3
"""Runs every report in every form on every record through two builds of damo and lists the outputs that differ.

    scripts/compare_outputs.py OLD NEW [RECORD...]        OLD and NEW are `damo` programs

Without RECORD: three simulated records, the recordings in testdata/real, and the small inputs in testdata/cases. Compared
are standard output, standard error, the exit code and the file that is written. What only one of the two understands is a
difference, too. Exit code: 0 if all are the same, 1 if not.

For changes that must not change what users see: build the program before, keep it, and compare.
"""
import concurrent.futures as futures
import os
import pathlib
import subprocess
import sys
import tempfile

REPORTS = {
    "raw": ["", "--raw_number"],
    "access": ["", "--raw_number", "--style simple-boxes", "--style recency-percentiles", "--style temperature-sz-hist",
               "--style detailed", "--style hot", "--style cold", "--total_sz_only", "--access_rate 10% max"],
    "heats": ["", "--abs_addr --abs_time", "--guide", "--scale 0..50%", "--output raw --resol 20 10"],
    "holistic": [""],
    "html": [],
    "wss": ["", "--sortby time", "--per_target", "--per_mapping", "--raw_number"],
    "footprints": ["vsz", "rss", "sys_used", "rss --sortby time"],
    "nr_regions": ["", "--sortby time"],
    "record_info": [""],
    "ages": [""],
    "phases": [""],
    "wss_profile": [""],
    "times": ["--access_rate 50% 100%"],
}
FORMS = ["txt", "json", "csv", "md", "png", "svg", "parquet"]
OTHERS = ["explain RECORD", "explain --right-size RECORD", "info RECORD", "info --json RECORD", "validate RECORD", "doctor RECORD",
          "schemes --what-if RECORD -c SCHEMES", "schemes --what-if RECORD -c SCHEMES --format json",
          "schemes suggest RECORD"]
ARGUMENTS = [
    "args damon --damos_action pageout --damos_access_rate 0% 0% --damos_age 5s max --damos_quotas 10ms 100M 1s "
    "--damos_filter reject addr 4096 8192 --damos_filter allow none memcg /a -r 0x1000-0x100000000 paddr",
    "args damon --damos_action migrate_hot 1 --damos_quota_goal node_mem_used_bp 95% 0 --damos_wmarks free_mem_rate 1s 50% 40% 20% paddr",
    "args damon --ops vaddr --target_pid 1 -s 1ms -a 20ms -u 2s -n 20 -m 500 --format json",
    "args damon --monitoring_intervals_goal 4% 3 5ms 10s paddr",
    "features", "--help", "record --help", "report heats --help", "start --help",
]
SCHEMES = ('[{"action": "pageout", "access_pattern": {"nr_accesses": {"max": "0 %"}, "age": {"min": "2 s"}},'
           ' "quotas": {"sz_bytes": "10 MiB", "reset_interval_ms": "1 s"}},'
           ' {"action": "hugepage", "access_pattern": {"nr_accesses": {"min": "50 %"}}}]')


def lines(records, refused):
    """All command lines, with the name of the file that each writes, if any."""
    for record in refused:
        yield f"info {record}", None
    for record in records:
        for report, variants in REPORTS.items():
            for variant in variants:
                yield f"report {report} {variant} {record}", None
            for form in ["html"] if report == "html" else FORMS:
                options = variants[0] if report in ("times", "footprints") else ""
                yield f"report {report} {options} {record} -o out.{form}", f"out.{form}"
        for other in OTHERS:
            yield other.replace("RECORD", record).replace("SCHEMES", "schemes.json"), None
    for line in ARGUMENTS:
        yield line, None


def run(program, line, written, records):
    """What the program gives for one command line, in a directory of its own in which the records have the same names."""
    with tempfile.TemporaryDirectory() as directory:
        for record in records.iterdir():
            os.symlink(record, os.path.join(directory, record.name))
        environment = dict(os.environ, COLUMNS="100", LC_ALL="C.UTF-8", TZ="UTC", SOURCE_DATE_EPOCH="0")
        done = subprocess.run([program, *line.split()], cwd=directory, env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=600, check=False)
        path = pathlib.Path(directory, written or "-")
        return done.returncode, done.stdout, done.stderr, path.read_bytes() if path.is_file() else None


def main():
    if len(sys.argv) < 3 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    old, new = (os.path.abspath(program) for program in sys.argv[1:3])
    top = pathlib.Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as kept:
        records = pathlib.Path(kept)
        (records / "schemes.json").write_text(SCHEMES)
        names = []
        if len(sys.argv) > 3:
            sources = [pathlib.Path(path).resolve() for path in sys.argv[3:]]
        else:
            for workload in ["stairs", "zigzag", "pair"]:
                subprocess.run([old, "record", "--quiet", "--simulate", workload, "--timeout", "40s", "-o",
                                records / f"{workload}.damo"], check=True)
                names.append(f"{workload}.damo")
            sources = [path for part in ["real", "cases"] for path in sorted((top / "testdata" / part).rglob("*"))
                       if path.is_file() and path.suffix not in (".cfg", ".md", ".yaml")]
        for source in sources:
            name = f"{source.parent.name}-{source.name}"
            if source.name.startswith(("maps", "damon.data.")):
                continue
            os.symlink(source, records / name)
            names.append(name)

        def compare(job):
            line, written = job
            results = [run(program, line, written, records) for program in (old, new)]
            parts = ["exit code", "standard output", "standard error", "file"]
            return line, [part for part, before, after in zip(parts, *results) if before != after], results[1][0]

        # What is no record is refused in one place: once is enough.
        refused = [name for name in names if run(old, f"info {name}", None, records)[0] not in (0, 3)]
        jobs = list(lines([name for name in names if name not in refused], refused))
        differing, failed = 0, 0
        with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for line, differences, code in pool.map(compare, jobs):
                failed += code not in (0, 3)
                if differences:
                    differing += 1
                    print(f"differs: damo {' '.join(line.split())}: {', '.join(differences)}", flush=True)
        print(f"{len(jobs)} command lines on {len(names)} records, {differing} differ; {failed} fail in the new program")
        sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
