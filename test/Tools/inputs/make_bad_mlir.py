#!/usr/bin/env python3
"""Writes MLIR files that must be refused.

    make_bad_mlir.py OUT_DIR
"""

import pathlib
import sys

DEPTH = 200_000
CASES = {
    "58-bad-text": b"func.func @forward( {",
    "59-nesting-modules": b"module {" * DEPTH + b"}" * DEPTH,
    "59-nesting-types": b"func.func private @f(" + b"tuple<" * DEPTH + b"i1" + b">" * DEPTH + b")",
    "60-bytecode": b"ML\xefR\xff" + bytes(range(256)),
    "60-nul-bytes": bytes(1000),
    "61-shape": b"func.func private @f(tensor<4611686018427387904x4611686018427387904xf32>)",
    "62-dialect": b"""\
"nosuchdialect.op"() : () -> ()
"nosuchdialect.op"() : () -> ()
func.func private @type(tensor<4x!nosuchtypes.thing>)
func.func private @attribute() attributes {some = [#nosuchattributes.thing]}
""",
}


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for name, text in CASES.items():
        (out / f"{name}.mlir").write_bytes(text)


if __name__ == "__main__":
    main()
