//===- GpuQuants.cpp - Integers of packed blocks for GPUs ------------------===//

#include "compiler/target/nvptx/formats/GpuQuants.h"

using namespace mlir;
using namespace lathe::compiler;

Value lathe::compiler::emitQuants(GpuBuilder &k, const GpuBlock &block, Value quad,
                                  bool fifthBits) {
  // Two quads share bytes: the even one is in the low nibbles.
  Value bytes = loadWords(k, block, k.at(block.block, k.mul(k.div(quad, 2), 128)));
  Value low = k.mask(k.shiftRight(bytes, k.narrow(k.mul(k.rem(quad, 2), 4))), 0x0f0f0f0f);
  if (!fifthBits)
    return low;
  Value bits = loadWords(k, block, k.at(block.block, NibbleBytes));
  Value high = k.mask(k.shiftRight(bits, k.narrow(quad)), 0x01010101);
  Value shifted =
      arith::ShLIOp::create(k.builder(), k.getLoc(), high, k.splatInt(k.i32(), 4, block.rows));
  return arith::OrIOp::create(k.builder(), k.getLoc(), low, shifted);
}
