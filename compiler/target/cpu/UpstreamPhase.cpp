//===- UpstreamPhase.cpp - Phases of other dialects' ops -------------------===//
//
// The loops of UpstreamLowering, on pointers into the arena: tile by tile of a few
// rows where each row can be computed alone, so that workers share them, else once
// for all rows by the first worker.  Every element is computed by the same scalar
// operations in the same order, however many rows a tile has.
//
//===----------------------------------------------------------------------===//

#include "compiler/target/cpu/PhaseEmitter.h"
#include "compiler/target/cpu/UpstreamLowering.h"
#include "passes/Upstream.h"

#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

/// Rows that read a weight one after the other, while it is in the cache.
static constexpr int64_t TileRows = 8;

namespace {

class UpstreamPhase {
public:
  UpstreamPhase(PhaseContext &context, UpstreamLoops &loops)
      : c(context), k(context.k), loops(loops), converter(context.k.builder().getContext()) {}

  void emit();

private:
  void emitTile(Value first, Value rows, int64_t mostRows);
  Value emitInput(Value input, Value first, Value rows);
  Value emitBuffer(Value buffer, Type tensor, Value first, Value rows);
  Value emitMemory(Value pointer, MemRefType type, Value rows);
  void emitBody(const IRMapping &arguments, Value rows, int64_t mostRows);
  void replace(ArrayRef<Operation *> ops, Value rows, int64_t mostRows);
  FlatSymbolRefAttr importConstant(memref::GetGlobalOp use);

  PhaseContext &c;
  KernelBuilder &k;
  UpstreamLoops &loops;
  LLVMTypeConverter converter;
};

} // namespace

/// A pointer as the memory it points at: `rows` rows where the first size is not known.
Value UpstreamPhase::emitMemory(Value pointer, MemRefType type, Value rows) {
  OpBuilder &b = k.builder();
  Location loc = k.getLoc();
  auto descriptor = MemRefDescriptor::poison(b, loc, converter.convertType(type));
  descriptor.setAllocatedPtr(b, loc, pointer);
  descriptor.setAlignedPtr(b, loc, pointer);
  descriptor.setConstantOffset(b, loc, 0);
  int64_t stride = 1;
  for (int64_t dim = type.getRank() - 1; dim >= 0; --dim) {
    descriptor.setConstantStride(b, loc, dim, stride);
    if (type.isDynamicDim(dim))
      descriptor.setSize(b, loc, dim, rows);
    else
      descriptor.setConstantSize(b, loc, dim, type.getDimSize(dim));
    stride *= type.isDynamicDim(dim) ? 1 : type.getDimSize(dim);
  }
  return UnrealizedConversionCastOp::create(b, loc, type, Value(descriptor)).getResult(0);
}

static MemRefType memoryOf(Type tensor) {
  auto type = cast<RankedTensorType>(tensor);
  return MemRefType::get(type.getShape(), type.getElementType());
}

Value UpstreamPhase::emitBuffer(Value buffer, Type tensor, Value first, Value rows) {
  Rows place = c.rowsOfBuffer(buffer);
  Value pointer = place.data;
  if (isTensorOfRows(tensor))
    pointer = k.at(pointer, k.mul(first, place.rowBytes));
  return emitMemory(pointer, memoryOf(tensor), rows);
}

Value UpstreamPhase::emitInput(Value input, Value first, Value rows) {
  if (auto load = input.getDefiningOp<step::LoadOp>())
    return emitBuffer(load.getBuffer(), input.getType(), first, rows);
  if (input.getDefiningOp<ir::WeightOp>())
    return emitMemory(c.weightPointer(input), memoryOf(input.getType()), rows);
  return arith::IndexCastOp::create(k.builder(), k.getLoc(), k.builder().getIndexType(), c.layer);
}

/// The constant in the module of the kernels: one for all that hold the same.
FlatSymbolRefAttr UpstreamPhase::importConstant(memref::GetGlobalOp use) {
  auto constant = loops.module->lookupSymbol<memref::GlobalOp>(use.getName());
  auto module = c.phase->getParentOfType<ModuleOp>();
  unsigned count = 0;
  for (auto other : module.getOps<memref::GlobalOp>()) {
    ++count;
    if (other.getType() == constant.getType() &&
        other.getInitialValueAttr() == constant.getInitialValueAttr())
      return FlatSymbolRefAttr::get(other.getSymNameAttr());
  }
  OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
  auto copy = cast<memref::GlobalOp>(b.clone(*constant));
  copy.setSymName(("constant." + Twine(count)).str());
  return FlatSymbolRefAttr::get(copy.getSymNameAttr());
}

/// Memory of the loops is the worker's own, and a size that is not static is the
/// number of rows.
void UpstreamPhase::replace(ArrayRef<Operation *> ops, Value rows, int64_t mostRows) {
  SmallVector<memref::AllocOp> allocations;
  SmallVector<memref::DimOp> sizes;
  for (Operation *op : ops) {
    op->walk([&](memref::AllocOp alloc) { allocations.push_back(alloc); });
    op->walk([&](memref::DimOp size) { sizes.push_back(size); });
  }
  OpBuilder &b = k.builder();
  OpBuilder::InsertionGuard guard(b);
  for (memref::DimOp size : sizes) {
    b.setInsertionPoint(size);
    Value index = arith::IndexCastOp::create(b, k.getLoc(), b.getIndexType(), rows);
    size.replaceAllUsesWith(index);
    size.erase();
  }
  for (memref::AllocOp alloc : allocations) {
    MemRefType type = alloc.getType();
    int64_t bytes = llvm::divideCeil(type.getElementTypeBitWidth(), 8);
    for (int64_t size : type.getShape())
      bytes *= ShapedType::isDynamic(size) ? mostRows : size;
    b.setInsertionPoint(alloc);
    alloc.replaceAllUsesWith(emitMemory(c.allocateScratch(bytes), type, rows));
    alloc.erase();
  }
}

void UpstreamPhase::emitBody(const IRMapping &arguments, Value rows, int64_t mostRows) {
  IRMapping values = arguments;
  SmallVector<Operation *> ops;
  for (Operation &op : loops.function.getBody().front().without_terminator()) {
    Operation *copy = k.builder().clone(op, values);
    copy->walk([&](memref::GetGlobalOp use) { use.setNameAttr(importConstant(use)); });
    ops.push_back(copy);
  }
  replace(ops, rows, mostRows);
}

void UpstreamPhase::emitTile(Value first, Value rows, int64_t mostRows) {
  IRMapping values;
  auto arguments = loops.function.getArguments();
  for (auto [input, argument] : llvm::zip(loops.inputs, arguments))
    values.map(argument, emitInput(input, first, rows));
  for (auto [store, argument] : llvm::zip(loops.stores, arguments.drop_front(loops.inputs.size())))
    values.map(argument, emitBuffer(step::StoreOp(store).getDestination(),
                                    step::StoreOp(store).getValue().getType(), first, rows));
  emitBody(values, rows, mostRows);
}

void UpstreamPhase::emit() {
  Value rows = c.rowCount();
  if (c.phase.getAxis() == step::Axis::Whole) {
    k.ifThen(k.equal(c.worker, k.constant(0)), [&] { emitTile(k.constant(0), rows, c.maxRows()); });
    return;
  }
  int64_t tile = std::min(TileRows, c.maxRows());
  auto [from, to] = c.workerRange(rows);
  k.forLoop(from, to, tile, [&, end = to](Value row) {
    emitTile(row, k.min(k.constant(tile), k.sub(end, row)), tile);
  });
}

static bool isUpstreamPhase(step::PhaseOp phase) {
  return phase.getAxis() == step::Axis::Whole ||
         (phase.getAxis() == step::Axis::Rows && holdsUpstream(phase.getBody().front()));
}

static LogicalResult emitUpstreamPhase(PhaseContext &context) {
  FailureOr<UpstreamLoops> loops = lowerUpstreamPhase(context.phase);
  if (failed(loops))
    return failure();
  UpstreamPhase(context, *loops).emit();
  return success();
}

static PhaseTiles divideUpstream(step::PhaseOp phase, const CpuTarget &, int64_t rows, int64_t,
                                 int64_t workers) {
  if (phase.getAxis() == step::Axis::Whole)
    return {{{{}, 0, rows, 1}}, 1};
  int64_t most = (rows + workers - 1) / workers;
  return {{{{}, 0, std::min(rows, TileRows), (rows + TileRows - 1) / TileRows}},
          static_cast<double>(most) / rows};
}

static PhaseEmitterRegistration upstream({isUpstreamPhase, emitUpstreamPhase, divideUpstream});
