//===- RandomWeights.cpp - Weights drawn from a seed -----------------------===//

#include "compiler/driver/RandomWeights.h"

#include "compiler/reference/LowerToReference.h"
#include "runtime/weights/Packer.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/Support/Alignment.h"

#include <cmath>
#include <cstring>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

/// Where the runtime starts each weight.
static const llvm::Align weightAlignment(64);

static void storeFloat(float value, const llvm::fltSemantics &semantics, uint8_t *place) {
  llvm::APFloat number(value);
  bool inexact;
  number.convert(semantics, llvm::APFloat::rmNearestTiesToEven, &inexact);
  uint64_t bits = number.bitcastToAPInt().getZExtValue();
  std::memcpy(place, &bits, llvm::APFloat::getSizeInBits(semantics) / 8);
}

/// The level of `block` that is greatest in size when its scale `which` is 1 and
/// the others are 0.
static float greatestLevel(const BlockFormat &format, int64_t which, uint8_t *block) {
  for (int64_t i = 0; i < format.ScaleHalves; ++i)
    storeFloat(i == which ? 1.0f : 0.0f, llvm::APFloat::IEEEhalf(),
               block + format.ScaleOffset + 2 * i);
  std::vector<float> levels(format.BlockElements);
  format.Dequantize(block, 1, levels.data());
  float greatest = 0;
  for (float level : levels)
    greatest = std::abs(level) > std::abs(greatest) ? level : greatest;
  return greatest == 0 ? 1 : greatest;
}

/// Random bits, of which the scale makes numbers between -size and size: for a
/// scale d alone around 0, for d and a minimum from -size on.
void RandomWeights::drawBlock(const BlockFormat &format, float size, uint8_t *block) {
  for (int64_t i = 0; i < format.BlockBytes; ++i)
    block[i] = random.next();
  bool hasMinimum = format.ScaleHalves > 1;
  float strength = (0.75f + 0.25f * random.real()) * size;
  float scales[] = {strength * (hasMinimum ? 2 : 1) / std::abs(greatestLevel(format, 0, block)),
                    hasMinimum ? -strength / greatestLevel(format, 1, block) : 0};
  for (int64_t i = 0; i < format.ScaleHalves; ++i)
    storeFloat(scales[i], llvm::APFloat::IEEEhalf(), block + format.ScaleOffset + 2 * i);
}

RandomWeights::Bytes RandomWeights::draw(RankedTensorType type) {
  const BlockFormat &format = *ir::getBlockFormat(type.getElementType());
  Type stored = ir::getElementType(type.getContext(), fileFormat(format));
  int64_t blocks = type.getNumElements() / format.BlockElements;
  Bytes bytes(blocks * format.BlockBytes);
  bool isMatrix = type.getRank() > 1;
  float size = isMatrix ? std::sqrt(3.0f / type.getShape().back()) : 0.25f,
        middle = isMatrix ? 0 : 1;
  for (int64_t block = 0; block < blocks; ++block) {
    uint8_t *place = bytes.data() + block * format.BlockBytes;
    if (format.Quantized)
      drawBlock(format, size, place);
    else
      storeFloat(middle + size * random.real(), cast<FloatType>(stored).getFloatSemantics(), place);
  }
  return bytes;
}

void RandomWeights::pack(RankedTensorType type, const Bytes &source) {
  const BlockFormat &format = *ir::getBlockFormat(type.getElementType());
  bool isMatrix = type.getRank() > 1;
  if (isMatrix)
    type = ir::getMatrixType(type);
  int64_t rows = type.getDimSize(0);
  int64_t bytes = isMatrix ? packedMatrixBytes(format, rows, type.getDimSize(1))
                           : rows * int64_t(sizeof(float));
  Bytes &memory = packed.emplace_back(bytes + weightAlignment.value());
  auto *start = reinterpret_cast<uint8_t *>(llvm::alignAddr(memory.data(), weightAlignment));
  if (isMatrix)
    packMatrix(format, source.data(), rows, type.getDimSize(1), 0, panelCount(rows), start);
  else
    packVector(format, source.data(), rows, reinterpret_cast<float *>(start));
  pointers.push_back(start);
}

RandomWeights::RandomWeights(ModuleOp module, uint64_t seed) : random(seed) {
  for (auto weights : module.getOps<ir::WeightsOp>()) {
    RankedTensorType type = weights.getTensorType();
    auto stacked = cast<RankedTensorType>(getReferenceWeightType(weights));
    const BlockFormat &format = *ir::getBlockFormat(type.getElementType());
    std::vector<float> elements(stacked.getNumElements());
    int64_t each = type.getNumElements();
    for (int64_t first = 0; first < stacked.getNumElements(); first += each) {
      Bytes source = draw(type);
      pack(type, source);
      format.Dequantize(source.data(), each / format.BlockElements, elements.data() + first);
    }
    dequantized.push_back({llvm::to_vector(stacked.getShape()), std::move(elements)});
  }
}
