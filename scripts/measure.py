#!/usr/bin/env python3
"""Runs a command several times: best wall time, CPU time of that run, and largest resident size of any run.

    measure.py [-n RUNS] [-o OUTPUT] -- COMMAND ARGS...

Prints "seconds cpu_seconds MiB exit_code" on stdout. The command's output goes to OUTPUT (default: discarded).
"""
import argparse
import ctypes
import os
import subprocess
import time


# From <linux/prctl.h>.
PR_SET_CHILD_SUBREAPER = 36
# Makes a process that waits for a line on our pipe before it becomes the command, and says which it is.
START = 'out=$1; shift; exec 5<&0; { read -r go <&5; exec "$@" 5<&- </dev/null >"$out"; } & echo $!'


def run(command, output):
    """One run: wall seconds, CPU seconds, resident MiB, exit code.

    What the kernel tells of a process includes how large it was before it became the command, which of a child of Python is
    Python: 14 MiB. So a shell of 1 MiB makes the command's process and goes; that process, an orphan then, becomes our child,
    and begins.
    """
    errors = output + ".err" if output != os.devnull else output
    with open(errors, "wb") as err:
        shell = subprocess.Popen(
            ["/bin/sh", "-c", START, "sh", output, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err
        )
        child = int(shell.stdout.readline())
        os.waitpid(shell.pid, 0)
        start = time.monotonic()
        shell.stdin.write(b"\n")
        shell.stdin.close()
        _, status, usage = os.wait4(child, 0)
        wall = time.monotonic() - start
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=5)
    parser.add_argument("-o", default=os.devnull)
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    runs = [run(args.command, args.o) for _ in range(args.n)]
    best = min(runs)
    print(f"{best[0]:.4f} {best[1]:.4f} {max(r[2] for r in runs):.1f} {best[3]}")


if __name__ == "__main__":
    main()
