//===- KVLayout.cpp - Where keys and values are in the cache ---------------===//

#include "compiler/target/cpu/KVLayout.h"

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
