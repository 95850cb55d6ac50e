#!/usr/bin/env python3
"""Programs written as MLIR, with ops of linalg, tensor, arith, math and scf beside ours, against
numpy in float64: the examples of docs/ir-input.md, every function of math, loops that carry
tensors, weights from safetensors and from quantised blocks of GGUF, and a decoder with an op more
than its model."""

import math
import pathlib
import subprocess
import sys
import tempfile

import gguf
import numpy as np
from support import ROOT, Failed, Report, lathe, shown

sys.path.insert(0, str(ROOT / "test" / "Tools" / "inputs"))
import tiny_gguf
import tiny_safetensors

EXAMPLES = ROOT / "examples" / "mlir"
# Relative to the largest value of an array.
F32_BOUND = 1e-5
INT8_BOUND = 2e-2
RANDOM = np.random.default_rng(7)


def normal(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def execute(folder, program, inputs, outputs, *flags):
    """`lathe exec`; the answer is the arrays that it wrote, in the order of `outputs`."""
    command = [lathe(), "exec", str(program), *flags]
    for name, values in inputs.items():
        np.save(folder / f"in-{name}.npy", values)
        command += ["-i", f"{name}={folder}/in-{name}.npy"]
    for name in outputs:
        command += ["-o", f"{name}={folder}/out-{name}.npy"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise Failed(f"'{shown(command)}' ended with {result.returncode}: {result.stderr.strip()}")
    return [np.load(folder / f"out-{name}.npy") for name in outputs]


def distance(found, expected):
    if found.shape != expected.shape:
        raise Failed(f"found shape {found.shape}, expected {expected.shape}")
    return np.abs(found - expected).max() / np.abs(expected).max()


def hold(report, name, found, expected, bound=F32_BOUND):
    far = distance(found, expected)
    report.case(name, far <= bound, f"{far:.1e} of the largest, at most {bound:.0e}")


def same_bits(report, name, folder, program, inputs, outputs, *flags):
    """With one thread, two and three, compiled anew and from the cache."""
    runs = [execute(folder, program, inputs, outputs, *flags, "-t", str(t)) for t in (1, 2, 3)]
    runs.append(execute(folder, program, inputs, outputs, *flags, "--no-cache"))
    same = all(a.tobytes() == b.tobytes() for run in runs for a, b in zip(runs[0], run))
    report.case(f"{name}: the same bits with 1, 2 and 3 threads, and from the cache", same)


# ---- the examples of the documentation ----


def mlp(x, weights):
    """examples/mlir/mlp.mlir."""
    x, w = x.astype(np.float64), {k: v.astype(np.float64) for k, v in weights.items()}
    n = x / np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-5) * w["norm"]
    h = np.maximum(n @ w["gate"].T, 0) ** 2 * (n @ w["up"].T)
    return x + h @ w["down"]


MLP_SHAPES = {"norm": (16,), "gate": (32, 16), "up": (32, 16), "down": (32, 16)}


def check_mlp(report, folder):
    types = {"norm": "F32", "gate": "F32", "up": "BF16", "down": "F32"}
    values = {name: normal(*shape) for name, shape in MLP_SHAPES.items()}
    tensors = {f"mlp.{name}": (types[name], values[name]) for name in values}
    tiny_safetensors.write(folder / "mlp.safetensors", tensors)
    raw = {name: tiny_safetensors.encode(types[name], values[name]) for name in values}
    stored = {
        name: tiny_safetensors.decode(types[name], raw[name], MLP_SHAPES[name]) for name in values
    }
    program = folder / "mlp.mlir"
    program.write_text((EXAMPLES / "mlp.mlir").read_text())
    for rows in (1, 3, 70):
        x = normal(rows, 16)
        [y] = execute(folder, program, {"x": x}, ["y"], "--precision", "f32")
        hold(report, f"gated block, safetensors, {rows} rows", y, mlp(x, stored))
    [one] = execute(folder, program, {"x": x[:1]}, ["y"], "--precision", "f32")
    report.case("gated block: a row has the same bits alone", one.tobytes() == y[:1].tobytes())
    same_bits(report, "gated block", folder, program, {"x": x}, ["y"], "--precision", "f32")


def check_mlp_gguf(report, folder):
    """The same block with quantised weights of 64 channels, from GGUF."""
    text = (EXAMPLES / "mlp.mlir").read_text().replace(' in "mlp.safetensors"', "")
    shapes = {"norm": (64,), "gate": (128, 64), "up": (128, 64), "down": (128, 64)}
    x = normal(9, 64)
    for format in ("q4_0", "q8_0", "q5_1"):
        kind, _, encode = tiny_gguf.FORMATS[format]
        file, stored = tiny_gguf.GGUF(), {}
        for name, shape in shapes.items():
            values = normal(*shape) / 4
            number, raw = 0, values.tobytes()
            if name in ("gate", "up"):
                number, raw = kind, encode(values).tobytes()
                blocks = np.frombuffer(raw, np.uint8).reshape(shape[0], -1)
                values = gguf.dequantize(blocks, gguf.GGMLQuantizationType(number))
            stored[name] = values
            file.tensors.append(tiny_gguf.Tensor(f"mlp.{name}", list(shape[::-1]), number, raw))
        (folder / "mlp.gguf").write_bytes(file.write())
        program = folder / f"mlp-{format}.mlir"
        wide = text.replace("32x16x", "128x64x").replace("x32xf32", "x128xf32")
        wide = wide.replace("x16xf32", "x64xf32").replace("<16xf32", "<64xf32")
        for name in ("gate", "up"):
            wide = "\n".join(
                line.replace("128x64xbf16", f"128x64x!lathe.{format}").replace(
                    "128x64xf32", f"128x64x!lathe.{format}"
                )
                if f"%{name}" in line or f"@{name}" in line
                else line
                for line in wide.split("\n")
            )
        program.write_text(wide)
        for precision, bound in (("f32", F32_BOUND), ("int8", INT8_BOUND)):
            flags = ["--weights", str(folder / "mlp.gguf"), "--precision", precision]
            [y] = execute(folder, program, {"x": x}, ["y"], *flags)
            hold(report, f"gated block, GGUF {format}, {precision}", y, mlp(x, stored), bound)


def check_mixer(report, folder):
    decay = normal(16)
    tiny_safetensors.write(folder / "mixer.safetensors", {"mixer.decay": ("F16", decay)})
    program = folder / "mixer.mlir"
    program.write_text((EXAMPLES / "mixer.mlir").read_text())
    x, state = normal(33, 16), normal(16)
    factor = 1 / (1 + np.exp(-decay.astype(np.float16).astype(np.float64)))
    expected, s = [], state.astype(np.float64)
    for row in x.astype(np.float64):
        s = s * factor + row
        expected.append(s)
    y, after = execute(folder, program, {"x": x, "state": state}, ["y", "next"])
    hold(report, "mixer with scf.for: rows", y, np.array(expected))
    hold(report, "mixer with scf.for: state", after, s)
    first, half = execute(folder, program, {"x": x[:20], "state": state}, ["y", "next"])
    second, last = execute(folder, program, {"x": x[20:], "state": half}, ["y", "next"])
    whole = np.concatenate([first, second])
    report.case("mixer in two parts: the same bits", whole.tobytes() == y.tobytes())
    report.case("mixer in two parts: the same state", last.tobytes() == after.tobytes())
    same_bits(report, "mixer", folder, program, {"x": x, "state": state}, ["y", "next"])


# ---- op by op ----

FUNCTIONS = {
    "absf": np.abs, "ceil": np.ceil, "cos": np.cos, "exp": np.exp, "expm1": np.expm1,
    "floor": np.floor, "roundeven": np.rint, "sin": np.sin, "tanh": np.tanh, "trunc": np.trunc,
}  # fmt: skip
POSITIVE = {
    "log": np.log, "log1p": np.log1p, "log2": np.log2, "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
}  # fmt: skip


erf = np.vectorize(math.erf)


def check_math(report, folder):
    x = np.linspace(-6, 6, 5 * 33, dtype=np.float32).reshape(5, 33)
    positive = np.abs(x) + np.float32(0.01)
    cases = {**FUNCTIONS, **POSITIVE, "erf": erf}
    results = ", ".join(f'tensor<?x33xf32> {{lathe.name = "{name}"}}' for name in cases)
    types = ", ".join(["tensor<?x33xf32>"] * len(cases))
    lines = [
        f"  %{name} = math.{name} %{'p' if name in POSITIVE else 'x'} : tensor<?x33xf32>"
        for name in cases
    ]
    program = folder / "math.mlir"
    program.write_text(
        'func.func @main(%x: tensor<?x33xf32> {lathe.name = "x"}, '
        '%p: tensor<?x33xf32> {lathe.name = "p"}) '
        f"-> ({results}) {{\n" + "\n".join(lines)
        + "\n  return " + ", ".join(f"%{name}" for name in cases) + f" : {types}\n}}\n"
    )  # fmt: skip
    found = execute(folder, program, {"x": x, "p": positive}, list(cases))
    for (name, function), values in zip(cases.items(), found):
        source = positive if name in POSITIVE else x
        hold(report, f"math.{name}", values, function(source.astype(np.float64)), 1e-6)


LOOPS = """
func.func @main(%x: tensor<?x8xf32> {lathe.name = "x"}, %w: tensor<8x8xf32> {lathe.name = "w"})
    -> (tensor<?x8xf32> {lathe.name = "power"}, tensor<?x8xf32> {lathe.name = "swapped"},
        tensor<?x8xf32> {lathe.name = "max"}, tensor<?x10xf32> {lathe.name = "padded"},
        tensor<8xf32> {lathe.name = "sum"}, tensor<?x8xf32> {lathe.name = "same"}) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %zero = arith.constant 0.0 : f32
  %low = arith.constant 0xFF800000 : f32
  %rows = tensor.dim %x, %c0 : tensor<?x8xf32>

  // x w^3: each round reads all of what it writes.
  %power = scf.for %i = %c0 to %c3 step %c1 iter_args(%a = %x) -> tensor<?x8xf32> {
    %e = tensor.empty(%rows) : tensor<?x8xf32>
    %z = linalg.fill ins(%zero : f32) outs(%e : tensor<?x8xf32>) -> tensor<?x8xf32>
    %m = linalg.matmul ins(%a, %w : tensor<?x8xf32>, tensor<8x8xf32>)
        outs(%z : tensor<?x8xf32>) -> tensor<?x8xf32>
    scf.yield %m : tensor<?x8xf32>
  }
  // Three times two tensors change places: a, b = b + 1, a.
  %one = arith.constant dense<1.0> : tensor<8xf32>
  %e1 = tensor.empty(%rows) : tensor<?x8xf32>
  %ones = linalg.broadcast ins(%one : tensor<8xf32>) outs(%e1 : tensor<?x8xf32>) dimensions = [0]
  %swapped, %other = scf.for %i = %c0 to %c3 step %c1 iter_args(%a = %x, %b = %power)
      -> (tensor<?x8xf32>, tensor<?x8xf32>) {
    %more = arith.addf %b, %ones : tensor<?x8xf32>
    scf.yield %more, %a : tensor<?x8xf32>, tensor<?x8xf32>
  }
  // x less the greatest of its row.
  %e2 = tensor.empty(%rows) : tensor<?xf32>
  %lows = linalg.fill ins(%low : f32) outs(%e2 : tensor<?xf32>) -> tensor<?xf32>
  %max = linalg.reduce ins(%x : tensor<?x8xf32>) outs(%lows : tensor<?xf32>) dimensions = [1]
    (%in: f32, %acc: f32) {
      %m = arith.maximumf %in, %acc : f32
      linalg.yield %m : f32
    }
  %e3 = tensor.empty(%rows) : tensor<?x8xf32>
  %wide = linalg.broadcast ins(%max : tensor<?xf32>) outs(%e3 : tensor<?x8xf32>) dimensions = [1]
  %less = arith.subf %x, %wide : tensor<?x8xf32>
  %padded = tensor.pad %x low[0, 1] high[0, 1] {
  ^bb0(%r: index, %c: index):
    tensor.yield %zero : f32
  } : tensor<?x8xf32> to tensor<?x10xf32>
  // Over all rows, which one worker does.
  %e4 = tensor.empty() : tensor<8xf32>
  %zs = linalg.fill ins(%zero : f32) outs(%e4 : tensor<8xf32>) -> tensor<8xf32>
  %sum = linalg.reduce ins(%x : tensor<?x8xf32>) outs(%zs : tensor<8xf32>) dimensions = [0]
    (%in: f32, %acc: f32) {
      %s = arith.addf %in, %acc : f32
      linalg.yield %s : f32
    }
  return %power, %swapped, %less, %padded, %sum, %x : tensor<?x8xf32>, tensor<?x8xf32>,
    tensor<?x8xf32>, tensor<?x10xf32>, tensor<8xf32>, tensor<?x8xf32>
}
"""


def check_loops(report, folder):
    program = folder / "loops.mlir"
    program.write_text(LOOPS)
    x, w = normal(21, 8), normal(8, 8) / 2
    names = ["power", "swapped", "max", "padded", "sum", "same"]
    found = execute(folder, program, {"x": x, "w": w}, names)
    wide, a, b = x.astype(np.float64), x.astype(np.float64), None
    power = wide @ np.linalg.matrix_power(w.astype(np.float64), 3)
    b = power
    for _ in range(3):
        a, b = b + 1, a
    padded = np.pad(wide, ((0, 0), (1, 1)))
    expected = [power, a, wide - wide.max(1, keepdims=True), padded, wide.sum(0), wide]
    for name, values, right in zip(names, found, expected):
        hold(report, f"loops and reductions: {name}", values, right)
    same_bits(report, "loops and reductions", folder, program, {"x": x, "w": w}, names)


# ---- a decoder with an op more than its model ----

SOFTCAP = """
  %cap = arith.constant dense<4.0> : tensor<WIDTHxf32>
  %capzero = arith.constant 0 : index
  %caprows = tensor.dim LOGITS, %capzero : tensor<?xWIDTHxf32>
  %capempty = tensor.empty(%caprows) : tensor<?xWIDTHxf32>
  %caps = linalg.broadcast ins(%cap : tensor<WIDTHxf32>) outs(%capempty : tensor<?xWIDTHxf32>)
      dimensions = [0]
  %capscaled = arith.divf LOGITS, %caps : tensor<?xWIDTHxf32>
  %captanh = math.tanh %capscaled : tensor<?xWIDTHxf32>
  %capped = arith.mulf %captanh, %caps : tensor<?xWIDTHxf32>
"""


def run_logits(model, out, *flags):
    command = [lathe(), "logits", str(model), *flags, "-o", str(out)]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise Failed(f"'{shown(command)}' ended with {result.returncode}: {result.stderr.strip()}")
    return np.load(out)


def check_decoder(report, folder):
    model, program = folder / "tiny.gguf", folder / "softcap.mlir"
    model.write_bytes(tiny_gguf.tiny_model().write())
    command = [lathe(), "compile", str(model), "--emit", "mlir:import", "-o", str(program)]
    subprocess.run(command, check=True)
    lines = program.read_text().splitlines()
    last = next(i for i, line in enumerate(lines) if line.strip().startswith("return"))
    logits = lines[last].split()[1].rstrip(",")
    width = lines[last].split("tensor<?x")[1].split("xf32")[0]
    extra = SOFTCAP.replace("LOGITS", logits).replace("WIDTH", width)
    lines[last] = extra + lines[last].replace(logits, "%capped", 1)
    program.write_text("\n".join(lines) + "\n")
    tokens = ["--tokens", " ".join(str(i % 50) for i in range(1, 20)), "--precision", "f32"]
    plain = run_logits(model, folder / "plain.npy", *tokens)
    capped = run_logits(program, folder / "capped.npy", "--weights", str(model), *tokens)
    hold(report, "decoder with a soft cap", capped, 4 * np.tanh(plain.astype(np.float64) / 4))
    chunks = run_logits(
        program, folder / "chunks.npy", "--weights", str(model), *tokens, "--chunk", "1", "-t", "1"
    )
    report.case("decoder with a soft cap: chunks of 1", chunks.tobytes() == capped.tobytes())


# ---- choices of experts that no router made ----

EXPERTS = """
lathe.weights @w : tensor<3x32x32xf32> from "experts" in "experts.safetensors"
func.func @main(%x: tensor<?x32xf32> {lathe.name = "x"}, %l: tensor<?x3xf32> {lathe.name = "l"})
    -> (tensor<?x64xf32> {lathe.name = "y"}) {
  %w = lathe.weight @w : tensor<3x32x32xf32>
  %c, %s = lathe.route %l : tensor<?x3xf32> -> tensor<?x2xi32>, tensor<?x2xf32>
  %other = arith.OP %c, %c : tensor<?x2xi32>
  %y = lathe.expert_linear %x, %w by %other
      : tensor<?x32xf32>, tensor<3x32x32xf32>, tensor<?x2xi32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
"""


def check_choices(report, folder):
    """Numbers of no expert are taken as the last one's, so that no weight beyond is read."""
    weights = normal(3, 32, 32)
    tiny_safetensors.write(folder / "experts.safetensors", {"experts": ("F32", weights)})
    operations = {"addi": lambda c: c + c, "shli": lambda c: c << c, "muli": lambda c: c * c}
    for name, operation in operations.items():
        program = folder / f"experts-{name}.mlir"
        program.write_text(EXPERTS.replace("OP", name))
        for rows in (1, 9):
            x, logits = normal(rows, 32), normal(rows, 3)
            choice = np.minimum(operation(np.argsort(-logits, axis=1)[:, :2]), 2)
            expected = np.einsum("rk,rjnk->rjn", x, weights[choice]).reshape(rows, 64)
            [y] = execute(folder, program, {"x": x, "l": logits}, ["y"], "--precision", "f32")
            hold(report, f"choices by arith.{name}, {rows} rows", y, expected)


def main():
    report = Report("ir_input")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        checks = (check_mlp, check_mlp_gguf, check_mixer, check_math, check_loops, check_decoder)
        for check in (*checks, check_choices):
            report.attempt(check.__name__, check, report, folder)
    report.exit()


if __name__ == "__main__":
    main()
