#!/usr/bin/env python3
"""Runs a command and checks how it ends: exit code, error number, time, memory, what it leaves.

    expect.py [options] -- COMMAND ...

Standard output and error of the command are passed on, for FileCheck.  Unless the exit code is 0
nothing may stand on standard output.
"""

import argparse
import os
import re
import resource
import signal
import subprocess
import sys
import time

# A command that waits takes no CPU time; a busy machine makes none this much slower.
WAITING_FACTOR = 4


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exit", default="0", help="allowed exit codes, with commas between")
    parser.add_argument("--error", help="number that must be told, like E0304, or 'any'")
    parser.add_argument("--seconds", type=float, default=5, help="most CPU time, from a signal on")
    parser.add_argument("--memory", type=float, default=256, help="most resident MiB")
    parser.add_argument("--absent", action="append", default=[], help="file that must not exist")
    parser.add_argument("--empty", help="folder that must hold nothing in the end")
    parser.add_argument("--partial-output", action="store_true", help="allow output on failure")
    parser.add_argument("--signal", action="append", default=[], help="INT or TERM; may stand twice")
    parser.add_argument("--delay", type=float, default=0.5, help="seconds before the first signal")
    parser.add_argument("--keep-stdin", action="store_true", help="standard input never ends")
    parser.add_argument("--stdin", default="", help="text for standard input")
    parser.add_argument("--stdout", help="a file (/dev/full) or 'closed'")
    parser.add_argument("--file-limit", type=int, help="most bytes of a written file")
    parser.add_argument("--address-limit", type=int, help="most MiB of address space")
    parser.add_argument("--fake-compiler", action="store_true", help="the one of the unit tests")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def environment(options):
    variables = dict(os.environ)
    if options.fake_compiler:
        tools = os.path.dirname(options.command[0])
        library = os.path.join(tools, "..", "lib", "libFakeCompiler.so")
        variables["LATHE_COMPILER"] = os.path.realpath(library)
    return variables


def start(options):
    def prepare():
        # A test runner in the background ignores Ctrl-C, and so would the command.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if options.file_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (options.file_limit, options.file_limit))
        if options.address_limit is not None:
            size = options.address_limit << 20
            resource.setrlimit(resource.RLIMIT_AS, (size, size))
        if options.stdout == "closed":
            os.close(1)

    stdout = subprocess.PIPE
    if options.stdout and options.stdout != "closed":
        stdout = open(options.stdout, "wb")
    return subprocess.Popen(options.command, stdin=subprocess.PIPE, stdout=stdout,
                            stderr=subprocess.PIPE, env=environment(options),
                            preexec_fn=prepare)  # fmt: skip


def cpu_seconds(process):
    """CPU time of a running process, which a busy machine does not stretch."""
    with open(f"/proc/{process.pid}/stat", encoding="utf-8") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def finish(process, options):
    """Output, error text, and CPU and clock seconds from the start or first signal to the end."""
    begin, start = 0, time.monotonic()
    if options.signal:
        time.sleep(options.delay)
        begin, start = cpu_seconds(process), time.monotonic()
    for name in options.signal:
        process.send_signal(getattr(signal, "SIG" + name))
        time.sleep(0.01)
    if options.keep_stdin:
        process.wait(timeout=60)
    out, err = process.communicate(None if options.keep_stdin else options.stdin.encode(), 120)
    clock = time.monotonic() - start
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return out or b"", err.decode(errors="replace"), usage.ru_utime + usage.ru_stime - begin, clock


def faults(options, code, out, err, seconds, clock):
    if str(code) not in options.exit.split(","):
        yield f"exit code {code}, expected {options.exit}"
    told = re.findall(r"^error\[(E\d{4})\]", err, re.MULTILINE)
    if options.error == "any" and not told:
        yield "no error was told"
    elif options.error not in (None, "any") and options.error not in told:
        yield f"told {told}, expected {options.error}"
    if seconds > options.seconds:
        yield f"took {seconds:.2f} s of CPU time, expected at most {options.seconds}"
    if clock > WAITING_FACTOR * options.seconds:
        yield f"took {clock:.2f} s, expected at most {WAITING_FACTOR * options.seconds}"
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    if memory > options.memory:
        yield f"took {memory:.0f} MiB, expected at most {options.memory:.0f}"
    if code != 0 and out and not options.partial_output:
        yield f"{len(out)} bytes on standard output"
    for path in options.absent:
        if os.path.lexists(path):
            yield f"{path} was left"
    if options.empty and os.listdir(options.empty):
        yield f"{options.empty} holds {os.listdir(options.empty)}"


def main():
    options = arguments()
    process = start(options)
    out, err, *times = finish(process, options)
    sys.stdout.buffer.write(out)
    sys.stdout.flush()
    sys.stderr.write(err)
    found = list(faults(options, process.returncode, out, err, *times))
    for fault in found:
        print(f"expect.py: {fault}", file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
