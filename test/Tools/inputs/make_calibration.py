"""A calibration file with points that somebody made up, so that what is chosen is known.

    make_calibration.py GIVEN OUT

GIVEN is of a model of 4 layers, with the exits of layers 1 and 2 and one layer left out.
"""

import json
import sys

import tiny_safetensors

# Policy, time and agreement; what is refused is never chosen.  Every step is so sure.
EXITS = [
    ("always-at:1", 0.6, 0.8, ""),
    ("threshold:0", 0.97, 0.95, ""),
    ("threshold:-1", 0.9, 0.9, ""),
    ("threshold:-2", 0.7, 0.7, ""),
    ("threshold:-3", 0.1, 0.99, "somebody said so"),
]


def main(given, out):
    told = json.loads(tiny_safetensors.read_metadata(given)["lathe_calibration"])
    assert told["exits"]["layers"] == [1, 2], told["exits"]
    (skipped,) = (point for point in told["points"] if "skip" in point)
    skipped.update(time=0.7, agreement=0.9, refused="")
    told["points"] = [skipped] + [
        {"exit": how, "time": time, "agreement": agreement, "refused": why}
        for how, time, agreement, why in EXITS
    ]
    tensors = {
        name: (type, tiny_safetensors.decode(type, raw, shape))
        for name, (type, raw, shape) in tiny_safetensors.read(given).items()
    }
    tiny_safetensors.write(out, tensors, {"lathe_calibration": json.dumps(told)})


if __name__ == "__main__":
    main(*sys.argv[1:])
