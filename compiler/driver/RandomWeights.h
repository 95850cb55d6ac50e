//===- RandomWeights.h - Weights drawn from a seed --------------*- C++ -*-===//

#ifndef LATHE_COMPILER_DRIVER_RANDOMWEIGHTS_H
#define LATHE_COMPILER_DRIVER_RANDOMWEIGHTS_H

#include "compiler/reference/Random.h"
#include "compiler/reference/ReferenceRunner.h"
#include "dialects/Lathe/LatheOps.h"

#include <cstdint>
#include <vector>

namespace lathe::compiler {

/// The same weights twice: packed for kernels (runtime/weights/Packer.h), and
/// dequantised for the reference. Blocks are random bits under a scale that
/// keeps the size of what a matrix is multiplied with; vectors are near 1, as
/// the weights of norms are.
class RandomWeights {
public:
  /// For all `lathe.weights` of `module`.
  RandomWeights(mlir::ModuleOp module, uint64_t seed);

  /// lathe_step_args::weights, in the order of the manifest.
  const uint8_t *const *table() const { return pointers.data(); }
  /// One for each `lathe.weights`, as its reference form wants it.
  llvm::ArrayRef<ReferenceArray> arrays() const { return dequantized; }

private:
  using Bytes = std::vector<uint8_t>;

  Bytes draw(mlir::RankedTensorType type);
  void drawBlock(const BlockFormat &format, float size, uint8_t *block);
  void pack(mlir::RankedTensorType type, const Bytes &source);

  Random random;
  /// The start of each is on a cache line, at the pointer.
  std::vector<Bytes> packed;
  std::vector<const uint8_t *> pointers;
  std::vector<ReferenceArray> dequantized;
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_DRIVER_RANDOMWEIGHTS_H
