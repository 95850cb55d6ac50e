//===- Watch.cpp - What lathe-opt says of a run ----------------------------===//

#include "tools/lathe-opt/Watch.h"

#include "compiler/driver/CrashGuard.h"
#include "compiler/driver/Reproducer.h"
#include "passes/PassStatistics.h"
#include "runtime/support/Diagnostics.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "llvm/Support/CommandLine.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static llvm::cl::opt<std::string>
    reproducerDir("reproducer-dir", llvm::cl::init(""), llvm::cl::value_desc("folder"),
                  llvm::cl::desc("Where a fault of a pass leaves its reproducer"));
static llvm::cl::opt<bool> statisticsFlag("lathe-pass-statistics", llvm::cl::init(false),
                                          llvm::cl::desc("Print what our passes counted"));

namespace {

/// Keeps what a pipeline was given, to tell of a pass that crashes or fails
/// without a word.
class WatchFaults : public PassInstrumentation {
public:
  explicit WatchFaults(PassManager &passes)
      : passes(passes), handler(passes.getContext()->getDiagEngine().registerHandler(
                            [this](mlir::Diagnostic &diag) { return note(diag); })) {
    running = this;
  }
  ~WatchFaults() override {
    passes.getContext()->getDiagEngine().eraseHandler(handler);
    running = nullptr;
  }

  void runBeforePass(Pass *, Operation *op) override {
    if (!kept.empty())
      return;
    std::string pipeline;
    llvm::raw_string_ostream stream(pipeline);
    passes.printAsTextualPipeline(stream);
    // As text: after a crash, nothing of MLIR can be relied on.
    kept = printForReproducer(op, pipeline);
  }

  void runAfterPassFailed(Pass *pass, Operation *) override {
    if (!told)
      tell(901, "pass '" + pass->getArgument().str() + "' failed without saying why");
    told = true;
  }

  /// Prints the error, and keeps the input of the pipeline.
  void tell(unsigned number, const std::string &reason) {
    Reproducer reproducer;
    reproducer.program = kept;
    reproducer.reason = reason;
    reproducer.commandStart = "lathe-opt --run-reproducer ";
    reproducer.folder = reproducerDir;
    Diagnostics diags;
    diags.error(number, "lathe-opt", reason + ": a fault of lathe itself",
                writeReproducer(reproducer));
    llvm::errs() << diags.str();
    found = true;
  }

  /// The one at work, for when it does not come back.
  static WatchFaults *running;
  static bool found;

private:
  LogicalResult note(mlir::Diagnostic &diag) {
    told |= diag.getSeverity() == DiagnosticSeverity::Error;
    return failure();
  }

  PassManager &passes;
  DiagnosticEngine::HandlerID handler;
  std::string kept; ///< What the pipeline was given, with the pipeline.
  bool told = false;
};

WatchFaults *WatchFaults::running = nullptr;
bool WatchFaults::found = false;

} // namespace

static PassStatistics &statistics() {
  static PassStatistics all;
  return all;
}

void lathe::opt::watch(PassManager &passes) {
  // A crash is caught in the thread that it happens in.
  passes.getContext()->disableMultithreading();
  passes.addInstrumentation(std::make_unique<WatchFaults>(passes));
  collectStatistics(passes, statistics());
}

/// Tells of a crash as far as it can be told.
static void tellCrash(const std::string &reason) {
  auto tell = [&] {
    if (WatchFaults::running)
      WatchFaults::running->tell(903, "the passes crashed, " + reason);
  };
  if (runAfterCrash(tell) && WatchFaults::found)
    return;
  Diagnostics diags;
  diags.error(903, "lathe-opt", "crashed, " + reason + ": a fault of lathe itself, or of MLIR",
              "please report it with the command and its input");
  llvm::errs() << diags.str();
}

int lathe::opt::runWatched(llvm::function_ref<LogicalResult()> body) {
  LogicalResult result = failure();
  std::optional<std::string> crash = runGuarded([&] { result = body(); });
  if (crash)
    tellCrash(*crash);
  if (crash || WatchFaults::found)
    return static_cast<int>(ExitCode::Internal);
  if (statisticsFlag)
    llvm::errs() << statistics().str();
  return failed(result) ? 1 : 0;
}
