#!/usr/bin/env python3
"""Compiles a model at once, and with a stop at every stage, and compares the objects.

    stage_roundtrip.py LATHE MODEL FOLDER [flags for lathe compile]
"""

import pathlib
import subprocess
import sys

STAGES = ["import", "fused", "precision", "scheduled", "planned", "kernels"]


def main():
    lathe, model, folder, *flags = sys.argv[1:]
    folder = pathlib.Path(folder)

    def compile_to(name, source, emit):
        result = folder / name
        command = [lathe, "compile", str(source), "--emit", emit, *flags, "-o", str(result)]
        subprocess.run(command, check=True)
        return result

    direct = compile_to("direct.o", model, "obj").read_bytes()
    differing = []
    for stage in STAGES:
        text = compile_to(f"{stage}.mlir", model, f"mlir:{stage}")
        again = compile_to(f"{stage}.o", text, "obj").read_bytes()
        # What is printed at a stage is also what is printed when it is read back.
        reprinted = compile_to(f"{stage}.again.mlir", text, f"mlir:{stage}")
        if again != direct or reprinted.read_bytes() != text.read_bytes():
            differing.append(stage)
    if differing:
        sys.exit(f"{model}: another object after {', '.join(differing)}")
    print(f"{pathlib.Path(model).name}: {len(STAGES)} stages, the same {len(direct)} bytes")


if __name__ == "__main__":
    main()
