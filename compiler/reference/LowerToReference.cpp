//===- LowerToReference.cpp - A module as its reference program ------------===//

#include "compiler/reference/LowerToReference.h"
#include "compiler/reference/Passes.h"
#include "dialects/Lathe/LatheOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/CallInterfaces.h"
#include "mlir/Transforms/RegionUtils.h"

namespace lathe::compiler {
#define GEN_PASS_DEF_LOWERTOREFERENCEPASS
#include "compiler/reference/Passes.h.inc"
} // namespace lathe::compiler

using namespace mlir;
using namespace lathe::compiler;
using namespace lathe::ir;

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

SmallVector<Type> lathe::compiler::getReferenceTypes(Type type) {
  Builder builder(type.getContext());
  constexpr int64_t any = ShapedType::kDynamic;
  if (isa<RowsType>(type)) {
    SmallVector<Type> types(5, RankedTensorType::get({any}, builder.getI32Type()));
    types.push_back(RankedTensorType::get({any}, builder.getF32Type()));
    types.push_back(types.front());
    return types;
  }
  if (auto cache = dyn_cast<KVType>(type)) {
    int64_t shape[] = {cache.getLayers(), any, any, cache.getHeads(), cache.getHeadDim()};
    return SmallVector<Type>(2, RankedTensorType::get(shape, builder.getF32Type()));
  }
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return type.isIntOrIndexOrFloat() ? SmallVector<Type>{type} : SmallVector<Type>();
  if (isa<FloatType, BlockType, QuantizedActivationType, WideActivationType, ByteActivationType>(
          tensor.getElementType()))
    return {RankedTensorType::get(tensor.getShape(), builder.getF32Type())};
  return {type};
}

Type lathe::compiler::getReferenceWeightType(Operation *op) {
  auto weights = cast<WeightsOp>(op);
  SmallVector<int64_t> shape(weights.getTensorType().getShape());
  if (std::optional<ArrayRef<int64_t>> layers = weights.getLayers())
    shape.insert(shape.begin(), layers->size());
  return RankedTensorType::get(shape, Float32Type::get(op->getContext()));
}

static FailureOr<SmallVector<Type>> convertTypes(Operation *op, TypeRange types) {
  SmallVector<Type> converted;
  for (Type type : types) {
    SmallVector<Type> tensors = getReferenceTypes(type);
    if (tensors.empty())
      return op->emitError() << "values of type " << type << " have no reference form";
    llvm::append_range(converted, tensors);
  }
  return converted;
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

namespace {
class FunctionLowering {
public:
  FunctionLowering(func::FuncOp func, ArrayRef<WeightsOp> weights)
      : func(func), weights(weights), builder(func) {}

  LogicalResult run();

private:
  LogicalResult lowerBlock(Block &block);
  LogicalResult lowerOp(Operation &op);
  LogicalResult lowerLayers(LayersOp op);
  LogicalResult lowerRound(LayersOp op, Value layer, ValueRange carried);
  LogicalResult lowerBodies(LayersOp op, std::optional<ArrayRef<int64_t>> select, Value layer,
                            ValueRange carried);
  SmallVector<Value> lowerYield(LayersOp op, YieldOp yield, Value layer);
  Value buildRuns(LayersOp op, Value layer);
  LogicalResult lowerGroup(GroupOp op);
  LogicalResult lowerUpstream(Operation &op);
  FailureOr<SmallVector<Value>> lowerBody(Region &body, Value layer, ValueRange carried);

  void bindArguments(Block &from, Block &to);
  /// Maps each of `originals` to as many of `tensors` as it has.
  void mapInOrder(ValueRange originals, ValueRange tensors);
  SmallVector<Value> tensorsOf(ValueRange originals);

  func::FuncOp func;
  ArrayRef<WeightsOp> weights;
  OpBuilder builder;
  ReferenceValues values;
};
} // namespace

void FunctionLowering::mapInOrder(ValueRange originals, ValueRange tensors) {
  for (Value original : originals) {
    size_t count = getReferenceTypes(original.getType()).size();
    values.map(original, tensors.take_front(count));
    tensors = tensors.drop_front(count);
  }
}

SmallVector<Value> FunctionLowering::tensorsOf(ValueRange originals) {
  SmallVector<Value> tensors;
  for (Value original : originals)
    llvm::append_range(tensors, values.all(original));
  return tensors;
}

void FunctionLowering::bindArguments(Block &from, Block &to) {
  ValueRange arguments = to.getArguments();
  mapInOrder(from.getArguments(), arguments.drop_back(weights.size()));
  for (auto [op, argument] : llvm::zip(weights, arguments.take_back(weights.size())))
    values.mapWeights(WeightsOp(op).getSymName(), argument);
}

LogicalResult FunctionLowering::run() {
  if (!llvm::hasSingleElement(func.getBody()))
    return func.emitError() << "only functions of one block have a reference form";
  FailureOr<SmallVector<Type>> inputs = convertTypes(func, func.getArgumentTypes());
  FailureOr<SmallVector<Type>> results = convertTypes(func, func.getResultTypes());
  if (failed(inputs) || failed(results))
    return failure();
  for (WeightsOp op : weights)
    inputs->push_back(getReferenceWeightType(op));

  auto type = builder.getFunctionType(*inputs, *results);
  auto reference = func::FuncOp::create(builder, func.getLoc(), func.getName(), type);
  reference.setVisibility(func.getVisibility());
  Block *entry = reference.addEntryBlock();
  bindArguments(func.getBody().front(), *entry);
  builder.setInsertionPointToStart(entry);
  if (failed(lowerBlock(func.getBody().front())))
    return failure();
  SmallVector<Value> returned = tensorsOf(func.getBody().front().getTerminator()->getOperands());
  func::ReturnOp::create(builder, func.getLoc(), returned);
  func.erase();
  return success();
}

/// The terminator is the caller's.
LogicalResult FunctionLowering::lowerBlock(Block &block) {
  for (Operation &op : block.without_terminator())
    if (failed(lowerOp(op)))
      return failure();
  return success();
}

LogicalResult FunctionLowering::lowerOp(Operation &op) {
  if (auto layers = dyn_cast<LayersOp>(op))
    return lowerLayers(layers);
  if (auto group = dyn_cast<GroupOp>(op))
    return lowerGroup(group);
  if (auto meaning = dyn_cast<ReferenceOpInterface>(op))
    return meaning.buildReference(builder, values);
  return lowerUpstream(op);
}

LogicalResult FunctionLowering::lowerGroup(GroupOp op) {
  Block &body = op.getBody().front();
  if (failed(lowerBlock(body)))
    return failure();
  for (auto [result, yielded] : llvm::zip(op.getResults(), body.getTerminator()->getOperands()))
    values.map(result, SmallVector<Value>(values.all(yielded)));
  return success();
}

/// Ops of upstream dialects mean themselves, where their values do.
LogicalResult FunctionLowering::lowerUpstream(Operation &op) {
  auto isStrange = [](Operation *inner) {
    bool known =
        !isa_and_nonnull<LatheDialect>(inner->getDialect()) && !isa<CallOpInterface>(inner);
    return known ? WalkResult::advance() : WalkResult::interrupt();
  };
  if (op.walk(isStrange).wasInterrupted())
    return op.emitOpError() << "has no reference meaning, or holds an op that has none";
  llvm::SetVector<Value> used(op.operand_begin(), op.operand_end());
  getUsedValuesDefinedAbove(op.getRegions(), used);
  IRMapping mapping;
  for (Value value : used) {
    ArrayRef<Value> meaning = values.all(value);
    if (meaning.size() != 1 || meaning.front().getType() != value.getType())
      return op.emitOpError() << "uses a value of type " << value.getType()
                              << ", but its reference form is of another type";
    mapping.map(value, meaning.front());
  }
  Operation *clone = builder.clone(op, mapping);
  for (auto [from, to] : llvm::zip(op.getResults(), clone->getResults()))
    values.map(from, to);
  return success();
}

//===----------------------------------------------------------------------===//
// The layer stack
//===----------------------------------------------------------------------===//

FailureOr<SmallVector<Value>> FunctionLowering::lowerBody(Region &body, Value layer,
                                                          ValueRange carried) {
  Block &block = body.front();
  values.map(block.getArgument(0), layer);
  mapInOrder(block.getArguments().drop_front(), carried);
  if (failed(lowerBlock(block)))
    return failure();
  return lowerYield(cast<LayersOp>(body.getParentOp()), cast<YieldOp>(block.getTerminator()),
                    layer);
}

/// The number of the body that layer `layer` runs.
static Value buildSelection(OpBuilder &builder, Location loc, ArrayRef<int64_t> select,
                            Value layer) {
  auto type = RankedTensorType::get(select.size(), builder.getI64Type());
  Value table = arith::ConstantOp::create(builder, loc, DenseElementsAttr::get(type, select));
  Value number = tensor::ExtractOp::create(builder, loc, table, layer);
  return arith::IndexCastOp::create(builder, loc, builder.getIndexType(), number);
}

/// Whether a layer runs, as the rows say and `skip` does; null: all run.
Value FunctionLowering::buildRuns(LayersOp op, Value layer) {
  Location loc = op.getLoc();
  Value runs;
  auto require = [&](Value table) {
    Value flag = tensor::ExtractOp::create(builder, loc, table, layer);
    Value zero = arith::ConstantIntOp::create(builder, loc, 0, 32);
    Value own = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ne, flag, zero);
    runs = runs ? arith::AndIOp::create(builder, loc, runs, own).getResult() : own;
  };
  if (op.getRows())
    require(values.all(op.getRows())[4]);
  if (op.getSkip()) {
    SmallVector<int32_t> kept(op.getCount(), 0);
    for (int64_t layer : cast<LayerLoopOpInterface>(*op).getKeptLayers())
      kept[layer] = 1;
    auto type = RankedTensorType::get(kept.size(), builder.getI32Type());
    require(arith::ConstantOp::create(builder, loc,
                                      DenseElementsAttr::get(type, ArrayRef<int32_t>(kept))));
  }
  return runs;
}

/// Behind what is carried goes, where the stack may be left, whether it was.
LogicalResult FunctionLowering::lowerLayers(LayersOp op) {
  if (failed(convertTypes(op, op.getResultTypes())))
    return failure();
  Location loc = op.getLoc();
  auto constant = [&](int64_t value) {
    return arith::ConstantIndexOp::create(builder, loc, value).getResult();
  };
  Value first = constant(0), end = constant(op.getCount()), step = constant(1);
  SmallVector<Value> inits = tensorsOf(op.getInits());
  size_t carriedCount = inits.size();
  if (op.mayBeLeft())
    inits.push_back(arith::ConstantIntOp::create(builder, loc, 0, 1));
  auto loop = scf::ForOp::create(builder, loc, first, end, step, inits);
  mapInOrder(op.getResults(), loop.getResults().take_front(carriedCount));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  Value layer = loop.getInductionVar();
  ValueRange carried = loop.getRegionIterArgs();
  Value runs = buildRuns(op, layer);
  if (!runs)
    return lowerRound(op, layer, carried);
  auto choice = scf::IfOp::create(builder, loc, loop.getResultTypes(), runs, /*hasElse=*/true);
  scf::YieldOp::create(builder, loc, choice.getResults());
  builder.setInsertionPointToEnd(choice.elseBlock());
  scf::YieldOp::create(builder, loc, carried);
  builder.setInsertionPointToEnd(choice.thenBlock());
  return lowerRound(op, layer, carried);
}

/// A layer that runs, ahead of an exit or behind one, and the yield that ends it.
LogicalResult FunctionLowering::lowerRound(LayersOp op, Value layer, ValueRange carried) {
  if (!op.mayBeLeft())
    return lowerBodies(op, op.getSelect(), layer, carried);
  Location loc = op.getLoc();
  auto choice = scf::IfOp::create(builder, loc, carried.getTypes(), carried.back(),
                                  /*hasElse=*/true);
  scf::YieldOp::create(builder, loc, choice.getResults());
  builder.setInsertionPointToEnd(choice.elseBlock());
  if (failed(lowerBodies(op, op.getSelect(), layer, carried)))
    return failure();
  builder.setInsertionPointToEnd(choice.thenBlock());
  if (op.getRest())
    return lowerBodies(op, op.getRest(), layer, carried);
  scf::YieldOp::create(builder, loc, carried);
  return success();
}

/// The values of a body, and whether the stack is left behind it: those of `leaving` then.
SmallVector<Value> FunctionLowering::lowerYield(LayersOp op, YieldOp yield, Value layer) {
  SmallVector<Value> result = tensorsOf(yield.getValues());
  if (!op.mayBeLeft() || !yield.getUntil())
    return result;
  Location loc = yield.getLoc();
  auto compare = [&](arith::CmpFPredicate predicate, Value a, Value b) {
    return arith::CmpFOp::create(builder, loc, predicate, a, b).getResult();
  };
  Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
  Value found = tensor::ExtractOp::create(builder, loc, values.tensor(yield.getUntil()),
                                          ValueRange{zero, zero});
  Value wanted = tensor::ExtractOp::create(builder, loc, values.all(op.getRows())[5], layer);
  Value always = arith::ConstantOp::create(
      builder, loc, builder.getF32FloatAttr(-std::numeric_limits<float>::infinity()));
  Value leaves =
      arith::OrIOp::create(builder, loc, compare(arith::CmpFPredicate::OGE, found, wanted),
                           compare(arith::CmpFPredicate::OEQ, wanted, always));
  for (auto [stay, leave] : llvm::zip(result, tensorsOf(yield.getLeavingValues())))
    if (stay != leave)
      stay = arith::SelectOp::create(builder, loc, leaves, leave, stay);
  result.push_back(leaves);
  return result;
}

/// The body that the layer selects, and the yield that ends it.
LogicalResult FunctionLowering::lowerBodies(LayersOp op, std::optional<ArrayRef<int64_t>> select,
                                            Value layer, ValueRange carried) {
  Location loc = op.getLoc();
  auto fill = [&](Region &body) {
    FailureOr<SmallVector<Value>> yielded = lowerBody(body, layer, carried);
    if (failed(yielded))
      return failure();
    // A body without an exit leaves it as it was.
    if (yielded->size() < carried.size())
      yielded->push_back(carried.back());
    scf::YieldOp::create(builder, loc, *yielded);
    return success();
  };
  if (!select)
    return fill(op.getBodies().front());

  Value number = buildSelection(builder, loc, *select, layer);
  // The last body is the default, so that the switch covers every number.
  int64_t cases = op.getBodies().size() - 1;
  SmallVector<int64_t> numbers = llvm::to_vector(llvm::seq<int64_t>(0, cases));
  auto choice =
      scf::IndexSwitchOp::create(builder, loc, carried.getTypes(), number, numbers, cases);
  scf::YieldOp::create(builder, loc, choice.getResults());
  for (auto [index, body] : llvm::enumerate(op.getBodies())) {
    Region &target =
        int64_t(index) == cases ? choice.getDefaultRegion() : choice.getCaseRegions()[index];
    builder.createBlock(&target);
    if (failed(fill(body)))
      return failure();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Modules
//===----------------------------------------------------------------------===//

LogicalResult lathe::compiler::lowerToReference(ModuleOp module) {
  auto weights = llvm::to_vector(module.getOps<WeightsOp>());
  for (func::FuncOp func : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
    if (!func.isDeclaration() && failed(FunctionLowering(func, weights).run()))
      return failure();
  for (WeightsOp op : weights)
    op.erase();
  return success();
}

namespace {
struct LowerToReference : lathe::compiler::impl::LowerToReferencePassBase<LowerToReference> {
  void runOnOperation() override {
    if (failed(lowerToReference(getOperation())))
      signalPassFailure();
  }
};
} // namespace
