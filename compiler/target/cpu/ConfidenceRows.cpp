//===- ConfidenceRows.cpp - How sure a row is -----------------------------===//

#include "compiler/target/cpu/RowEmitter.h"
#include "compiler/target/cpu/VectorMath.h"

#include <limits>
#include <tuple>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

/// A row of `bytes` bytes times a weight, `lanes` elements at a time, and a bias.
static void emitLogisticOf(KernelBuilder &k, int64_t lanes, ValueRange arguments) {
  Value from = arguments[0], to = arguments[1], weight = arguments[2], bias = arguments[3];
  VectorType type = k.vec(k.f32(), lanes);
  Value sum = k.forLoop(k.constant(0), arguments[4], lanes * 4, {k.splat(0.0f, lanes)},
                        [&](Value offset, ValueRange carried) -> SmallVector<Value> {
                          Value x = k.load(type, k.at(from, offset));
                          return {k.fma(x, k.load(type, k.at(weight, offset)), carried[0])};
                        })[0];
  Value logit = k.addf(k.reduceAdd(sum), k.load(k.f32(), bias));
  Value odds = k.extract(emitExp(k, k.broadcast(k.subf(k.floatConstant(0.0f), logit))), 0);
  Value one = k.floatConstant(1.0f);
  k.store(k.divf(one, k.addf(one, odds)), to);
}

static void emitLogistic(PhaseContext &c, Operation *op, Value row, int64_t rows) {
  KernelBuilder &k = c.k;
  auto logistic = cast<ir::LogisticOp>(op);
  int64_t elements = ir::dimOf(logistic.getWeight(), 0), lanes = commonLanes({elements});
  Value arguments[] = {c.rowPointer(logistic.getInput(), row, rows),
                       c.rowPointer(logistic.getResult(), row, rows),
                       c.weightPointer(logistic.getWeight()), c.weightPointer(logistic.getBias()),
                       k.constant(elements * 4)};
  c.callShared("row.logistic." + std::to_string(lanes), arguments,
               [&](KernelBuilder &inside, ValueRange own) { emitLogisticOf(inside, lanes, own); });
}

/// Each lane keeps its two greatest; then all lanes are gone through.
static void emitMarginOf(KernelBuilder &k, int64_t lanes, ValueRange arguments) {
  Value from = arguments[0], to = arguments[1];
  VectorType type = k.vec(k.f32(), lanes);
  constexpr float least = -std::numeric_limits<float>::infinity();
  auto smaller = [&](Value a, Value b) {
    return k.select(k.compare(arith::CmpFPredicate::OLT, a, b), a, b);
  };
  // The two greatest of `x` and two others, of which the first is not less.
  auto merge = [&](Value x, Value first, Value second) {
    return std::pair(k.maxf(first, x), k.maxf(second, smaller(first, x)));
  };
  Value empty = k.splat(least, lanes);
  SmallVector<Value> found =
      k.forLoop(k.constant(0), arguments[2], lanes * 4, {empty, empty},
                [&](Value offset, ValueRange carried) -> SmallVector<Value> {
                  auto [first, second] =
                      merge(k.load(type, k.at(from, offset)), carried[0], carried[1]);
                  return {first, second};
                });
  Value first = k.floatConstant(least), second = first;
  for (Value list : found)
    for (int64_t lane = 0; lane < lanes; ++lane)
      std::tie(first, second) = merge(k.extract(list, lane), first, second);
  k.store(k.subf(first, second), to);
}

static void emitMargin(PhaseContext &c, Operation *op, Value row, int64_t rows) {
  KernelBuilder &k = c.k;
  auto margin = cast<ir::MarginOp>(op);
  int64_t elements = ir::dimOf(margin.getInput(), 1), lanes = commonLanes({elements});
  Value arguments[] = {c.rowPointer(margin.getInput(), row, rows),
                       c.rowPointer(margin.getResult(), row, rows), k.constant(elements * 4)};
  c.callShared("row.margin." + std::to_string(lanes), arguments,
               [&](KernelBuilder &inside, ValueRange own) { emitMarginOf(inside, lanes, own); });
}

static RowEmitterRegistration logistic(ir::LogisticOp::getOperationName(), emitLogistic);
static RowEmitterRegistration margin(ir::MarginOp::getOperationName(), emitMargin);
