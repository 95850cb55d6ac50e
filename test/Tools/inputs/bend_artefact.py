#!/usr/bin/env python3
"""Damages an artefact in every way that matters and expects the error that belongs to each.

    bend_artefact.py LATHE ARTEFACT FOLDER [encoder]

Cuts it at every border of a section and inside each, flips a byte of each section, of the header and
of the table, and claims other versions.  Knows the container from docs/artefact.md alone.
"""

import pathlib
import struct
import subprocess
import sys


def sections(data):
    count = struct.unpack_from("<I", data, 12)[0]
    for i in range(count):
        kind, target, offset, size = struct.unpack_from("<IIQQ", data, 64 + 64 * i)
        assert offset % 64 == 0
        yield kind, target, offset, size


def cases(data):
    table_end = 64 + 64 * struct.unpack_from("<I", data, 12)[0]
    cuts = {1, 7, 8, 12, 63, 64, table_end - 1, table_end}
    flips = {"header": (20, 643), "table": (64 + 9, 643), "magic": (3, 640)}
    for kind, target, offset, size in sections(data):
        cuts |= {offset, offset + size // 2, offset + size - 1}
        flips[f"section {kind} of {target}"] = (offset + size // 2, 644)
    for cut in sorted(cuts):
        yield f"cut at {cut}", data[:cut], 640 if cut < 8 else 642, 4
    yield "one byte more", data + b"\0", 642, 4
    for name, (place, error) in flips.items():
        bent = bytearray(data)
        bent[place] ^= 0x10
        yield f"flip in {name}", bytes(bent), error, 4
    for version in (0, 2, 1 << 31):
        yield f"version {version}", data[:8] + struct.pack("<I", version) + data[12:], 641, 6


def main():
    lathe, artefact, folder, *kind = sys.argv[1:]
    use = ["embed", "w1"] if kind == ["encoder"] else ["logits", "--tokens", "1 2"]
    data = pathlib.Path(artefact).read_bytes()
    path = pathlib.Path(folder) / "bent.lathe"
    wrong = count = 0
    for name, bent, error, code in cases(data):
        path.write_bytes(bent)
        command = [lathe, use[0], path, *use[1:], "-o", f"{folder}/bent.npy"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60)
        count += 1
        good = run.returncode == code and f"error[E0{error}]" in run.stderr and "hint:" in run.stderr
        if not good or (pathlib.Path(folder) / "bent.npy").exists():
            wrong += 1
            print(f"{name}: expected E0{error} and exit {code}, found {run.returncode}:\n{run.stderr}")
    print(f"{count} cases, {wrong} wrong")
    return wrong != 0


if __name__ == "__main__":
    sys.exit(main())
