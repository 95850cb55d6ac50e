//===- MemoryPlanTest.cpp - How close arenas come to their lower bound -----===//

#include "compiler/driver/Pipeline.h"
#include "compiler/reference/Random.h"
#include "compiler/reference/RandomGraph.h"
#include "dialects/Step/StepOps.h"
#include "passes/Memory/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include "gtest/gtest.h"

#include <cstdio>

using namespace lathe;
using namespace lathe::compiler;
using namespace mlir;

namespace {

/// Ratios of arena and bound, over many programs.
struct Ratios {
  double worst = 0, sum = 0;
  int count = 0;

  void add(ModuleOp module) {
    for (auto program : module.getOps<step::ProgramOp>()) {
      ASSERT_TRUE(program.getArena() && program.getArenaBound());
      double arena = *program.getArena(), bound = *program.getArenaBound();
      ASSERT_GE(arena, bound) << "nothing is smaller than the lower bound";
      if (bound == 0)
        continue;
      worst = std::max(worst, arena / bound);
      sum += arena / bound;
      ++count;
    }
  }
  void print(const char *what) const {
    std::printf("%s: %d arenas, worst %.4f, mean %.5f of the lower bound\n", what, count, worst,
                sum / count);
  }
};

class MemoryPlanTest : public testing::Test {
protected:
  MemoryPlanTest() : context(makeRegistry(), MLIRContext::Threading::DISABLED) {
    context.loadAllAvailableDialects();
  }
  static DialectRegistry makeRegistry() {
    DialectRegistry registry;
    registerLatheDialects(registry);
    return registry;
  }
  MLIRContext context;
};

TEST_F(MemoryPlanTest, ThousandRandomGraphs) {
  Ratios ratios;
  constexpr const char *policies[] = {"auto", "f32", "bf16"};
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    OwningOpRef<ModuleOp> module(ModuleOp::create(UnknownLoc::get(&context)));
    buildRandomGraph(*module, seed);
    PassManager passes(&context);
    passes.enableVerifier(false);
    PipelineOptions options;
    options.precision = policies[seed % 3];
    options.prefillRows = 2 + static_cast<int64_t>(seed % 63);
    for (int stage = 1; stage <= findStage("planned"); ++stage)
      addStage(passes, stage, options);
    ASSERT_TRUE(succeeded(passes.run(*module))) << "seed " << seed;
    ratios.add(*module);
  }
  ratios.print("random graphs");
  EXPECT_GE(ratios.count, 2000);
  EXPECT_LE(ratios.worst, 1.05);
}

/// Buffers that live from one random phase to another, unlike any model's: harder
/// than graphs, where most are handed on from phase to phase.
std::string randomProgram(Random &random, int64_t buffers, int64_t phases) {
  std::string allocs, text;
  // Every phase must store something.
  SmallVector<std::string> loads(
      phases, "%x = step.load %logits : <1x32xf32> -> tensor<?x32xf32>\n"
              "step.store %x, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>\n");
  for (int64_t i = 0; i < buffers; ++i) {
    std::string name = "%b" + std::to_string(i);
    std::string shape = std::to_string(16 * random.draw(1, 64)) + "xf32";
    int64_t first = random.draw(0, phases - 1);
    int64_t last = std::min(phases - 1, first + random.draw(0, 7));
    allocs += name + " = step.alloc : !step.buffer<1x" + shape + ">\n";
    std::string load = "step.load " + name + " : <1x" + shape + "> -> tensor<?x" + shape + ">\n";
    loads[first] += "%f" + std::to_string(i) + " = " + load;
    if (last != first)
      loads[last] += "%l" + std::to_string(i) + " = " + load;
  }
  for (const std::string &load : loads)
    text += "step.phase \"p\" over rows {\n" + load + "}\n";
  return "step.program @p max_rows = 1 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, "
         "%logits: !step.buffer<1x32xf32>) {\n" +
         allocs + text + "}\n";
}

TEST_F(MemoryPlanTest, ThousandRandomLifetimes) {
  Ratios ratios;
  Random random(1);
  for (int i = 0; i < 1000; ++i) {
    int64_t buffers = random.draw(4, 32), phases = random.draw(4, 20);
    std::string text = randomProgram(random, buffers, phases);
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
    ASSERT_TRUE(module) << text;
    PassManager passes(&context);
    passes.nest<step::ProgramOp>().addPass(createPlanMemoryPass());
    ASSERT_TRUE(succeeded(passes.run(*module)));
    ratios.add(*module);
  }
  ratios.print("random lifetimes");
  EXPECT_EQ(ratios.count, 1000);
  EXPECT_LE(ratios.sum / ratios.count, 1.01);
}

} // namespace
