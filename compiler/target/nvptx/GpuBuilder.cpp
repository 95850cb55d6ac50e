//===- GpuBuilder.cpp - Builds the code of one GPU thread ------------------===//

#include "compiler/target/nvptx/GpuBuilder.h"

using namespace mlir;
using namespace lathe::compiler;

/// All threads of the GPU that run the kernel.
static constexpr llvm::StringLiteral DeviceScope = "device";

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

Value GpuBuilder::remainder(Value a, Value c) {
  return builder().createOrFold<arith::RemUIOp>(getLoc(), a, c);
}

Value GpuBuilder::narrow(Value wide) {
  return arith::TruncIOp::create(builder(), getLoc(), i32(), wide);
}

Value GpuBuilder::widen(Value narrow) {
  return arith::ExtSIOp::create(builder(), getLoc(), i64(), narrow);
}

Value GpuBuilder::integer(int64_t value) {
  return arith::ConstantIntOp::create(builder(), getLoc(), value, 32);
}

Value GpuBuilder::shiftRight(Value words, Value bits) {
  if (auto type = dyn_cast<VectorType>(words.getType()))
    bits = broadcast(bits, type.getNumElements());
  return arith::ShRUIOp::create(builder(), getLoc(), words, bits);
}

Value GpuBuilder::mask(Value words, int64_t bits) {
  auto type = dyn_cast<VectorType>(words.getType());
  Value wanted = type ? splatInt(i32(), bits, type.getNumElements()) : integer(bits);
  return arith::AndIOp::create(builder(), getLoc(), words, wanted);
}

Value GpuBuilder::intToFloat(Value integers) {
  auto type = dyn_cast<VectorType>(integers.getType());
  Type result = type ? Type(vec(f32(), type.getNumElements())) : f32();
  return arith::SIToFPOp::create(builder(), getLoc(), result, integers);
}

Value GpuBuilder::both(Value a, Value c) {
  return arith::AndIOp::create(builder(), getLoc(), a, c);
}

//===----------------------------------------------------------------------===//
// Floats
//===----------------------------------------------------------------------===//

Value GpuBuilder::exp(Value x) {
  constexpr float log2e = 1.44269504f;
  auto power = [&](Value y) {
    return intrinsic("llvm.nvvm.ex2.approx.ftz.f32", f32(), {mulf(y, floatConstant(log2e))});
  };
  auto type = dyn_cast<VectorType>(x.getType());
  if (!type)
    return power(x);
  SmallVector<Value> lanes;
  for (int64_t i = 0; i < type.getNumElements(); ++i)
    lanes.push_back(power(extract(x, i)));
  return vector::FromElementsOp::create(builder(), getLoc(), type, lanes);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Type GpuBuilder::globalPtr() {
  return LLVM::LLVMPointerType::get(builder().getContext(), /*addressSpace=*/1);
}

Value GpuBuilder::toGlobal(Value pointer) {
  return LLVM::AddrSpaceCastOp::create(builder(), getLoc(), globalPtr(), pointer);
}

Value GpuBuilder::fromGlobal(Value pointer) {
  return LLVM::AddrSpaceCastOp::create(builder(), getLoc(), ptr(), pointer);
}

Value GpuBuilder::loadPointer(Value place, bool isConstant) {
  constexpr int64_t bytes = sizeof(void *);
  return fromGlobal(isConstant ? loadConstant(globalPtr(), place, bytes)
                               : loadWide(globalPtr(), place, bytes));
}

Value GpuBuilder::loadWide(Type type, Value pointer, int64_t alignment) {
  return LLVM::LoadOp::create(builder(), getLoc(), type, pointer, alignment);
}

void GpuBuilder::storeWide(Value value, Value pointer, int64_t alignment) {
  LLVM::StoreOp::create(builder(), getLoc(), value, pointer, alignment);
}

Value GpuBuilder::loadConstant(Type type, Value pointer, int64_t alignment) {
  return LLVM::LoadOp::create(builder(), getLoc(), type, pointer, alignment, /*isVolatile=*/false,
                              /*isNonTemporal=*/false, /*isInvariant=*/true);
}

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

Value GpuBuilder::specialRegister(StringRef name) {
  Value value = intrinsic(("llvm.nvvm.read.ptx.sreg." + name).str(), i32(), {});
  return arith::ExtUIOp::create(builder(), getLoc(), i64(), value);
}

void GpuBuilder::act(StringRef name, ValueRange operands) {
  LLVM::CallIntrinsicOp::create(builder(), getLoc(), builder().getStringAttr(name), operands);
}

void GpuBuilder::barrier() { act("llvm.nvvm.barrier.cta.sync.aligned.all", {integer(0)}); }

Value GpuBuilder::shuffleXor(Value x, int64_t mask) {
  constexpr int64_t allLanes = -1, lastLane = WarpThreads - 1;
  StringRef name =
      x.getType().isF32() ? "llvm.nvvm.shfl.sync.bfly.f32" : "llvm.nvvm.shfl.sync.bfly.i32";
  return intrinsic(name, x.getType(), {integer(allLanes), x, integer(mask), integer(lastLane)});
}

Value GpuBuilder::warpReduce(Value x, Fold fold) {
  for (int64_t mask = WarpThreads / 2; mask > 0; mask /= 2)
    x = fold(x, shuffleXor(x, mask));
  return x;
}

/// Waits until the number in `counter` is at least `goal`.
static void emitSpin(GpuBuilder &k, Value counter, Value goal) {
  OpBuilder &b = k.builder();
  auto loop = scf::WhileOp::create(b, k.getLoc(), TypeRange(), ValueRange());
  OpBuilder::InsertionGuard guard(b);
  b.createBlock(&loop.getBefore());
  Value seen = LLVM::LoadOp::create(b, k.getLoc(), k.i64(), counter, /*alignment=*/8,
                                    /*isVolatile=*/false, /*isNonTemporal=*/false,
                                    /*isInvariant=*/false, /*isInvariantGroup=*/false,
                                    LLVM::AtomicOrdering::acquire, DeviceScope);
  scf::ConditionOp::create(b, k.getLoc(), k.less(seen, goal), ValueRange());
  b.createBlock(&loop.getAfter());
  scf::YieldOp::create(b, k.getLoc());
}

void GpuBuilder::gridBarrier(Value counter, Value thread, Value blocks) {
  OpBuilder &b = builder();
  barrier();
  ifThen(equal(thread, constant(0)), [&] {
    LLVM::FenceOp::create(b, getLoc(), LLVM::AtomicOrdering::acq_rel, DeviceScope);
    Value ticket =
        LLVM::AtomicRMWOp::create(b, getLoc(), LLVM::AtomicBinOp::add, counter, constant(1),
                                  LLVM::AtomicOrdering::monotonic, DeviceScope, /*alignment=*/8);
    emitSpin(*this, counter, mul(add(div(ticket, blocks), 1), blocks));
    LLVM::FenceOp::create(b, getLoc(), LLVM::AtomicOrdering::acq_rel, DeviceScope);
  });
  barrier();
}

void GpuBuilder::warpBarrier() { act("llvm.nvvm.bar.warp.sync", {integer(-1)}); }

Value GpuBuilder::onScalar(Value x, llvm::function_ref<Value(KernelBuilder &, Value)> function) {
  return extract(function(*this, broadcast(x, 1)), 0);
}

//===----------------------------------------------------------------------===//
// Tensor cores
//===----------------------------------------------------------------------===//

/// Calls `name`, whose result is a struct of four of `element`.
static GpuBuilder::Words emitProduct(GpuBuilder &k, StringRef name, Type element, ArrayRef<Value> a,
                                     ArrayRef<Value> c, ArrayRef<Value> sums) {
  SmallVector<Value> operands(a);
  llvm::append_range(operands, c);
  llvm::append_range(operands, sums);
  auto type = LLVM::LLVMStructType::getLiteral(k.builder().getContext(),
                                               {element, element, element, element});
  Value all = k.intrinsic(name, type, operands);
  GpuBuilder::Words result;
  for (int64_t i = 0; i < 4; ++i)
    result.push_back(LLVM::ExtractValueOp::create(k.builder(), k.getLoc(), all, i));
  return result;
}

GpuBuilder::Words GpuBuilder::multiplyBytes(ArrayRef<Value> a, ArrayRef<Value> c,
                                            ArrayRef<Value> sums) {
  StringRef name =
      c.size() == 2 ? "llvm.nvvm.mma.m16n8k32.row.col.s8" : "llvm.nvvm.mma.m16n8k16.row.col.s8";
  return emitProduct(*this, name, i32(), a, c, sums);
}

GpuBuilder::Words GpuBuilder::multiplyBF16(ArrayRef<Value> a, ArrayRef<Value> c,
                                           ArrayRef<Value> sums) {
  return emitProduct(*this, "llvm.nvvm.mma.m16n8k16.row.col.bf16", f32(), a, c, sums);
}

GpuBuilder::Words GpuBuilder::multiplyF16(ArrayRef<Value> a, ArrayRef<Value> c,
                                          ArrayRef<Value> sums) {
  Type pair = vec(builder().getF16Type(), 2);
  auto pairsOf = [&](ArrayRef<Value> words) {
    return llvm::map_to_vector(words, [&](Value word) -> Value {
      return LLVM::BitcastOp::create(builder(), getLoc(), pair, word);
    });
  };
  return emitProduct(*this, "llvm.nvvm.mma.m16n8k16.row.col.f32.f32", f32(), pairsOf(a), pairsOf(c),
                     sums);
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

void GpuBuilder::copyAsync(Value to, Value from, int64_t bytes) {
  constexpr unsigned sharedSpace = 3;
  auto type = LLVM::LLVMPointerType::get(builder().getContext(), sharedSpace);
  Value shared = LLVM::AddrSpaceCastOp::create(builder(), getLoc(), type, to);
  // Only 16 bytes can go past the first cache.
  act(bytes == 16 ? "llvm.nvvm.cp.async.cg.shared.global.16"
                  : "llvm.nvvm.cp.async.ca.shared.global.4",
      {shared, toGlobal(from)});
}

void GpuBuilder::closeCopies() { act("llvm.nvvm.cp.async.commit.group", {}); }

void GpuBuilder::waitForCopies(int64_t groupsLeft) {
  act("llvm.nvvm.cp.async.wait.group", {integer(groupsLeft)});
}
