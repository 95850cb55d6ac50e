//===- SuperBlocks.cpp - Q4_K, Q5_K and Q6_K for GPUs ----------------------===//

#include "compiler/target/nvptx/formats/GpuQuants.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

/// Halves d and dmin in the header; bytes s and t in each block.
class ScaledNibbles : public GpuIntegerFormat {
public:
  explicit ScaledNibbles(bool fifthBits) : fifthBits(fifthBits) {}

  int64_t headerBytes() const override { return 128; }
  int64_t stepBlocks() const override { return 8; }
  int64_t blockBytes() const override { return quantBytes() + 64; }
  Value words(GpuBuilder &k, const GpuBlock &block, Value quad) const override {
    return emitQuants(k, block, quad, fifthBits);
  }
  Value scales(GpuBuilder &k, const GpuBlock &block, Value) const override {
    return k.mulf(loadHalves(k, block, block.header),
                  loadBytes(k, block, k.at(block.block, quantBytes())));
  }
  Value minimums(GpuBuilder &k, const GpuBlock &block) const override {
    Value product = k.mulf(loadHalves(k, block, k.at(block.header, 64)),
                           loadBytes(k, block, k.at(block.block, quantBytes() + 32)));
    return k.subf(k.splat(0.0f, block.rows), product);
  }

private:
  int64_t quantBytes() const { return fifthBits ? NibbleBytes + FifthBitBytes : NibbleBytes; }

  bool fifthBits;
};

/// d in the header; nibbles, pairs of bits and a signed scale for every 16 k.
class SixBits : public GpuIntegerFormat {
public:
  int64_t headerBytes() const override { return 64; }
  int64_t stepBlocks() const override { return 8; }
  int64_t blockBytes() const override { return ScaleOffset + 64; }
  int64_t zero() const override { return 32; }
  int64_t scaleElements() const override { return 16; }
  Value words(GpuBuilder &k, const GpuBlock &block, Value quad) const override;
  Value scales(GpuBuilder &k, const GpuBlock &block, Value quad) const override;

private:
  static constexpr int64_t PairBytes = 256, ScaleOffset = NibbleBytes + PairBytes;
};

} // namespace

Value SixBits::words(GpuBuilder &k, const GpuBlock &block, Value quad) const {
  Value low = emitQuants(k, block, quad, /*fifthBits=*/false);
  Value half = k.mul(k.div(quad, 4), PairBytes / 2);
  Value pairs = loadWords(k, block, k.at(k.at(block.block, NibbleBytes), half));
  Value high = k.mask(k.shiftRight(pairs, k.narrow(k.mul(k.rem(quad, 4), 2))), 0x03030303);
  Value shifted =
      arith::ShLIOp::create(k.builder(), k.getLoc(), high, k.splatInt(k.i32(), 4, block.rows));
  return arith::OrIOp::create(k.builder(), k.getLoc(), low, shifted);
}

Value SixBits::scales(GpuBuilder &k, const GpuBlock &block, Value quad) const {
  Value pointer = k.at(k.at(block.block, ScaleOffset), k.mul(block.row, 2));
  // Those of both halves of a row stand side by side.
  Value bytes = block.load(k, k.vec(k.i8(), 2 * block.rows), pointer, 2 * block.rows);
  SmallVector<int64_t> first, last;
  for (int64_t row = 0; row < block.rows; ++row) {
    first.push_back(2 * row);
    last.push_back(2 * row + 1);
  }
  Value isFirst = k.less(quad, k.constant(4));
  Value own = k.select(isFirst, k.shuffle(bytes, bytes, first), k.shuffle(bytes, bytes, last));
  return k.mulf(loadHalves(k, block, block.header), k.intToFloat(own));
}

static const ScaledNibbles q4_k(false), q5_k(true);
static const SixBits q6_k;
static const GpuFormatRegistration registrations[] = {
    {"q4_k", q4_k}, {"q5_k", q5_k}, {"q6_k", q6_k}};
