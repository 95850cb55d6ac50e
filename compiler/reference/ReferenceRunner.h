//===- ReferenceRunner.h - Runs a reference program in process --*- C++ -*-===//
//
// A reference program is made of naive loops; this compiles them as they are,
// on one thread, without reordering any sum, and runs them.  For tests and
// `--verify-each-pass`, never for inference.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_REFERENCE_REFERENCERUNNER_H
#define LATHE_COMPILER_REFERENCE_REFERENCERUNNER_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <variant>
#include <vector>

namespace llvm::orc {
class LLJIT;
} // namespace llvm::orc

namespace lathe::compiler {

/// A dense array in C order.
struct ReferenceArray {
  llvm::SmallVector<int64_t> shape;
  /// As many elements as `shape` says.
  std::variant<std::vector<float>, std::vector<int32_t>> elements;
};

/// Loads what lowering and running reference programs need into `context`.
/// Call it where no pass is running.
void prepareReferenceContext(mlir::MLIRContext &context);

/// A compiled function of a reference module; see LowerToReference.h.
class ReferenceProgram {
public:
  /// Compiles `function` of `module`, which may be a lathe module or a
  /// reference module already; `module` is not changed. Its context must be
  /// prepared. Emits an error and returns null when that fails.
  static std::unique_ptr<ReferenceProgram> compile(mlir::ModuleOp module, llvm::StringRef function);
  ~ReferenceProgram();

  llvm::ArrayRef<mlir::RankedTensorType> inputTypes() const { return inputs; }
  llvm::ArrayRef<mlir::RankedTensorType> resultTypes() const { return results; }

  /// Runs the program. The indices among the inputs (tokens, positions,
  /// sequences) must be in range: they are not checked. Emits an error at
  /// `loc` when the shape or element type of an input is wrong.
  llvm::FailureOr<std::vector<ReferenceArray>> run(mlir::Location loc,
                                                   llvm::ArrayRef<ReferenceArray> arrays) const;

private:
  ReferenceProgram() = default;
  llvm::Error link(std::unique_ptr<llvm::Module> code, std::unique_ptr<llvm::LLVMContext> context);

  llvm::SmallVector<mlir::RankedTensorType> inputs, results;
  std::unique_ptr<llvm::orc::LLJIT> jit;
  /// Calls the function with pointers to its result and argument descriptors.
  void (*entry)(void **) = nullptr;
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_REFERENCE_REFERENCERUNNER_H
