//===- EncoderRows.cpp - Row-wise ops of encoders --------------------------===//

#include "compiler/target/cpu/Epilogue.h"
#include "compiler/target/cpu/RowEmitter.h"
#include "compiler/target/cpu/VectorMath.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static void emitEmbedPosition(PhaseContext &c, Operation *op, Value row, int64_t rows) {
  auto embed = cast<ir::EmbedPositionOp>(op);
  emitTableRow(c, embed.getTable(), c.rowField(c.args.position, row),
               c.rowPointer(embed.getResult(), row, rows), 1.0f);
}

static void emitEmbedSegment(PhaseContext &c, Operation *op, Value row, int64_t rows) {
  auto embed = cast<ir::EmbedSegmentOp>(op);
  emitTableRow(c, embed.getTable(), c.k.constant(0), c.rowPointer(embed.getResult(), row, rows),
               1.0f);
}

//===----------------------------------------------------------------------===//
// layer_norm
//===----------------------------------------------------------------------===//

/// A row of `bytes` bytes, `lanes` elements at a time: its mean, then the squares
/// about the mean.
static void emitNormOf(KernelBuilder &k, int64_t lanes, ValueRange arguments) {
  Value from = arguments[0], to = arguments[1], weight = arguments[2], bias = arguments[3];
  Value bytes = arguments[4], elements = arguments[5], eps = arguments[6], zero = k.constant(0);
  VectorType type = k.vec(k.f32(), lanes);
  auto sumOf = [&](llvm::function_ref<Value(Value x, Value sum)> add) {
    return k.forLoop(zero, bytes, lanes * 4, {k.splat(0.0f, lanes)},
                     [&](Value offset, ValueRange carried) -> SmallVector<Value> {
                       return {add(k.load(type, k.at(from, offset)), carried[0])};
                     })[0];
  };
  Value total = k.reduceAdd(sumOf([&](Value x, Value sum) { return k.addf(x, sum); }));
  Value mean = k.broadcast(k.divf(total, elements), lanes);
  Value squares = sumOf([&](Value x, Value sum) {
    Value centred = k.subf(x, mean);
    return k.fma(centred, centred, sum);
  });
  Value factor = emitInverseRMS(k, squares, elements, eps);
  k.forLoop(zero, bytes, lanes * 4, [&](Value offset) {
    Value normal = k.mulf(k.subf(k.load(type, k.at(from, offset)), mean), factor);
    Value own = k.load(type, k.at(weight, offset)), shift = k.load(type, k.at(bias, offset));
    k.store(k.fma(normal, own, shift), k.at(to, offset));
  });
}

static void emitLayerNorm(PhaseContext &c, Operation *op, Value row, int64_t rows) {
  KernelBuilder &k = c.k;
  auto norm = cast<ir::LayerNormOp>(op);
  int64_t elements = ir::dimOf(norm.getWeight(), 0), lanes = commonLanes({elements});
  Value arguments[] = {c.rowPointer(norm.getInput(), row, rows),
                       c.rowPointer(norm.getResult(), row, rows),
                       c.weightPointer(norm.getWeight()),
                       c.weightPointer(norm.getBias()),
                       k.constant(elements * 4),
                       k.floatConstant(static_cast<float>(elements)),
                       k.floatConstant(norm.getEps().convertToFloat())};
  c.callShared("row.layer_norm." + std::to_string(lanes), arguments,
               [&](KernelBuilder &inside, ValueRange own) { emitNormOf(inside, lanes, own); });
}

//===----------------------------------------------------------------------===//
// pool
//===----------------------------------------------------------------------===//

static void emitPool(PhaseContext &c, Operation *op, Value row, int64_t rows) {
  KernelBuilder &k = c.k;
  auto pool = cast<ir::PoolOp>(op);
  int64_t elements = ir::dimOf(pool.getInput(), 1), lanes = commonLanes({elements});
  VectorType type = k.vec(k.f32(), lanes);
  Value wanted = c.rowField(c.args.logitsRow, row);
  Value first = k.sub(wanted, c.rowField(c.args.position, wanted)), end = k.add(wanted, 1);
  Value count = arith::SIToFPOp::create(k.builder(), k.getLoc(), k.f32(), k.sub(end, first));
  Value divisor = k.broadcast(count, lanes), to = c.rowPointer(pool.getResult(), row, rows);
  k.forLoop(k.constant(0), k.constant(elements * 4), lanes * 4, [&](Value offset) {
    Value sum = k.forLoop(first, end, 1, {k.splat(0.0f, lanes)},
                          [&](Value each, ValueRange carried) -> SmallVector<Value> {
                            Value from = c.rowPointer(pool.getInput(), each, rows);
                            return {k.addf(carried[0], k.load(type, k.at(from, offset)))};
                          })[0];
    k.store(k.divf(sum, divisor), k.at(to, offset));
  });
}

static RowEmitterRegistration position(ir::EmbedPositionOp::getOperationName(), emitEmbedPosition);
static RowEmitterRegistration segment(ir::EmbedSegmentOp::getOperationName(), emitEmbedSegment);
static RowEmitterRegistration layerNorm(ir::LayerNormOp::getOperationName(), emitLayerNorm);
static RowEmitterRegistration pool(ir::PoolOp::getOperationName(), emitPool);
