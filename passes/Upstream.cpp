//===- Upstream.cpp - Ops of other dialects beside ours --------------------===//

#include "passes/Upstream.h"

#include "dialects/Lathe/LatheDialect.h"
#include "dialects/Step/StepDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

bool lathe::isUpstream(Operation *op) {
  return !op->hasTrait<OpTrait::IsTerminator>() &&
         !isa_and_nonnull<ir::LatheDialect, step::StepDialect, func::FuncDialect, BuiltinDialect>(
             op->getDialect());
}

bool lathe::holdsUpstream(Block &block) {
  return llvm::any_of(block, [](Operation &op) { return isUpstream(&op); });
}

bool lathe::isTensorOfRows(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() > 0 && tensor.isDynamicDim(0) &&
         tensor.getNumDynamicDims() == 1;
}

static bool hasRows(Value value) { return lathe::isTensorOfRows(value.getType()); }

/// The number of rows: of a tile it is another one than of a step.
static bool isRowCount(Value value) {
  auto dim = value.getDefiningOp<tensor::DimOp>();
  return dim && hasRows(dim.getSource()) && dim.getConstantIndex() == 0;
}

//===----------------------------------------------------------------------===//
// By kind of op
//===----------------------------------------------------------------------===//

/// One loop runs along the rows of every operand that has rows, and along nothing
/// else.
static bool alongRows(linalg::LinalgOp op) {
  std::optional<unsigned> rowLoop;
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    bool rows = hasRows(operand.get());
    if (op.isDpsInit(&operand) && !rows)
      return false;
    if (!rows)
      continue;
    auto dim = dyn_cast<AffineDimExpr>(map.getResult(0));
    if (!dim || (rowLoop && *rowLoop != dim.getPosition()))
      return false;
    rowLoop = dim.getPosition();
  }
  if (!rowLoop || op.getIteratorTypesArray()[*rowLoop] != utils::IteratorType::parallel)
    return false;
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    for (AffineExpr result : map.getResults().drop_front(hasRows(operand.get())))
      if (result.isFunctionOfDim(*rowLoop))
        return false;
  }
  return !op->walk([&](linalg::IndexOp index) {
              return index.getDim() == *rowLoop ? WalkResult::interrupt() : WalkResult::advance();
            }).wasInterrupted();
}

/// All rows of a tensor of rows, and a part of each.
static bool slicesInsideRows(OffsetSizeAndStrideOpInterface slice, Value whole, Value part) {
  if (!hasRows(whole))
    return true;
  auto size = dyn_cast<Value>(slice.getMixedSizes().front());
  return hasRows(part) && getConstantIntValue(slice.getMixedOffsets().front()) == 0 && size &&
         isRowCount(size);
}

static bool reshapesInsideRows(ArrayRef<ReassociationIndices> groups) {
  return !groups.empty() && groups.front().size() == 1;
}

static bool padsInsideRows(tensor::PadOp pad) {
  bool none = getConstantIntValue(pad.getMixedLowPad().front()) == 0 &&
              getConstantIntValue(pad.getMixedHighPad().front()) == 0;
  return none && pad.getRegion().front().getArgument(0).use_empty();
}

/// Apart from what is nested in it and from counts of rows.
static bool worksAlone(Operation *op) {
  bool rows = llvm::any_of(op->getOperands(), hasRows) || llvm::any_of(op->getResults(), hasRows);
  if (!rows || OpTrait::hasElementwiseMappableTraits(op))
    return true;
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case([](linalg::LinalgOp linalg) { return alongRows(linalg); })
      .Case<tensor::EmptyOp, tensor::DimOp, scf::ForOp, scf::IfOp, scf::YieldOp>(
          [](Operation *) { return true; })
      .Case([](tensor::CastOp cast) { return hasRows(cast.getSource()) && hasRows(cast); })
      .Case([](tensor::ExtractSliceOp slice) {
        return slicesInsideRows(slice, slice.getSource(), slice.getResult());
      })
      .Case([](tensor::InsertSliceOp slice) {
        return slicesInsideRows(slice, slice.getDest(), slice.getSource());
      })
      .Case<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(
          [](auto shape) { return reshapesInsideRows(shape.getReassociationIndices()); })
      .Case([](tensor::PadOp pad) { return padsInsideRows(pad); })
      .Default([](Operation *) { return false; });
}

/// A number of rows may only say how large a tensor of rows is.
static bool usesCountsAsSizes(Operation *op) {
  return llvm::none_of(op->getOperands(), isRowCount) ||
         isa<tensor::EmptyOp, tensor::ExtractSliceOp, tensor::InsertSliceOp, tensor::ExpandShapeOp>(
             op);
}

bool lathe::worksRowByRow(Operation *op) {
  return !op->walk([](Operation *inner) {
              return worksAlone(inner) && usesCountsAsSizes(inner) ? WalkResult::advance()
                                                                   : WalkResult::interrupt();
            }).wasInterrupted();
}
