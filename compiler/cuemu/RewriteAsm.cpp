//===- RewriteAsm.cpp - PTX that has no intrinsic --------------------------===//

#include "compiler/cuemu/RewriteAsm.h"

#include "compiler/cuemu/Machine.h"

#include "llvm/IR/InlineAsm.h"

using namespace llvm;
using namespace lathe::cuemu;

static void fenceProxies() { Machine::current()->fenceProxies(); }

/// Four words of A, a descriptor, and sums: "wgmma...m64nNk16... {sums}, {A}, B, 1, 1, 1, 0;" adds
/// without a change of sign, of a B whose rows lie along k.
static std::optional<AsmMeaning> findProduct(StringRef text, size_t operands) {
  constexpr uint32_t mostColumns = 256, otherOperands = 5;
  uint32_t columns;
  if (!text.consume_front("wgmma.mma_async.sync.aligned.m64n") ||
      text.consumeInteger(10, columns) || columns == 0 || columns > mostColumns || columns % 8 != 0)
    return std::nullopt;
  if (!text.starts_with("k16.f32.bf16.bf16 ") || !text.ends_with(", 1, 1, 1, 0;") ||
      operands != columns / 2 + otherOperands)
    return std::nullopt;
  return AsmMeaning{nullptr, multiplyWarpgroup, columns};
}

std::optional<AsmMeaning> lathe::cuemu::findAsmMeaning(const CallBase &call) {
  StringRef text = cast<InlineAsm>(call.getCalledOperand())->getAsmString();
  if (text == "fence.proxy.async;")
    return AsmMeaning{reinterpret_cast<void *>(fenceProxies)};
  uint32_t operands = call.arg_size(), groupsLeft;
  StringRef rest = text;
  if (rest.consume_front("wgmma.wait_group.sync.aligned ") &&
      !rest.consumeInteger(10, groupsLeft) && rest == ";")
    return AsmMeaning{nullptr, finishWarpgroupSums, groupsLeft << 16 | operands};
  return findProduct(text, operands);
}
