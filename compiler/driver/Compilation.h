//===- Compilation.h - One compile, from input to output --------*- C++ -*-===//

#ifndef LATHE_COMPILER_DRIVER_COMPILATION_H
#define LATHE_COMPILER_DRIVER_COMPILATION_H

#include "compiler/driver/Codegen.h"
#include "compiler/driver/Link.h"
#include "compiler/driver/Pipeline.h"
#include "passes/PassStatistics.h"
#include "runtime/support/Diagnostics.h"

#include "mlir/IR/OwningOpRef.h"

#include <functional>
#include <memory>
#include <string>

namespace lathe::compiler {

class DeviceTarget;

struct CompilationOptions {
  std::string
      input; ///< GGUF, a model folder, or MLIR text (.mlir) or bytecode (.mlirbc) of a stage.
  PipelineOptions pipeline;
  bool verifyEachPass = false;  ///< Run the reference before and after every pass.
  bool timing = false;          ///< Print how long each pass took.
  std::string emit;             ///< Empty, "mlir:STAGE", "llvm", "asm", "obj", "ptx" or "schedule".
  std::string layers, skip;     ///< lathe_compile_request::layers and skip.
  std::string passes;           ///< Passes to run ahead of the stages, as text.
  std::string reproducerFolder; ///< Reproducer::folder.
  std::string machine;          ///< For the schedule: measured numbers as JSON, or empty.
  int64_t depth = 0;            ///< For the schedule: positions ahead of a step.
  std::function<void(llvm::StringRef)> onManifest; ///< lathe_compile_request::on_manifest.
};

/// Compiles once; keeps what was made.  A fault of the compiler, a crash
/// included, ends in an error of exit code 70 and a reproducer.
class Compilation {
public:
  explicit Compilation(CompilationOptions options);
  ~Compilation();

  /// Runs to the end or to what `emit` names; false when `diags` has errors.
  bool run();

  /// Gives back all but what was made.
  void dropIR() {
    kept = {};
    context.reset();
  }

  const Diagnostics &getDiagnostics() const { return diags; }
  const std::string &getOutput() const { return output; }
  /// What the passes counted.
  const PassStatistics &getStatistics() const { return statistics; }
  void *lookup(llvm::StringRef symbol);
  bool writeLibrary(llvm::StringRef path);

private:
  void compile();
  /// Whether the input is MLIR and no model file.
  bool isProgramText() const;
  mlir::OwningOpRef<mlir::ModuleOp> load();
  mlir::OwningOpRef<mlir::ModuleOp> importModel();
  mlir::OwningOpRef<mlir::ModuleOp> parse();
  void checkDialects(mlir::ModuleOp module);
  void checkUpstream(mlir::ModuleOp module);
  std::string describe(mlir::Location location);
  void warnOfLateOptions(mlir::ModuleOp module);
  bool checkStage(mlir::ModuleOp module);
  bool chooseLayers(mlir::ModuleOp module);
  bool addUserPasses(mlir::PassManager &passes);
  bool addPasses(mlir::PassManager &passes, int firstStage, bool isFirst);
  bool runStages(mlir::ModuleOp module);
  bool generate(mlir::ModuleOp module);
  bool generateForDevice(mlir::ModuleOp module, const DeviceTarget &device);
  bool checkOutput(const DeviceTarget *device);
  bool checkDevice(mlir::ModuleOp module, const DeviceTarget &device);
  void report(mlir::ModuleOp module);
  void collect(mlir::Diagnostic &diag);
  std::string describeReproducer(const std::string &reason);
  bool reportFault(unsigned number, const std::string &reason);
  void reportCrash(const std::string &reason);

  CompilationOptions options;
  std::string askedTarget; ///< As given, before "host" was resolved.
  Diagnostics diags;
  std::unique_ptr<mlir::MLIRContext> context;
  /// The program as it was when it reached its stage, ahead of `kernels`.
  mlir::OwningOpRef<mlir::ModuleOp> kept;
  int inputStage = 0, lastStage = 0;
  PassStatistics statistics;
  std::string output; ///< Text that was asked for, or the object.
  std::unique_ptr<LoadedObject> loaded;
};

} // namespace lathe::compiler

#endif // LATHE_COMPILER_DRIVER_COMPILATION_H
