//===- KVLayout.cpp - Where keys and values are in the cache ---------------===//

#include "compiler/target/cpu/KVLayout.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

KVPointers lathe::compiler::emitKVPointers(PhaseContext &c, ir::KVType type, Value layer,
                                           Value sequence, Value head) {
  KernelBuilder &k = c.k;
  int64_t positionBytes = type.getHeadDim() * type.getElementType().getIntOrFloatBitWidth() / 8;
  Value headBytes = k.mul(c.args.kvCapacity, positionBytes);
  Value half = k.mul(headBytes, type.getHeads());
  Value slab = k.at(c.args.kv, k.mul(sequence, c.args.kvSlabBytes));
  Value part = k.at(slab, k.mul(k.mul(half, 2), layer));
  Value keys = k.at(part, k.mul(headBytes, head));
  return {keys, k.at(keys, half)};
}

int64_t lathe::compiler::attentionPartialBytes(ir::AttentionOp attention) {
  return 64 + llvm::alignTo(attention.getCache().getType().getHeadDim() * 4, 64);
}

Value lathe::compiler::emitPartials(PhaseContext &c, ir::KVType type, Value sequence) {
  KernelBuilder &k = c.k;
  Value slab = k.at(c.args.kv, k.mul(sequence, c.args.kvSlabBytes));
  return k.at(slab, k.mul(c.args.kvCapacity, type.getBytesPerPosition()));
}

int64_t lathe::compiler::slabBytesPerPosition(step::ProgramOp program) {
  int64_t perSplit = 0;
  program.walk([&](ir::AttentionOp op) {
    int64_t heads = cast<RankedTensorType>(op.getQuery().getType()).getDimSize(1);
    perSplit = std::max(perSplit, heads * attentionPartialBytes(op));
  });
  return cast<ir::KVType>(program.getCache().getType()).getBytesPerPosition() +
         llvm::divideCeil(perSplit, AttentionSplit);
}
