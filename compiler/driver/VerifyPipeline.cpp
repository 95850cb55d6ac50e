//===- VerifyPipeline.cpp - Verifies passes down to machine code -----------===//

#include "compiler/driver/VerifyPipeline.h"

#include "compiler/driver/KernelRunner.h"
#include "compiler/driver/RandomWeights.h"
#include "compiler/reference/CompareResults.h"
#include "compiler/reference/StepToForward.h"
#include "compiler/reference/VerifyPasses.h"
#include "compiler/target/cpu/CpuTarget.h"
#include "passes/PassEffect.h"
#include "runtime/session/HostCPU.h"

#include "mlir/Pass/PassInstrumentation.h"
#include "llvm/ADT/StringExtras.h"

#include <map>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

//===----------------------------------------------------------------------===//
// What the kernels must give
//===----------------------------------------------------------------------===//

namespace {
/// The steps that kernels are run on, and the logits that the step programs
/// gave for them.
class KernelOracle {
public:
  /// `module` has planned programs; null, with an error, when their reference
  /// cannot be run.
  static std::unique_ptr<KernelOracle> create(ModuleOp module, uint64_t seed);

  KernelFacts facts;
  RandomWeights weights;
  std::vector<KernelStep> steps;
  std::vector<ReferenceArray> logits; ///< One for each step.
  double reassociationBound = 0;

private:
  KernelOracle(ModuleOp module, uint64_t seed)
      : facts(module), weights(module, seed), steps(makeKernelSteps(facts, Random(seed))) {}
  LogicalResult compileReferences(ModuleOp module);
  LogicalResult run(ModuleOp module);

  std::map<std::string, std::shared_ptr<ReferenceProgram>> references;
};
} // namespace

/// Most programs of a module read the same as functions.
LogicalResult KernelOracle::compileReferences(ModuleOp module) {
  std::map<std::string, std::shared_ptr<ReferenceProgram>> byText;
  reassociationBound = getReassociationBound(module);
  for (auto program : module.getOps<step::ProgramOp>()) {
    FailureOr<OwningOpRef<ModuleOp>> forward = stepToForward(program);
    if (failed(forward))
      return failure();
    std::string text;
    llvm::raw_string_ostream(text) << **forward;
    std::shared_ptr<ReferenceProgram> &reference = byText[text];
    if (!reference)
      reference = ReferenceProgram::compile(**forward, forwardName);
    if (!reference)
      return failure();
    references[program.getSymName().str()] = reference;
  }
  return success();
}

static ReferenceArray makeIntegers(std::vector<int32_t> values) {
  return {{int64_t(values.size())}, std::move(values)};
}

/// Keys or values of fresh memory, for a cache argument of a reference.
static ReferenceArray makeEmptyCache(RankedTensorType type) {
  SmallVector<int64_t> shape(type.getShape());
  shape[1] = KernelFacts::sequences;
  shape[2] = KernelFacts::capacity;
  return {shape, std::vector<float>(ShapedType::getNumElements(shape))};
}

LogicalResult KernelOracle::run(ModuleOp module) {
  ArrayRef<RankedTensorType> types = references.begin()->second->inputTypes();
  // Keys and values, where there is a cache.
  std::vector<ReferenceArray> cache;
  if (!facts.isEncoder)
    cache = {makeEmptyCache(types[7]), makeEmptyCache(types[8])};
  for (const KernelStep &step : steps) {
    std::vector<ReferenceArray> inputs{makeIntegers(step.tokens), makeIntegers(step.positions),
                                       makeIntegers(step.sequences), makeIntegers(step.logitsRows),
                                       makeIntegers(step.layerRuns)};
    inputs.push_back({{static_cast<int64_t>(step.exitAt.size())}, step.exitAt});
    inputs.push_back(makeIntegers(step.widths));
    std::move(cache.begin(), cache.end(), std::back_inserter(inputs));
    llvm::append_range(inputs, weights.arrays());
    auto results = references[step.entry]->run(module.getLoc(), inputs);
    if (failed(results))
      return failure();
    logits.push_back(std::move(results->front()));
    cache.assign(std::make_move_iterator(results->begin() + 1),
                 std::make_move_iterator(results->end()));
  }
  references.clear();
  return success();
}

std::unique_ptr<KernelOracle> KernelOracle::create(ModuleOp module, uint64_t seed) {
  std::unique_ptr<KernelOracle> oracle(new KernelOracle(module, seed));
  if (failed(oracle->compileReferences(module)) || failed(oracle->run(module)))
    return nullptr;
  return oracle;
}

//===----------------------------------------------------------------------===//
// The instrumentation
//===----------------------------------------------------------------------===//

namespace {
class VerifyKernels : public PassInstrumentation {
public:
  explicit VerifyKernels(uint64_t seed) : seed(seed) {}

  void runBeforePass(Pass *, Operation *op) override {
    auto module = dyn_cast<ModuleOp>(op);
    if (!module || module.getOps<step::ProgramOp>().empty() ||
        (*module.getOps<step::ProgramOp>().begin()).isFunction())
      return;
    planned = module.clone();
    oracle = nullptr;
    verified.clear();
  }

  void runAfterPass(Pass *pass, Operation *op) override {
    auto module = dyn_cast<ModuleOp>(op);
    if (module && planned && module.lookupSymbol("lathe_manifest") && failed(check(*pass, module)))
      signalPassFailure(pass);
  }

private:
  using Logits = std::vector<ReferenceArray>;

  LogicalResult check(Pass &pass, ModuleOp module);
  LogicalResult compare(Pass &pass, ModuleOp module);
  bool holdOnOtherData(const ResultComparison &comparison, ModuleOp module);

  uint64_t seed;
  /// The module as it was when it had step programs last.
  OwningOpRef<ModuleOp> planned;
  /// Made of `planned` when it is wanted.
  std::unique_ptr<KernelOracle> oracle;
  /// The kernels that were run last, as text.
  std::string verified;
};
} // namespace

static bool canRun(ModuleOp module) {
  auto name = module->getAttrOfType<StringAttr>("lathe.target");
  if (name && findDeviceTarget(name.getValue()))
    return true;
  const CpuTarget *target = name ? findCpuTarget(name.getValue()) : nullptr;
  std::vector<std::string> missing;
  if (target)
    missing = missingFeatures(target->features);
  if (!missing.empty())
    module.emitWarning() << "the kernels are not verified, because this machine lacks "
                         << llvm::join(missing, ", ");
  return missing.empty();
}

static std::string printBody(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  for (Operation &op : *module.getBody())
    stream << op;
  return text;
}

/// The first step whose bits differ, or -1.
static int64_t findOtherBits(ArrayRef<ReferenceArray> a, ArrayRef<ReferenceArray> b) {
  for (auto [index, first, second] : llvm::enumerate(a, b)) {
    auto &some = std::get<std::vector<float>>(first.elements);
    auto &others = std::get<std::vector<float>>(second.elements);
    if (std::memcmp(some.data(), others.data(), some.size() * sizeof(float)) != 0)
      return index;
  }
  return -1;
}

LogicalResult VerifyKernels::check(Pass &pass, ModuleOp module) {
  std::string text = printBody(module);
  if (text == verified || !canRun(module))
    return success();
  verified = std::move(text);
  if (!oracle)
    oracle = KernelOracle::create(*planned, seed);
  return oracle ? compare(pass, module) : failure();
}

/// The logits of the oracle's steps, with any number of workers.
static FailureOr<std::vector<ReferenceArray>> runKernels(ModuleOp module, KernelOracle &oracle) {
  std::unique_ptr<KernelRunner> runner = KernelRunner::create(module, oracle.facts);
  if (!runner)
    return failure();
  constexpr unsigned fewWorkers = 1, manyWorkers = 3;
  const uint8_t *const *weights = oracle.weights.table();
  auto few = runner->run(module.getLoc(), oracle.steps, weights, fewWorkers);
  auto many = runner->run(module.getLoc(), oracle.steps, weights, manyWorkers);
  if (failed(few) || failed(many))
    return failure();
  if (int64_t step = findOtherBits(*few, *many); step >= 0)
    return module.emitError() << "step " << step << ", of entry @" << oracle.steps[step].entry
                              << ", gives other bits with " << manyWorkers << " workers than with "
                              << fewWorkers;
  return few;
}

/// Whether nothing moves too far with other weights and rows, twice.
bool VerifyKernels::holdOnOtherData(const ResultComparison &comparison, ModuleOp module) {
  constexpr uint64_t draws = 2;
  for (uint64_t draw = 1; draw <= draws; ++draw) {
    std::unique_ptr<KernelOracle> other = KernelOracle::create(*planned, seed + draw);
    if (!other)
      return false;
    FailureOr<Logits> logits = runKernels(module, *other);
    if (failed(logits))
      return false;
    for (auto [before, after] : llvm::zip(other->logits, *logits))
      if (comparison.find(before, after))
        return false;
  }
  return true;
}

LogicalResult VerifyKernels::compare(Pass &pass, ModuleOp module) {
  FailureOr<Logits> logits = runKernels(module, *oracle);
  if (failed(logits))
    return failure();
  PassEffect effect = getDeclaredEffect(pass).value_or(PassEffect());
  ResultComparison comparison(module.getLoc(), pass.getArgument(), effect,
                              oracle->reassociationBound);
  std::optional<bool> othersHold;
  for (auto [index, step] : llvm::enumerate(oracle->steps)) {
    std::optional<ResultMove> move = comparison.find(oracle->logits[index], (*logits)[index]);
    if (!move)
      continue;
    if (comparison.isUndecided(*move) && !othersHold)
      othersHold = holdOnOtherData(comparison, module);
    std::string place = ("in step " + Twine(index) + ", of entry @" + step.entry + ",").str();
    if (!comparison.isUndecided(*move) || !*othersHold)
      return comparison.report(place, *move);
    module.emitWarning() << place << " " << move->told
                         << ", and with other data nothing does: a number was rounded to the other "
                            "of two integers";
  }
  // The next pass that changes the kernels answers for its own change alone.
  oracle->logits = std::move(*logits);
  return success();
}

void lathe::compiler::verifyPipeline(PassManager &pm, uint64_t seed) {
  verifyEachPass(pm, seed);
  pm.addInstrumentation(std::make_unique<VerifyKernels>(seed));
}
