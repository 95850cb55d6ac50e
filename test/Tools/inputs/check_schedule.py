#!/usr/bin/env python3
"""Holds `lathe inspect --schedule --json` of the tiny model to numbers computed by hand.

    check_schedule.py LATHE MODEL FOLDER
"""

import json
import os
import pathlib
import re
import subprocess
import sys

HIDDEN, QUERIES, KEYS, FFN, LAYERS, VOCABULARY = 64, 64, 32, 96, 2, 300
LAYER_WEIGHTS = HIDDEN * (2 * QUERIES + 2 * KEYS + 3 * FFN)
DOCUMENT = pathlib.Path(__file__).resolve().parents[3] / "docs" / "cost-model.md"
MACHINE = {
    "workers": 2,
    "read": [{"bytes": 1, "bytes_per_second": 1e9}],
    "int8_operations_per_second": 4e12,
    "bf16_operations_per_second": 2e12,
    "f32_operations_per_second": 1e12,
    "barrier_seconds": 1e-6,
}


def ask(lathe, model, *flags, code=0):
    environment = dict(os.environ, LATHE_CACHE=os.path.join(os.path.dirname(model), "cache"))
    command = [lathe, "inspect", model, "--schedule", "--json", "--precision", "f32", *flags]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == code, (command, done)
    return json.loads(done.stdout) if code == 0 else done.stderr


def phase(entry, part):
    (found,) = [each for each in entry["phases"] if each["name"] == part]
    return found


def case(each, rows):
    (found,) = [one for one in each["cases"] if one["rows"] == rows]
    return found


def check_work(lathe, model):
    depth = 7
    entries = ask(lathe, model, "-d", str(depth), "-t", "2")["schedule"]["entries"]
    decode, verify, prefill = entries
    assert [step["rows"] for step in decode["steps"]] == [1]
    assert [step["rows"] for step in verify["steps"]] == [2, 4, 8]
    assert [step["rows"] for step in prefill["steps"]] == [512]
    seen = 2 * QUERIES * (depth + 1)
    multiply_adds = LAYERS * (LAYER_WEIGHTS + seen) + HIDDEN * VOCABULARY
    assert decode["steps"][0]["multiply_adds"] == multiply_adds, (decode["steps"], multiply_adds)
    # Both norms of a layer, the last one, and one row of the embedding.
    weights = 4 * (LAYERS * (LAYER_WEIGHTS + 2 * HIDDEN) + HIDDEN * (VOCABULARY + 2))
    cache = LAYERS * 2 * KEYS * 4 * (depth + 2)
    assert decode["steps"][0]["footprint_bytes"] == weights + cache, (decode["steps"][0], weights)
    attention = case(phase(verify, "attention"), 4)
    assert attention["multiply_adds"] == 2 * QUERIES * (4 * depth + 1 + 2 + 3 + 4), attention
    assert attention["cache_bytes"] == 2 * KEYS * 4 * (depth + 4), attention
    assert attention["activation_bytes"] == 4 * 4 * 2 * QUERIES, attention
    gate = case(phase(decode, "ffn_gate+ffn_up"), 1)
    # Two matrices and the norm; the row that comes and the row that goes.
    assert gate["weight_bytes"] == 4 * (2 * FFN * HIDDEN + HIDDEN), gate
    assert gate["activation_bytes"] == 4 * (HIDDEN + FFN), gate
    assert gate["int8_operations"] == gate["bf16_operations"] == 0, gate
    assert gate["tiles"] == [
        {"weights": ["blk.ffn_gate", "blk.ffn_up"], "columns": 32, "rows": 1, "count": 3}
    ], gate
    assert "measured" not in ask(lathe, model, "-t", "2")
    print("work: as computed by hand")


def check_machine(lathe, model, folder):
    first = ask(lathe, model, "-t", "2")["machine"]
    assert first == ask(lathe, model, "-t", "2")["machine"], "measured again"
    assert first["workers"] == 2 and ask(lathe, model, "-t", "1")["machine"]["workers"] == 1
    file = pathlib.Path(folder, "machine.json")
    file.write_text(json.dumps(MACHINE))
    assert ask(lathe, model, "--machine", str(file))["machine"] == {**first, **MACHINE}
    file.write_text('{"barrier_seconds": 0.5}')
    assert ask(lathe, model, "-t", "2", "--machine", str(file))["machine"] == {
        **first,
        "barrier_seconds": 0.5,
    }
    bad = ['{"barier_seconds": 1}', '{"f32_operations_per_second": 0}', '{"workers": 0}', "[]", "",
           '{"read": []}', '{"read": [{"bytes": 2, "bytes_per_second": 1}, {"bytes": 1, '
           '"bytes_per_second": 1}]}', '{"read": [{"bytes": 2}]}']  # fmt: skip
    for text in bad:
        file.write_text(text)
        told = ask(lathe, model, "--machine", str(file), code=2)
        assert "error[E0112]" in told, (text, told)
    print("machine: kept, overridden, refused")


def predict(core, registers, lanes, tile):
    """The share of the peak by the formula of the document."""
    int8 = tile["arithmetic"] == "int8"
    vectors = tile["columns"] // lanes
    sums = tile["rows"] * vectors
    needed = sums + (2 * vectors + 2 if int8 else vectors + 1)
    spilled = max(0, needed - registers)
    operations = sums * core["int8-step-time" if int8 else "multiply-add-time"]
    loads = (tile["rows"] + vectors + 2 * spilled) * core["load-time"]
    latency = 0 if int8 else core["multiply-add-latency"] * (2 if spilled else 1)
    return operations / sum(each**4 for each in (operations, loads, latency)) ** 0.25


def check_tiles(lathe, model):
    cases = {
        "x86-64-v3": (16, 8, (4, 16), (6, 16), 96),
        "x86-64-v4": (32, 16, (6, 32), (8, 32), 96),
        "x86-64-v4-emulated": (16, 8, (6, 32), (8, 32), 96),
        # Products that wait for nothing need few sums, and fast loads few rows.
        "x86-64-v3:multiply-add-latency=1": (16, 8, (4, 16), (2, 32), 96),
        "x86-64-v3:load-time=80": (16, 8, (2, 16), (6, 16), 96),
        "x86-64-v3:nearest-cache-bytes=65536": (16, 8, (4, 16), (6, 16), 192),
        "x86-64-v3:float-row-tile=2": (16, 8, (4, 16), (2, 32), 96),
    }
    for target, (registers, lanes, int8, floats, chunk) in cases.items():
        plan = ask(lathe, model, "--target", target)["schedule"]
        for tile in plan["register_tiles"]:
            share = predict(plan["core"], registers, lanes, tile)
            assert abs(share - tile["share"]) < 1e-9, (target, tile, share)
        chosen = {
            each["arithmetic"]: (each["rows"], each["columns"])
            for each in plan["register_tiles"]
            if each["chosen"]
        }
        assert chosen == {"int8": int8, "float": floats}, (target, chosen)
        sizes = plan["sizes"]
        assert (sizes["row-tile"], sizes["column-tile"]) == int8, (target, sizes)
        assert (sizes["float-row-tile"], sizes["float-column-tile"]) == floats, (target, sizes)
        assert sizes["row-chunk"] == chunk, (target, sizes)
    print("tiles: chosen by the formula")


def check_limits(lathe, model, folder):
    file = pathlib.Path(folder, "machine.json")
    file.write_text(json.dumps(MACHINE))
    entries = ask(lathe, model, "--machine", str(file))["schedule"]["entries"]
    bounds = set()
    for entry in entries:
        for index, step in enumerate(entry["steps"]):
            total = 0
            for each in entry["phases"]:
                one = each["cases"][index]
                size = one["weight_bytes"] + one["cache_bytes"] + one["activation_bytes"]
                assert abs(one["bytes_us"] - size / 1e3) <= 1e-6 * size, one
                assert one["limit_us"] == max(one["bytes_us"], one["operations_us"]), one
                least = one["limit_us"] * max(1, 2 * one["busiest_share"]) + each["barrier"]
                assert abs(one["predicted_us"] - least) <= 1e-6 * least, one
                total += one["limit_us"] * each["times"]
                bounds.add(one["bound"])
            assert abs(step["limit_us"] - total) <= 1e-6 * total, step
    # Three tiles for two workers: one has two of them.
    assert case(phase(entries[0], "ffn_gate+ffn_up"), 1)["busiest_share"] == 2 / 3
    assert bounds <= {"bytes", "operations"}, bounds
    print("limits: follow the formulas")


def check_schema(lathe, model):
    """Every member is named in the document, and every kind of object occurs."""
    words = set(re.findall(r"`([\w-]+)`", DOCUMENT.read_text()))
    told = set()

    def walk(value):
        if isinstance(value, dict):
            told.update(value)
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    answer = ask(lathe, model, "-t", "1")
    walk(answer["schedule"])
    assert told <= words, f"not in {DOCUMENT.name}: {sorted(told - words)}"
    assert {"tiles", "contractions", "buffers", "offset", "busiest_share", "reads"} <= told
    print("schema: as documented")


def main():
    lathe, model, folder = sys.argv[1:]
    check_work(lathe, model)
    check_machine(lathe, model, folder)
    check_limits(lathe, model, folder)
    check_tiles(lathe, model)
    check_schema(lathe, model)


if __name__ == "__main__":
    main()
