//===- HeadScan.cpp - Functions that screen an output head -----------------===//

#include "compiler/target/cpu/HeadScan.h"
#include "compiler/target/cpu/VectorMath.h"

#include <limits>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static constexpr float Infinity = std::numeric_limits<float>::infinity();
static constexpr int64_t NoIndex = std::numeric_limits<int32_t>::max();

//===----------------------------------------------------------------------===//
// Norms and bounds
//===----------------------------------------------------------------------===//

Value lathe::compiler::emitBlockNorms(KernelBuilder &k, const HeadInput &input, int64_t blocks) {
  Value zero = k.floatConstant(0.0f);
  return k.forLoop(
      k.constant(0), k.constant(blocks), 1, zero,
      [&](Value block, ValueRange carried) -> SmallVector<Value> {
        Value data = k.at(input.rows.data, k.mul(block, input.rows.blockBytes)), squares;
        for (int64_t half : {0, 1}) {
          Value bytes = k.load(k.vec(k.i8()), k.at(data, 16 * half));
          Value wide = arith::ExtSIOp::create(k.builder(), k.getLoc(), k.vec(k.i32()), bytes);
          Value own = k.mul(wide, wide);
          squares = half ? k.add(squares, own) : own;
        }
        Value sum = arith::SIToFPOp::create(k.builder(), k.getLoc(), k.f32(), k.reduceAdd(squares));
        Value root = LLVM::SqrtOp::create(k.builder(), k.getLoc(), k.f32(), sum);
        Value scale =
            k.load(k.f32(), k.at(input.rows.scales, k.mul(block, input.rows.scaleBlockBytes)));
        Value norm = k.mulf(scale, root);
        k.store(norm, k.at(input.norms, k.mul(block, 4)));
        return {k.addf(carried[0], norm)};
      })[0];
}

namespace {

/// The code of a function that bounds the logits of a panel.
class BoundsTile {
public:
  BoundsTile(KernelBuilder &k, const CpuTarget &target, const WeightFormat &format, int64_t steps,
             ValueRange arguments)
      : k(k), target(target), dot(*target.int8Dot), format(format), coarse(*format.coarse()),
        weights(coarse.weights()), steps(k.constant(steps)), panel(arguments[0]),
        data(arguments[1]), scales(arguments[2]), scaledSums(arguments[3]), sums(arguments[4]),
        norms(arguments[5]) {}

  void emit(Value rows, Value bounds, Value maximum);

private:
  SmallVector<Value> emitBlock(Value index, ValueRange carried);
  Value emitProduct(const PanelBlock &block, int64_t group);

  KernelBuilder &k;
  const CpuTarget &target;
  const Int8Dot &dot;
  const WeightFormat &format;
  const CoarseFormat &coarse;
  Int8Weights weights;
  Value steps, panel, data, scales, scaledSums, sums, norms;
};

} // namespace

/// The integer products of the coarse weights of 16 rows.
Value BoundsTile::emitProduct(const PanelBlock &block, int64_t group) {
  int64_t sectionQuads = dot.sectionQuads(weights);
  Value row = k.at(data, k.mul(block.index, 32));
  Value rowSums = k.at(sums, k.mul(block.index, BlockSums::Bytes)), total;
  Int8Dot::Parts parts;
  coarse.unpackCoarse(k, block, group, [&](int64_t quad, Value weight) {
    int64_t section = quad / sectionQuads;
    if (quad % sectionQuads == 0)
      parts = dot.begin(k, weights, section, rowSums);
    parts = dot.step(k, weights, parts, dot.prepare(k, weights, weight), k.at(row, 4 * quad));
    if ((quad + 1) % sectionQuads != 0)
      return;
    Value part = dot.finish(k, weights, section, parts, {});
    total = total ? k.add(total, part) : part;
  });
  return total;
}

/// Carries the coarse sums of both groups, then the sums of norms.
SmallVector<Value> BoundsTile::emitBlock(Value index, ValueRange carried) {
  if (target.prefetchBytes > 0) {
    // The next panel, as a step reads of all parts of this one.
    Value next = k.mul(k.add(steps, index), format.stepBytes());
    k.prefetch(k.at(panel, k.add(next, format.frontBytes())), format.stepBytes());
  }
  PanelBlock block{panel, {}, panel, {}, steps, index};
  Value offset = k.mul(index, 4), norm = k.loadSplat(k.at(norms, offset));
  auto scaled = [&](Value numbers, float factor) {
    Value number = k.load(k.f32(), k.at(numbers, offset));
    return k.broadcast(k.mulf(number, k.floatConstant(factor)));
  };
  Value scale = scaled(scales, coarse.step()), scaledSum = scaled(scaledSums, coarse.centre());
  SmallVector<Value> next(carried.begin(), carried.end());
  for (int64_t group = 0; group < PanelGroups; ++group) {
    Value product = k.toFloat(emitProduct(block, group)), d = format.scale(k, block, group);
    Value &sum = next[group], &norms = next[PanelGroups + group];
    sum = k.fma(k.mulf(d, scale), product, sum);
    sum = k.fma(d, scaledSum, sum);
    norms = k.fma(emitAbs(k, d), norm, norms);
  }
  return next;
}

void BoundsTile::emit(Value rows, Value bounds, Value maximum) {
  // What is lost below the smallest normal number is less than where sums start.
  SmallVector<Value> inits(PanelGroups, k.splat(0x1p-110f));
  inits.append(PanelGroups, k.splat(0.0f));
  SmallVector<Value> found =
      k.forLoop(k.constant(0), steps, 1, inits,
                [&](Value index, ValueRange carried) { return emitBlock(index, carried); });
  Value count = k.broadcast(arith::TruncIOp::create(k.builder(), k.getLoc(), k.i32(), rows));
  for (int64_t group = 0; group < PanelGroups; ++group) {
    Value bound =
        k.fma(coarse.certificates(k, panel, group), found[PanelGroups + group], found[group]);
    SmallVector<Attribute> numbers;
    for (int64_t lane = 0; lane < Lanes; ++lane)
      numbers.push_back(k.builder().getI32IntegerAttr(group * Lanes + lane));
    Value lanes = arith::ConstantOp::create(k.builder(), k.getLoc(),
                                            DenseElementsAttr::get(k.vec(k.i32()), numbers));
    Value isThere =
        arith::CmpIOp::create(k.builder(), k.getLoc(), arith::CmpIPredicate::slt, lanes, count);
    k.store(k.select(isThere, bound, k.splat(-Infinity)), k.at(bounds, group * Lanes * 4));
  }
  k.store(emitMaximum(k, bounds), maximum);
}

void lathe::compiler::emitBounds(PhaseContext &c, const HeadInput &input, Value weight,
                                 const BoundsOperands &operands) {
  const WeightFormat &format = formatOf(weight);
  int64_t steps = panelSteps(weight);
  Value arguments[] = {operands.panel,        input.rows.data, input.rows.scales,
                       input.rows.scaledSums, input.rows.sums, input.norms,
                       operands.rows,         operands.bounds, operands.maximum};
  auto type = cast<RankedTensorType>(weight.getType());
  std::string name = "bounds." + std::string(ir::getBlockFormat(type.getElementType())->Name);
  // Where the parts of rows are is known then.
  name += "." + std::to_string(steps);
  c.callShared(name, arguments, [&](KernelBuilder &k, ValueRange a) {
    BoundsTile(k, c.target, format, steps, a).emit(a[6], a[7], a[8]);
  });
}

Value lathe::compiler::emitMaximum(KernelBuilder &k, Value bounds) {
  auto fold = [&](Value a, Value b) -> Value {
    return arith::MaximumFOp::create(k.builder(), k.getLoc(), a, b);
  };
  VectorType type = k.vec(k.f32());
  return k.reduce(fold(k.load(type, bounds), k.load(type, k.at(bounds, Lanes * 4))), fold);
}

//===----------------------------------------------------------------------===//
// Numbers in order
//===----------------------------------------------------------------------===//

/// The lanes of `vectors` vectors: of those behind (`value`, `index`) the greatest in each
/// lane, and their indices.
static SmallVector<Value> emitBestLanes(KernelBuilder &k, Value numbers, Value vectors, Value value,
                                        Value index) {
  SmallVector<Attribute> iota;
  for (int64_t lane = 0; lane < Lanes; ++lane)
    iota.push_back(k.builder().getI32IntegerAttr(lane));
  Value lanes = arith::ConstantOp::create(k.builder(), k.getLoc(),
                                          DenseElementsAttr::get(k.vec(k.i32()), iota));
  auto narrow = [&](Value wide) {
    return k.broadcast(arith::TruncIOp::create(k.builder(), k.getLoc(), k.i32(), wide));
  };
  Value last = k.broadcast(value), lastIndex = narrow(index);
  Value inits[] = {k.splat(-Infinity), k.splatInt(k.i32(), NoIndex)};
  return k.forLoop(
      k.constant(0), vectors, 1, inits,
      [&](Value vector, ValueRange carried) -> SmallVector<Value> {
        Value own = k.load(k.vec(k.f32()), k.at(numbers, k.mul(vector, Lanes * 4)));
        Value place = k.add(lanes, narrow(k.mul(vector, Lanes)));
        using arith::CmpFPredicate;
        Value behind = arith::CmpIOp::create(k.builder(), k.getLoc(), arith::CmpIPredicate::sgt,
                                             place, lastIndex);
        auto both = [&](Value a, Value b) -> Value {
          return arith::AndIOp::create(k.builder(), k.getLoc(), a, b);
        };
        Value follows =
            arith::OrIOp::create(k.builder(), k.getLoc(), k.compare(CmpFPredicate::OLT, own, last),
                                 both(k.compare(CmpFPredicate::OEQ, own, last), behind));
        Value better = both(follows, k.compare(CmpFPredicate::OGT, own, carried[0]));
        return {k.select(better, own, carried[0]), k.select(better, place, carried[1])};
      });
}

Found lathe::compiler::firstOfAll(KernelBuilder &k) {
  return {k.floatConstant(Infinity), k.constant(-1)};
}

Found lathe::compiler::emitNext(PhaseContext &c, Value numbers, Value vectors, const Found &last,
                                Value scratch) {
  Value arguments[] = {numbers, vectors, last.value, last.index, scratch};
  c.callShared("head.next", arguments, [](KernelBuilder &k, ValueRange a) {
    SmallVector<Value> best = emitBestLanes(k, a[0], a[1], a[2], a[3]);
    Value greatest = k.reduceMax(best[0]);
    Value equal = k.compare(arith::CmpFPredicate::OEQ, best[0], k.broadcast(greatest));
    Value places = k.select(equal, best[1], k.splatInt(k.i32(), NoIndex));
    Value lowest = k.reduce(places, [&](Value x, Value y) -> Value {
      return arith::MinSIOp::create(k.builder(), k.getLoc(), x, y);
    });
    k.store(greatest, a[4]);
    k.store(arith::ExtSIOp::create(k.builder(), k.getLoc(), k.i64(), lowest), k.at(a[4], 8));
  });
  return {c.k.load(c.k.f32(), scratch), c.k.load(c.k.i64(), c.k.at(scratch, 8))};
}
