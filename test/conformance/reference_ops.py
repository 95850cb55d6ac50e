#!/usr/bin/env python3
"""Every op's reference meaning against NumPy.

For each op and several shapes: a small function is written, `lathe-reference` runs its reference
program on random arrays, and the answer is compared with a formula written here, from the op's
description, in float64 where rounding is not the point.
"""

import math
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy

from reference_experts import experts, function, normal
from rounding import STORED, activation_multiples, bf16, softmax, through
from support import ROOT, Failed, Report

TOLERANCE = 2e-6


def tool():
    return os.environ.get("LATHE_REFERENCE") or str(ROOT / "build" / "bin" / "lathe-reference")


def run_reference(source, inputs, results):
    """The results of function @f of `source`."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "f.mlir").write_text(source)
        paths = []
        for index, array in enumerate(inputs):
            paths.append(str(folder / f"in{index}.npy"))
            numpy.save(paths[-1], numpy.ascontiguousarray(array))
        command = [tool(), str(folder / "f.mlir"), "f", str(folder / "out"), *paths]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        except OSError as error:
            raise Failed(f"cannot start {command[0]}: {error.strerror}") from None
        if done.returncode != 0:
            raise Failed(f"lathe-reference ended with {done.returncode}: {done.stderr.strip()}")
        return [numpy.load(folder / f"out{index}.npy") for index in range(results)]


def distance(found, expected):
    """The largest difference, relative to the largest expected value."""
    if found.shape != expected.shape:
        raise Failed(f"found shape {found.shape}, expected {expected.shape}")
    if expected.size == 0:
        return 0.0
    largest = numpy.abs(expected).max()
    return float(numpy.abs(found.astype(numpy.float64) - expected).max() / max(largest, 1e-30))


class Rows:
    """Rows of three sequences at different positions, shuffled."""

    def __init__(self, random, count, vocabulary=11, sequences=3, capacity=12):
        self.sequences, self.capacity = sequences, capacity
        places = random.permutation(sequences * capacity)[:count]
        self.token = random.integers(0, vocabulary, count).astype(numpy.int32)
        self.position = (places % capacity).astype(numpy.int32)
        self.sequence = (places // capacity).astype(numpy.int32)
        wanted = random.random(count) < 0.5
        self.logits_row = numpy.flatnonzero(wanted).astype(numpy.int32)
        self.runs = numpy.ones(8, numpy.int32)  # Of the layers.
        self.exit_at = numpy.full(8, numpy.inf, numpy.float32)
        self.widths = numpy.zeros(8, numpy.int32)

    def arrays(self):
        rows = [self.token, self.position, self.sequence, self.logits_row]
        return [*rows, self.runs, self.exit_at, self.widths]


#
# One function per op.  Each gives (name, source, inputs, expected results, tolerance) per case.
#


def embed(random):
    for rows, width, scale, element in ((1, 8, 1.0, "f32"), (7, 32, 5.65, "!lathe.q8_0")):
        r, table = Rows(random, rows), normal(random, 11, width)
        attributes = "" if scale == 1.0 else f" {{scale = {scale} : f32}}"
        source = function(
            f"%r: !lathe.rows, %t: tensor<11x{width}x{element}>",
            f"tensor<?x{width}xf32>",
            f"  %0 = lathe.embed %r, %t{attributes} : tensor<11x{width}x{element}> -> tensor<?x{width}xf32>\n"
            f"  return %0 : tensor<?x{width}xf32>",
        )
        yield f"{rows}x{width}", source, [*r.arrays(), table], [scale * table[r.token]], TOLERANCE


def select_logits(random):
    for rows in (1, 9):
        r, x = Rows(random, rows), normal(random, rows, 16)
        source = function(
            "%x: tensor<?x16xf32>, %r: !lathe.rows",
            "tensor<?x16xf32>",
            "  %0 = lathe.select_logits %x, %r : tensor<?x16xf32>\n  return %0 : tensor<?x16xf32>",
        )
        yield f"{rows} rows", source, [x, *r.arrays()], [x[r.logits_row]], 0


def rms_norm(random):
    for shape, kind in (((1, 64), "?x64"), ((5, 24), "?x24"), ((3, 4, 16), "?x4x16")):
        x, weight, eps = normal(random, *shape), normal(random, shape[-1]), 1e-2
        wide = x.astype(numpy.float64)
        expected = wide / numpy.sqrt((wide**2).mean(-1, keepdims=True) + eps) * weight
        kind, vector = f"tensor<{kind}xf32>", f"tensor<{shape[-1]}xf32>"
        source = function(
            f"%x: {kind}, %w: {vector}",
            kind,
            f"  %0 = lathe.rms_norm %x, %w {{eps = {eps} : f32}} : {kind}, {vector}\n  return %0 : {kind}",
        )
        yield str(shape), source, [x, weight], [expected], TOLERANCE


def quantize_q8(random):
    x = normal(random, 4, 96)
    x[1, 32:64] = 0
    x[2, :32] *= 1e-3
    expected = activation_multiples(x.reshape(4, 3, 32), 127).reshape(4, 96)
    source = function(
        "%x: tensor<?x96xf32>",
        "tensor<?x96x!lathe.q8_act>",
        "  %0 = lathe.quantize %x : tensor<?x96xf32> -> tensor<?x96x!lathe.q8_act>\n"
        "  return %0 : tensor<?x96x!lathe.q8_act>",
    )
    yield "q8_act", source, [x], [expected], 0


def quantize_bf16(random):
    x = normal(random, 5, 40)
    x[0, 0], x[0, 1] = 0, 1 + 2**-8  # a tie, which goes to the even mantissa
    expected = bf16(x)
    source = function(
        "%x: tensor<?x40xf32>",
        "tensor<?x40xbf16>",
        "  %0 = lathe.quantize %x : tensor<?x40xf32> -> tensor<?x40xbf16>\n"
        "  return %0 : tensor<?x40xbf16>",
    )
    yield "bf16", source, [x], [expected], 0


def rope_table(random):
    for pairs, base, factors, stretch in (
        (8, 1e4, None, 1.0),
        (4, 5e5, [1.0, 2.0, 4.0, 8.0], 1.0),
        (6, 1e6, None, 8.0),
    ):
        r = Rows(random, 6)
        frequency = base ** (-2.0 * numpy.arange(pairs) / (2 * pairs))
        if factors:
            frequency /= factors
        angle = r.position[:, None] * frequency / stretch
        expected = numpy.stack([numpy.cos(angle), numpy.sin(angle)], -1)
        listed = f", factors = array<f32: {', '.join(map(str, factors))}>" if factors else ""
        listed += f", stretch = {stretch} : f32" if stretch != 1 else ""
        source = function(
            "%r: !lathe.rows",
            f"tensor<?x{pairs}x2xf32>",
            f"  %0 = lathe.rope_table %r {{base = {base:e} : f64{listed}}} : tensor<?x{pairs}x2xf32>\n"
            f"  return %0 : tensor<?x{pairs}x2xf32>",
        )
        yield f"{pairs} pairs", source, r.arrays(), [expected], TOLERANCE


def linear(random):
    for rows, n, k, left, right in (
        (1, 5, 32, "f32", "f32"),
        (6, 48, 64, "f32", "!lathe.q4_1"),
        (3, 7, 96, "bf16", "bf16"),
        (4, 32, 32, "!lathe.q8_act", "!lathe.q8_0"),
        (3, 5, 512, "!lathe.q8_act", "!lathe.q6_k"),
    ):
        x, w = normal(random, rows, k), normal(random, n, k)
        x_type, w_type = f"tensor<?x{k}x{left}>", f"tensor<{n}x{k}x{right}>"
        source = function(
            f"%x: {x_type}, %w: {w_type}",
            f"tensor<?x{n}xf32>",
            f"  %0 = lathe.linear %x, %w : {x_type}, {w_type} -> tensor<?x{n}xf32>\n"
            f"  return %0 : tensor<?x{n}xf32>",
        )
        expected = x.astype(numpy.float64) @ w.T.astype(numpy.float64)
        yield f"{rows}x{n}x{k} {left}", source, [x, w], [expected], TOLERANCE


def widths(random):
    """Outputs behind the width of layer 1 are 0, and inputs behind it do not count."""
    x, up, down = normal(random, 3, 24), normal(random, 96, 24), normal(random, 8, 96)
    rows = Rows(random, 3)
    source = function(
        "%x: tensor<?x24xf32>, %u: tensor<96x24xf32>, %d: tensor<8x96xf32>, %r: !lathe.rows",
        "(tensor<?x96xf32>, tensor<?x8xf32>)",
        "  %i = arith.constant 1 : index\n  %w = lathe.width %r[%i] of 96 by 32\n"
        "  %0 = lathe.linear %x, %u to %w : tensor<?x24xf32>, tensor<96x24xf32> -> tensor<?x96xf32>\n"
        "  %1 = lathe.linear %x, %u : tensor<?x24xf32>, tensor<96x24xf32> -> tensor<?x96xf32>\n"
        "  %2 = lathe.linear %1, %d of %w : tensor<?x96xf32>, tensor<8x96xf32> -> tensor<?x8xf32>\n"
        "  return %0, %2 : tensor<?x96xf32>, tensor<?x8xf32>",
    )
    for width in (32, 64, 96):
        rows.widths = numpy.array([0, width], numpy.int32)
        neurons = x.astype(numpy.float64) @ up.T
        leading = neurons * (numpy.arange(96) < width)
        yield f"{width} of 96", source, [x, up, down, *rows.arrays()], [leading, leading @ down.T], TOLERANCE


def heads_views(random):
    x = normal(random, 5, 24)
    flat, split = "tensor<?x24xf32>", "tensor<?x3x8xf32>"
    source = function(
        f"%x: {flat}",
        split,
        f"  %0 = lathe.split_heads %x : {flat} -> {split}\n  return %0 : {split}",
    )
    yield "split", source, [x], [x.reshape(5, 3, 8)], 0
    source = function(
        f"%x: {split}",
        flat,
        f"  %0 = lathe.merge_heads %x : {split} -> {flat}\n  return %0 : {flat}",
    )
    yield "merge", source, [x.reshape(5, 3, 8)], [x], 0


def rope(random):
    for layout, dim, pairs in (("interleaved", 8, 4), ("half", 8, 4), ("interleaved", 10, 3), ("half", 10, 3)):
        x, angle = normal(random, 4, 2, dim), random.uniform(-3, 3, (4, pairs))
        table = numpy.stack([numpy.cos(angle), numpy.sin(angle)], -1).astype(numpy.float32)
        first = numpy.arange(pairs) * (2 if layout == "interleaved" else 1)
        second = first + (1 if layout == "interleaved" else pairs)
        turned = (x[..., first] + 1j * x[..., second]) * numpy.exp(1j * angle)[:, None]
        expected = x.astype(numpy.float64)
        expected[..., first], expected[..., second] = turned.real, turned.imag
        x_type, t_type = f"tensor<?x2x{dim}xf32>", f"tensor<?x{pairs}x2xf32>"
        source = function(
            f"%x: {x_type}, %t: {t_type}",
            x_type,
            f"  %0 = lathe.rope %x, %t {layout} : {x_type}, {t_type}\n  return %0 : {x_type}",
        )
        yield f"{layout} {pairs} of {dim}", source, [x, table], [expected], TOLERANCE


def kv_append(random):
    for name, form in STORED.items():
        stored = {"int8": "i8"}.get(name, name)
        r = Rows(random, 7)
        keys, values = (normal(random, 3, r.sequences, r.capacity, 2, 40) for _ in range(2))
        key, value = normal(random, 7, 2, 40), normal(random, 7, 2, 40)
        # Every 32 elements have a scale of their own, and what is all zeros stays so.
        key[0, 0], value[0, 1], key[3, 1, :32] = 0, 0, 1e-3 * key[3, 1, :32]
        expected = [keys.copy(), values.copy()]
        for row in range(7):
            place = (1, r.sequence[row], r.position[row])
            expected[0][place], expected[1][place] = (through(form, x[row]) for x in (key, value))
        cache, new = f"!lathe.kv<3 x 2 x 40 x {stored}>", "tensor<?x2x40xf32>"
        source = function(
            f"%c: {cache}, %k: {new}, %v: {new}, %r: !lathe.rows",
            cache,
            "  %i = arith.constant 1 : index\n"
            f"  %0 = lathe.kv_append %c[%i], %k, %v at %r : {cache}, {new}\n  return %0 : {cache}",
        )
        yield stored, source, [keys, values, key, value, *r.arrays()], expected, 0


def attend(query, keys, values, rows, scale, window, rounding):
    """In float64, one row and head at a time; `keys` and `values` are of one layer."""
    result = numpy.zeros(query.shape)
    group = query.shape[1] // keys.shape[2]
    query = through(rounding, query)
    for row, (sequence, position) in enumerate(zip(rows.sequence, rows.position)):
        first = max(0, position - window + 1) if window else 0
        seen = slice(0, position + 1)
        for head in range(query.shape[1]):
            k = keys[sequence, seen, head // group].astype(numpy.float64)
            v = values[sequence, seen, head // group].astype(numpy.float64)
            scores = scale * (k @ query[row, head])
            scores[:first] = -numpy.inf
            result[row, head] = softmax(scores, rounding) @ v
    return result


# Rows, heads, heads of the cache, their size, the window, positions and the type that products
# are of.  Some of many positions are past a split.
ATTENTIONS = (
    (6, 4, 2, 8, None, 12, None),
    (1, 3, 3, 16, None, 12, None),
    (9, 6, 1, 4, 3, 12, None),
    (9, 4, 2, 8, None, 12, "bf16"),
    (9, 2, 1, 16, None, 600, "bf16"),
    (9, 2, 2, 16, 100, 600, "bf16"),
)
# One of the exponentials may be rounded the other way.
ROUNDED_TOLERANCE = 2e-5


def attention(random):
    for rows, heads, kv_heads, dim, window, capacity, precision in ATTENTIONS:
        r = Rows(random, rows, capacity=capacity)
        query = normal(random, rows, heads, dim)
        keys, values = (normal(random, 2, r.sequences, r.capacity, kv_heads, dim) for _ in range(2))
        stored = precision or "f32"
        if precision:
            keys, values = bf16(keys), bf16(values)
        expected = attend(query, keys[1], values[1], r, 0.5, window, bf16 if precision else None)
        # What no row may see must not matter, whatever it is.
        ahead = numpy.full((r.sequences, r.capacity), True)
        for sequence, position in zip(r.sequence, r.position):
            ahead[sequence, : position + 1] = False
        keys[1, ahead], values[1, ahead] = numpy.nan, numpy.inf
        q_type, cache = f"tensor<?x{heads}x{dim}xf32>", f"!lathe.kv<2 x {kv_heads} x {dim} x {stored}>"
        more = f", window = {window} : i64" if window else ""
        more += f", precision_type = {precision}" if precision else ""
        source = function(
            f"%q: {q_type}, %c: {cache}, %r: !lathe.rows",
            q_type,
            "  %i = arith.constant 1 : index\n"
            f"  %0 = lathe.attention %q, %c[%i] at %r {{scale = 5.0e-01 : f32{more}}} : {q_type}, {cache}\n"
            f"  return %0 : {q_type}",
        )
        name = f"{heads} on {kv_heads} heads" + (f", window {window}" if window else "")
        name += f", {precision}, {capacity} positions" if precision else ""
        tolerance = ROUNDED_TOLERANCE if precision else TOLERANCE
        yield name, source, [query, keys, values, *r.arrays()], [expected], tolerance


class Texts:
    """Rows of whole texts, one behind the other."""

    def __init__(self, random, lengths, vocabulary=11):
        rows = sum(lengths)
        self.token = random.integers(0, vocabulary, rows).astype(numpy.int32)
        self.position = numpy.concatenate([numpy.arange(n) for n in lengths]).astype(numpy.int32)
        self.sequence = numpy.repeat(numpy.arange(len(lengths)), lengths).astype(numpy.int32)
        ends = numpy.cumsum(lengths)
        self.slices = [slice(end - n, end) for n, end in zip(lengths, ends)]
        # The first row, a row in the middle and the last of each text.
        wanted = [(s.start, (s.start + s.stop) // 2, s.stop - 1) for s in self.slices]
        self.logits_row = numpy.unique(numpy.concatenate(wanted)).astype(numpy.int32)
        self.runs = numpy.ones(8, numpy.int32)  # Of the layers.
        self.exit_at = numpy.full(8, numpy.inf, numpy.float32)
        self.widths = numpy.zeros(8, numpy.int32)

    def arrays(self):
        rows = [self.token, self.position, self.sequence, self.logits_row]
        return [*rows, self.runs, self.exit_at, self.widths]


LENGTHS = ((1,), (5, 1, 3), (2, 9))


def embed_position(random):
    for lengths in LENGTHS:
        r, table = Texts(random, lengths), normal(random, 9, 16)
        for op, expected in (("position", table[r.position]), ("segment", table[0 * r.position])):
            source = function(
                "%r: !lathe.rows, %t: tensor<9x16xf32>",
                "tensor<?x16xf32>",
                f"  %0 = lathe.embed_{op} %r, %t : tensor<9x16xf32> -> tensor<?x16xf32>\n"
                "  return %0 : tensor<?x16xf32>",
            )
            yield f"{op} of {lengths}", source, [*r.arrays(), table], [expected], 0


def layer_norm(random):
    for rows, width in ((1, 64), (5, 24)):
        x, weight, bias = 3 + normal(random, rows, width), normal(random, width), normal(random, width)
        wide, eps = x.astype(numpy.float64), 1e-2
        centred = wide - wide.mean(-1, keepdims=True)
        expected = centred / numpy.sqrt((centred**2).mean(-1, keepdims=True) + eps) * weight + bias
        kind, vector = f"tensor<?x{width}xf32>", f"tensor<{width}xf32>"
        source = function(
            f"%x: {kind}, %w: {vector}, %b: {vector}",
            kind,
            f"  %0 = lathe.layer_norm %x, %w, %b {{eps = {eps} : f32}} : {kind}, {vector}\n"
            f"  return %0 : {kind}",
        )
        yield f"{rows}x{width}", source, [x, weight, bias], [expected], TOLERANCE


def pool(random):
    for lengths in LENGTHS:
        r = Texts(random, lengths)
        x = normal(random, sum(lengths), 16)
        starts = r.logits_row - r.position[r.logits_row]
        wide = x.astype(numpy.float64)
        expected = [wide[first : last + 1].mean(0) for first, last in zip(starts, r.logits_row)]
        source = function(
            "%x: tensor<?x16xf32>, %r: !lathe.rows",
            "tensor<?x16xf32>",
            "  %0 = lathe.pool %x, %r : tensor<?x16xf32>\n  return %0 : tensor<?x16xf32>",
        )
        yield str(lengths), source, [x, *r.arrays()], [numpy.stack(expected)], TOLERANCE


def self_attention(random):
    for lengths, heads, dim in ((LENGTHS[0], 2, 8), (LENGTHS[1], 3, 5), (LENGTHS[2], 1, 16)):
        r, width = Texts(random, lengths), heads * dim
        query, key, value = (normal(random, sum(lengths), width) for _ in range(3))
        expected = numpy.zeros((sum(lengths), width))
        for text in r.slices:
            for head in range(heads):
                part = (text, slice(head * dim, (head + 1) * dim))
                q, k, v = (each[part].astype(numpy.float64) for each in (query, key, value))
                weights = numpy.exp(0.5 * q @ k.T)
                expected[part] = weights / weights.sum(-1, keepdims=True) @ v
        kind = f"tensor<?x{width}xf32>"
        source = function(
            f"%q: {kind}, %k: {kind}, %v: {kind}, %r: !lathe.rows",
            kind,
            f"  %0 = lathe.self_attention %q, %k, %v at %r {{heads = {heads}, scale = 5.0e-01 : f32}}"
            f" : {kind}\n  return %0 : {kind}",
        )
        yield f"{heads} heads, {lengths}", source, [query, key, value, *r.arrays()], [expected], TOLERANCE


def elementwise(random):
    x, y, row = 3 * normal(random, 4, 12), normal(random, 4, 12), normal(random, 12)
    wide, kind = x.astype(numpy.float64), "tensor<?x12xf32>"
    inner = numpy.sqrt(2 / numpy.pi) * (wide + 0.044715 * wide**3)
    gelu = 0.5 * wide * (1 + numpy.tanh(inner))
    exact = 0.5 * wide * (1 + numpy.vectorize(math.erf)(wide / math.sqrt(2)))
    for name, operands, types, inputs, expected, tolerance in (
        ("gelu", "%x", kind, [x], exact, TOLERANCE),
        ("gelu_tanh", "%x", kind, [x], gelu, TOLERANCE),
        ("silu", "%x", kind, [x], wide / (1 + numpy.exp(-wide)), TOLERANCE),
        ("add", "%x, %y", kind, [x, y], x + y, 0),
        ("mul", "%x, %y", kind, [x, y], x * y, 0),
        ("bias", "%x, %y", f"{kind}, tensor<12xf32>", [x, row], x + row, 0),
    ):
        second = "tensor<12xf32>" if name == "bias" else kind
        arguments = f"%x: {kind}" + (f", %y: {second}" if len(inputs) == 2 else "")
        source = function(
            arguments, kind, f"  %0 = lathe.{name} {operands} : {types}\n  return %0 : {kind}"
        )
        yield name, source, inputs, [expected], tolerance


WEIGHTS = """\
lathe.weights @norm : tensor<8xf32> from "norm"
lathe.weights @some : [1, 3] x tensor<8x8xf32> from "blk.{}.some"
lathe.weights @rest : [0, 2] x tensor<8x8xbf16> from "blk.{}.rest"
lathe.weights @bias : 4 x tensor<8xf32> from "blk.{}.bias"
"""


def weights_and_layers(random):
    """Two bodies, weights declared for some layers only, and a group."""
    kind = "tensor<?x8xf32>"
    body = """\
    %w = lathe.weight @{name}[%i] : tensor<8x8x{element}>
    %b = lathe.weight @bias[%i] : tensor<8xf32>
    %p = lathe.group "g" -> tensor<?x8xf32> {{
      %l = lathe.linear %h, %w : tensor<?x8xf32>, tensor<8x8x{element}> -> tensor<?x8xf32>
      %a = lathe.bias %l, %b : tensor<?x8xf32>, tensor<8xf32>
      lathe.yield %a : tensor<?x8xf32>
    }}
    lathe.yield %p : tensor<?x8xf32>
"""
    x, norm, bias = normal(random, 3, 8), normal(random, 8), normal(random, 4, 8)
    some, rest = normal(random, 2, 8, 8), normal(random, 2, 8, 8)
    rows = Rows(random, 3)
    rows.runs = numpy.array([1, 0, 1, 1], numpy.int32)
    choices = {
        "two bodies": ("", {0, 1, 2, 3}),
        "layers that rows leave out": ("at %rows", {0, 2, 3}),
        "layers that never run": ("", {0, 1}),
        "both": ("at %rows", {0, 3}),
    }
    for name, (at, kept) in choices.items():
        skip = f"skip {sorted({0, 1, 2, 3} - kept)}" if kept in ({0, 1}, {0, 3}) else ""
        loop = (
            f"  %0 = lathe.layers %i = 0 to 4 (%h = %x) {at} select [1, 0, 1, 0] {skip} : {kind} {{\n"
            + body.format(name="some", element="f32")
            + "  }, {\n"
            + body.format(name="rest", element="bf16")
            + "  }\n  %n = lathe.weight @norm : tensor<8xf32>\n"
            f"  %1 = lathe.bias %0, %n : {kind}, tensor<8xf32>\n  return %1 : {kind}"
        )
        expected = x.astype(numpy.float64)
        for layer in sorted(kept):
            matrix = (some if layer % 2 else rest)[layer // 2]
            expected = expected @ matrix.T + bias[layer]
        source = WEIGHTS + function(f"%x: {kind}, %rows: !lathe.rows", kind, loop)
        inputs = [x, *rows.arrays(), norm, some, rest, bias]
        yield name, source, inputs, [expected + norm], TOLERANCE


def confidence(random):
    kind, vector = "tensor<?x24xf32>", "tensor<24xf32>"
    x, weight, bias = normal(random, 5, 24), normal(random, 24), normal(random, 1)
    source = function(
        f"%x: {kind}, %w: {vector}, %b: tensor<1xf32>",
        "tensor<?x1xf32>",
        f"  %0 = lathe.logistic %x, %w, %b : {kind}, {vector}, tensor<1xf32>\n"
        "  return %0 : tensor<?x1xf32>",
    )
    expected = 1 / (1 + numpy.exp(-(x.astype(numpy.float64) @ weight + bias)))
    yield "logistic", source, [x, weight, bias], [expected[:, None]], TOLERANCE
    x[1, 3] = x[1, 17] = 9  # Two are the greatest.
    greatest = numpy.sort(x)[:, -2:]
    source = function(
        f"%x: {kind}",
        "tensor<?x1xf32>",
        f"  %0 = lathe.margin %x : {kind}\n  return %0 : tensor<?x1xf32>",
    )
    yield "margin", source, [x], [greatest[:, 1:] - greatest[:, :1]], 0


def exits(random):
    """Layers 1 and 2 have an exit, which shows its own rows, and the rest adds 100."""
    kind = "tensor<?x4xf32>"
    loop = (
        f"  %0 = lathe.layers %i = 0 to 4 (%h = %x) at %rows select [0, 1, 1, 0] REST : {kind} {{\n"
        f"    %y = lathe.add %h, %h : {kind}\n    lathe.yield %y : {kind}\n  }}, {{\n"
        f"    %y = lathe.add %h, %h : {kind}\n    %p = lathe.margin %y : {kind}\n"
        f"    %z = lathe.mul %y, %y : {kind}\n    lathe.yield %y until %p leaving %z : {kind}\n"
        f"  }}BODY\n  return %0 : {kind}"
    )
    rest = f", {{\n    %y = lathe.add %h, %a : {kind}\n    lathe.yield %y : {kind}\n  }}"
    x, more = numpy.array([[1, 4, 2, 3]], numpy.float32), numpy.full((1, 4), 100, numpy.float32)
    never, always = numpy.inf, -numpy.inf
    # Behind layer 1 the margin is 4, and behind layer 2 it is 8.
    for name, exit_at, runs, layer in (
        ("never", [never] * 4, [1] * 4, 3),
        ("sure at layer 1", [never, 3, 3, never], [1] * 4, 1),
        ("just sure", [never, 4, 4, never], [1] * 4, 1),
        ("sure at layer 2", [never, 5, 5, never], [1] * 4, 2),
        ("never sure", [never, 9, 9, never], [1] * 4, 3),
        ("forced", [never, never, always, never], [1] * 4, 2),
        ("layers without an exit", [always, never, never, always], [1] * 4, 3),
        ("a layer that is left out", [never, always, never, never], [1, 0, 1, 1], 3),
        ("no layer behind it runs", [never, always, never, never], [1, 1, 1, 0], 1),
    ):
        for with_rest in (False, True):
            rows = Rows(random, 1)
            rows.runs, rows.exit_at = numpy.array(runs, numpy.int32), numpy.float32(exit_at)
            text = loop.replace("REST", "rest [2, 2, 2, 2]" if with_rest else "")
            text = text.replace("BODY", rest if with_rest else "")
            expected = x * 2.0 ** sum(runs[: layer + 1])
            if layer < 3:
                expected = expected**2 + 100 * with_rest * sum(runs[layer + 1 :])
            source = function(f"%x: {kind}, %a: {kind}, %rows: !lathe.rows", kind, text)
            title = name + (", with a rest" if with_rest else "")
            yield title, source, [x, more, *rows.arrays()], [expected], 0


OPS = {
    "embed": embed,
    "select_logits": select_logits,
    "rms_norm": rms_norm,
    "quantize": quantize_q8,
    "quantize_bf16": quantize_bf16,
    "rope_table": rope_table,
    "linear": linear,
    "heads": heads_views,
    "rope": rope,
    "kv_append": kv_append,
    "attention": attention,
    "embed_position": embed_position,
    "layer_norm": layer_norm,
    "pool": pool,
    "self_attention": self_attention,
    "elementwise": elementwise,
    "weights_and_layers": weights_and_layers,
    "confidence": confidence,
    "exits": exits,
    "experts": experts,
    "widths": widths,
}


def check(report, op, case):
    name, source, inputs, expected, tolerance = case
    found = run_reference(source, inputs, len(expected))
    worst = max(distance(*pair) for pair in zip(found, expected))
    report.case(f"{op}: {name}", worst <= tolerance, f"relative difference {worst:.2e}, allowed {tolerance:g}")


def main():
    report = Report("reference-ops")
    if not os.path.isfile(tool()):
        report.skip("all", f"{tool()} is not built (a build without the compiler has none)")
        report.exit()
    random = numpy.random.default_rng(20240607)
    for op, cases in OPS.items():
        for case in cases(random):
            report.attempt(f"{op}: {case[0]}", lambda: check(report, op, case))
    report.exit()


if __name__ == "__main__":
    sys.exit(main())
