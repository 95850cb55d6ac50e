//===- TestFault.cpp - A pass with every kind of fault ---------------------===//
//
// Shows what a fault of the compiler looks like to a user, and lets tests see
// that it ends well.  It is only ever run by name.
//
//===----------------------------------------------------------------------===//

#include "compiler/driver/TestFault.h"

#include "passes/PassEffect.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Pass/Pass.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/ErrorHandling.h"

#include <csignal>

using namespace mlir;
using namespace lathe;

namespace {

/// Not a tail call, and not to be seen through.
[[gnu::noinline]] int useUpTheStack(volatile int *above) {
  volatile int frame[256];
  frame[0] = *above + 1;
  return frame[0] ? useUpTheStack(frame) + frame[0] : 0;
}

struct TestFaultPass : PassWrapper<TestFaultPass, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TestFaultPass)

  TestFaultPass() = default;
  TestFaultPass(const TestFaultPass &other) : PassWrapper(other) {}

  StringRef getArgument() const override { return "lathe-test-fault"; }
  StringRef getDescription() const override {
    return "fails as a fault of the compiler would: a test of what is told then";
  }

  void runOnOperation() override {
    struct Kind {
      StringRef name;
      void (*fail)(TestFaultPass &);
    };
    static constexpr Kind kinds[] = {
        {"abort", [](TestFaultPass &) { std::abort(); }},
        {"fatal", [](TestFaultPass &) { llvm::report_fatal_error("cannot go on"); }},
        {"invalid", [](TestFaultPass &pass) { pass.makeInvalid(); }},
        {"segfault", [](TestFaultPass &) { raise(SIGSEGV); }},
        {"silent", [](TestFaultPass &pass) { pass.signalPassFailure(); }},
        {"stack", [](TestFaultPass &) {
           volatile int first = 0;
           useUpTheStack(&first);
         }}};
    auto *found = llvm::find_if(kinds, [&](const Kind &each) { return each.name == kind; });
    if (found != std::end(kinds))
      return found->fail(*this);
    getOperation()->emitError() << "kind must be abort, fatal, invalid, segfault, silent or stack";
    signalPassFailure();
  }

  /// Two symbols of one name.
  void makeInvalid() {
    OpBuilder builder = OpBuilder::atBlockEnd(getOperation().getBody());
    for (int i = 0; i < 2; ++i)
      ModuleOp::create(builder, getOperation().getLoc(), "twice");
  }

  Option<std::string> kind{*this, "kind", llvm::cl::desc("kind of the fault"),
                           llvm::cl::init("abort")};
};

const PassEffectRegistration effect("lathe-test-fault", {NumericEffect::Exact});

} // namespace

void lathe::compiler::registerTestFaultPass() { PassRegistration<TestFaultPass>(); }
