//===- OpVerifiers.h - What verifiers and costs of ops share ----*- C++ -*-===//

#ifndef LATHE_DIALECTS_LATHE_OPVERIFIERS_H
#define LATHE_DIALECTS_LATHE_OPVERIFIERS_H

#include "dialects/Lathe/LatheTypes.h"

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"

namespace lathe::ir {

/// Elements of one row.
int64_t rowElements(mlir::Value value);

/// Bytes of a weight as stored in the model file.
int64_t weightBytes(mlir::RankedTensorType type);

llvm::LogicalResult verifyEqual(mlir::Operation *op, llvm::StringRef what, int64_t found,
                                int64_t expected);

/// A matrix of known shape in a registered format, rows of whole blocks; `shape` is
/// for the message: "[outputs, inputs]".
llvm::LogicalResult verifyMatrix(mlir::Operation *op, llvm::StringRef what, llvm::StringRef shape,
                                 mlir::Value weight);

llvm::LogicalResult verifyFinite(mlir::Operation *op, llvm::StringRef what,
                                 const llvm::APFloat &value);

class LinearOp;
/// That what limits a product fits its weight.
llvm::LogicalResult verifyWidths(LinearOp op);

} // namespace lathe::ir

#endif // LATHE_DIALECTS_LATHE_OPVERIFIERS_H
