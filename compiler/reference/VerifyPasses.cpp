//===- VerifyPasses.cpp - Holds every pass to its declared effect ----------===//

#include "compiler/reference/VerifyPasses.h"
#include "compiler/reference/CompareResults.h"
#include "compiler/reference/LowerToReference.h"
#include "compiler/reference/RandomInputs.h"
#include "compiler/reference/StepToForward.h"
#include "dialects/Lathe/LatheOps.h"
#include "passes/PassEffect.h"

#include "mlir/Pass/PassInstrumentation.h"

#include <map>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static const PassEffectRegistration toReference("lathe-to-reference", {NumericEffect::Exact});
static const PassEffectRegistration randomGraph("lathe-random-graph", {NumericEffect::Exact});

//===----------------------------------------------------------------------===//
// Running what has a reference
//===----------------------------------------------------------------------===//

namespace {
/// What one function or program gave.
struct Outcome {
  std::vector<ReferenceArray> results;
  double reassociationBound;
};

using Outcomes = std::map<std::string, std::shared_ptr<const Outcome>>;

/// By name.
struct ModuleOutcomes {
  Outcomes functions, programs;
};

/// Runs functions and programs. What was run once is known by its text, as what
/// follows a pass is what precedes the next one, and by the text of its
/// reference, which most passes leave as it is.
class Evaluator {
public:
  explicit Evaluator(uint64_t seed) : seed(seed) {}

  /// Runs `op`, a function or a program, or all in its module.
  FailureOr<ModuleOutcomes> run(Operation *op);

private:
  LogicalResult add(func::FuncOp func, ModuleOutcomes &all);
  LogicalResult add(step::ProgramOp program, ModuleOutcomes &all);
  /// Runs the only function of `module`; null when that fails.
  std::shared_ptr<const Outcome> run(ModuleOp module);
  FailureOr<std::vector<ReferenceArray>> compute(ModuleOp module);

  uint64_t seed;
  Outcomes bySource, byReference;
};
} // namespace

static bool hasLatheOps(func::FuncOp func) {
  auto isLathe = [](Operation *op) {
    return isa_and_nonnull<ir::LatheDialect>(op->getDialect()) ? WalkResult::interrupt()
                                                               : WalkResult::advance();
  };
  return func.walk(isLathe).wasInterrupted();
}

/// The reference, and the weights that it is run on; none, with an error, when
/// there is no reference.
static std::optional<std::string> printReference(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  for (auto weights : module.getOps<ir::WeightsOp>())
    stream << weights << "\n";
  OwningOpRef<ModuleOp> reference(module.clone());
  if (failed(lowerToReference(*reference)))
    return std::nullopt;
  stream << *reference;
  return text;
}

FailureOr<std::vector<ReferenceArray>> Evaluator::compute(ModuleOp module) {
  auto func = *module.getOps<func::FuncOp>().begin();
  FailureOr<std::vector<ReferenceArray>> inputs = makeRandomInputs(func, seed);
  if (failed(inputs))
    return failure();
  std::unique_ptr<ReferenceProgram> program = ReferenceProgram::compile(module, func.getName());
  if (!program)
    return failure();
  return program->run(func.getLoc(), *inputs);
}

std::shared_ptr<const Outcome> Evaluator::run(ModuleOp module) {
  std::string source;
  llvm::raw_string_ostream(source) << module;
  std::shared_ptr<const Outcome> &known = bySource[source];
  if (known)
    return known;
  std::optional<std::string> text = printReference(module);
  if (!text)
    return nullptr;
  std::shared_ptr<const Outcome> &place = byReference[*text];
  if (place)
    return known = place;
  FailureOr<std::vector<ReferenceArray>> results = compute(module);
  if (failed(results))
    return nullptr;
  auto outcome = std::make_shared<Outcome>();
  outcome->results = std::move(*results);
  outcome->reassociationBound = getReassociationBound(module);
  return known = place = std::move(outcome);
}

LogicalResult Evaluator::add(func::FuncOp func, ModuleOutcomes &all) {
  if (!hasLatheOps(func))
    return success();
  OwningOpRef<ModuleOp> alone(ModuleOp::create(func.getLoc()));
  OpBuilder builder(alone->getBodyRegion());
  for (auto weights : func->getParentOfType<ModuleOp>().getOps<ir::WeightsOp>())
    builder.clone(*weights);
  builder.clone(*func);
  std::shared_ptr<const Outcome> outcome = run(*alone);
  all.functions[func.getName().str()] = outcome;
  return success(outcome != nullptr);
}

/// Functions on tensors are verified as long as they are functions.
LogicalResult Evaluator::add(step::ProgramOp program, ModuleOutcomes &all) {
  if (program.isFunction())
    return success();
  FailureOr<OwningOpRef<ModuleOp>> forward = stepToForward(program);
  if (failed(forward))
    return failure();
  std::shared_ptr<const Outcome> outcome = run(**forward);
  all.programs[program.getSymName().str()] = outcome;
  return success(outcome != nullptr);
}

FailureOr<ModuleOutcomes> Evaluator::run(Operation *op) {
  ModuleOutcomes all;
  auto addOne = [&](Operation *one) {
    if (auto func = dyn_cast<func::FuncOp>(one))
      return add(func, all);
    if (auto program = dyn_cast<step::ProgramOp>(one))
      return add(program, all);
    return success();
  };
  if (isa<func::FuncOp, step::ProgramOp>(op))
    return failed(addOne(op)) ? FailureOr<ModuleOutcomes>() : std::move(all);
  auto module = dyn_cast<ModuleOp>(op);
  if (!module)
    module = op->getParentOfType<ModuleOp>();
  for (Operation &one : *module.getBody())
    if (failed(addOne(&one)))
      return failure();
  return all;
}

//===----------------------------------------------------------------------===//
// The instrumentation
//===----------------------------------------------------------------------===//

namespace {
class VerifyEachPass : public PassInstrumentation {
public:
  explicit VerifyEachPass(uint64_t seed) : evaluator(seed) {}

  void runBeforePass(Pass *pass, Operation *op) override {
    if (isChecked(*pass))
      before.push_back(evaluator.run(op));
  }
  void runAfterPass(Pass *pass, Operation *op) override;
  void runAfterPassFailed(Pass *pass, Operation *op) override {
    if (isChecked(*pass))
      before.pop_back();
  }

private:
  /// Not the passes that only run other passes.
  static bool isChecked(Pass &pass) { return !pass.getName().contains("OpToOpPassAdaptor"); }
  LogicalResult check(Pass &pass, Operation *op, const ModuleOutcomes &old);

  Evaluator evaluator;
  /// One entry for each pass that is running; a failure where nothing could be run.
  std::vector<FailureOr<ModuleOutcomes>> before;
};
} // namespace

static LogicalResult compare(Pass &pass, PassEffect effect, Location loc, StringRef name,
                             const Outcome &old, const Outcome &fresh) {
  double bound = std::max(old.reassociationBound, fresh.reassociationBound);
  ResultComparison comparison(loc, pass.getArgument(), effect, bound);
  return comparison.compare(("in @" + name).str(), old.results, fresh.results);
}

/// The outcomes that `name` of `old` is held against.
static Outcomes findSuccessors(StringRef name, const Outcomes &same, const Outcomes &lowered) {
  if (auto found = same.find(name.str()); found != same.end())
    return {*found};
  return name == forwardName ? lowered : Outcomes();
}

LogicalResult VerifyEachPass::check(Pass &pass, Operation *op, const ModuleOutcomes &old) {
  if (old.functions.empty() && old.programs.empty())
    return success();
  std::optional<PassEffect> effect = getDeclaredEffect(pass);
  if (!effect)
    return op->emitError() << "pass '" << pass.getArgument()
                           << "' does not declare its effect on results (passes/PassEffect.h)";
  if (effect->kind == NumericEffect::OtherFunction)
    return success();
  FailureOr<ModuleOutcomes> fresh = evaluator.run(op);
  if (failed(fresh))
    return failure();
  auto compareAll = [&](const Outcomes &olds, const Outcomes &same, const Outcomes &lowered) {
    for (auto &[name, outcome] : olds)
      for (auto &[newName, successor] : findSuccessors(name, same, lowered))
        if (failed(compare(pass, *effect, op->getLoc(), newName, *outcome, *successor)))
          return failure();
    return success();
  };
  return success(succeeded(compareAll(old.functions, fresh->functions, fresh->programs)) &&
                 succeeded(compareAll(old.programs, fresh->programs, {})));
}

void VerifyEachPass::runAfterPass(Pass *pass, Operation *op) {
  if (!isChecked(*pass))
    return;
  FailureOr<ModuleOutcomes> old = std::move(before.back());
  before.pop_back();
  // What was wrong before the pass has been told, and is no fault of it.
  if (failed(old) || failed(check(*pass, op, *old)))
    signalPassFailure(pass);
}

void lathe::compiler::verifyEachPass(PassManager &pm, uint64_t seed) {
  MLIRContext *context = pm.getContext();
  prepareReferenceContext(*context);
  context->disableMultithreading();
  pm.addInstrumentation(std::make_unique<VerifyEachPass>(seed));
}
