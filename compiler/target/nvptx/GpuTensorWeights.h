//===- GpuTensorWeights.h - Weights as operands of tensor cores -*- C++ -*-===//
//
// Of a step of k of a panel: the words of A that a lane has for mma.sync, or for wgmma.  A lane
// has four neighbouring rows of the panel, or two, and is one of the four members of a group of
// lanes that have the same ones.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_TARGET_NVPTX_GPUTENSORWEIGHTS_H
#define LATHE_COMPILER_TARGET_NVPTX_GPUTENSORWEIGHTS_H

#include "compiler/target/nvptx/GpuFormat.h"

namespace lathe::compiler {

/// One product with each two of the lane's rows.
struct TensorProduct {
  llvm::SmallVector<llvm::SmallVector<mlir::Value>, 2> words;
  int64_t half;       ///< Which 16 k of the step, where the product has no more.
  mlir::Value scales; ///< vector<4 x f32>, of products of int8.
};

struct TensorWeights {
  llvm::SmallVector<TensorProduct> products;
  mlir::Value minimums; ///< vector<4 x f32>, of products of int8; or null.
};

/// A block of 32 k for int8 rows: one product, or one for each 16 k with a scale.  `member`
/// has the quads 2 member and 2 member + 1 of the block, or one of each half.
TensorWeights emitInt8Weights(GpuBuilder &k, const GpuIntegerFormat &integers,
                              const GpuBlock &block, mlir::Value member);

/// `elements` k for bf16 rows, of rows of the panel that are as many as the block's, of which
/// `member` has four of each 16: a product for each 16, or two, where a weight of more than a
/// bf16's 8 bits is the sum of two.
TensorWeights emitBF16Weights(GpuBuilder &k, const GpuFormat &format, const GpuBlock &block,
                              mlir::Value member, int64_t elements);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_NVPTX_GPUTENSORWEIGHTS_H
