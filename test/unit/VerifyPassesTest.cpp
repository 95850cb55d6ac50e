//===- VerifyPassesTest.cpp - Random graphs, and passes held to their word -===//

#include "compiler/reference/VerifyPasses.h"
#include "compiler/reference/RandomGraph.h"
#include "compiler/reference/RandomInputs.h"
#include "dialects/Lathe/LatheOps.h"
#include "fake/TestPass.h"
#include "passes/PassEffect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Transforms/Passes.h"

#include "gtest/gtest.h"

#include <cmath>

using namespace lathe;
using namespace lathe::compiler;
using namespace lathe::test;
using namespace mlir;

namespace {

class VerifyPassesTest : public testing::Test {
protected:
  VerifyPassesTest() { prepareReferenceContext(context); }

  OwningOpRef<ModuleOp> graph(uint64_t seed) {
    OwningOpRef<ModuleOp> module(ModuleOp::create(UnknownLoc::get(&context)));
    buildRandomGraph(*module, seed);
    return module;
  }

  /// Runs one pass under verification; the messages, or "" when it passed.
  std::string run(ModuleOp module, std::unique_ptr<Pass> pass) {
    std::string messages;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      messages += diagnostic.str() + "\n";
      return success();
    });
    PassManager pm(&context);
    pm.addPass(std::move(pass));
    verifyEachPass(pm);
    bool passed = succeeded(pm.run(module));
    EXPECT_EQ(passed, messages.empty());
    return messages;
  }

  std::string run(ModuleOp module, StringRef name, std::function<void(ModuleOp)> action) {
    return run(module, std::make_unique<TestPass>(name, std::move(action)));
  }

  MLIRContext context;
};

/// Rounds every input of a linear op to bf16.
void roundInputs(ModuleOp module) {
  module.walk([](ir::LinearOp op) {
    OpBuilder builder(op);
    auto type = cast<RankedTensorType>(op.getInput().getType());
    auto narrow = RankedTensorType::get(type.getShape(), builder.getBF16Type());
    auto rounded = ir::QuantizeOp::create(builder, op.getLoc(), narrow, op.getInput());
    auto format =
        ir::getBlockFormat(cast<RankedTensorType>(op.getWeight().getType()).getElementType());
    if (format)
      op.getInputMutable().assign(rounded);
  });
}

void scaleNorms(ModuleOp module) {
  module.walk([](ir::RMSNormOp op) {
    op.setEpsAttr(Builder(op.getContext()).getF32FloatAttr(op.getEps().convertToFloat() * 1000));
  });
}

TEST_F(VerifyPassesTest, RandomGraphsRunAndGiveNumbers) {
  for (uint64_t seed = 0; seed < 6; ++seed) {
    OwningOpRef<ModuleOp> module = graph(seed);
    ASSERT_TRUE(succeeded(verify(*module))) << seed;
    auto forward = module->lookupSymbol<func::FuncOp>("forward");
    auto inputs = makeRandomInputs(forward, seed);
    ASSERT_TRUE(succeeded(inputs));
    auto program = ReferenceProgram::compile(*module, "forward");
    ASSERT_TRUE(program) << seed;
    auto results = program->run(module->getLoc(), *inputs);
    ASSERT_TRUE(succeeded(results));
    ASSERT_EQ(results->size(), 3u);
    const auto &logits = std::get<std::vector<float>>(results->front().elements);
    EXPECT_FALSE(logits.empty());
    for (float value : logits)
      ASSERT_TRUE(std::isfinite(value)) << seed;
  }
}

TEST_F(VerifyPassesTest, RandomGraphsAreReadAsPrinted) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    std::string text, again;
    llvm::raw_string_ostream(text) << *graph(seed);
    auto parsed = parseSourceString<ModuleOp>(text, &context);
    ASSERT_TRUE(parsed) << text;
    llvm::raw_string_ostream(again) << *parsed;
    EXPECT_EQ(text, again);
    std::string same;
    llvm::raw_string_ostream(same) << *graph(seed);
    EXPECT_EQ(text, same);
  }
}

TEST_F(VerifyPassesTest, AcceptsAPassThatKeepsItsWord) {
  registerPassEffect("lathe-test-nothing", {NumericEffect::Exact});
  OwningOpRef<ModuleOp> module = graph(1);
  EXPECT_EQ(run(*module, "lathe-test-nothing", [](ModuleOp) {}), "");
  EXPECT_EQ(run(*module, createCanonicalizerPass()), "");
  EXPECT_EQ(run(*module, createCSEPass()), "");
}

TEST_F(VerifyPassesTest, WeightsKeepTheirValuesWhenDeclaredInAnotherOrder) {
  registerPassEffect("lathe-test-reorder", {NumericEffect::Exact});
  OwningOpRef<ModuleOp> module = graph(2);
  auto reverse = [](ModuleOp module) {
    for (auto op : llvm::to_vector(module.getOps<ir::WeightsOp>()))
      op->moveBefore(module.getBody(), module.getBody()->begin());
  };
  EXPECT_EQ(run(*module, "lathe-test-reorder", reverse), "");
}

TEST_F(VerifyPassesTest, NamesAPassThatBreaksItsWord) {
  registerPassEffect("lathe-test-scale", {NumericEffect::Exact});
  std::string message = run(*graph(3), "lathe-test-scale", scaleNorms);
  EXPECT_NE(
      message.find("pass 'lathe-test-scale' is declared exact, but in @forward result 0 moves by "),
      std::string::npos)
      << message;
}

TEST_F(VerifyPassesTest, HoldsLowerPrecisionToItsBound) {
  registerPassEffect("lathe-test-round", {NumericEffect::LowersPrecision, 0.1});
  EXPECT_EQ(run(*graph(4), "lathe-test-round", roundInputs), "");
  registerPassEffect("lathe-test-round", {NumericEffect::LowersPrecision, 1e-6});
  std::string message = run(*graph(4), "lathe-test-round", roundInputs);
  EXPECT_NE(message.find("is declared lowers-precision(1e-06)"), std::string::npos) << message;
}

TEST_F(VerifyPassesTest, DemandsADeclaration) {
  std::string message = run(*graph(5), "lathe-test-undeclared", [](ModuleOp) {});
  EXPECT_EQ(message, "pass 'lathe-test-undeclared' does not declare its effect on results "
                     "(passes/PassEffect.h)\n");
}

TEST_F(VerifyPassesTest, StopsAtTheFirstBreak) {
  registerPassEffect("lathe-test-scale", {NumericEffect::Exact});
  registerPassEffect("lathe-test-nothing", {NumericEffect::Exact});
  OwningOpRef<ModuleOp> module = graph(3);
  ScopedDiagnosticHandler quiet(&context, [](Diagnostic &) { return success(); });
  bool reached = false;
  PassManager pm(&context);
  pm.addPass(std::make_unique<TestPass>("lathe-test-scale", scaleNorms));
  pm.addPass(std::make_unique<TestPass>("lathe-test-nothing", [&](ModuleOp) { reached = true; }));
  verifyEachPass(pm);
  EXPECT_TRUE(failed(pm.run(*module)));
  EXPECT_FALSE(reached);
}

} // namespace
