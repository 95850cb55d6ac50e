//===- TensorTable.h - What an architecture needs of a file -----*- C++ -*-===//
//
// Collects which tensors and hyper-parameters an architecture wants and checks
// them against the file, so that everything missing or misshapen is told at
// once.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_IMPORT_TENSORTABLE_H
#define LATHE_COMPILER_IMPORT_TENSORTABLE_H

#include "runtime/formats/GGUF.h"
#include "runtime/support/Diagnostics.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/Twine.h"

namespace lathe::compiler {

/// Hyper-parameters `ARCHITECTURE.key`, with their limits.
class HyperParameters {
public:
  HyperParameters(const GGUFFile &file, llvm::StringRef prefix, Diagnostics &diags)
      : file(file), prefix(prefix), diags(diags) {}

  /// A required integer in [min, max]; reports and gives `min` otherwise.
  int64_t integer(llvm::StringRef key, int64_t min, int64_t max);
  /// The same with a value for when the key is missing.
  int64_t integerOr(llvm::StringRef key, int64_t fallback, int64_t min, int64_t max);
  /// A required finite number > 0.
  double positive(llvm::StringRef key);
  double positiveOr(llvm::StringRef key, double fallback);

private:
  std::string fullKey(llvm::StringRef key) const { return (prefix + "." + key).str(); }

  const GGUFFile &file;
  llvm::StringRef prefix;
  Diagnostics &diags;
};

/// The tensors of a file by the role they have in the graph.
class TensorTable {
public:
  TensorTable(const TensorFile &file, Diagnostics &diags) : file(file), diags(diags) {}

  /// The tensor `name`, which must exist, have `shape` (outermost first) and a
  /// supported format; null and an error otherwise.
  const FileTensor *require(const llvm::Twine &name, llvm::ArrayRef<int64_t> shape);
  /// The same, but null without an error when there is no such tensor.
  const FileTensor *find(const llvm::Twine &name, llvm::ArrayRef<int64_t> shape);

  /// Says that the graph can do without the tensors whose names begin so.
  void ignore(llvm::StringRef prefix);

  /// Reports what was missing, and warns of tensors that nobody asked for.
  void finish();

private:
  const FileTensor *check(const FileTensor &tensor, llvm::ArrayRef<int64_t> shape);

  const TensorFile &file;
  Diagnostics &diags;
  llvm::StringSet<> used;
  std::vector<std::string> missing;
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_IMPORT_TENSORTABLE_H
