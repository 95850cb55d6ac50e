//===- Planes.cpp - Q8_0 with its high bits in front ------------------------===//
//
// Code for the layout that runtime/formats/blocks/Q8_0Planes.cpp packs.  Rows of
// nibbles are whole in memory, so that four k of 16 rows beside each other, which a
// dot product wants, are gathered when a block is unpacked.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/CoarseFormat.h"
#include "compiler/target/cpu/formats/QuantBits.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

constexpr int64_t CertificateBytes = 4 * PanelRows, ScaleBytes = 2 * PanelRows;
constexpr int64_t NibbleBytes = 16, BitBytes = 4, PairBytes = 8;

/// Part of 16 rows: what row 0 has of a block, and bytes from row to row (i64).
struct RowParts {
  Value first, stride;
};

class PlanesFormat final : public WeightFormat, public CoarseFormat {
public:
  explicit PlanesFormat(int64_t highBits) : highBits(highBits) {}

  int64_t blockElements() const override { return 32; }
  int64_t blockBytes() const override { return ScaleBytes + PanelRows * highBytes(); }
  int64_t frontBytes() const override { return CertificateBytes; }
  int64_t tailBytes() const override { return PanelRows * lowBytes(); }
  std::optional<Int8Weights> int8Weights() const override { return Int8Weights{128, 255}; }
  const CoarseFormat *coarse() const override { return this; }

  Value scale(KernelBuilder &k, const PanelBlock &block) const override;
  void unpackInt8(KernelBuilder &k, const PanelBlock &block,
                  llvm::function_ref<void(int64_t, Value)> use) const override;
  void unpack(KernelBuilder &k, const PanelBlock &block,
              llvm::function_ref<void(int64_t, Value)> use) const override;
  void gather(KernelBuilder &k, const PanelBlock &step, Value lane,
              Value destination) const override;

  Int8Weights weights() const override {
    return {int64_t(1) << (highBits - 1), (int64_t(1) << highBits) - 1};
  }
  float step() const override { return static_cast<float>(1 << lowBits()); }
  float centre() const override { return static_cast<float>((1 << lowBits()) - 1) / 2; }
  void unpackCoarse(KernelBuilder &k, const PanelBlock &block,
                    llvm::function_ref<void(int64_t, Value)> use) const override;
  Int8Weights restWeights() const override { return {0, (int64_t(1) << lowBits()) - 1}; }
  void unpackRest(KernelBuilder &k, const PanelBlock &block,
                  llvm::function_ref<void(int64_t, Value)> use) const override;
  Value certificates(KernelBuilder &k, Value panel, Value group) const override {
    return k.load(k.vec(k.f32()), k.at(panel, k.mul(group, Lanes * 4)));
  }
  void copyRow(KernelBuilder &k, const PanelPointers &from, Value lane, const PanelPointers &to,
               Value toLane, Value steps) const override;
  void prefetchRow(KernelBuilder &k, const PanelPointers &from, Value lane,
                   Value steps) const override;

private:
  bool hasFifth() const { return highBits == 5; }
  int64_t lowBits() const { return 8 - highBits; }
  int64_t highBytes() const { return NibbleBytes + (hasFifth() ? BitBytes : 0); }
  int64_t lowBytes() const { return hasFifth() ? PairBytes + BitBytes : NibbleBytes; }

  Value scalePlace(KernelBuilder &k, Value panel, Value lane, Value steps) const;
  Value fifthPlace(KernelBuilder &k, Value panel, Value lane, Value steps) const;
  Value highRow(KernelBuilder &k, Value panel, Value row, Value steps) const;
  Value lowRow(KernelBuilder &k, Value tail, Value row, Value steps) const;
  SmallVector<Value, 8> highQuads(KernelBuilder &k, const PanelBlock &block, int64_t up) const;
  SmallVector<Value, 8> lowQuads(KernelBuilder &k, const PanelBlock &block) const;

  int64_t highBits;
};

/// Two vectors of any length, one behind the other.
Value concatenate(KernelBuilder &k, Value a, Value b) {
  int64_t lanes = cast<VectorType>(a.getType()).getNumElements();
  return k.shuffle(a, b, llvm::to_vector(llvm::seq<int64_t>(0, 2 * lanes)));
}

/// In each four lanes `pick` of the eight that `a` and `b` have there.
Value mixFours(KernelBuilder &k, Value a, Value b, ArrayRef<int64_t> pick) {
  SmallVector<int64_t> mask;
  for (int64_t four = 0; four < Lanes; four += 4)
    for (int64_t lane : pick)
      mask.push_back(lane < 4 ? four + lane : Lanes + four + lane - 4);
  return k.shuffle(a, b, mask);
}

/// 16 bytes of each row as four vectors of quads of bytes of all 16.
SmallVector<Value, 4> loadNibbles(KernelBuilder &k, const RowParts &rows) {
  auto four = [&](int64_t row) {
    return k.load(k.vec(k.i32(), 4), k.at(rows.first, k.mul(rows.stride, row)));
  };
  Value w[4];
  for (int64_t i = 0; i < 4; ++i)
    w[i] = concatenate(k, concatenate(k, four(i), four(4 + i)),
                       concatenate(k, four(8 + i), four(12 + i)));
  Value low01 = mixFours(k, w[0], w[1], {0, 4, 1, 5}),
        high01 = mixFours(k, w[0], w[1], {2, 6, 3, 7});
  Value low23 = mixFours(k, w[2], w[3], {0, 4, 1, 5}),
        high23 = mixFours(k, w[2], w[3], {2, 6, 3, 7});
  return {mixFours(k, low01, low23, {0, 1, 4, 5}), mixFours(k, low01, low23, {2, 3, 6, 7}),
          mixFours(k, high01, high23, {0, 1, 4, 5}), mixFours(k, high01, high23, {2, 3, 6, 7})};
}

/// 4 bytes of each row of a tail.
Value loadBits(KernelBuilder &k, const RowParts &rows) {
  SmallVector<Value> words;
  for (int64_t row = 0; row < Lanes; ++row)
    words.push_back(k.load(k.i32(), k.at(rows.first, k.mul(rows.stride, row))));
  return vector::FromElementsOp::create(k.builder(), k.getLoc(), k.vec(k.i32()), words);
}

/// 8 bytes of each row as two vectors of quads of bytes of all 16.
SmallVector<Value, 2> loadPairs(KernelBuilder &k, const RowParts &rows) {
  SmallVector<Value> parts;
  for (int64_t row = 0; row < Lanes; ++row)
    parts.push_back(k.load(k.vec(k.i32(), 2), k.at(rows.first, k.mul(rows.stride, row))));
  while (parts.size() > 2) {
    SmallVector<Value> joined;
    for (size_t i = 0; i < parts.size(); i += 2)
      joined.push_back(concatenate(k, parts[i], parts[i + 1]));
    parts = joined;
  }
  SmallVector<int64_t> even, odd;
  for (int64_t lane = 0; lane < Lanes; ++lane) {
    even.push_back(2 * lane);
    odd.push_back(2 * lane + 1);
  }
  return {k.shuffle(parts[0], parts[1], even), k.shuffle(parts[0], parts[1], odd)};
}

Value join(KernelBuilder &k, Value a, Value b) {
  return arith::OrIOp::create(k.builder(), k.getLoc(), a, b);
}

Value dequantize(KernelBuilder &k, Value q, Value d) {
  int64_t lanes = cast<VectorType>(q.getType()).getNumElements();
  return k.mulf(k.subf(q, k.splat(128.0f, lanes)), d);
}

} // namespace

//===----------------------------------------------------------------------===//
// Places
//===----------------------------------------------------------------------===//

/// The scale of block 0 of a row; that of the next is 32 bytes on.
Value PlanesFormat::scalePlace(KernelBuilder &k, Value panel, Value lane, Value steps) const {
  Value half = k.mul(k.mul(k.div(lane, Lanes), steps), 2 * Lanes);
  return k.at(k.at(panel, k.add(half, k.mul(k.rem(lane, Lanes), 2))), CertificateBytes);
}

/// The fifth bits of block 0 of a row; those of the next are 64 bytes on.
Value PlanesFormat::fifthPlace(KernelBuilder &k, Value panel, Value lane, Value steps) const {
  Value half = k.mul(k.mul(k.div(lane, Lanes), steps), Lanes * BitBytes);
  Value place = k.add(half, k.mul(k.rem(lane, Lanes), BitBytes));
  return k.at(k.at(panel, k.add(place, k.mul(steps, ScaleBytes))), CertificateBytes);
}

Value PlanesFormat::highRow(KernelBuilder &k, Value panel, Value row, Value steps) const {
  int64_t before = ScaleBytes + (hasFifth() ? PanelRows * BitBytes : 0);
  Value offset = k.mul(steps, k.add(k.mul(row, NibbleBytes), before));
  return k.at(k.at(panel, offset), CertificateBytes);
}

Value PlanesFormat::lowRow(KernelBuilder &k, Value tail, Value row, Value steps) const {
  return k.at(tail, k.mul(steps, k.mul(row, lowBytes())));
}

//===----------------------------------------------------------------------===//
// Sixteen rows
//===----------------------------------------------------------------------===//

Value PlanesFormat::scale(KernelBuilder &k, const PanelBlock &block) const {
  Value blocks = k.add(k.mul(block.steps, block.group), block.index);
  return loadHalves(k, k.at(k.at(block.panel, CertificateBytes), k.mul(blocks, 2 * Lanes)));
}

/// The high bits of the 8 quads, with `up` zeros below, in words.
SmallVector<Value, 8> PlanesFormat::highQuads(KernelBuilder &k, const PanelBlock &block,
                                              int64_t up) const {
  Value row = highRow(k, block.panel, k.mul(block.group, Lanes), block.steps);
  SmallVector<Value, 4> nibbles =
      loadNibbles(k, {k.at(row, k.mul(block.index, NibbleBytes)), k.mul(block.steps, NibbleBytes)});
  Value fifth;
  if (hasFifth()) {
    Value first = fifthPlace(k, block.panel, k.mul(block.group, Lanes), block.steps);
    fifth = k.load(k.vec(k.i32()), k.at(first, k.mul(block.index, Lanes * BitBytes)));
  }
  SmallVector<Value, 8> quads;
  for (int64_t quad = 0; quad < 8; ++quad) {
    quads.push_back(shiftAndMaskBytes(k, nibbles[quad / 2], up - 4 * (quad % 2), 15 << up));
    if (fifth)
      quads.back() = join(k, quads.back(), shiftAndMaskBytes(k, fifth, up + 4 - quad, 16 << up));
  }
  return quads;
}

/// The bits below, in words.
SmallVector<Value, 8> PlanesFormat::lowQuads(KernelBuilder &k, const PanelBlock &block) const {
  Value row = lowRow(k, block.tail, k.mul(block.group, Lanes), block.steps);
  Value stride = k.mul(block.steps, lowBytes());
  SmallVector<Value, 8> quads;
  if (!hasFifth()) {
    SmallVector<Value, 4> low =
        loadNibbles(k, {k.at(row, k.mul(block.index, NibbleBytes)), stride});
    for (int64_t quad = 0; quad < 8; ++quad)
      quads.push_back(shiftAndMaskBytes(k, low[quad / 2], -4 * (quad % 2), 15));
    return quads;
  }
  SmallVector<Value, 2> pairs = loadPairs(k, {k.at(row, k.mul(block.index, PairBytes)), stride});
  Value place = k.add(k.mul(block.steps, PairBytes), k.mul(block.index, BitBytes));
  Value third = loadBits(k, {k.at(row, place), stride});
  for (int64_t quad = 0; quad < 8; ++quad)
    quads.push_back(join(k, shiftAndMaskBytes(k, pairs[quad / 4], -2 * (quad % 4), 3),
                         shiftAndMaskBytes(k, third, 2 - quad, 4)));
  return quads;
}

void PlanesFormat::unpackCoarse(KernelBuilder &k, const PanelBlock &block,
                                llvm::function_ref<void(int64_t, Value)> use) const {
  for (auto [quad, high] : llvm::enumerate(highQuads(k, block, 0)))
    use(static_cast<int64_t>(quad), asBytes(k, high));
}

void PlanesFormat::unpackRest(KernelBuilder &k, const PanelBlock &block,
                              llvm::function_ref<void(int64_t, Value)> use) const {
  for (auto [quad, low] : llvm::enumerate(lowQuads(k, block)))
    use(static_cast<int64_t>(quad), asBytes(k, low));
}

void PlanesFormat::unpackInt8(KernelBuilder &k, const PanelBlock &block,
                              llvm::function_ref<void(int64_t, Value)> use) const {
  SmallVector<Value, 8> low = lowQuads(k, block), high = highQuads(k, block, lowBits());
  for (int64_t quad = 0; quad < 8; ++quad)
    use(quad, asBytes(k, join(k, high[quad], low[quad])));
}

void PlanesFormat::unpack(KernelBuilder &k, const PanelBlock &block,
                          llvm::function_ref<void(int64_t, Value)> use) const {
  Value d = scale(k, block);
  unpackInt8(k, block, [&](int64_t quad, Value bytes) {
    Value words = k.bitcast(bytes, k.vec(k.i32()));
    for (int64_t q = 0; q < 4; ++q)
      use(4 * quad + q, dequantize(k, k.toFloat(k.field(words, 8 * q, 8)), d));
  });
}

//===----------------------------------------------------------------------===//
// One row
//===----------------------------------------------------------------------===//

void PlanesFormat::gather(KernelBuilder &k, const PanelBlock &step, Value lane,
                          Value destination) const {
  Value high = highRow(k, step.panel, lane, step.steps);
  Value low = lowRow(k, step.tail, lane, step.steps);
  Value half = k.at(scalePlace(k, step.panel, lane, step.steps), k.mul(step.index, 2 * Lanes));
  Value d = k.broadcast(loadHalf(k, half), 4);
  /// Four bytes at `offset` of the block's `bytes` in a part of a row.
  auto load = [&](Value row, int64_t bytes, int64_t offset) -> Value {
    Value place = k.at(k.at(row, k.mul(step.index, bytes)), offset);
    return arith::ExtUIOp::create(k.builder(), k.getLoc(), k.vec(k.i32(), 4),
                                  k.load(k.vec(k.i8(), 4), place));
  };
  Value fifths = fifthPlace(k, step.panel, lane, step.steps);
  Value thirds = k.at(low, k.mul(step.steps, PairBytes));
  for (int64_t quad = 0; quad < 8; ++quad) {
    int64_t place = 4 * (quad / 2), down = -4 * (quad % 2);
    Value byte = shiftAndMask(k, load(high, NibbleBytes, place), down, 15);
    byte = shiftAndMask(k, byte, lowBits(), 0xff);
    if (!hasFifth()) {
      byte = join(k, byte, shiftAndMask(k, load(low, NibbleBytes, place), down, 15));
    } else {
      byte = join(k, byte, shiftAndMask(k, load(fifths, Lanes * BitBytes, 0), 7 - quad, 0x80));
      byte =
          join(k, byte, shiftAndMask(k, load(low, PairBytes, 4 * (quad / 4)), -2 * (quad % 4), 3));
      byte = join(k, byte, shiftAndMask(k, load(thirds, BitBytes, 0), 2 - quad, 4));
    }
    k.store(dequantize(k, k.toFloat(byte), d), k.at(destination, 16 * quad));
  }
}

/// Copies `bytes` (i64), at least 16 and a multiple of 4.
static void copyBytes(KernelBuilder &k, Value from, Value to, Value bytes) {
  VectorType type = k.vec(k.i8(), 16);
  Value last = k.add(bytes, -16);
  // The last 16 overlap what was copied before.
  k.forLoop(k.constant(0), bytes, 16, [&](Value offset) {
    Value place = k.min(offset, last);
    k.store(k.load(type, k.at(from, place)), k.at(to, place));
  });
}

void PlanesFormat::copyRow(KernelBuilder &k, const PanelPointers &from, Value lane,
                           const PanelPointers &to, Value toLane, Value steps) const {
  copyBytes(k, highRow(k, from.panel, lane, steps), highRow(k, to.panel, toLane, steps),
            k.mul(steps, NibbleBytes));
  copyBytes(k, lowRow(k, from.tail, lane, steps), lowRow(k, to.tail, toLane, steps),
            k.mul(steps, lowBytes()));
  Value scales = scalePlace(k, from.panel, lane, steps);
  Value into = scalePlace(k, to.panel, toLane, steps);
  k.forLoop(k.constant(0), k.mul(steps, 2 * Lanes), 2 * Lanes, [&](Value offset) {
    k.store(k.load(k.i16(), k.at(scales, offset)), k.at(into, offset));
  });
  if (!hasFifth())
    return;
  Value bits = fifthPlace(k, from.panel, lane, steps);
  into = fifthPlace(k, to.panel, toLane, steps);
  k.forLoop(k.constant(0), k.mul(steps, BitBytes * Lanes), BitBytes * Lanes, [&](Value offset) {
    k.store(k.load(k.i32(), k.at(bits, offset)), k.at(into, offset));
  });
}

void PlanesFormat::prefetchRow(KernelBuilder &k, const PanelPointers &from, Value lane,
                               Value steps) const {
  auto lines = [&](Value start, Value bytes) {
    k.forLoop(k.constant(0), k.add(bytes, 63), 64,
              [&](Value offset) { k.prefetch(k.at(start, k.min(offset, bytes)), 1); });
  };
  lines(highRow(k, from.panel, lane, steps), k.mul(steps, NibbleBytes));
  lines(lowRow(k, from.tail, lane, steps), k.mul(steps, lowBytes()));
  lines(scalePlace(k, from.panel, lane, steps), k.mul(steps, 2 * Lanes));
  if (hasFifth())
    lines(fifthPlace(k, from.panel, lane, steps), k.mul(steps, BitBytes * Lanes));
}

static const PlanesFormat planes4(4), planes5(5);
static WeightFormatRegistration register4("q8_0_planes4", planes4),
    register5("q8_0_planes5", planes5);
