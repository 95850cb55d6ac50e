//===- LatheInterfaces.cpp - What passes may ask an op --------------------===//

#include "dialects/Lathe/LatheInterfaces.h"

using namespace lathe::ir;

#include "dialects/Lathe/LatheInterfaces.cpp.inc"

void ReferenceValues::map(mlir::Value value, mlir::ValueRange range) {
  tensors[value] = llvm::SmallVector<mlir::Value, 4>(range.begin(), range.end());
}

mlir::Value ReferenceValues::tensor(mlir::Value value) const {
  llvm::ArrayRef<mlir::Value> found = all(value);
  assert(found.size() == 1 && "not a tensor value");
  return found.front();
}

llvm::ArrayRef<mlir::Value> ReferenceValues::all(mlir::Value value) const {
  auto it = tensors.find(value);
  assert(it != tensors.end() && "operand without a reference value");
  return it->second;
}

void ReferenceValues::mapWeights(llvm::StringRef symbol, mlir::Value tensor) {
  symbols[symbol] = tensor;
}

mlir::Value ReferenceValues::weights(llvm::StringRef symbol) const {
  mlir::Value tensor = symbols.lookup(symbol);
  assert(tensor && "weights without a reference value");
  return tensor;
}
