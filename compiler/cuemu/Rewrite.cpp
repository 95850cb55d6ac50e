//===- Rewrite.cpp - LLVM IR for NVPTX as IR for this machine --------------===//

#include "compiler/cuemu/Rewrite.h"

#include "compiler/cuemu/Machine.h"
#include "compiler/cuemu/RewriteAsm.h"

#include "llvm/Analysis/ValueTracking.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/IntrinsicsNVPTX.h"
#include "llvm/IR/ReplaceConstant.h"

using namespace llvm;
using namespace lathe::cuemu;

//===----------------------------------------------------------------------===//
// What compiled code calls
//===----------------------------------------------------------------------===//

static uint32_t threadIndex() { return Machine::current()->threadIndex(); }
static uint32_t blockIndex() { return Machine::current()->blockIndex(); }
static uint32_t blockCount() { return Machine::current()->blockCount(); }
static void *sharedMemory() { return Machine::current()->sharedMemory(); }
static void barrier(uint32_t) { Machine::current()->barrier(); }
static void meet(WarpOperation operation, uint32_t detail, const uint32_t *operands,
                 uint32_t *results) {
  Machine::current()->meet(operation, detail, operands, results);
}
template <uint32_t bytes> static void copyAsync(void *to, const void *from) {
  Machine::current()->copyAsync(to, from, bytes);
}
static void closeCopies() { Machine::current()->closeCopies(); }
static void waitForCopies(uint32_t groupsLeft) { Machine::current()->waitForCopies(groupsLeft); }
static void initBarrier(void *address, uint32_t count) {
  Machine::current()->initBarrier(address, count);
}
static void endBarrier(void *address) { Machine::current()->endBarrier(address); }
static uint64_t arrive(const void *address) {
  Machine::current()->arrive(address, 0);
  return 0; // Tokens of phases are not asked for.
}
static uint64_t arriveAndExpect(const void *address, uint32_t bytes) {
  Machine::current()->arrive(address, bytes);
  return 0;
}
static bool tryWait(const void *address, uint32_t parity) {
  return Machine::current()->tryWait(address, parity);
}
/// Neither for other blocks of a cluster, nor with a hint for caches.
static void copyBulk(void *to, const void *barrier, const void *from, uint32_t bytes, uint16_t,
                     uint64_t, bool isMulticast, bool) {
  if (isMulticast)
    return Machine::current()->fail("a bulk copy into several blocks has no meaning here");
  Machine::current()->copyBulk(to, barrier, from, bytes);
}
static void checkRead(const void *address, uint64_t bytes, uint64_t alignment, bool isConstant) {
  Machine::current()->read(address, bytes, isConstant);
  Machine::current()->checkAlignment(address, alignment, "reads");
}
static void checkWrite(const void *address, uint64_t bytes, uint64_t alignment) {
  Machine::current()->write(address, bytes);
  Machine::current()->checkAlignment(address, alignment, "writes");
}
static uint64_t atomicLoad(const uint64_t *address, bool acquires) {
  return Machine::current()->atomicLoad(address, acquires);
}
static uint64_t atomicAdd(uint64_t *address, uint64_t value) {
  return Machine::current()->atomicAdd(address, value);
}
static void fence() { Machine::current()->fence(); }

/// The function that does what an intrinsic does, or null.
static void *findFunction(Intrinsic::ID id) {
  switch (id) {
  case Intrinsic::nvvm_read_ptx_sreg_tid_x:
    return reinterpret_cast<void *>(threadIndex);
  case Intrinsic::nvvm_read_ptx_sreg_ctaid_x:
    return reinterpret_cast<void *>(blockIndex);
  case Intrinsic::nvvm_read_ptx_sreg_nctaid_x:
    return reinterpret_cast<void *>(blockCount);
  case Intrinsic::nvvm_barrier_cta_sync_aligned_all:
    return reinterpret_cast<void *>(barrier);
  case Intrinsic::nvvm_cp_async_ca_shared_global_4:
    return reinterpret_cast<void *>(copyAsync<4>);
  case Intrinsic::nvvm_cp_async_cg_shared_global_16:
    return reinterpret_cast<void *>(copyAsync<16>);
  case Intrinsic::nvvm_cp_async_commit_group:
    return reinterpret_cast<void *>(closeCopies);
  case Intrinsic::nvvm_cp_async_wait_group:
    return reinterpret_cast<void *>(waitForCopies);
  case Intrinsic::nvvm_mbarrier_init_shared:
    return reinterpret_cast<void *>(initBarrier);
  case Intrinsic::nvvm_mbarrier_inval_shared:
    return reinterpret_cast<void *>(endBarrier);
  case Intrinsic::nvvm_mbarrier_arrive_shared:
    return reinterpret_cast<void *>(arrive);
  case Intrinsic::nvvm_mbarrier_arrive_expect_tx_scope_cta_space_cta:
    return reinterpret_cast<void *>(arriveAndExpect);
  case Intrinsic::nvvm_mbarrier_try_wait_parity_scope_cta_space_cta:
    return reinterpret_cast<void *>(tryWait);
  case Intrinsic::nvvm_cp_async_bulk_global_to_shared_cluster:
    return reinterpret_cast<void *>(copyBulk);
  default:
    return nullptr;
  }
}

/// An operation of a warp: the words that it takes are its arguments from `first` on,
/// `count` of them, and argument `detail` is the same in all lanes, if there is one.
struct WarpIntrinsic {
  WarpOperation operation;
  unsigned first, count;
  std::optional<unsigned> detail = std::nullopt;
};

static std::optional<WarpIntrinsic> findWarpIntrinsic(Intrinsic::ID id) {
  switch (id) {
  case Intrinsic::nvvm_shfl_sync_bfly_i32:
  case Intrinsic::nvvm_shfl_sync_bfly_f32:
    return WarpIntrinsic{shuffleWords, 1, 1, 2};
  case Intrinsic::nvvm_shfl_sync_idx_i32:
    return WarpIntrinsic{broadcastWord, 1, 1, 2};
  case Intrinsic::nvvm_bar_warp_sync:
    return WarpIntrinsic{syncWarp, 0, 0};
  case Intrinsic::nvvm_mma_m16n8k32_row_col_s8:
    return WarpIntrinsic{multiplyBytes32, 0, 10};
  case Intrinsic::nvvm_mma_m16n8k16_row_col_s8:
    return WarpIntrinsic{multiplyBytes16, 0, 7};
  case Intrinsic::nvvm_mma_m16n8k16_row_col_bf16:
    return WarpIntrinsic{multiplyBF16, 0, 10};
  case Intrinsic::nvvm_wgmma_fence_sync_aligned:
    return WarpIntrinsic{fenceWarpgroup, 0, 0};
  case Intrinsic::nvvm_wgmma_commit_group_sync_aligned:
    return WarpIntrinsic{closeWarpgroupProducts, 0, 0};
  case Intrinsic::nvvm_wgmma_wait_group_sync_aligned:
    return WarpIntrinsic{waitForWarpgroupProducts, 0, 0, 0};
  default:
    return std::nullopt;
  }
}

//===----------------------------------------------------------------------===//
// The rewriter
//===----------------------------------------------------------------------===//

namespace {

class Rewriter {
public:
  Rewriter(Module &module, bool checksRaces)
      : module(module), checksRaces(checksRaces), layout(module.getDataLayout()) {}

  Error run(StringRef sharedName);

private:
  void replaceShared(GlobalVariable &shared);
  Error rewrite(Instruction &instruction);
  Error rewriteIntrinsic(IntrinsicInst &call);
  void rewriteWarp(CallBase &call, WarpOperation operation, ArrayRef<Value *> operands,
                   Value *detail);
  Error rewriteAsm(CallBase &call);
  Error rewriteAtomic(Instruction &instruction, Value *pointer, Type *type);
  CallInst *call(IRBuilder<> &builder, void *function, Type *result, ArrayRef<Value *> arguments);
  Value *plain(IRBuilder<> &builder, Value *pointer) {
    return builder.CreateAddrSpaceCast(pointer, builder.getPtrTy());
  }

  Module &module;
  bool checksRaces;
  const DataLayout &layout;
  DenseMap<Function *, Value *> words; ///< Memory of operations of warps.
};

} // namespace

static Error refuse(const Twine &what) {
  return createStringError(inconvertibleErrorCode(), "the emulator does not know " + what);
}

CallInst *Rewriter::call(IRBuilder<> &builder, void *function, Type *result,
                         ArrayRef<Value *> arguments) {
  SmallVector<Type *> types;
  for (Value *argument : arguments)
    types.push_back(argument->getType());
  auto *type = FunctionType::get(result, types, /*isVarArg=*/false);
  Value *address = builder.CreateIntToPtr(builder.getInt64(reinterpret_cast<uintptr_t>(function)),
                                          builder.getPtrTy());
  return builder.CreateCall(type, address, arguments);
}

/// Every block has its own.
void Rewriter::replaceShared(GlobalVariable &shared) {
  convertUsersOfConstantsToInstructions({&shared});
  DenseMap<Function *, Value *> own;
  for (Use &use : make_early_inc_range(shared.uses())) {
    Function *function = cast<Instruction>(use.getUser())->getFunction();
    Value *&pointer = own[function];
    if (!pointer) {
      IRBuilder<> builder(&*function->getEntryBlock().getFirstInsertionPt());
      Value *address =
          call(builder, reinterpret_cast<void *>(sharedMemory), builder.getPtrTy(), {});
      pointer = builder.CreateAddrSpaceCast(address, shared.getType());
    }
    use.set(pointer);
  }
  shared.eraseFromParent();
}

/// The words that go to an operation of the warp, and come from it, lie on the stack.
void Rewriter::rewriteWarp(CallBase &instruction, WarpOperation operation,
                           ArrayRef<Value *> operands, Value *detail) {
  // Of the widest product of a warpgroup: 128 sums in and out, and 6 more.
  constexpr unsigned mostWords = 262;
  const Align wordAlignment(4);
  Function *function = instruction.getFunction();
  Value *&memory = words[function];
  if (!memory) {
    IRBuilder<> start(&*function->getEntryBlock().getFirstInsertionPt());
    memory = start.CreateAlloca(ArrayType::get(start.getInt32Ty(), mostWords));
  }
  IRBuilder<> builder(&instruction);
  unsigned used = 0;
  auto wordAt = [&](unsigned i) {
    return builder.CreateConstInBoundsGEP1_32(builder.getInt32Ty(), memory, i);
  };
  for (Value *operand : operands) {
    builder.CreateAlignedStore(operand, wordAt(used), wordAlignment);
    used += layout.getTypeStoreSize(operand->getType()) / sizeof(uint32_t);
  }
  Value *address = builder.CreateIntToPtr(builder.getInt64(reinterpret_cast<uintptr_t>(operation)),
                                          builder.getPtrTy());
  call(builder, reinterpret_cast<void *>(meet), builder.getVoidTy(),
       {address, builder.CreateIntCast(detail, builder.getInt32Ty(), /*isSigned=*/false), memory,
        wordAt(used)});
  if (!instruction.getType()->isVoidTy())
    instruction.replaceAllUsesWith(
        builder.CreateAlignedLoad(instruction.getType(), wordAt(used), wordAlignment));
  instruction.eraseFromParent();
}

Error Rewriter::rewriteAsm(CallBase &instruction) {
  std::optional<AsmMeaning> meaning = findAsmMeaning(instruction);
  if (!meaning)
    return refuse("the assembly '" +
                  cast<InlineAsm>(instruction.getCalledOperand())->getAsmString() + "'");
  IRBuilder<> builder(&instruction);
  if (meaning->operation) {
    SmallVector<Value *> operands(instruction.args());
    rewriteWarp(instruction, meaning->operation, operands, builder.getInt32(meaning->detail));
    return Error::success();
  }
  call(builder, meaning->function, builder.getVoidTy(), {});
  instruction.eraseFromParent();
  return Error::success();
}

Error Rewriter::rewriteIntrinsic(IntrinsicInst &intrinsic) {
  StringRef name = intrinsic.getCalledFunction()->getName();
  if (!name.starts_with("llvm.nvvm."))
    return Error::success();
  if (std::optional<WarpIntrinsic> warp = findWarpIntrinsic(intrinsic.getIntrinsicID())) {
    SmallVector<Value *> operands;
    for (unsigned i = 0; i < warp->count; ++i)
      operands.push_back(intrinsic.getArgOperand(warp->first + i));
    Value *none = ConstantInt::get(Type::getInt32Ty(module.getContext()), 0);
    rewriteWarp(intrinsic, warp->operation, operands,
                warp->detail ? intrinsic.getArgOperand(*warp->detail) : none);
    return Error::success();
  }
  void *function = findFunction(intrinsic.getIntrinsicID());
  if (!function)
    return refuse(name);
  IRBuilder<> builder(&intrinsic);
  SmallVector<Value *> arguments;
  for (Value *argument : intrinsic.args())
    arguments.push_back(argument->getType()->isPointerTy() ? plain(builder, argument) : argument);
  CallInst *result = call(builder, function, intrinsic.getType(), arguments);
  intrinsic.replaceAllUsesWith(result);
  intrinsic.eraseFromParent();
  return Error::success();
}

Error Rewriter::rewriteAtomic(Instruction &instruction, Value *pointer, Type *type) {
  IRBuilder<> builder(&instruction);
  if (!type->isIntegerTy(64))
    return refuse("an atomic access of another size than 64 bits");
  Value *result;
  if (auto *add = dyn_cast<AtomicRMWInst>(&instruction)) {
    if (add->getOperation() != AtomicRMWInst::Add)
      return refuse("an atomic operation other than an addition");
    result = call(builder, reinterpret_cast<void *>(atomicAdd), type,
                  {plain(builder, pointer), add->getValOperand()});
  } else {
    bool acquires = isAcquireOrStronger(cast<LoadInst>(instruction).getOrdering());
    result = call(builder, reinterpret_cast<void *>(atomicLoad), type,
                  {plain(builder, pointer), builder.getInt1(acquires)});
  }
  instruction.replaceAllUsesWith(result);
  instruction.eraseFromParent();
  return Error::success();
}

/// Whether a pointer is into a constant of the module, which comes with the code.
static bool isModuleConstant(const Value *pointer) {
  auto *global = dyn_cast<GlobalVariable>(getUnderlyingObject(pointer));
  return global && global->isConstant();
}

/// Whether a pointer is into memory of the thread that no other can see.
static bool isThreadsOwn(const Value *pointer) {
  return isa<AllocaInst>(getUnderlyingObject(pointer));
}

Error Rewriter::rewrite(Instruction &instruction) {
  IRBuilder<> builder(&instruction);
  auto sizeOf = [&](Type *type) { return builder.getInt64(layout.getTypeStoreSize(type)); };
  auto numberOf = [&](Align alignment) { return builder.getInt64(alignment.value()); };
  if (auto *intrinsic = dyn_cast<IntrinsicInst>(&instruction))
    return rewriteIntrinsic(*intrinsic);
  if (auto *own = dyn_cast<CallBase>(&instruction); own && own->isInlineAsm())
    return rewriteAsm(*own);
  if (auto *load = dyn_cast<LoadInst>(&instruction)) {
    if (load->isAtomic())
      return rewriteAtomic(*load, load->getPointerOperand(), load->getType());
    if (checksRaces && !isModuleConstant(load->getPointerOperand()) &&
        !isThreadsOwn(load->getPointerOperand()))
      call(builder, reinterpret_cast<void *>(checkRead), builder.getVoidTy(),
           {plain(builder, load->getPointerOperand()), sizeOf(load->getType()),
            numberOf(load->getAlign()),
            builder.getInt1(load->hasMetadata(LLVMContext::MD_invariant_load))});
  } else if (auto *store = dyn_cast<StoreInst>(&instruction)) {
    if (store->isAtomic())
      return refuse("an atomic store");
    if (checksRaces && !isThreadsOwn(store->getPointerOperand()))
      call(builder, reinterpret_cast<void *>(checkWrite), builder.getVoidTy(),
           {plain(builder, store->getPointerOperand()), sizeOf(store->getValueOperand()->getType()),
            numberOf(store->getAlign())});
  } else if (auto *atomic = dyn_cast<AtomicRMWInst>(&instruction)) {
    return rewriteAtomic(*atomic, atomic->getPointerOperand(), atomic->getType());
  } else if (isa<FenceInst>(instruction)) {
    call(builder, reinterpret_cast<void *>(fence), builder.getVoidTy(), {});
  } else if (isa<AtomicCmpXchgInst>(instruction)) {
    return refuse("an atomic exchange");
  }
  return Error::success();
}

Error Rewriter::run(StringRef sharedName) {
  if (GlobalVariable *shared = module.getGlobalVariable(sharedName))
    replaceShared(*shared);
  for (Function &function : module) {
    function.setCallingConv(CallingConv::C);
    // So that no large frame steps over the page below a stack.
    function.addFnAttr("probe-stack", "inline-asm");
    SmallVector<Instruction *> all;
    for (Instruction &instruction : llvm::instructions(function))
      all.push_back(&instruction);
    for (Instruction *instruction : all)
      if (Error error = rewrite(*instruction))
        return error;
  }
  return Error::success();
}

Error lathe::cuemu::rewriteForHost(Module &module, StringRef sharedName, bool checksRaces) {
  return Rewriter(module, checksRaces).run(sharedName);
}
