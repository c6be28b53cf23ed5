#!/usr/bin/env python3
"""Runs a command several times: best wall time, CPU time of that run, and largest resident size of any run.

    measure.py [-n RUNS] [-o OUTPUT] -- COMMAND ARGS...

Prints "seconds cpu_seconds MiB exit_code" on stdout. The command's output goes to OUTPUT (default: discarded).
"""
import argparse
import os
import subprocess
import time


def run(command, output):
    """One run: wall seconds, CPU seconds, resident MiB, exit code."""
    with open(output, "wb") as out, open(output + ".err" if output != os.devnull else output, "wb") as err:
        start = time.monotonic()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - start
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=5)
    parser.add_argument("-o", default=os.devnull)
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()
    runs = [run(args.command, args.o) for _ in range(args.n)]
    best = min(runs)
    print(f"{best[0]:.4f} {best[1]:.4f} {max(r[2] for r in runs):.1f} {best[3]}")


if __name__ == "__main__":
    main()
