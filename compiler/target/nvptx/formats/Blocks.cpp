//===- Blocks.cpp - Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0 for GPUs ---------------===//

#include "compiler/target/nvptx/formats/GpuQuants.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

/// Nibbles, fifth bits where there are some, and halves d and m.
class Nibbles : public GpuIntegerFormat {
public:
  Nibbles(bool fifthBits, bool hasMinimum) : fifthBits(fifthBits), hasMinimum(hasMinimum) {}

  int64_t blockBytes() const override { return quantBytes() + (hasMinimum ? 128 : 64); }
  int64_t zero() const override { return hasMinimum ? 0 : fifthBits ? 16 : 8; }
  Value words(GpuBuilder &k, const GpuBlock &block, Value quad) const override {
    return emitQuants(k, block, quad, fifthBits);
  }
  Value scales(GpuBuilder &k, const GpuBlock &block, Value) const override {
    return loadHalves(k, block, k.at(block.block, quantBytes()));
  }
  Value minimums(GpuBuilder &k, const GpuBlock &block) const override {
    return hasMinimum ? loadHalves(k, block, k.at(block.block, quantBytes() + 64)) : Value();
  }

private:
  int64_t quantBytes() const { return fifthBits ? NibbleBytes + FifthBitBytes : NibbleBytes; }

  bool fifthBits, hasMinimum;
};

/// A byte for each weight, 128 above it.
class Bytes : public GpuIntegerFormat {
public:
  int64_t blockBytes() const override { return 1024 + 64; }
  int64_t zero() const override { return 128; }
  Value words(GpuBuilder &k, const GpuBlock &block, Value quad) const override {
    return loadWords(k, block, k.at(block.block, k.mul(quad, 128)));
  }
  Value scales(GpuBuilder &k, const GpuBlock &block, Value) const override {
    return loadHalves(k, block, k.at(block.block, 1024));
  }
};

} // namespace

static const Nibbles q4_0(false, false), q4_1(false, true), q5_0(true, false), q5_1(true, true);
static const Bytes q8_0;
static const GpuFormatRegistration registrations[] = {
    {"q4_0", q4_0}, {"q4_1", q4_1}, {"q5_0", q5_0}, {"q5_1", q5_1}, {"q8_0", q8_0}};
