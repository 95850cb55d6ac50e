//===- VerifyPasses.cpp - Holds every pass to its declared effect ----------===//

#include "compiler/reference/VerifyPasses.h"
#include "compiler/reference/RandomInputs.h"
#include "dialects/Lathe/LatheOps.h"
#include "passes/PassEffect.h"

#include "mlir/IR/OperationSupport.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "llvm/Support/FormatVariadic.h"

#include <bit>
#include <cmath>
#include <map>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static const PassEffectRegistration toReference("lathe-to-reference", {NumericEffect::Exact});
static const PassEffectRegistration randomGraph("lathe-random-graph", {NumericEffect::Exact});

/// What other orders of f32 sums may change, relative to the largest element.
static constexpr double reassociationBound = 1e-4;
/// The same where activations are quantised later: a sum beside a rounding
/// threshold then moves an element by a whole quantisation step.
static constexpr double quantizedReassociationBound = 2e-2;

//===----------------------------------------------------------------------===//
// Running a module
//===----------------------------------------------------------------------===//

namespace {
/// The results of each function with lathe ops, by its name.
struct ModuleResults {
  std::map<std::string, std::vector<ReferenceArray>> functions;
  bool quantizes = false;
};
} // namespace

static bool hasLatheOps(func::FuncOp func) {
  auto isLathe = [](Operation *op) {
    return isa_and_nonnull<ir::LatheDialect>(op->getDialect()) ? WalkResult::interrupt()
                                                               : WalkResult::advance();
  };
  return func.walk(isLathe).wasInterrupted();
}

static FailureOr<ModuleResults> runModule(ModuleOp module, uint64_t seed) {
  ModuleResults all;
  module.walk([&](ir::QuantizeOp) { all.quantizes = true; });
  for (auto func : module.getOps<func::FuncOp>()) {
    if (!hasLatheOps(func))
      continue;
    FailureOr<std::vector<ReferenceArray>> inputs = makeRandomInputs(func, seed);
    if (failed(inputs))
      return failure();
    std::unique_ptr<ReferenceProgram> program = ReferenceProgram::compile(module, func.getName());
    if (!program)
      return failure();
    FailureOr<std::vector<ReferenceArray>> results = program->run(func.getLoc(), *inputs);
    if (failed(results))
      return failure();
    all.functions[func.getName().str()] = std::move(*results);
  }
  return all;
}

//===----------------------------------------------------------------------===//
// Comparing results
//===----------------------------------------------------------------------===//

namespace {
/// The element that moved most, relative to the largest of its tensor.
struct Difference {
  double relative = 0;
  int64_t element = -1;
};
} // namespace

/// Bits count where nothing may change, so that -0 and NaN are told apart.
static double distance(float before, float after, double largest) {
  if (std::bit_cast<uint32_t>(before) == std::bit_cast<uint32_t>(after))
    return 0;
  double difference = std::abs(double(before) - double(after)) / largest;
  // A NaN on one side is as far away as can be; so is a zero of another sign
  // under "exact", by the smallest distance there is.
  if (std::isnan(difference))
    return std::numeric_limits<double>::infinity();
  return std::max(difference, std::numeric_limits<double>::min());
}

static Difference compare(const std::vector<float> &before, const std::vector<float> &after) {
  double largest = std::numeric_limits<float>::min();
  for (float value : before)
    if (std::isfinite(value))
      largest = std::max<double>(largest, std::abs(value));
  Difference worst;
  for (size_t i = 0; i < before.size(); ++i) {
    double relative = distance(before[i], after[i], largest);
    if (relative > worst.relative)
      worst = {relative, int64_t(i)};
  }
  return worst;
}

static std::string describePlace(ArrayRef<int64_t> shape, int64_t element) {
  SmallVector<int64_t> place(shape.size());
  for (int64_t dim = shape.size() - 1; dim >= 0; --dim) {
    place[dim] = element % shape[dim];
    element /= shape[dim];
  }
  return llvm::formatv("[{0:$[, ]}]", llvm::make_range(place.begin(), place.end()));
}

namespace {
/// Compares the results of two modules by what a pass declared.
class Comparison {
public:
  Comparison(Pass &pass, PassEffect effect, Location loc, bool quantizes)
      : pass(pass), effect(effect), loc(loc) {
    bound = effect.relativeBound;
    if (effect.kind == NumericEffect::Exact)
      bound = 0;
    else if (effect.kind == NumericEffect::Reassociates)
      bound = quantizes ? quantizedReassociationBound : reassociationBound;
  }

  LogicalResult compareFunction(StringRef name, ArrayRef<ReferenceArray> before,
                                ArrayRef<ReferenceArray> after) {
    if (before.size() != after.size())
      return report(name) << "the number of results changed from " << before.size() << " to "
                          << after.size();
    for (size_t index = 0; index < before.size(); ++index)
      if (failed(compareResult(name, index, before[index], after[index])))
        return failure();
    return success();
  }

private:
  InFlightDiagnostic report(StringRef function) {
    return emitError(loc) << "pass '" << pass.getArgument() << "' is declared " << toString(effect)
                          << ", but in @" << function << " ";
  }

  LogicalResult compareResult(StringRef name, size_t index, const ReferenceArray &before,
                              const ReferenceArray &after) {
    if (before.shape != after.shape || before.elements.index() != after.elements.index())
      return report(name) << "the shape or type of result " << index << " changed";
    auto *old = std::get_if<std::vector<float>>(&before.elements);
    if (!old)
      return before.elements == after.elements
                 ? success()
                 : LogicalResult(report(name) << "the integers of result " << index << " changed");
    auto &fresh = std::get<std::vector<float>>(after.elements);
    Difference worst = compare(*old, fresh);
    if (worst.relative <= bound)
      return success();
    return report(name) << "result " << index << " moves by "
                        << llvm::formatv("{0:e2}", worst.relative).str()
                        << " of its largest element at "
                        << describePlace(before.shape, worst.element) << ": from "
                        << std::to_string((*old)[worst.element]) << " to "
                        << std::to_string(fresh[worst.element]);
  }

  Pass &pass;
  PassEffect effect;
  Location loc;
  double bound;
};
} // namespace

//===----------------------------------------------------------------------===//
// The instrumentation
//===----------------------------------------------------------------------===//

namespace {
class VerifyEachPass : public PassInstrumentation {
public:
  explicit VerifyEachPass(uint64_t seed) : seed(seed) {}

  void runBeforePass(Pass *pass, Operation *op) override;
  void runAfterPass(Pass *pass, Operation *op) override;
  void runAfterPassFailed(Pass *pass, Operation *op) override {
    if (isChecked(*pass))
      before.pop_back();
  }

private:
  using Results = std::shared_ptr<const ModuleResults>;

  /// Not the passes that only run other passes.
  static bool isChecked(Pass &pass) { return !pass.getName().contains("OpToOpPassAdaptor"); }
  static ModuleOp getModule(Operation *op) {
    auto module = dyn_cast<ModuleOp>(op);
    return module ? module : op->getParentOfType<ModuleOp>();
  }
  Results getResults(ModuleOp module);
  LogicalResult check(Pass &pass, ModuleOp module, const ModuleResults &old);

  uint64_t seed;
  /// One entry for each pass that is running; null where nothing could be run.
  std::vector<Results> before;
  /// The results of a pass are those before the next.
  std::optional<OperationFingerPrint> lastPrint;
  Results last;
};
} // namespace

VerifyEachPass::Results VerifyEachPass::getResults(ModuleOp module) {
  OperationFingerPrint print(module);
  if (last && lastPrint && *lastPrint == print)
    return last;
  FailureOr<ModuleResults> results = runModule(module, seed);
  last = succeeded(results) ? std::make_shared<const ModuleResults>(std::move(*results)) : nullptr;
  lastPrint = print;
  return last;
}

void VerifyEachPass::runBeforePass(Pass *pass, Operation *op) {
  if (!isChecked(*pass))
    return;
  before.push_back(getResults(getModule(op)));
}

LogicalResult VerifyEachPass::check(Pass &pass, ModuleOp module, const ModuleResults &old) {
  if (old.functions.empty())
    return success();
  std::optional<PassEffect> effect = getDeclaredEffect(pass);
  if (!effect)
    return module.emitError() << "pass '" << pass.getArgument()
                              << "' does not declare its effect on results (passes/PassEffect.h)";
  Results fresh = getResults(module);
  if (!fresh)
    return failure();
  Comparison comparison(pass, *effect, module.getLoc(), old.quantizes || fresh->quantizes);
  for (auto &[name, results] : old.functions) {
    auto found = fresh->functions.find(name);
    if (found != fresh->functions.end() &&
        failed(comparison.compareFunction(name, results, found->second)))
      return failure();
  }
  return success();
}

void VerifyEachPass::runAfterPass(Pass *pass, Operation *op) {
  if (!isChecked(*pass))
    return;
  Results old = std::move(before.back());
  before.pop_back();
  // What was wrong before the pass has been told, and is no fault of it.
  if (!old || failed(check(*pass, getModule(op), *old)))
    signalPassFailure(pass);
}

void lathe::compiler::verifyEachPass(PassManager &pm, uint64_t seed) {
  MLIRContext *context = pm.getContext();
  prepareReferenceContext(*context);
  context->disableMultithreading();
  pm.addInstrumentation(std::make_unique<VerifyEachPass>(seed));
}
