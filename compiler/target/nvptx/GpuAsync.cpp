//===- GpuAsync.cpp - Bulk copies and products of warpgroups ---------------===//

#include "compiler/target/nvptx/GpuAsync.h"

using namespace mlir;
using namespace lathe::compiler;

static void act(GpuBuilder &k, StringRef name, ValueRange operands) {
  LLVM::CallIntrinsicOp::create(k.builder(), k.getLoc(), k.builder().getStringAttr(name), operands);
}

/// Inline assembly, which NvptxCodegen.cpp makes convergent.
static LLVM::InlineAsmOp emitAsm(GpuBuilder &k, Type result, ValueRange operands,
                                 const llvm::Twine &text, const llvm::Twine &constraints) {
  return LLVM::InlineAsmOp::create(
      k.builder(), k.getLoc(), result ? TypeRange(result) : TypeRange(), operands, text.str(),
      constraints.str(),
      /*has_side_effects=*/true, /*is_align_stack=*/false, LLVM::tailcallkind::TailCallKind::None,
      LLVM::AsmDialectAttr(), ArrayAttr());
}

static Value toSpace(GpuBuilder &k, Value pointer, unsigned space) {
  auto type = LLVM::LLVMPointerType::get(k.builder().getContext(), space);
  return LLVM::AddrSpaceCastOp::create(k.builder(), k.getLoc(), type, pointer);
}

static Value toShared(GpuBuilder &k, Value pointer) {
  constexpr unsigned sharedSpace = 3;
  return toSpace(k, pointer, sharedSpace);
}

void lathe::compiler::emitProxyFence(GpuBuilder &k) {
  emitAsm(k, {}, {}, "fence.proxy.async;", "~{memory}");
}

Value lathe::compiler::emitUniform(GpuBuilder &k, Value number) {
  constexpr int64_t allLanes = -1, lastLane = WarpThreads - 1;
  Value first =
      k.intrinsic("llvm.nvvm.shfl.sync.idx.i32", k.i32(),
                  {k.integer(allLanes), k.narrow(number), k.integer(0), k.integer(lastLane)});
  return arith::ExtUIOp::create(k.builder(), k.getLoc(), k.i64(), first);
}

//===----------------------------------------------------------------------===//
// Mbarriers
//===----------------------------------------------------------------------===//

void lathe::compiler::emitInitBarrier(GpuBuilder &k, Value barrier, int64_t arrivals) {
  act(k, "llvm.nvvm.mbarrier.init.shared", {toShared(k, barrier), k.integer(arrivals)});
}

void lathe::compiler::emitEndBarrier(GpuBuilder &k, Value barrier) {
  act(k, "llvm.nvvm.mbarrier.inval.shared", {toShared(k, barrier)});
}

void lathe::compiler::emitArrive(GpuBuilder &k, Value barrier) {
  k.intrinsic("llvm.nvvm.mbarrier.arrive.shared", k.i64(), {toShared(k, barrier)});
}

void lathe::compiler::emitArriveAndExpect(GpuBuilder &k, Value barrier, Value bytes) {
  k.intrinsic("llvm.nvvm.mbarrier.arrive.expect.tx.scope.cta.space.cta", k.i64(),
              {toShared(k, barrier), k.narrow(bytes)});
}

void lathe::compiler::emitWaitFor(GpuBuilder &k, Value barrier, Value parity) {
  OpBuilder &b = k.builder();
  Value place = toShared(k, barrier), wanted = k.narrow(parity);
  auto loop = scf::WhileOp::create(b, k.getLoc(), TypeRange(), ValueRange());
  OpBuilder::InsertionGuard guard(b);
  b.createBlock(&loop.getBefore());
  Value done = k.intrinsic("llvm.nvvm.mbarrier.try.wait.parity.scope.cta.space.cta", b.getI1Type(),
                           {place, wanted});
  Value isMissing =
      arith::XOrIOp::create(b, k.getLoc(), done, arith::ConstantIntOp::create(b, k.getLoc(), 1, 1));
  scf::ConditionOp::create(b, k.getLoc(), isMissing, ValueRange());
  b.createBlock(&loop.getAfter());
  scf::YieldOp::create(b, k.getLoc());
}

void lathe::compiler::emitBulkCopy(GpuBuilder &k, Value to, Value barrier, Value from,
                                   Value bytes) {
  constexpr unsigned clusterSpace = 7;
  Value no = arith::ConstantIntOp::create(k.builder(), k.getLoc(), 0, 1);
  Value mask = arith::ConstantIntOp::create(k.builder(), k.getLoc(), 0, 16);
  // A block is a cluster of its own.
  act(k, "llvm.nvvm.cp.async.bulk.global.to.shared.cluster",
      {toSpace(k, to, clusterSpace), toShared(k, barrier), k.toGlobal(from), k.narrow(bytes), mask,
       k.constant(0), no, no});
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// What PTX calls a matrix descriptor, of an operand that is not swizzled.
static Value emitDescriptor(GpuBuilder &k, const GpuColumnsOperand &columns) {
  constexpr int64_t unit = 16, addresses = 0x3ffff, tileBytes = TileColumns * ColumnBytes;
  OpBuilder &b = k.builder();
  Value start = LLVM::PtrToIntOp::create(b, k.getLoc(), k.i64(), toShared(k, columns.start));
  Value low = arith::AndIOp::create(b, k.getLoc(), start, k.constant(addresses));
  int64_t layout = columns.halfBytes / unit << 16 | tileBytes / unit << 32;
  return arith::OrIOp::create(b, k.getLoc(), k.div(low, unit), k.constant(layout));
}

/// Assembly that gives as many f32 as it takes in `sums`, in the same registers, behind `others`,
/// whose constraints `given` are.
static GpuSums emitOnSums(GpuBuilder &k, const llvm::Twine &text, ValueRange others,
                          const llvm::Twine &given, ValueRange sums) {
  std::string constraints = "=f", ties;
  for (size_t i = 0; i < sums.size(); ++i) {
    constraints += i == 0 ? "" : ",=f";
    ties += "," + std::to_string(i);
  }
  SmallVector<Type> types(sums.size(), k.f32());
  auto type = LLVM::LLVMStructType::getLiteral(k.builder().getContext(), types);
  SmallVector<Value> operands(others);
  llvm::append_range(operands, sums);
  Value all = emitAsm(k, type, operands, text, constraints + given + ties + ",~{memory}").getRes();
  GpuSums result;
  for (size_t i = 0; i < sums.size(); ++i)
    result.push_back(LLVM::ExtractValueOp::create(k.builder(), k.getLoc(), all, i));
  return result;
}

void lathe::compiler::emitProductFence(GpuBuilder &k) {
  act(k, "llvm.nvvm.wgmma.fence.sync.aligned", {});
}

GpuSums lathe::compiler::emitWarpgroupProduct(GpuBuilder &k, ValueRange a,
                                              const GpuColumnsOperand &columns, ValueRange sums) {
  size_t count = sums.size();
  std::string registers = "{";
  for (size_t i = 0; i < count; ++i)
    registers += (i == 0 ? "$" : ", $") + std::to_string(i);
  registers += "}, {";
  for (size_t i = count; i < count + a.size(); ++i)
    registers += (i == count ? "$" : ", $") + std::to_string(i);
  registers += "}, $" + std::to_string(count + a.size());
  SmallVector<Value> others(a);
  others.push_back(emitDescriptor(k, columns));
  // Added to what is there, neither with another sign, of columns that lie along k.
  return emitOnSums(k,
                    "wgmma.mma_async.sync.aligned.m64n" + llvm::Twine(2 * count) +
                        "k16.f32.bf16.bf16 " + registers + ", 1, 1, 1, 0;",
                    others, ",r,r,r,r,l", sums);
}

void lathe::compiler::emitCloseProducts(GpuBuilder &k) {
  act(k, "llvm.nvvm.wgmma.commit_group.sync.aligned", {});
}

void lathe::compiler::emitWaitForProducts(GpuBuilder &k, int64_t groupsLeft) {
  act(k, "llvm.nvvm.wgmma.wait_group.sync.aligned", {k.constant(groupsLeft)});
}

/// The sums go through it, so that nothing that uses them can go ahead.
GpuSums lathe::compiler::emitFinishedSums(GpuBuilder &k, ValueRange sums) {
  return emitOnSums(k, "wgmma.wait_group.sync.aligned 0;", {}, "", sums);
}
