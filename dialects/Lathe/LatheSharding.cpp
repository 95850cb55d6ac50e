//===- LatheSharding.cpp - How the ops split over ranks --------------------===//

#include "dialects/Lathe/LatheSharding.h"
#include "dialects/Lathe/LatheOps.h"

#include "mlir/Dialect/Shard/IR/ShardDialect.h"
#include "mlir/Dialect/Shard/IR/ShardOps.h"
#include "mlir/Dialect/Shard/Interfaces/ShardingInterface.h"
#include "mlir/Dialect/Shard/Interfaces/ShardingInterfaceImpl.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace lathe::ir;
using shard::GridAxesAttr;
using shard::GridAxis;
using shard::ReductionKind;
using shard::Sharding;
using shard::ShardingArray;
using shard::ShardingOption;

//===----------------------------------------------------------------------===//
// Rules: the loops of each op
//===----------------------------------------------------------------------===//

namespace {

/// What becomes of an op when one of its loops is split over ranks.
enum class Loop {
  Parallel, ///< Each rank computes its part.
  Sum,      ///< Each rank computes a partial sum of the whole result.
  Whole,    ///< Nothing right: a rank needs all of it.
};

struct Rule {
  SmallVector<Loop> loops;
  /// The loop of each dimension: of the operands, then of the results.  A cache
  /// counts as having one dimension, its heads.
  SmallVector<SmallVector<unsigned>> values;
};

constexpr Loop P = Loop::Parallel, S = Loop::Sum, W = Loop::Whole;

} // namespace

/// Loops: rows, outputs, inputs.
static Rule ruleOf(LinearOp op) {
  Rule rule{{P, op.getTo() ? W : P, op.getOf() ? W : S}, {{0, 2}, {1, 2}}};
  rule.values.resize(op->getNumOperands());
  rule.values.push_back({0, 1});
  return rule;
}

static Rule ruleOf(RMSNormOp op) {
  if (cast<RankedTensorType>(op.getInput().getType()).getRank() == 2)
    return {{P, W}, {{0, 1}, {1}, {0, 1}}};
  return {{P, P, W}, {{0, 1, 2}, {2}, {0, 1, 2}}};
}

static Rule ruleOf(LayerNormOp) { return {{P, W}, {{0, 1}, {1}, {1}, {0, 1}}}; }
static Rule ruleOf(QuantizeOp) { return {{P, P}, {{0, 1}, {0, 1}}}; }
static Rule ruleOf(SiluOp) { return {{P, P}, {{0, 1}, {0, 1}}}; }
static Rule ruleOf(GeluTanhOp) { return {{P, P}, {{0, 1}, {0, 1}}}; }
static Rule ruleOf(GeluOp) { return {{P, P}, {{0, 1}, {0, 1}}}; }
static Rule ruleOf(AddOp) { return {{P, P}, {{0, 1}, {0, 1}, {0, 1}}}; }
static Rule ruleOf(MulOp) { return {{P, P}, {{0, 1}, {0, 1}, {0, 1}}}; }
static Rule ruleOf(BiasOp) { return {{P, P}, {{0, 1}, {1}, {0, 1}}}; }

/// Loops: rows, heads, elements of a head.  The merged dimension follows the
/// heads, because it only splits between them.
static Rule ruleOf(SplitHeadsOp) { return {{P, P, W}, {{0, 1}, {0, 1, 2}}}; }
static Rule ruleOf(MergeHeadsOp) { return {{P, P, W}, {{0, 1, 2}, {0, 1}}}; }

/// Loops: rows, heads, elements of a head, and the table's pairs and their two.
static Rule ruleOf(RopeOp) { return {{P, P, W, W, W}, {{0, 1, 2}, {0, 3, 4}, {0, 1, 2}}}; }

/// Loops: rows (as many as `!lathe.rows` tells, on every rank), heads, elements
/// of a head.  One loop serves query heads and key/value heads: the groups of
/// grouped-query attention stay together when both divide.
static Rule ruleOf(KVAppendOp) { return {{W, P, W}, {{1}, {}, {0, 1, 2}, {0, 1, 2}, {}, {1}}}; }
static Rule ruleOf(AttentionOp) { return {{W, P, W}, {{0, 1, 2}, {1}, {}, {}, {0, 1, 2}}}; }

//===----------------------------------------------------------------------===//
// Partition: one for all ops
//===----------------------------------------------------------------------===//

namespace {

/// An op that is split: which grid axes, and how many ranks, each loop has.
class SplitOp {
public:
  SplitOp(Operation *op, Rule rule) : op(op), rule(std::move(rule)) {}

  /// Reads the annotations of the operands and results, which must agree.
  LogicalResult assign(ArrayRef<Sharding> shardings, SymbolTableCollection &symbols);

  /// Fails, with a diagnostic for each dimension, unless the split is exact.
  LogicalResult verify() const;

  /// Gives caches among the operands the heads of their rank.
  LogicalResult retypeCaches(ArrayRef<Value> localOperands) const;

  /// Types the results of the local clone and joins its partial sums.
  void finishResults(IRMapping &mapping, OpBuilder &builder);

private:
  Value getValue(unsigned index) const {
    unsigned operands = op->getNumOperands();
    return index < operands ? op->getOperand(index) : op->getResult(index - operands);
  }
  LogicalResult verifyDimension(unsigned value, unsigned dim) const;
  InFlightDiagnostic refuse(unsigned value, unsigned dim) const;
  KVType getLocalType(KVType cache, unsigned value) const;

  Operation *op;
  Rule rule;
  shard::GridOp grid;
  ShardingArray axes;
  SmallVector<int64_t> ranks;
};

} // namespace

LogicalResult SplitOp::assign(ArrayRef<Sharding> shardings, SymbolTableCollection &symbols) {
  axes.resize(rule.loops.size());
  ranks.resize(rule.loops.size(), 1);
  SmallVector<bool> known(rule.loops.size());
  for (auto [sharding, loops] : llvm::zip_equal(shardings, rule.values)) {
    if (!sharding)
      continue;
    shard::GridOp found = shard::getGridOrNull(op, sharding.getGridAttr(), symbols);
    if (!found || (grid && found != grid))
      return op->emitOpError() << "must be sharded over one grid of the module, found @"
                               << sharding.getGrid();
    grid = found;
    for (auto [dim, loop] : llvm::enumerate(loops)) {
      ArrayRef<GridAxis> split;
      if (dim < sharding.getSplitAxes().size())
        split = sharding.getSplitAxes()[dim].asArrayRef();
      if (known[loop] && split != ArrayRef<GridAxis>(axes[loop]))
        return op->emitOpError() << "has operands or results that are split differently";
      known[loop] = true;
      axes[loop].assign(split.begin(), split.end());
      ranks[loop] = shard::collectiveProcessGroupSize(split, grid);
    }
  }
  return success();
}

/// The size of a dimension, and the elements of it that must stay together.
static std::pair<int64_t, int64_t> getSizeAndBlock(Type type, unsigned dim) {
  if (auto cache = dyn_cast<KVType>(type))
    return {cache.getHeads(), 1};
  constexpr int64_t activationBlock = 32;
  auto tensor = cast<RankedTensorType>(type);
  int64_t block = 1;
  if (dim + 1 == tensor.getRank()) {
    if (auto weight = dyn_cast<BlockType>(tensor.getElementType()))
      block = weight.getBlockFormat()->BlockElements;
    else if (isa<QuantizedActivationType>(tensor.getElementType()))
      block = activationBlock;
    else if (isa<WideActivationType, ByteActivationType>(tensor.getElementType()))
      block = tensor.getDimSize(dim);
  }
  return {tensor.getDimSize(dim), block};
}

InFlightDiagnostic SplitOp::refuse(unsigned value, unsigned dim) const {
  InFlightDiagnostic diagnostic = op->emitOpError() << "cannot split ";
  if (isa<KVType>(getValue(value).getType()))
    diagnostic << "the heads of the cache";
  else if (value < op->getNumOperands())
    diagnostic << "dimension " << dim << " of operand " << value;
  else
    diagnostic << "dimension " << dim << " of result " << value - op->getNumOperands();
  diagnostic << " over ranks: ";
  return diagnostic;
}

LogicalResult SplitOp::verifyDimension(unsigned value, unsigned dim) const {
  unsigned loop = rule.values[value][dim];
  if (axes[loop].empty())
    return success();
  if (rule.loops[loop] == Loop::Whole)
    return refuse(value, dim) << "a rank needs all of it, as only sums are joined from parts";
  auto [size, block] = getSizeAndBlock(getValue(value).getType(), dim);
  if (ShapedType::isDynamic(size) || ranks[loop] < 1)
    return refuse(value, dim) << "its size and the number of ranks must be known";
  if (size % (ranks[loop] * block) == 0)
    return success();
  InFlightDiagnostic diagnostic = refuse(value, dim);
  diagnostic << "its size " << size << " is not a multiple of " << ranks[loop] << " ranks";
  if (block > 1)
    diagnostic << " times the block of " << block << " elements";
  return failure();
}

LogicalResult SplitOp::verify() const {
  bool exact = true;
  for (auto [value, loops] : llvm::enumerate(rule.values))
    for (unsigned dim = 0; dim < loops.size(); ++dim)
      exact &= succeeded(verifyDimension(value, dim));
  return success(exact);
}

KVType SplitOp::getLocalType(KVType cache, unsigned value) const {
  int64_t heads = cache.getHeads() / ranks[rule.values[value].front()];
  return KVType::get(op->getContext(), cache.getLayers(), heads, cache.getHeadDim(),
                     cache.getElementType());
}

LogicalResult SplitOp::retypeCaches(ArrayRef<Value> localOperands) const {
  for (auto [index, value] : llvm::enumerate(localOperands)) {
    Value local = value;
    auto cache = dyn_cast<KVType>(op->getOperand(index).getType());
    if (!cache)
      continue;
    KVType wanted = getLocalType(cache, index);
    // Upstream copies an argument that is no tensor as it is; the first op that
    // uses it decides, and the function's signature follows its arguments.
    if (isa<BlockArgument>(local) && local.use_empty())
      local.setType(wanted);
    if (local.getType() != wanted)
      return op->emitOpError() << "needs a cache of type " << wanted
                               << " on each rank, but other ops make it " << local.getType();
  }
  return success();
}

void SplitOp::finishResults(IRMapping &mapping, OpBuilder &builder) {
  SmallVector<GridAxis> summed;
  for (auto [loop, split] : llvm::zip_equal(rule.loops, axes))
    if (loop == Loop::Sum)
      llvm::append_range(summed, split);
  for (OpResult result : op->getResults()) {
    Value local = mapping.lookup(result);
    unsigned value = op->getNumOperands() + result.getResultNumber();
    if (auto cache = dyn_cast<KVType>(result.getType()))
      local.setType(getLocalType(cache, value));
    else if (!summed.empty())
      mapping.map(result,
                  shard::AllReduceOp::create(builder, op->getLoc(), local.getType(),
                                             grid.getSymName(), summed, local, ReductionKind::Sum)
                      .getResult());
  }
}

static LogicalResult partitionOp(Operation *op, Rule rule, ArrayRef<Value> localOperands,
                                 ArrayRef<Sharding> operandShardings,
                                 ArrayRef<Sharding> resultShardings, IRMapping &mapping,
                                 SymbolTableCollection &symbols, OpBuilder &builder) {
  SplitOp split(op, std::move(rule));
  std::vector<Sharding> shardings(operandShardings);
  llvm::append_range(shardings, resultShardings);
  if (failed(split.assign(shardings, symbols)) || failed(split.verify()) ||
      failed(split.retypeCaches(localOperands)))
    return failure();
  shard::partitionTriviallyShardableOperation(*op, localOperands, operandShardings, resultShardings,
                                              mapping, symbols, builder);
  split.finishResults(mapping, builder);
  return success();
}

//===----------------------------------------------------------------------===//
// Models
//===----------------------------------------------------------------------===//

namespace {

template <typename Concrete, typename OpTy>
struct ModelBase : shard::ShardingInterface::ExternalModel<Concrete, OpTy> {
  static Rule getRule(Operation *op) { return ruleOf(cast<OpTy>(op)); }

  SmallVector<utils::IteratorType> getLoopIteratorTypes(Operation *op) const {
    return llvm::map_to_vector(getRule(op).loops, [](Loop loop) {
      return loop == Loop::Parallel ? utils::IteratorType::parallel
                                    : utils::IteratorType::reduction;
    });
  }

  SmallVector<ReductionKind> getReductionLoopIteratorKinds(Operation *op) const {
    SmallVector<ReductionKind> kinds;
    for (Loop loop : getRule(op).loops)
      if (loop != Loop::Parallel)
        kinds.push_back(loop == Loop::Sum ? ReductionKind::Sum : ReductionKind::Generic);
    return kinds;
  }

  SmallVector<AffineMap> getIndexingMaps(Operation *op) const {
    Rule rule = getRule(op);
    return llvm::map_to_vector(rule.values, [&](ArrayRef<unsigned> loops) {
      return AffineMap::getMultiDimMapWithTargets(rule.loops.size(), loops, op->getContext());
    });
  }

  LogicalResult partition(Operation *op, ArrayRef<Value> localOperands,
                          ArrayRef<Sharding> operandShardings, ArrayRef<Sharding> resultShardings,
                          IRMapping &mapping, SymbolTableCollection &symbols,
                          OpBuilder &builder) const {
    return partitionOp(op, getRule(op), localOperands, operandShardings, resultShardings, mapping,
                       symbols, builder);
  }
};

/// An op on tensors alone: upstream's defaults annotate it.
template <typename OpTy> struct TensorModel : ModelBase<TensorModel<OpTy>, OpTy> {};

/// An op on a cache: upstream's defaults refuse its type.  All its tensors are
/// [rows, heads, elements of a head], so they share one sharding.
template <typename OpTy> struct CacheModel : ModelBase<CacheModel<OpTy>, OpTy> {
  FailureOr<ShardingOption> getShardingOption(Operation *, ArrayRef<Sharding> operandShardings,
                                              ArrayRef<Sharding> resultShardings) const {
    Sharding agreed;
    for (const Sharding &sharding :
         llvm::concat<const Sharding>(resultShardings, operandShardings)) {
      if (!sharding)
        continue;
      if (agreed &&
          (agreed.getGridAttr() != sharding.getGridAttr() || !agreed.equalSplitAxes(sharding)))
        return failure();
      agreed = sharding;
    }
    if (!agreed)
      return ShardingOption::makeEmpty();
    ShardingArray split;
    for (GridAxesAttr axes : agreed.getSplitAxes())
      split.emplace_back(axes.asArrayRef());
    return ShardingOption(std::move(split), agreed.getGridAttr());
  }

  FailureOr<std::vector<Sharding>> getShardingAnnotations(Operation *op,
                                                          const ShardingOption &option) const {
    SmallVector<GridAxesAttr> split;
    for (ArrayRef<GridAxis> axes : option.shardingArray)
      split.push_back(GridAxesAttr::get(op->getContext(), axes));
    Sharding shared = Sharding::get(option.grid, split);
    std::vector<Sharding> shardings;
    for (Type type : llvm::concat<const Type>(SmallVector<Type>(op->getOperandTypes()),
                                              SmallVector<Type>(op->getResultTypes())))
      shardings.push_back(isa<RankedTensorType>(type) ? shared : Sharding());
    return shardings;
  }

  LogicalResult addShardingAnnotations(Operation *op, OpBuilder &builder,
                                       const ShardingOption &option) const {
    std::vector<Sharding> shardings = *getShardingAnnotations(op, option);
    unsigned operands = op->getNumOperands();
    for (OpResult result : op->getResults())
      if (const Sharding &sharding = shardings[operands + result.getResultNumber()])
        shard::maybeInsertTargetShardingAnnotation(sharding, result, builder);
    for (OpOperand &operand : op->getOpOperands())
      if (const Sharding &sharding = shardings[operand.getOperandNumber()])
        shard::maybeInsertSourceShardingAnnotation(sharding, operand, builder);
    return success();
  }
};

} // namespace

template <template <typename> typename Model, typename... Ops>
static void attach(MLIRContext &context) {
  (Ops::template attachInterface<Model<Ops>>(context), ...);
}

void lathe::ir::registerShardingModels(DialectRegistry &registry) {
  registry.insert<shard::ShardDialect>();
  registry.addExtension(+[](MLIRContext *context, LatheDialect *) {
    attach<TensorModel, LinearOp, RMSNormOp, LayerNormOp, QuantizeOp, SiluOp, GeluTanhOp, GeluOp,
           AddOp, MulOp, BiasOp, SplitHeadsOp, MergeHeadsOp, RopeOp>(*context);
    attach<CacheModel, KVAppendOp, AttentionOp>(*context);
  });
}
