#!/usr/bin/env python3
"""What the screen of `damo monitor` costs and how fast it is, on a terminal of its own.

    scripts/measure_monitor.py start PROGRAM RECORD           from the start to the first picture, 20 times
    scripts/measure_monitor.py keys PROGRAM RECORD SPEED      from a key to what it changes, 40 keys, while the record is replayed
    scripts/measure_monitor.py cost PROGRAM RECORD SECONDS    CPU time and memory while it is replayed as it was recorded

PROGRAM is given RECORD and, for keys and cost, the speed: the example `screen` of damo-monitor, or "damo monitor".
"""
import os
import pty
import select
import shlex
import struct
import sys
import time
import fcntl
import termios


class Terminal:
    """A program on a terminal of 120 columns and 40 lines."""

    def __init__(self, words):
        self.begun = time.monotonic()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", LC_ALL="C.UTF-8")
            os.execvp(words[0], words)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

    def read(self, seconds):
        """What it draws until it has drawn nothing for 2 ms, or the time is over; empty if it draws nothing."""
        text = b""
        end = time.monotonic() + seconds
        while True:
            left = 0.002 if text else end - time.monotonic()
            ready, _, _ = select.select([self.fd], [], [], max(left, 0))
            if not ready:
                return text
            text += os.read(self.fd, 65536)

    def wait_for(self, words, seconds=30):
        """The time at which it had drawn these words."""
        text = b""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ready, _, _ = select.select([self.fd], [], [], 0.1)
            if ready:
                text += os.read(self.fd, 65536)
                if words in text:
                    return time.monotonic()
        raise SystemExit(f"{words!r} was not drawn: {text[-2000:]!r}")

    def key(self, key):
        os.write(self.fd, key)

    def cpu(self):
        """CPU time of the process, in seconds."""
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """The most resident memory that it had, in KiB."""
        with open(f"/proc/{self.pid}/status") as file:
            return int(next(line for line in file if line.startswith("VmHWM")).split()[1])

    def end(self):
        self.key(b"q")
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                if not select.select([self.fd], [], [], 0.1)[0] or not os.read(self.fd, 65536):
                    continue
            except OSError:
                break
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def spread(values):
    values = sorted(values)
    return f"least {values[0]:.1f}, median {values[len(values) // 2]:.1f}, most {values[-1]:.1f}"


def start(words, record):
    times = []
    for _ in range(20):
        terminal = Terminal([*words, record])
        times.append((terminal.wait_for(b"Processes") - terminal.begun) * 1000)
        terminal.end()
    print(f"from the start to the first picture, ms: {spread(times)}")


def keys(words, record, speed):
    terminal = Terminal([*words, record, speed])
    terminal.wait_for(b"Processes")
    times = []
    for number in range(40):
        # Not at the same moment of each redrawing.
        time.sleep(0.313 + number * 0.0071)
        terminal.read(0)
        begun = time.monotonic()
        # Help and back: either changes most of the screen. A word that only it has, because blanks are not drawn.
        terminal.key(b"?")
        terminal.wait_for(b"Backspace" if number % 2 == 0 else b"Processes", 5)
        times.append((time.monotonic() - begun) * 1000)
    print(f"from a key to what it changes, ms: {spread(times)}; peak memory {terminal.memory() / 1024:.1f} MiB")
    terminal.end()


def cost(words, record, seconds):
    terminal = Terminal([*words, record, "1"])
    terminal.wait_for(b"Processes")
    time.sleep(2)
    terminal.read(0)
    before, begun, pictures = terminal.cpu(), time.monotonic(), 0
    while time.monotonic() - begun < seconds:
        pictures += bool(terminal.read(0.5))
    share = (terminal.cpu() - before) / (time.monotonic() - begun) * 100
    print(f"{share:.2f} % of one CPU, {pictures / seconds:.1f} pictures a second, peak memory {terminal.memory() / 1024:.1f} MiB")
    terminal.end()


def main():
    try:
        what, program, record, *more = sys.argv[1:]
        words = shlex.split(program)
        if what == "start":
            start(words, record)
        elif what == "keys":
            keys(words, record, more[0])
        elif what == "cost":
            cost(words, record, float(more[0]))
        else:
            raise ValueError
    except (ValueError, IndexError):
        raise SystemExit(__doc__)


main()
