//===- ExpertRows.cpp - Which experts a row has, and what they give --------===//

#include "compiler/target/cpu/RowEmitter.h"
#include "compiler/target/cpu/VectorMath.h"

#include <limits>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

//===----------------------------------------------------------------------===//
// route
//===----------------------------------------------------------------------===//

/// The greatest logit behind `before`, which is expert `last`'s, and whose it is.
static SmallVector<Value> findNext(KernelBuilder &k, Value logits, Value experts, Value before,
                                   Value last) {
  Value least = k.floatConstant(-std::numeric_limits<float>::infinity());
  auto both = [&](Value a, Value c) -> Value {
    return arith::AndIOp::create(k.builder(), k.getLoc(), a, c);
  };
  auto either = [&](Value a, Value c) -> Value {
    return arith::OrIOp::create(k.builder(), k.getLoc(), a, c);
  };
  // None is found as long as the number is that of no expert.
  return k.forLoop(k.constant(0), experts, 1, {least, k.constant(-1)},
                   [&](Value e, ValueRange found) -> SmallVector<Value> {
                     Value x = k.maxf(k.load(k.f32(), k.at(logits, k.mul(e, 4))), least);
                     Value equal = k.compare(arith::CmpFPredicate::OEQ, x, before);
                     Value behind = either(k.compare(arith::CmpFPredicate::OLT, x, before),
                                           both(equal, k.less(last, e)));
                     Value better = either(k.less(found[1], k.constant(0)),
                                           k.compare(arith::CmpFPredicate::OGT, x, found[0]));
                     Value takes = both(behind, better);
                     return {k.select(takes, x, found[0]), k.select(takes, e, found[1])};
                   });
}

/// A row of logits; its choice as i32 and its shares, which hold the logits first.
static void emitRouteOf(KernelBuilder &k, ValueRange arguments) {
  Value logits = arguments[0], choice = arguments[1], share = arguments[2];
  Value experts = arguments[3], chosen = arguments[4], zero = k.constant(0);
  Value most = k.floatConstant(std::numeric_limits<float>::infinity());
  k.forLoop(zero, chosen, 1, {most, k.constant(-1)},
            [&](Value j, ValueRange before) -> SmallVector<Value> {
              SmallVector<Value> found = findNext(k, logits, experts, before[0], before[1]);
              Value number = arith::TruncIOp::create(k.builder(), k.getLoc(), k.i32(), found[1]);
              k.store(number, k.at(choice, k.mul(j, 4)));
              k.store(found[0], k.at(share, k.mul(j, 4)));
              return found;
            });
  Value top = k.load(k.f32(), share);
  Value total = k.forLoop(zero, chosen, 1, {k.floatConstant(0.0f)},
                          [&](Value j, ValueRange sum) -> SmallVector<Value> {
                            Value place = k.at(share, k.mul(j, 4));
                            Value below = k.subf(k.load(k.f32(), place), top);
                            Value power = k.extract(emitExp(k, k.broadcast(below)), 0);
                            k.store(power, place);
                            return {k.addf(sum[0], power)};
                          })[0];
  k.forLoop(zero, chosen, 1, [&](Value j) {
    Value place = k.at(share, k.mul(j, 4));
    k.store(k.divf(k.load(k.f32(), place), total), place);
  });
}

static void emitRoute(PhaseContext &c, Operation *op, Value row, int64_t rows) {
  KernelBuilder &k = c.k;
  auto route = cast<ir::RouteOp>(op);
  Value arguments[] = {
      c.rowPointer(route.getLogits(), row, rows), c.rowPointer(route.getChoice(), row, rows),
      c.rowPointer(route.getShare(), row, rows), k.constant(ir::dimOf(route.getLogits(), 1)),
      k.constant(ir::dimOf(route.getChoice(), 1))};
  c.callShared("row.route", arguments, emitRouteOf);
}

//===----------------------------------------------------------------------===//
// mix
//===----------------------------------------------------------------------===//

static void emitMix(PhaseContext &c, Operation *op, Value row, int64_t rows) {
  KernelBuilder &k = c.k;
  auto mix = cast<ir::MixOp>(op);
  int64_t width = ir::dimOf(mix.getResult(), 1), lanes = commonLanes({width});
  Value input = c.rowPointer(mix.getInput(), row, rows);
  Value share = c.rowPointer(mix.getShare(), row, rows);
  Value output = c.rowPointer(mix.getResult(), row, rows);
  Value experts = k.constant(ir::dimOf(mix.getShare(), 1));
  VectorType type = k.vec(k.f32(), lanes);
  k.forLoop(k.constant(0), k.constant(width * 4), lanes * 4, [&](Value offset) {
    Value sum = k.forLoop(k.constant(0), experts, 1, {k.splat(0.0f, lanes)},
                          [&](Value j, ValueRange carried) -> SmallVector<Value> {
                            Value own = k.at(k.at(input, k.mul(j, width * 4)), offset);
                            Value factor = k.loadSplat(k.at(share, k.mul(j, 4)), lanes);
                            return {k.fma(factor, k.load(type, own), carried[0])};
                          })[0];
    k.store(sum, k.at(output, offset));
  });
}

static RowEmitterRegistration route(ir::RouteOp::getOperationName(), emitRoute);
static RowEmitterRegistration mix(ir::MixOp::getOperationName(), emitMix);
