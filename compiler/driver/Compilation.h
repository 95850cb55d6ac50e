//===- Compilation.h - One compile, from input to output --------*- C++ -*-===//

#ifndef LATHE_COMPILER_DRIVER_COMPILATION_H
#define LATHE_COMPILER_DRIVER_COMPILATION_H

#include "compiler/driver/Codegen.h"
#include "compiler/driver/Link.h"
#include "compiler/driver/Pipeline.h"
#include "runtime/support/Diagnostics.h"

#include "mlir/IR/OwningOpRef.h"

#include <memory>
#include <string>

namespace lathe::compiler {

struct CompilationOptions {
  std::string input; ///< GGUF, or MLIR text (.mlir) or bytecode (.mlirbc) of a stage.
  PipelineOptions pipeline;
  bool verifyEachPass = false; ///< Run the reference before and after every pass.
  bool timing = false;         ///< Print how long each pass took.
  std::string emit;            ///< Empty, "mlir:STAGE", "llvm", "asm" or "obj".
};

/// Compiles once; keeps what was made.
class Compilation {
public:
  explicit Compilation(CompilationOptions options);
  ~Compilation();

  /// Runs to the end or to what `emit` names; false when `diags` has errors.
  bool run();

  /// Gives back all but what was made.
  void dropIR() { context.reset(); }

  const Diagnostics &getDiagnostics() const { return diags; }
  const std::string &getOutput() const { return output; }
  void *lookup(llvm::StringRef symbol);
  bool writeLibrary(llvm::StringRef path);

private:
  mlir::OwningOpRef<mlir::ModuleOp> load();
  mlir::OwningOpRef<mlir::ModuleOp> parse();
  void warnOfLateOptions(mlir::ModuleOp module);
  bool runStages(mlir::ModuleOp module, int last);
  bool generate(mlir::ModuleOp module);
  void collect(mlir::Diagnostic &diag);
  bool fail(unsigned number, llvm::Error error);

  CompilationOptions options;
  std::string askedTarget; ///< As given, before "host" was resolved.
  Diagnostics diags;
  std::unique_ptr<mlir::MLIRContext> context;
  std::string output; ///< Text that was asked for, or the object.
  std::unique_ptr<LoadedObject> loaded;
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_DRIVER_COMPILATION_H
