//===- VerifyPipelineTest.cpp - Random graphs down to machine code ---------===//

#include "compiler/driver/VerifyPipeline.h"
#include "compiler/driver/Pipeline.h"
#include "compiler/reference/CompareResults.h"
#include "compiler/reference/RandomGraph.h"
#include "compiler/reference/ReferenceRunner.h"
#include "dialects/Step/StepOps.h"
#include "fake/TestPass.h"
#include "passes/PassEffect.h"
#include "passes/Schedule/Passes.h"
#include "runtime/session/HostCPU.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"

#include "llvm/Support/Regex.h"

#include "gtest/gtest.h"

using namespace lathe;
using namespace lathe::compiler;
using namespace lathe::test;
using namespace mlir;

namespace {

class VerifyPipelineTest : public testing::TestWithParam<int> {
protected:
  VerifyPipelineTest() {
    DialectRegistry registry;
    registerLatheDialects(registry);
    context.appendDialectRegistry(registry);
    prepareReferenceContext(context);
    context.loadAllAvailableDialects();
    passes = std::make_unique<PassManager>(&context);
  }

  OwningOpRef<ModuleOp> graph(uint64_t seed) {
    OwningOpRef<ModuleOp> module(ModuleOp::create(UnknownLoc::get(&context)));
    buildRandomGraph(*module, seed);
    return module;
  }

  /// Adds the stages first <= stage <= last, by name.
  void addStages(StringRef first, StringRef last, const PipelineOptions &options = {}) {
    for (int stage = findStage(first); stage <= findStage(last); ++stage)
      addStage(*passes, stage, options);
  }

  /// Runs `passes` under verification; the messages, or "" when all is well.
  std::string run(ModuleOp module) {
    std::string messages;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      messages += diagnostic.str() + "\n";
      return success();
    });
    verifyPipeline(*passes);
    bool passed = succeeded(passes->run(module));
    EXPECT_EQ(passed, messages.empty()) << messages;
    return messages;
  }

  MLIRContext context;
  std::unique_ptr<PassManager> passes;
};

bool hostRunsKernels() { return hostHasFeature("avx2") && hostHasFeature("fma"); }

/// All policies, all types of the cache, and entries of few rows and of many.
TEST_P(VerifyPipelineTest, RandomGraphGivesTheSameAtEveryStage) {
  if (!hostRunsKernels())
    GTEST_SKIP() << "needs a CPU with AVX2";
  constexpr const char *policies[] = {"f32", "int8", "bf16", "auto"};
  PipelineOptions options;
  options.precision = policies[GetParam() % 4];
  constexpr const char *kvTypes[] = {"auto", "f32", "f16", "bf16", "int8"};
  options.kvType = kvTypes[GetParam() % 5];
  options.prefillRows = GetParam() % 3 == 2 ? 6 : 512;
  addStages("fused", "kernels", options);
  EXPECT_EQ(run(*graph(100 + GetParam())), "");
}
INSTANTIATE_TEST_SUITE_P(Graphs, VerifyPipelineTest, testing::Range(0, 24));

using VerifyPipelineErrors = VerifyPipelineTest;

/// The first load whose buffer has a twin that was stored before: a schedule
/// that takes the value of another phase.
void loadAnotherBuffer(ModuleOp module) {
  SmallVector<Value> stored;
  module.walk([&](Operation *op) {
    if (auto store = dyn_cast<step::StoreOp>(op))
      stored.push_back(store.getDestination());
    auto load = dyn_cast<step::LoadOp>(op);
    if (!load)
      return WalkResult::advance();
    for (Value other : stored)
      if (other != load.getBuffer() && other.getType() == load.getBuffer().getType() &&
          other.getParentBlock() == load.getBuffer().getParentBlock()) {
        load.getBufferMutable().assign(other);
        return WalkResult::interrupt();
      }
    return WalkResult::advance();
  });
}

TEST_F(VerifyPipelineErrors, NamesAScheduleThatLoadsTheWrongBuffer) {
  registerPassEffect("lathe-test-schedule", {NumericEffect::Exact});
  addStages("fused", "fused");
  auto schedule = [](ModuleOp module) {
    PassManager nested(module.getContext());
    nested.addPass(createSchedulePass());
    ASSERT_TRUE(succeeded(nested.run(module)));
    loadAnotherBuffer(module);
  };
  passes->addPass(std::make_unique<TestPass>("lathe-test-schedule", schedule));
  std::string messages = run(*graph(3));
  EXPECT_NE(messages.find("pass 'lathe-test-schedule' is declared exact, but in @decode result "),
            std::string::npos)
      << messages;
}

TEST_F(VerifyPipelineErrors, NamesAPassThatBreaksAProgram) {
  registerPassEffect("lathe-test-program", {NumericEffect::Exact});
  addStages("fused", "scheduled");
  passes->addPass(std::make_unique<TestPass>("lathe-test-program", loadAnotherBuffer));
  std::string messages = run(*graph(3));
  EXPECT_NE(messages.find("pass 'lathe-test-program' is declared exact, but in @decode result "),
            std::string::npos)
      << messages;
}

TEST_F(VerifyPipelineErrors, FindsBuffersThatShareBytes) {
  registerPassEffect("lathe-test-plan", {NumericEffect::Exact});
  addStages("fused", "planned");
  auto collapse = [](ModuleOp module) {
    module.walk([](step::AllocOp alloc) { alloc.setOffset(0); });
  };
  passes->addPass(std::make_unique<TestPass>("lathe-test-plan", collapse));
  std::string messages = run(*graph(3));
  EXPECT_FALSE(messages.empty());
}

TEST_F(VerifyPipelineErrors, NamesAPassThatBreaksTheKernels) {
  if (!hostRunsKernels())
    GTEST_SKIP() << "needs a CPU with AVX2";
  registerPassEffect("lathe-test-kernels", {NumericEffect::Exact});
  addStages("fused", "kernels");
  auto negate = [](ModuleOp module) {
    module.walk([](arith::MulFOp op) {
      OpBuilder builder(op);
      op.getLhsMutable().assign(arith::NegFOp::create(builder, op.getLoc(), op.getLhs()));
      return WalkResult::interrupt();
    });
  };
  passes->addPass(std::make_unique<TestPass>("lathe-test-kernels", negate));
  std::string messages = run(*graph(3));
  EXPECT_NE(messages.find("pass 'lathe-test-kernels' is declared exact, but in step 0, of entry @"),
            std::string::npos)
      << messages;
}

/// Multiplies what the first product multiplies by 1.03.
void stretch(ModuleOp module) {
  module.walk([](arith::MulFOp op) {
    OpBuilder builder(op);
    TypedAttr number = builder.getF32FloatAttr(1.03f);
    if (auto vector = dyn_cast<VectorType>(op.getType()))
      number = DenseElementsAttr::get(vector, 1.03f);
    Value factor = arith::ConstantOp::create(builder, op.getLoc(), number);
    op.getLhsMutable().assign(
        arith::MulFOp::create(builder, op.getLoc(), op.getLhs(), factor).getResult());
    return WalkResult::interrupt();
  });
}

/// A fault that moves results as far as rounding may does so on any data.
TEST_F(VerifyPipelineErrors, TellsASmallFaultFromRounding) {
  if (!hostRunsKernels())
    GTEST_SKIP() << "needs a CPU with AVX2";
  registerPassEffect("lathe-test-stretch", {NumericEffect::Reassociates});
  PipelineOptions options;
  options.precision = "int8";
  addStages("fused", "kernels", options);
  passes->addPass(std::make_unique<TestPass>("lathe-test-stretch", stretch));
  std::string messages = run(*graph(101));
  llvm::Regex expected(
      "pass 'lathe-test-stretch' is declared reassociates, but in step .* result 0 "
      "moves by [23][.][0-9]+e-02 of its largest element");
  EXPECT_TRUE(expected.match(messages)) << messages;
}

TEST(ResultComparison, OnlyRoundingToIntegersLeavesAMoveUndecided) {
  MLIRContext context;
  Location loc = UnknownLoc::get(&context);
  auto undecided = [&](PassEffect effect, double bound, double relative) {
    return ResultComparison(loc, "p", effect, bound).isUndecided({relative, ""});
  };
  PassEffect reassociates{NumericEffect::Reassociates};
  EXPECT_TRUE(undecided(reassociates, 2e-2, 2.5e-2));
  // Farther than rounding moves results at all.
  EXPECT_FALSE(undecided(reassociates, 2e-2, 4.5e-2));
  EXPECT_FALSE(undecided(reassociates, 2e-2, std::numeric_limits<double>::infinity()));
  // Where nothing becomes integers, one rounding moves little.
  EXPECT_FALSE(undecided(reassociates, 8e-3, 2.5e-2));
  EXPECT_FALSE(undecided({NumericEffect::Exact}, 2e-2, 1e-9));
  EXPECT_FALSE(undecided({NumericEffect::LowersPrecision, 0.01}, 2e-2, 2.5e-2));
}

} // namespace
