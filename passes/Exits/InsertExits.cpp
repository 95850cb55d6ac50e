//===- InsertExits.cpp - Exits of a calibration file -----------------------===//

#include "dialects/Lathe/LatheOps.h"
#include "passes/Exits/Passes.h"
#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"

#include <algorithm>

namespace lathe {
#define GEN_PASS_DEF_INSERTEXITSPASS
#include "passes/Exits/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::ir;

namespace {

/// Writes exits into one stack.
class ExitWriter {
public:
  ExitWriter(LayersOp stack, ArrayRef<int64_t> layers, int64_t rank, StringRef file)
      : stack(stack), layers(layers.begin(), layers.end()), rank(rank), file(file), builder(stack),
        loc(stack.getLoc()) {}

  LogicalResult check();
  void write(StringRef behind);

private:
  void declareWeights();
  void declare(StringRef role, ArrayRef<int64_t> shape, Type element);
  Value weight(StringRef role, Value layer);
  Value linear(Value input, StringRef role, Value layer);
  void writeExit(Block &body);

  LayersOp stack;
  SmallVector<int64_t> layers;
  int64_t rank;
  StringRef file;
  OpBuilder builder;
  Location loc;
  int64_t hidden = -1; ///< Which of the carried values leaves.
};

} // namespace

LogicalResult ExitWriter::check() {
  if (!stack.getRows())
    return stack.emitError() << "the stack is not at any rows, which say when to leave it";
  if (stack.mayBeLeft())
    return stack.emitError() << "the stack has exits already";
  for (int64_t layer : layers)
    if (layer < 0 || layer + 1 >= static_cast<int64_t>(stack.getCount()))
      return stack.emitError() << "there is no exit behind layer " << layer << " of "
                               << stack.getCount() << ": one more layer must follow";
  if (layers.empty() || !llvm::is_sorted(layers, std::less_equal<>()))
    return stack.emitError() << "layers must be ascending, and one at least";
  for (auto [index, type] : llvm::enumerate(stack.getResultTypes())) {
    if (isa<KVType>(type))
      continue;
    auto rows = dyn_cast<RankedTensorType>(type);
    if (hidden >= 0 || !rows || rows.getRank() != 2 || !rows.getElementType().isF32())
      return stack.emitError() << "a stack with exits carries one tensor of f32 rows, and caches";
    hidden = static_cast<int64_t>(index);
  }
  return hidden >= 0 ? success() : stack.emitError() << "the stack carries no rows";
}

void ExitWriter::declare(StringRef role, ArrayRef<int64_t> shape, Type element) {
  WeightsOp::create(builder, loc, ("exit." + role).str(), RankedTensorType::get(shape, element),
                    ("exit.{}." + role).str(), builder.getDenseI64ArrayAttr(layers),
                    builder.getStringAttr(file), StringAttr());
}

/// Behind all others, so that these keep their places in the table.
void ExitWriter::declareWeights() {
  auto module = stack->getParentOfType<ModuleOp>();
  WeightsOp last;
  for (auto weights : module.getOps<WeightsOp>())
    last = weights;
  if (last)
    builder.setInsertionPointAfter(last);
  else
    builder.setInsertionPointToStart(module.getBody());
  int64_t width = cast<RankedTensorType>(stack.getResult(hidden).getType()).getDimSize(1);
  Type f32 = builder.getF32Type(), bf16 = builder.getBF16Type();
  if (rank != 0)
    declare("lens_in", {rank, width}, bf16);
  declare("lens", {width, rank != 0 ? rank : width}, bf16);
  declare("offset", {width}, f32);
  declare("classifier", {width}, f32);
  declare("bias", {1}, f32);
}

Value ExitWriter::weight(StringRef role, Value layer) {
  auto symbol = builder.getStringAttr("exit." + role);
  auto weights = SymbolTable::lookupNearestSymbolFrom<WeightsOp>(stack, symbol);
  return WeightOp::create(builder, loc, weights.getTensorType(), symbol.getValue(), layer);
}

Value ExitWriter::linear(Value input, StringRef role, Value layer) {
  Value matrix = weight(role, layer);
  int64_t outputs = cast<RankedTensorType>(matrix.getType()).getDimSize(0);
  auto type = RankedTensorType::get({ShapedType::kDynamic, outputs}, builder.getF32Type());
  return LinearOp::create(builder, loc, type, input, matrix);
}

/// What leaves is what the layer gives, and what the lens adds to it.
void ExitWriter::writeExit(Block &body) {
  auto yield = cast<YieldOp>(body.getTerminator());
  builder.setInsertionPoint(yield);
  Value layer = body.getArgument(0), rows = yield.getValues()[hidden];
  Value sure = LogisticOp::create(builder, loc, getConfidenceType(builder.getContext()), rows,
                                  weight("classifier", layer), weight("bias", layer));
  Value added = rank == 0 ? rows : linear(rows, "lens_in", layer);
  added = linear(added, "lens", layer);
  added = BiasOp::create(builder, loc, added.getType(), added, weight("offset", layer));
  SmallVector<Value> leaving(yield.getValues());
  leaving[hidden] = AddOp::create(builder, loc, added.getType(), added, rows);
  yield.getUntilMutable().assign(sure);
  yield.getLeavingMutable().assign(leaving);
}

/// Layers with an exit run a copy of their body that has it.
void ExitWriter::write(StringRef behind) {
  declareWeights();
  builder.setInsertionPoint(stack);
  unsigned bodies = stack.getBodies().size();
  SmallVector<unsigned> copied; // The bodies that have a copy, in its order.
  SmallVector<int64_t> select;
  for (int64_t layer = 0, end = stack.getCount(); layer < end; ++layer) {
    unsigned body = stack.getBodyOf(layer);
    select.push_back(body);
    if (!llvm::is_contained(layers, layer))
      continue;
    if (!llvm::is_contained(copied, body))
      copied.push_back(body);
    select.back() = bodies + (llvm::find(copied, body) - copied.begin());
  }
  LayerChoice choice(stack);
  choice.select = builder.getDenseI64ArrayAttr(select);
  bool hasCache = llvm::any_of(stack.getResultTypes(), llvm::IsaPred<KVType>);
  choice.behind = builder.getStringAttr(hasCache ? behind : "none");
  auto fresh = LayersOp::create(builder, loc, stack.getCount(), stack.getInits(), stack.getRows(),
                                choice, bodies + copied.size());
  for (auto [index, body] : llvm::enumerate(copied)) {
    Region &copy = fresh.getBodies()[bodies + index];
    copy.front().erase();
    IRMapping mapping;
    stack.getBodies()[body].cloneInto(&copy, mapping);
    writeExit(copy.front());
  }
  for (unsigned body = 0; body < bodies; ++body) {
    Region &moved = fresh.getBodies()[body];
    moved.front().erase();
    moved.takeBody(stack.getBodies()[body]);
  }
  stack.replaceAllUsesWith(fresh.getResults());
  stack.erase();
}

namespace {

struct InsertExitsPass : lathe::impl::InsertExitsPassBase<InsertExitsPass> {
  using InsertExitsPassBase::InsertExitsPassBase;

  PassCounter numInserted{"inserted", "exits inserted"};

  void runOnOperation() override {
    SmallVector<LayersOp> stacks;
    getOperation().walk([&](LayersOp op) { stacks.push_back(op); });
    if (stacks.size() != 1) {
      getOperation().emitError() << "exits are for a program of one stack of layers, found "
                                 << stacks.size();
      return signalPassFailure();
    }
    if (rank < 0 || (behind != "propagate" && behind != "defer")) {
      getOperation().emitError() << "expected a rank of at least 0, and propagate or defer behind "
                                    "exits, got "
                                 << rank.getValue() << " and '" << behind << "'";
      return signalPassFailure();
    }
    ExitWriter writer(stacks.front(), llvm::ArrayRef<int64_t>(layers), rank, file);
    if (failed(writer.check()))
      return signalPassFailure();
    writer.write(behind);
    numInserted += layers.size();
  }
};

} // namespace

static const PassEffectRegistration effect("lathe-insert-exits", {NumericEffect::Exact});
static const lathe::PassCounters<InsertExitsPass> counters{&InsertExitsPass::numInserted};
