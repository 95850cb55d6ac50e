//===- BlockQuantizer.cpp - Blocks of 32 elements to int8 ------------------===//
//
// What is done with few lanes of one block is done with those of several at a time: folding all
// lanes of N vectors into N lanes of one takes N - 1 steps of two vectors, where each vector by
// itself would take one for every halving.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/BlockQuantizer.h"
#include "compiler/target/cpu/VectorMath.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {
using Fold = llvm::function_ref<Value(Value, Value)>;
} // namespace

/// Lanes [first, first + count), [first + 2 count, first + 3 count) and so on of some vectors.
static Value everyOther(KernelBuilder &k, ArrayRef<Value> vectors, int64_t count, int64_t first) {
  int64_t lanes = cast<VectorType>(vectors.front().getType()).getNumElements();
  SmallVector<int64_t> order;
  for (size_t vector = 0; vector < vectors.size(); ++vector)
    for (int64_t start = first; start < lanes; start += 2 * count)
      llvm::append_range(order, llvm::seq(vector * lanes + start, vector * lanes + start + count));
  return k.shuffle(vectors.front(), vectors.back(), order);
}

/// Folds lanes that lie `count` apart onto each other.  Two neighbouring vectors become one; a
/// single one, half of one.  Lanes keep their order.
static SmallVector<Value> foldLanes(KernelBuilder &k, ArrayRef<Value> vectors, int64_t count,
                                    Fold fold) {
  SmallVector<Value> folded;
  for (size_t first = 0; first < vectors.size(); first += 2) {
    ArrayRef<Value> taken = vectors.slice(first).take_front(2);
    folded.push_back(fold(everyOther(k, taken, count, 0), everyOther(k, taken, count, count)));
  }
  return folded;
}

/// The greatest size in each block: as many lanes as blocks.
static Value emitGreatest(KernelBuilder &k, ArrayRef<Value> elements) {
  auto fold = [&](Value a, Value b) { return k.maxf(a, b); };
  SmallVector<Value> sizes;
  for (size_t vector = 0; vector < elements.size(); vector += 2)
    sizes.push_back(k.maxf(emitAbs(k, elements[vector]), emitAbs(k, elements[vector + 1])));
  for (int64_t count = Lanes / 2; count > 0; count /= 2)
    sizes = foldLanes(k, sizes, count, fold);
  return sizes.front();
}

/// Units and then inverses of the scales, see IntegerScale, by one division.
static Value emitScales(KernelBuilder &k, Value greatest) {
  int64_t blocks = cast<VectorType>(greatest.getType()).getNumElements();
  SmallVector<int64_t> order = llvm::to_vector(llvm::seq<int64_t>(0, 2 * blocks));
  Value most = k.splat(127, blocks), zero = k.splat(0, 2 * blocks);
  Value divisors = k.shuffle(most, greatest, order);
  Value scales = k.divf(k.shuffle(greatest, most, order), divisors);
  return k.select(k.compare(arith::CmpFPredicate::OEQ, divisors, zero), zero, scales);
}

/// The integers of the elements: vectors of i32, stored as i8.
static SmallVector<Value> emitIntegers(KernelBuilder &k, ArrayRef<Value> elements, Value scales,
                                       ArrayRef<QuantizedPlace> places) {
  SmallVector<Value> integers;
  for (auto [index, place] : llvm::enumerate(places)) {
    SmallVector<int64_t> inverse(Lanes, places.size() + index);
    Value factor = k.shuffle(scales, scales, inverse);
    for (int64_t half : {0, 1}) {
      integers.push_back(emitNearestInt(k, k.mulf(elements[2 * index + half], factor)));
      k.store(arith::TruncIOp::create(k.builder(), k.getLoc(), k.vec(k.i8()), integers.back()),
              k.at(place.data, half * Lanes));
    }
  }
  return integers;
}

static void emitSums(KernelBuilder &k, SmallVector<Value> sums, Value scales,
                     ArrayRef<QuantizedPlace> places) {
  auto fold = [&](Value a, Value b) { return k.add(a, b); };
  // Of neighbours k and k + 1, k % 4 being 0 or 2, of both halves.
  for (int64_t count : {8, 4, 1})
    sums = foldLanes(k, sums, count, fold);
  SmallVector<Value> totals = foldLanes(k, foldLanes(k, sums, 1, fold), 1, fold);
  auto blocks = static_cast<int64_t>(places.size());
  Value scaled = k.mulf(k.slice(scales, 0, blocks), k.toFloat(totals.front()));
  for (Value &vector : sums) {
    int64_t lanes = cast<VectorType>(vector.getType()).getNumElements();
    vector = arith::TruncIOp::create(k.builder(), k.getLoc(), k.vec(k.i16(), lanes), vector);
  }
  for (int64_t block = 0; block < blocks; ++block) {
    k.store(k.extract(scales, block), places[block].scale);
    k.store(k.extract(scaled, block), places[block].scaledSum);
    constexpr int64_t PerVector = Lanes / 4;
    Value own = k.slice(sums[block / PerVector], block % PerVector * 4, 4);
    k.store(own, places[block].sums);
  }
}

void lathe::compiler::emitQuantizeTogether(KernelBuilder &k, ArrayRef<Value> elements,
                                           ArrayRef<QuantizedPlace> places) {
  assert(elements.size() == 2 * places.size() && llvm::isPowerOf2_64(places.size()) &&
         static_cast<int64_t>(places.size()) <= Lanes / 2 && "as many as promised");
  Value scales = emitScales(k, emitGreatest(k, elements));
  emitSums(k, emitIntegers(k, elements, scales, places), scales, places);
}

QuantizedPlace QuantizedPlace::get(KernelBuilder &k, const Rows &rows, Value row, Value block) {
  // A row without memory of its own is row 0.
  Value own = rows.rowBytes ? row : k.constant(0);
  Value scale = k.add(k.mul(block, rows.scaleBlockBytes), k.mul(own, 4));
  Value data = k.add(k.mul(block, rows.blockBytes), k.mul(own, rows.rowBytes));
  return {k.at(rows.data, data), k.at(rows.scales, scale), k.at(rows.scaledSums, scale),
          k.at(rows.sums, k.mul(scale, BlockSums::Bytes / 4))};
}

/// Blocks of a row, as many at a time as are left.
static void emitRow(KernelBuilder &k, int64_t most, ValueRange a) {
  Value from = a[0], blocks = a[5];
  auto placeOf = [&](Value block) -> QuantizedPlace {
    Value offset = k.mul(block, a[7]);
    return {k.at(a[1], k.mul(block, a[6])), k.at(a[2], offset), k.at(a[3], offset),
            k.at(a[4], k.mul(offset, BlockSums::Bytes / 4))};
  };
  Value first = k.constant(0);
  // Few are left behind 8.
  SmallVector<int64_t> sizes{most};
  while (sizes.back() > 1)
    sizes.push_back(sizes.back() > 4 ? 2 : 1);
  for (int64_t together : sizes) {
    Value last = k.mul(k.div(blocks, together), together);
    k.forLoop(first, last, together, [&](Value block) {
      SmallVector<Value> elements;
      SmallVector<QuantizedPlace> places;
      for (int64_t part = 0; part < 2 * together; ++part)
        elements.push_back(k.load(k.vec(k.f32()), k.at(from, k.mul(block, 128), part * Lanes * 4)));
      for (int64_t number = 0; number < together; ++number)
        places.push_back(placeOf(k.add(block, number)));
      emitQuantizeTogether(k, elements, places);
    });
    first = last;
  }
}

void lathe::compiler::emitQuantizeBlocks(PhaseContext &c, Value from, const Rows &rows, Value row) {
  KernelBuilder &k = c.k;
  QuantizedPlace place = QuantizedPlace::get(k, rows, row, k.constant(0));
  Value arguments[] = {from,
                       place.data,
                       place.scale,
                       place.scaledSum,
                       place.sums,
                       k.constant(rows.elements / 32),
                       k.constant(rows.blockBytes),
                       k.constant(rows.scaleBlockBytes)};
  c.callShared("row.quantize", arguments, [&](KernelBuilder &inside, ValueRange own) {
    emitRow(inside, quantizedTogether(c.target), own);
  });
}
