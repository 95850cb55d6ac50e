//===- LatheTypes.h - Types of the model level ------------------*- C++ -*-===//

#ifndef LATHE_DIALECTS_LATHE_LATHETYPES_H
#define LATHE_DIALECTS_LATHE_LATHETYPES_H

#include "runtime/formats/BlockFormat.h"

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Types.h"
#include "mlir/IR/Value.h"

#define GET_TYPEDEF_CLASSES
#include "dialects/Lathe/LatheTypes.h.inc"

namespace lathe::ir {

/// The block format of a weight's element type (f32, f16 and bf16 included),
/// or null when no format of that name is registered.
const BlockFormat *getBlockFormat(mlir::Type elementType);

/// Whether every dimension is known and positive and the product of all is at
/// most 2^40, so that sizes in bytes can be computed without overflow.
bool isBoundedShape(llvm::ArrayRef<int64_t> shape);

/// Whether `type` is a tensor of rows: any number of them, each of a bounded
/// shape.
bool isRowTensor(mlir::Type type);

/// One f32 for each row: tensor<?x1xf32>.
mlir::RankedTensorType getConfidenceType(mlir::MLIRContext *context);

/// The matrix that the matrices of a weight are together, one below the other: [.., N, K] as
/// [.. * N, K].
mlir::RankedTensorType getMatrixType(mlir::RankedTensorType weight);

/// The declared size of a dimension of a tensor.
inline int64_t dimOf(mlir::Value tensor, unsigned dim) {
  return llvm::cast<mlir::RankedTensorType>(tensor.getType()).getDimSize(dim);
}

/// The element type for a block format: a float type or a BlockType.
mlir::Type getElementType(mlir::MLIRContext *context, const BlockFormat &format);

} // namespace lathe::ir

#endif // LATHE_DIALECTS_LATHE_LATHETYPES_H
