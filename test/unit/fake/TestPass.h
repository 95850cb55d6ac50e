//===- TestPass.h - A pass that does what a test says -----------*- C++ -*-===//

#ifndef LATHE_TEST_UNIT_FAKE_TESTPASS_H
#define LATHE_TEST_UNIT_FAKE_TESTPASS_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

#include <functional>
#include <string>
#include <utility>

namespace lathe::test {

/// Runs `action` on the module, under the name `argument`.
struct TestPass : mlir::PassWrapper<TestPass, mlir::OperationPass<mlir::ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TestPass)

  TestPass(llvm::StringRef argument, std::function<void(mlir::ModuleOp)> action)
      : argument(argument), action(std::move(action)) {}
  llvm::StringRef getArgument() const override { return argument; }
  void runOnOperation() override { action(getOperation()); }

  std::string argument;
  std::function<void(mlir::ModuleOp)> action;
};

} // namespace lathe::test

#endif // LATHE_TEST_UNIT_FAKE_TESTPASS_H
