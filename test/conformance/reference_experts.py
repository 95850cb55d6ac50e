"""Cases of reference_ops.py for mixtures of experts, and the words that all cases share."""

import numpy


def normal(random, *shape):
    return random.standard_normal(shape).astype(numpy.float32)


def function(arguments, result, body):
    return f"func.func @f({arguments}) -> {result} {{\n{body}\n}}\n"


def experts(random):
    """A router, experts that read one input, others that each read their own, and their sum."""
    for rows, count, chosen, outputs, inputs in ((1, 4, 1, 32, 8), (9, 6, 3, 64, 24), (3, 2, 2, 32, 32)):
        logits, x = normal(random, rows, count), normal(random, rows, inputs)
        logits[0, -2:] = logits[0].max() + 1  # Of equals the first.
        if rows > 1:
            logits[1, 0] = numpy.nan
        up, down = normal(random, count, outputs, inputs), normal(random, count, 32, outputs)
        ranked = numpy.where(numpy.isnan(logits), -numpy.inf, logits).astype(numpy.float64)
        choice = numpy.argsort(-ranked, axis=1, kind="stable")[:, :chosen]
        power = numpy.exp(numpy.take_along_axis(ranked, choice, 1) - ranked.max(1, keepdims=True))
        share = power / power.sum(1, keepdims=True)
        hidden = numpy.einsum("rcok,rk->rco", up[choice].astype(numpy.float64), x)
        parts = numpy.einsum("rcok,rck->rco", down[choice], hidden)
        mixed = (share[:, :, None] * parts).sum(1)
        l, s, y = f"tensor<?x{count}xf32>", f"tensor<?x{chosen}xf32>", "tensor<?x32xf32>"
        c, k, h = f"tensor<?x{chosen}xi32>", f"tensor<?x{inputs}xf32>", f"tensor<?x{chosen * outputs}xf32>"
        p = f"tensor<?x{chosen * 32}xf32>"
        wu, wd = f"tensor<{count}x{outputs}x{inputs}xf32>", f"tensor<{count}x32x{outputs}xf32>"
        source = function(
            f"%l: {l}, %x: {k}, %wu: {wu}, %wd: {wd}",
            f"({s}, {h}, {y})",
            f"  %c, %s = lathe.route %l : {l} -> {c}, {s}\n"
            f"  %h = lathe.expert_linear %x, %wu by %c : {k}, {wu}, {c} -> {h}\n"
            f"  %p = lathe.expert_linear %h, %wd by %c : {h}, {wd}, {c} -> {p}\n"
            f"  %y = lathe.mix %p, %s : {p}, {s} -> {y}\n"
            f"  return %s, %h, %y : {s}, {h}, {y}",
        )
        expected = [share, hidden.reshape(rows, -1), mixed]
        name = f"{rows} rows, {chosen} of {count}"
        yield name, source, [logits, x, up, down], expected, 1e-5
