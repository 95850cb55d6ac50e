//===- HeadScan.cpp - Functions that screen an output head -----------------===//

#include "compiler/target/cpu/HeadScan.h"
#include "compiler/target/cpu/VectorMath.h"

#include <limits>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static constexpr float Infinity = std::numeric_limits<float>::infinity();
/// Where sums of norms start: times a certificate it is more than what is lost below the
/// smallest normal number.
static constexpr float FirstNorm = 0x1p-99f;
static constexpr int64_t NoIndex = std::numeric_limits<int32_t>::max();

//===----------------------------------------------------------------------===//
// Norms and bounds
//===----------------------------------------------------------------------===//

Value lathe::compiler::emitBlockNorms(KernelBuilder &k, const HeadInput &input, Value row,
                                      int64_t blocks) {
  Value zero = k.floatConstant(0.0f), norms = k.at(input.norms, k.mul(row, 4 * blocks));
  Value first = k.at(input.rows.data, k.mul(row, input.rows.rowBytes));
  Value scales = k.at(input.rows.scales, k.mul(row, 4));
  return k.forLoop(
      k.constant(0), k.constant(blocks), 1, zero,
      [&](Value block, ValueRange carried) -> SmallVector<Value> {
        Value data = k.at(first, k.mul(block, input.rows.blockBytes)), squares;
        for (int64_t half : {0, 1}) {
          Value bytes = k.load(k.vec(k.i8()), k.at(data, 16 * half));
          Value wide = arith::ExtSIOp::create(k.builder(), k.getLoc(), k.vec(k.i32()), bytes);
          Value own = k.mul(wide, wide);
          squares = half ? k.add(squares, own) : own;
        }
        Value sum = arith::SIToFPOp::create(k.builder(), k.getLoc(), k.f32(), k.reduceAdd(squares));
        Value root = LLVM::SqrtOp::create(k.builder(), k.getLoc(), k.f32(), sum);
        Value scale = k.load(k.f32(), k.at(scales, k.mul(block, input.rows.scaleBlockBytes)));
        Value norm = k.mulf(scale, root);
        k.store(norm, k.at(norms, k.mul(block, 4)));
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
  SmallVector<Value> emitBlock(Value index, Value group, ValueRange carried);
  Value emitProduct(const PanelBlock &block);

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
Value BoundsTile::emitProduct(const PanelBlock &block) {
  int64_t sectionQuads = dot.sectionQuads(weights);
  Value row = k.at(data, k.mul(block.index, 32));
  Value rowSums = k.at(sums, k.mul(block.index, BlockSums::Bytes)), total;
  Int8Dot::Parts parts;
  coarse.unpackCoarse(k, block, [&](int64_t quad, Value weight) {
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

/// Carries the coarse sums of 16 rows and their sums of norms.
SmallVector<Value> BoundsTile::emitBlock(Value index, Value group, ValueRange carried) {
  if (target.prefetchBytes > 0) {
    // The next panel, as a step reads of all parts of this one; each group asks for a half.
    int64_t bytes = format.stepBytes() / PanelGroups;
    Value next = k.mul(k.add(k.mul(steps, k.add(group, PanelGroups)), index), bytes);
    k.prefetch(k.at(panel, k.add(next, format.frontBytes())), bytes);
  }
  PanelBlock block{panel, group, {}, panel, {}, steps, index};
  Value offset = k.mul(index, 4), norm = k.loadSplat(k.at(norms, offset));
  auto scaled = [&](Value numbers, float factor) {
    Value number = k.load(k.f32(), k.at(numbers, offset));
    return k.broadcast(k.mulf(number, k.floatConstant(factor)));
  };
  Value scale = scaled(scales, coarse.step()), scaledSum = scaled(scaledSums, coarse.centre());
  Value product = k.toFloat(emitProduct(block)), d = format.scale(k, block);
  Value sum = k.fma(k.mulf(d, scale), product, carried[0]);
  return {k.fma(d, scaledSum, sum), k.fma(emitAbs(k, d), norm, carried[1])};
}

/// 16 bounds, -infinity for rows that are not among the first `rows` (i64) of the panel.
static Value maskBounds(KernelBuilder &k, Value bounds, Value group, Value rows) {
  Value left = k.sub(rows, k.mul(group, Lanes));
  Value count = k.broadcast(arith::TruncIOp::create(k.builder(), k.getLoc(), k.i32(), left));
  SmallVector<Attribute> numbers;
  for (int64_t lane = 0; lane < Lanes; ++lane)
    numbers.push_back(k.builder().getI32IntegerAttr(lane));
  Value lanes = arith::ConstantOp::create(k.builder(), k.getLoc(),
                                          DenseElementsAttr::get(k.vec(k.i32()), numbers));
  Value isThere =
      arith::CmpIOp::create(k.builder(), k.getLoc(), arith::CmpIPredicate::slt, lanes, count);
  return k.select(isThere, bounds, k.splat(-Infinity));
}

/// One group after the other: bringing 16 rows together takes most registers.
void BoundsTile::emit(Value rows, Value bounds, Value maximum) {
  k.forLoop(k.constant(0), k.constant(PanelGroups), 1, [&](Value group) {
    Value inits[] = {k.splat(0.0f), k.splat(FirstNorm)};
    SmallVector<Value> found =
        k.forLoop(k.constant(0), steps, 1, inits, [&](Value index, ValueRange carried) {
          return emitBlock(index, group, carried);
        });
    Value bound = k.fma(coarse.certificates(k, panel, group), found[1], found[0]);
    k.store(maskBounds(k, bound, group, rows), k.at(bounds, k.mul(group, Lanes * 4)));
  });
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

namespace {

/// The code of a function that makes bounds of the coarse products of a panel with
/// several rows.
class RowBounds {
public:
  RowBounds(KernelBuilder &k, const WeightFormat &format, int64_t steps, const HeadInput &input,
            const RowBoundsOperands &operands)
      : k(k), format(format), steps(steps), input(input), operands(operands) {}

  void emit();

private:
  /// Rows whose sums are in registers together.
  static constexpr int64_t Together = 4;

  void emitRows(Value first, Value group);
  SmallVector<Value> emitNorms(ValueRange rows, Value group);

  KernelBuilder &k;
  const WeightFormat &format;
  int64_t steps;
  const HeadInput &input;
  const RowBoundsOperands &operands;
};

} // namespace

/// The sums of norms of 16 rows of the panel, for each of `rows`.
SmallVector<Value> RowBounds::emitNorms(ValueRange rows, Value group) {
  Value panel = operands.first.panel;
  SmallVector<Value> norms;
  for (Value row : rows)
    norms.push_back(k.at(input.norms, k.mul(row, 4 * steps)));
  SmallVector<Value> inits(rows.size(), k.splat(FirstNorm));
  return k.forLoop(k.constant(0), k.constant(steps), 1, inits,
                   [&](Value index, ValueRange carried) {
                     PanelBlock block{panel, group, {}, panel, {}, k.constant(steps), index};
                     Value d = emitAbs(k, format.scale(k, block));
                     SmallVector<Value> next;
                     for (auto [norm, sum] : llvm::zip(norms, carried))
                       next.push_back(k.fma(d, k.loadSplat(k.at(norm, k.mul(index, 4))), sum));
                     return next;
                   });
}

/// Of rows that are not there, the last one's are made again.
void RowBounds::emitRows(Value first, Value group) {
  SmallVector<Value> rows;
  for (int64_t row = 0; row < Together; ++row)
    rows.push_back(k.min(k.add(first, row), k.add(operands.inputRows, -1)));
  Value certificates = format.coarse()->certificates(k, operands.first.panel, group);
  for (auto [row, norms] : llvm::zip(rows, emitNorms(rows, group))) {
    auto place = [&](Value base, int64_t bytes) {
      return k.at(k.at(base, k.mul(row, bytes)), k.mul(group, Lanes * 4));
    };
    Value product = k.load(k.vec(k.f32()), place(operands.products, PanelRows * 4));
    Value bound = k.fma(certificates, norms, product);
    k.store(maskBounds(k, bound, group, operands.first.rows),
            place(operands.first.bounds, operands.boundsBytes));
  }
}

void RowBounds::emit() {
  k.forLoop(k.constant(0), operands.inputRows, Together, [&](Value first) {
    k.forLoop(k.constant(0), k.constant(PanelGroups), 1,
              [&](Value group) { emitRows(first, group); });
  });
  k.forLoop(k.constant(0), operands.inputRows, 1, [&](Value row) {
    Value bounds = k.at(operands.first.bounds, k.mul(row, operands.boundsBytes));
    k.store(emitMaximum(k, bounds),
            k.at(operands.first.maximum, k.mul(row, operands.maximumBytes)));
  });
}

void lathe::compiler::emitRowBounds(PhaseContext &c, const HeadInput &input, Value weight,
                                    const RowBoundsOperands &operands) {
  const WeightFormat &format = formatOf(weight);
  int64_t steps = panelSteps(weight);
  const BoundsOperands &first = operands.first;
  Value arguments[] = {first.panel,        first.rows,        first.bounds, first.maximum,
                       operands.inputRows, operands.products, input.norms};
  auto type = cast<RankedTensorType>(weight.getType());
  std::string name = "bounds.rows." + std::string(ir::getBlockFormat(type.getElementType())->Name);
  // Where the parts of rows and the bounds are is known then.
  name += "." + std::to_string(steps) + "." + std::to_string(operands.boundsBytes);
  c.callShared(name, arguments, [&](KernelBuilder &k, ValueRange a) {
    RowBoundsOperands inside = operands;
    inside.first = {a[0], a[1], a[2], a[3]};
    inside.inputRows = a[4], inside.products = a[5];
    HeadInput own = input;
    own.norms = a[6];
    RowBounds(k, format, steps, own, inside).emit();
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
