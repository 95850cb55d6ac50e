//===- SplitHead.cpp - A model's stack, or its output head, alone ----------===//

#include "dialects/Lathe/LatheOps.h"
#include "passes/Exits/Passes.h"
#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/SetVector.h"

namespace lathe {
#define GEN_PASS_DEF_SPLITHEADPASS
#include "passes/Exits/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::ir;

static func::ReturnOp returnOf(func::FuncOp function) {
  return cast<func::ReturnOp>(function.getBody().front().getTerminator());
}

/// `@forward` gives the selected rows in place of logits.
static void keepStack(func::FuncOp forward, Value rows) {
  returnOf(forward)->setOperand(0, rows);
  SmallVector<Type> results(forward.getResultTypes());
  results.front() = rows.getType();
  forward.setType(FunctionType::get(forward.getContext(), forward.getArgumentTypes(), results));
  IRRewriter rewriter(forward.getContext());
  (void)runRegionDCE(rewriter, forward.getBody());
}

/// The ops between the rows and the logits.
static LogicalResult collectHead(func::FuncOp forward, Value rows,
                                 llvm::SetVector<Operation *> &head) {
  SmallVector<Value> open{returnOf(forward).getOperand(0)};
  while (!open.empty()) {
    Value value = open.pop_back_val();
    if (value == rows)
      continue;
    Operation *op = value.getDefiningOp();
    if (!op || isa<LayersOp, SelectLogitsOp>(op) || op->getNumRegions() != 0)
      return forward.emitError() << "the output head reads more than the selected rows";
    if (head.insert(op))
      open.append(op->operand_begin(), op->operand_end());
  }
  return success();
}

/// `@main`, from rows to logits, takes the place of `@forward`.
static LogicalResult keepHead(func::FuncOp forward, Value rows) {
  llvm::SetVector<Operation *> head;
  if (failed(collectHead(forward, rows, head)))
    return failure();
  Value logits = returnOf(forward).getOperand(0);
  OpBuilder builder(forward);
  auto type = builder.getFunctionType({rows.getType()}, {logits.getType()});
  auto main = func::FuncOp::create(builder, forward.getLoc(), "main", type);
  Block *body = main.addEntryBlock();
  builder.setInsertionPointToEnd(body);
  IRMapping mapping;
  mapping.map(rows, body->getArgument(0));
  for (Operation &op : forward.getBody().front())
    if (head.contains(&op))
      builder.clone(op, mapping);
  func::ReturnOp::create(builder, forward.getLoc(), mapping.lookup(logits));
  forward.erase();
  return success();
}

namespace {

struct SplitHeadPass : lathe::impl::SplitHeadPassBase<SplitHeadPass> {
  using SplitHeadPassBase::SplitHeadPassBase;

  PassCounter numDropped{"dropped", "weights that the other part reads"};

  void runOnOperation() override {
    auto forward = getOperation().lookupSymbol<func::FuncOp>("forward");
    SmallVector<SelectLogitsOp> selections;
    if (forward && llvm::hasSingleElement(forward.getBody()))
      selections = llvm::to_vector(forward.getBody().getOps<SelectLogitsOp>());
    if (selections.size() != 1 || (part != "stack" && part != "head")) {
      getOperation().emitError() << "expected stack or head, got '" << part
                                 << "', and a @forward that selects rows for logits once, found "
                                 << selections.size();
      return signalPassFailure();
    }
    SmallVector<WeightsOp> read;
    for (auto weights : getOperation().getOps<WeightsOp>())
      if (!SymbolTable::symbolKnownUseEmpty(weights, getOperation()))
        read.push_back(weights);
    Value rows = selections.front().getResult();
    if (part == "stack")
      keepStack(forward, rows);
    else if (failed(keepHead(forward, rows)))
      return signalPassFailure();
    for (WeightsOp weights : read)
      if (SymbolTable::symbolKnownUseEmpty(weights, getOperation())) {
        weights.erase();
        ++numDropped;
      }
  }
};

} // namespace

static const PassEffectRegistration effect("lathe-split-head", {NumericEffect::OtherFunction});
static const lathe::PassCounters<SplitHeadPass> counters{&SplitHeadPass::numDropped};
