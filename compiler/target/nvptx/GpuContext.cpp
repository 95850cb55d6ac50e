//===- GpuContext.cpp - What the emitters of a GPU phase share -------------===//

#include "compiler/target/nvptx/GpuContext.h"
#include "compiler/target/nvptx/GpuWarpgroupTiles.h"

#include "compiler/target/cpu/KVFormat.h"
#include "compiler/target/cpu/LayerPlaces.h"
#include "compiler/target/nvptx/GpuAsync.h"
#include "compiler/target/nvptx/NvptxTarget.h"
#include "dialects/Lathe/LatheTypes.h"

#include "lathe/abi.h"
#include "lathe/device_abi.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

#include <cstddef>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

//===----------------------------------------------------------------------===//
// The arguments of the step
//===----------------------------------------------------------------------===//

Value GpuContext::loadField(Type type, int64_t offset) {
  Value place = k.at(argsPointer, offset);
  return type == k.ptr() ? k.loadPointer(place) : k.loadWide(type, place, 8);
}

Value lathe::compiler::emitSharedMemory(GpuBuilder &k, ModuleOp module) {
  constexpr unsigned sharedSpace = 3, alignment = 16;
  auto bytes = LLVM::LLVMArrayType::get(k.i8(), 0);
  if (!module.lookupSymbol(SharedMemoryName)) {
    OpBuilder atStart = OpBuilder::atBlockBegin(module.getBody());
    LLVM::GlobalOp::create(atStart, module.getLoc(), bytes, /*isConstant=*/false,
                           LLVM::Linkage::External, SharedMemoryName, Attribute(), alignment,
                           sharedSpace);
  }
  auto type = LLVM::LLVMPointerType::get(k.builder().getContext(), sharedSpace);
  Value address = LLVM::AddressOfOp::create(k.builder(), k.getLoc(), type, SharedMemoryName);
  return LLVM::AddrSpaceCastOp::create(k.builder(), k.getLoc(), k.ptr(), address);
}

GpuContext::GpuContext(OpBuilder &builder, const NvptxTarget &target, step::PhaseOp phase,
                       const WeightTable &weights, KernelSharing &sharing, func::FuncOp function)
    : k(builder, phase.getLoc()), target(target), phase(phase), weightTable(weights),
      sharing(sharing), function(function) {
  ValueRange arguments = function.getArguments();
  layer = arguments[1];
  block = arguments[2];
  blocks = arguments[3];
  argsPointer = k.fromGlobal(arguments[0]);
  arena = loadField(k.ptr(), offsetof(lathe_step_args, arena));
  weightsPointer = loadField(k.ptr(), offsetof(lathe_step_args, weights));
  cache = loadField(k.ptr(), offsetof(lathe_step_args, kv));
  slabBytes = loadField(k.i64(), offsetof(lathe_step_args, kv_slab_bytes));
  counter = loadField(k.ptr(), offsetof(lathe_step_args, scratch));
  rowsCount = loadField(k.i64(), offsetof(lathe_step_args, rows));
  logitsRows = loadField(k.i64(), offsetof(lathe_step_args, logits_rows));
  logits = loadField(k.ptr(), offsetof(lathe_step_args, logits));
  int64_t offsets[] = {offsetof(lathe_step_args, token), offsetof(lathe_step_args, position),
                       offsetof(lathe_step_args, sequence), offsetof(lathe_step_args, logits_row)};
  for (auto [field, offset] : llvm::zip_equal(fields, offsets))
    field = loadField(k.ptr(), offset);
  thread = k.specialRegister("tid.x");
  lane = k.rem(thread, WarpThreads);
  warp = k.div(thread, WarpThreads);
  // Products of warpgroups want to know that it is the same for all lanes; elsewhere that would
  // only take a register.
  if (llvm::any_of(phase.getOps<ir::LinearOp>(),
                   [&](ir::LinearOp linear) { return isWarpgroupProduct(*this, linear); }))
    warp = emitUniform(k, warp);
  shared = emitSharedMemory(k, phase->getParentOfType<ModuleOp>());
  start = shared.getDefiningOp();
}

Value GpuContext::rowField(Field field, Value row) {
  Value pointer = k.at(fields[static_cast<int>(field)], k.mul(row, 4));
  return k.widen(k.loadWide(k.i32(), pointer, 4));
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

Value GpuRows::offset(GpuBuilder &k, Value element, int64_t bytes) const {
  if (blockBytes == 0 || scales)
    return k.mul(element, bytes);
  constexpr int64_t depth = 16;
  Value inDepth = k.rem(element, depth), second = k.rem(k.div(element, 2), 2);
  Value block = k.add(k.mul(k.div(element, depth), 2), second);
  Value place = k.add(k.mul(k.div(inDepth, 4), 2), k.rem(element, 2));
  return k.add(k.mul(block, blockBytes), k.mul(place, bytes));
}

bool GpuContext::isForWarpgroups(int64_t elements, Type element) const {
  constexpr int64_t depth = 16;
  return target.hasWarpgroups() && element.isBF16() && elements % depth == 0;
}

GpuRows GpuContext::layout(Value base, int64_t rows, int64_t elements, Type element) {
  GpuRows result;
  result.data = base;
  result.elements = elements;
  if (isa<ir::QuantizedActivationType>(element)) {
    rows = step::getBlockRows(rows);
    result.rowBytes = 32;
    result.blockBytes = rows * 32;
    result.scaleBlockBytes = rows * 4;
    result.scales = k.at(base, rows * elements);
    return result;
  }
  if (isForWarpgroups(elements, element)) {
    result.rowBytes = ColumnBytes;
    result.blockBytes = rows * ColumnBytes;
    return result;
  }
  result.rowBytes = elements * element.getIntOrFloatBitWidth() / 8;
  return result;
}

GpuRows GpuContext::rowsOfBuffer(Value buffer) {
  auto type = cast<step::BufferType>(buffer.getType());
  Value base = logits;
  if (auto alloc = buffer.getDefiningOp<step::AllocOp>()) {
    Value &offset = bufferOffsets[buffer];
    if (!offset)
      offset = argument([bytes = static_cast<int64_t>(*alloc.getOffset())](
                            KernelBuilder &caller, Value) { return caller.constant(bytes); });
    base = k.at(arena, offset);
  }
  return layout(base, type.getMaxRows(), type.getRowElements(), type.getElementType());
}

static int64_t rowElements(Value value) {
  return ShapedType::getNumElements(
      cast<RankedTensorType>(value.getType()).getShape().drop_front());
}

const GpuRows &GpuContext::rowsOf(Value value) {
  auto it = storage.find(value);
  if (it != storage.end())
    return it->second;
  OpBuilder::InsertionGuard guard(k.builder());
  setStart();
  if (auto load = value.getDefiningOp<step::LoadOp>())
    return storage[value] = rowsOfBuffer(load.getBuffer());
  // In front of contractions every block computes all rows for itself.
  if (phase.getAxis() != step::Axis::Columns)
    for (Operation *user : value.getUsers())
      if (auto store = dyn_cast<step::StoreOp>(user))
        return storage[value] = rowsOfBuffer(store.getDestination());
  Type element = cast<RankedTensorType>(value.getType()).getElementType();
  int64_t elements = rowElements(value);
  // Products read whole tiles of columns: behind the last block, of rows that are not there.
  int64_t more = isForWarpgroups(elements, element) ? TileColumns * ColumnBytes : 0;
  Value base = allocateShared(step::getRowBytes(chunk, elements, element) + more);
  GpuRows result = layout(base, chunk, elements, element);
  result.isShared = true;
  return storage[value] = result;
}

Value GpuContext::rowPointer(Value value, const GpuRow &row) {
  const GpuRows &found = rowsOf(value);
  return k.at(found.data, k.mul(found.index(row), found.rowBytes));
}

Value GpuContext::allocateShared(int64_t bytes) {
  constexpr int64_t alignment = 16;
  OpBuilder::InsertionGuard guard(k.builder());
  setStart();
  int64_t offset = sharedUsed;
  sharedUsed = llvm::alignTo(offset + bytes, alignment);
  return k.at(shared, offset);
}

Value GpuContext::scratch(int64_t bytes) {
  scratchUsed = std::max(scratchUsed, bytes);
  return k.at(counter, LATHE_DEVICE_ZERO_BYTES);
}

//===----------------------------------------------------------------------===//
// Weights and the cache
//===----------------------------------------------------------------------===//

Value GpuContext::argument(KernelArgument argument) {
  extraArguments.push_back(std::move(argument));
  return function.getBody().front().addArgument(k.i64(), k.getLoc());
}

Value GpuContext::weightPointer(Value weight) {
  Value &pointer = weightPointers[weight];
  if (pointer)
    return pointer;
  Value index = argument(weightIndex(weight.getDefiningOp<ir::WeightOp>(), weightTable));
  OpBuilder::InsertionGuard guard(k.builder());
  setStart();
  Value entry = k.at(weightsPointer, k.mul(index, sizeof(void *)));
  return pointer = k.loadPointer(entry, /*isConstant=*/true);
}

Value GpuContext::cachePointer(ir::KVType type, Value sequence, Value head, Value split) {
  int64_t bytes = getKVFormat(type).splitBytes(type);
  Value index = k.add(k.mul(split, type.getLayers()), layer);
  index = k.add(k.mul(index, type.getHeads()), head);
  return k.at(k.at(cache, k.mul(sequence, slabBytes)), k.mul(index, 2 * bytes));
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

func::FuncOp GpuContext::finish() {
  Block &body = function.getBody().front();
  OpBuilder builder = OpBuilder::atBlockEnd(&body);
  func::ReturnOp::create(builder, k.getLoc());
  function.setType(builder.getFunctionType(body.getArgumentTypes(), {}));
  return sharing.unify(function);
}

Value GpuContext::blockReduce(Value x, GpuBuilder::Fold fold) {
  if (!reduced)
    reduced = allocateShared(BlockWarps * 4);
  x = k.warpReduce(x, fold);
  k.ifThen(k.equal(lane, k.constant(0)), [&] { k.storeWide(x, k.at(reduced, k.mul(warp, 4)), 4); });
  k.barrier();
  Value result = k.loadWide(x.getType(), reduced, 4);
  for (int64_t other = 1; other < BlockWarps; ++other)
    result = fold(result, k.loadWide(x.getType(), k.at(reduced, other * 4), 4));
  // The next reduction may write at once.
  k.barrier();
  return result;
}

void GpuContext::forBlocks(Value first, Value count, KernelBuilder::Body body) {
  Value rotated = block;
  if (!matchPattern(first, m_Zero()))
    rotated = k.remainder(k.sub(k.add(block, blocks), k.remainder(first, blocks)), blocks);
  k.forLoop(rotated, count, blocks, body);
}
