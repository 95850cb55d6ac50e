//===- GpuFormat.cpp - Weights in the registers of a warp ------------------===//

#include "compiler/target/nvptx/GpuFormat.h"

#include "dialects/Lathe/LatheOps.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static llvm::StringMap<GpuFormat> &registry() {
  static llvm::StringMap<GpuFormat> formats;
  return formats;
}

GpuFormatRegistration::GpuFormatRegistration(StringRef name, const GpuIntegerFormat &format) {
  registry()[name].integer = &format;
}

GpuFormatRegistration::GpuFormatRegistration(StringRef name, const GpuFloatFormat &format) {
  registry()[name].floats = &format;
}

GpuFormat lathe::compiler::findGpuFormat(StringRef name) { return registry().lookup(name); }

GpuFormat lathe::compiler::gpuFormatOf(Value weight) {
  Type element = cast<RankedTensorType>(weight.getType()).getElementType();
  return findGpuFormat(StringRef(ir::getBlockFormat(element)->Name));
}

GpuBlock lathe::compiler::emitGpuBlock(GpuBuilder &k, const GpuIntegerFormat &format, Value panel,
                                       Value number, Value row, int64_t rows) {
  int64_t blocks = format.stepBlocks();
  int64_t stepBytes = format.headerBytes() + blocks * format.blockBytes();
  Value step = k.at(panel, k.mul(k.div(number, blocks), stepBytes));
  Value inStep = blocks == 1 ? k.constant(0) : k.rem(number, blocks);
  Value offset = k.add(k.mul(inStep, format.blockBytes()), format.headerBytes());
  return {step, k.at(step, offset), row, rows};
}

Value lathe::compiler::emitDequantized(GpuBuilder &k, const GpuIntegerFormat &format,
                                       const GpuBlock &block, Value words, Value quad, Value byte) {
  Value integers = k.mask(k.shiftRight(words, k.narrow(k.mul(byte, 8))), 0xff);
  if (int64_t zero = format.zero())
    integers = k.sub(integers, k.splatInt(k.i32(), zero, block.rows));
  Value weights = k.mulf(k.intToFloat(integers), format.scales(k, block, quad));
  Value minimums = format.minimums(k, block);
  return minimums ? k.addf(weights, minimums) : weights;
}

Value lathe::compiler::loadHalves(GpuBuilder &k, const GpuBlock &block, Value from) {
  Value pointer = k.at(from, k.mul(block.row, 2));
  VectorType type = k.vec(k.builder().getF16Type(), block.rows);
  return k.extend(block.load(k, type, pointer, 2 * block.rows));
}

Value lathe::compiler::loadBytes(GpuBuilder &k, const GpuBlock &block, Value from) {
  Value bytes = block.load(k, k.vec(k.i8(), block.rows), k.at(from, block.row), block.rows);
  return arith::UIToFPOp::create(k.builder(), k.getLoc(), k.vec(k.f32(), block.rows), bytes);
}

Value lathe::compiler::loadWords(GpuBuilder &k, const GpuBlock &block, Value from) {
  Value pointer = k.at(from, k.mul(block.row, 4));
  return block.load(k, k.vec(k.i32(), block.rows), pointer, 4 * block.rows);
}
