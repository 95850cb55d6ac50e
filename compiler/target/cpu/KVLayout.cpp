//===- KVLayout.cpp - Where keys and values are in the cache ---------------===//

#include "compiler/target/cpu/KVLayout.h"

#include "compiler/target/cpu/KVFormat.h"

#include "llvm/Support/MathExtras.h"

#include <map>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static std::map<std::string, std::shared_ptr<const KVFormat>> &registry() {
  static std::map<std::string, std::shared_ptr<const KVFormat>> formats;
  return formats;
}

KVFormatRegistration::KVFormatRegistration(llvm::StringRef elementName,
                                           std::shared_ptr<const KVFormat> format) {
  registry().emplace(elementName.str(), std::move(format));
}

const KVFormat &lathe::compiler::getKVFormat(ir::KVType type) {
  auto it = registry().find(type.getElementName().str());
  assert(it != registry().end() && "every element type of a cache has a form");
  return *it->second;
}

KVPointers lathe::compiler::emitKVPointers(PhaseContext &c, ir::KVType type, Value layer,
                                           Value sequence, Value head, Value split) {
  KernelBuilder &k = c.k;
  int64_t bytes = getKVFormat(type).splitBytes(type);
  Value slab = k.at(c.args.kv, k.mul(sequence, c.args.kvSlabBytes));
  Value index = k.add(k.mul(split, type.getLayers()), layer);
  index = k.add(k.mul(index, type.getHeads()), head);
  Value keys = k.at(slab, k.mul(index, 2 * bytes));
  return {keys, k.at(keys, bytes)};
}

/// Of all layers.
static int64_t bytesPerPosition(ir::KVType type) {
  int64_t bytes = getKVFormat(type).splitBytes(type);
  assert(bytes % AttentionSplit == 0 && "the capacity may be one split");
  return 2 * type.getLayers() * type.getHeads() * (bytes / AttentionSplit);
}

int64_t lathe::compiler::attentionPartialBytes(ir::AttentionOp attention) {
  return 64 + llvm::alignTo(attention.getCache().getType().getHeadDim() * 4, 64);
}

Value lathe::compiler::emitPartials(PhaseContext &c, ir::KVType type, Value sequence) {
  KernelBuilder &k = c.k;
  Value slab = k.at(c.args.kv, k.mul(sequence, c.args.kvSlabBytes));
  return k.at(slab, k.mul(c.args.kvCapacity, bytesPerPosition(type)));
}

int64_t lathe::compiler::slabBytesPerPosition(step::ProgramOp program) {
  int64_t perSplit = 0;
  program.walk([&](ir::AttentionOp op) {
    int64_t heads = cast<RankedTensorType>(op.getQuery().getType()).getDimSize(1);
    perSplit = std::max(perSplit, heads * attentionPartialBytes(op));
  });
  return bytesPerPosition(cast<ir::KVType>(program.getCache().getType())) +
         llvm::divideCeil(perSplit, AttentionSplit);
}
