//===- Epilogue.cpp - Elementwise ops on the tiles of a contraction --------===//

#include "compiler/target/cpu/Epilogue.h"
#include "compiler/target/cpu/KVFormat.h"
#include "compiler/target/cpu/VectorMath.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static llvm::StringMap<ElementwiseEmitter> &registry() {
  static llvm::StringMap<ElementwiseEmitter> emitters;
  return emitters;
}

ElementwiseEmitterRegistration::ElementwiseEmitterRegistration(llvm::StringRef opName,
                                                               ElementwiseEmitter emitter) {
  registry()[opName] = emitter;
}

ElementwiseEmitter lathe::compiler::findElementwiseEmitter(llvm::StringRef opName) {
  return registry().lookup(opName);
}

//===----------------------------------------------------------------------===//
// EpilogueRow
//===----------------------------------------------------------------------===//

Value EpilogueRow::columnOffset(int64_t chunk) {
  return c.k.mul(c.k.add(firstColumn, chunk * segment.lanes), 4);
}

Value EpilogueRow::remember(const void *key, int64_t chunk, llvm::function_ref<Value()> make) {
  auto place = std::make_pair(key, chunk);
  auto it = known.find(place);
  if (it != known.end())
    return it->second;
  Value result = make();
  return known[place] = result;
}

Value EpilogueRow::get(Value value, int64_t chunk) {
  return remember(value.getAsOpaquePointer(), chunk, [&] { return compute(value, chunk); });
}

Value EpilogueRow::compute(Value value, int64_t chunk) {
  KernelBuilder &k = c.k;
  Operation *op = value.getDefiningOp();
  Type type = k.vec(k.f32(), segment.lanes);
  if (auto linear = dyn_cast<ir::LinearOp>(op)) {
    auto index = llvm::find(segment.linears, linear) - segment.linears.begin();
    return k.load(type, k.at(tiles[index], chunk * segment.lanes * 4));
  }
  if (tiles.empty() || isa<step::LoadOp>(op))
    return k.load(type, k.at(c.rowPointer(value, row, rows), columnOffset(chunk)));
  ElementwiseEmitter emitter = findElementwiseEmitter(op->getName().getStringRef());
  assert(emitter && "checked before emission");
  return emitter(*this, op, chunk);
}

void EpilogueRow::emitStores(int64_t chunk) {
  for (step::StoreOp store : segment.stores) {
    if (auto append = store.getValue().getDefiningOp<ir::KVAppendOp>()) {
      emitCacheWrite(*this, append, chunk);
      continue;
    }
    Value pointer = c.rowPointer(store.getValue(), row, rows);
    c.k.store(get(store.getValue(), chunk), c.k.at(pointer, columnOffset(chunk)));
  }
}

void lathe::compiler::emitElementwiseRow(PhaseContext &c, Operation *op, Value row, int64_t rows) {
  KernelBuilder &k = c.k;
  Segment segment = makeElementwiseSegment(op);
  auto append = dyn_cast<ir::KVAppendOp>(op);
  k.forLoop(k.constant(0), k.constant(segment.outputs), segment.tileColumns, [&](Value column) {
    EpilogueRow part(c, segment, row, column, {}, rows);
    for (int64_t chunk = 0; chunk < segment.tileColumns / segment.lanes; ++chunk) {
      if (append) {
        emitCacheWrite(part, append, chunk);
        continue;
      }
      Value value = findElementwiseEmitter(op->getName().getStringRef())(part, op, chunk);
      k.store(value, k.at(c.rowPointer(op->getResult(0), row, rows), part.columnOffset(chunk)));
    }
  });
}

//===----------------------------------------------------------------------===//
// The cache
//===----------------------------------------------------------------------===//

void lathe::compiler::emitCacheWrite(EpilogueRow &r, ir::KVAppendOp append, int64_t chunk) {
  PhaseContext &c = r.c;
  KernelBuilder &k = c.k;
  ir::KVType type = append.getCache().getType();
  Value column = k.add(r.firstColumn, chunk * r.segment.lanes);
  Value head = k.div(column, type.getHeadDim()), element = k.rem(column, type.getHeadDim());
  Value position = c.rowField(c.args.position, r.row),
        sequence = c.rowField(c.args.sequence, r.row);
  Value split = k.div(position, AttentionSplit);
  KVPlace place = {emitKVPointers(c, type, c.layer, sequence, head, split),
                   k.rem(position, AttentionSplit), element};
  getKVFormat(type).write(r, append, chunk, place);
}

//===----------------------------------------------------------------------===//
// Elementwise ops
//===----------------------------------------------------------------------===//

static Value emitAdd(EpilogueRow &r, Operation *op, int64_t chunk) {
  return r.c.k.addf(r.get(op->getOperand(0), chunk), r.get(op->getOperand(1), chunk));
}

static Value emitMul(EpilogueRow &r, Operation *op, int64_t chunk) {
  return r.c.k.mulf(r.get(op->getOperand(0), chunk), r.get(op->getOperand(1), chunk));
}

static Value emitSilu(EpilogueRow &r, Operation *op, int64_t chunk) {
  return lathe::compiler::emitSilu(r.c.k, r.get(op->getOperand(0), chunk));
}

static Value emitGeluTanh(EpilogueRow &r, Operation *op, int64_t chunk) {
  return lathe::compiler::emitGeluTanh(r.c.k, r.get(op->getOperand(0), chunk));
}

static Value emitBias(EpilogueRow &r, Operation *op, int64_t chunk) {
  KernelBuilder &k = r.c.k;
  Value pointer = k.at(r.c.weightPointer(cast<ir::BiasOp>(op).getBias()), r.columnOffset(chunk));
  return k.addf(r.get(op->getOperand(0), chunk), k.load(k.vec(k.f32(), r.segment.lanes), pointer));
}

/// The norm of the head that the chunk is of.  A tile starts with a whole head.
static Value emitHeadNorm(EpilogueRow &r, Operation *op, int64_t chunk) {
  KernelBuilder &k = r.c.k;
  auto norm = cast<ir::RMSNormOp>(op);
  int64_t dim = cast<RankedTensorType>(norm.getWeight().getType()).getDimSize(0);
  int64_t lanes = r.segment.lanes, chunks = dim / lanes, first = chunk / chunks * chunks;
  Value factor = r.remember(op, first, [&] {
    Value squares = k.splat(0.0f, lanes);
    for (int64_t part = first; part < first + chunks; ++part) {
      Value x = r.get(norm.getInput(), part);
      squares = k.fma(x, x, squares);
    }
    return emitInverseRMS(k, squares, dim, norm.getEps().convertToFloat());
  });
  Value weight = k.at(r.c.weightPointer(norm.getWeight()), (chunk - first) * lanes * 4);
  Value scaled = k.mulf(r.get(norm.getInput(), chunk), factor);
  return k.mulf(scaled, k.load(k.vec(k.f32(), lanes), weight));
}

/// Heads are contiguous columns, so another shape is the same chunk.
static Value emitView(EpilogueRow &r, Operation *op, int64_t chunk) {
  return r.get(op->getOperand(0), chunk);
}

/// Cosines and sines of the pairs from `pair` on, for one chunk: `lanes` of
/// them (half) or `lanes / 2`, each twice (interleaved).
static std::pair<Value, Value> loadAngles(EpilogueRow &r, ir::RopeOp rope, int64_t pair,
                                          bool interleaved) {
  KernelBuilder &k = r.c.k;
  int64_t lanes = r.segment.lanes, entries = interleaved ? lanes / 2 : lanes;
  Value pointer = k.at(r.c.rowPointer(rope.getTable(), r.row, r.rows), pair * 8);
  Value both = k.load(k.vec(k.f32(), 2 * entries), pointer);
  SmallVector<int64_t> cosines, sines;
  for (int64_t lane = 0; lane < lanes; ++lane) {
    int64_t entry = interleaved ? lane / 2 : lane;
    cosines.push_back(2 * entry);
    sines.push_back(2 * entry + 1);
  }
  return {k.shuffle(both, both, cosines), k.shuffle(both, both, sines)};
}

/// (x, y) -> (x cos - y sin, x sin + y cos), pairs in neighbouring lanes.
static Value emitInterleavedRope(EpilogueRow &r, ir::RopeOp rope, int64_t chunk, int64_t element) {
  KernelBuilder &k = r.c.k;
  auto [cosine, sine] = loadAngles(r, rope, element / 2, /*interleaved=*/true);
  Value x = r.get(rope.getInput(), chunk);
  SmallVector<int64_t> swap;
  SmallVector<float> signs;
  for (int64_t lane = 0; lane < r.segment.lanes; ++lane) {
    swap.push_back(lane ^ 1);
    signs.push_back(lane % 2 ? 1.0f : -1.0f);
  }
  auto type = k.vec(k.f32(), r.segment.lanes);
  Value sign = arith::ConstantOp::create(k.builder(), k.getLoc(),
                                         DenseElementsAttr::get(type, ArrayRef(signs)));
  return k.fma(k.mulf(sine, sign), k.shuffle(x, x, swap), k.mulf(x, cosine));
}

static Value emitHalfRope(EpilogueRow &r, ir::RopeOp rope, int64_t chunk, int64_t element,
                          int64_t pairs) {
  KernelBuilder &k = r.c.k;
  int64_t partner = pairs / r.segment.lanes;
  bool first = element < pairs;
  auto [cosine, sine] =
      loadAngles(r, rope, first ? element : element - pairs, /*interleaved=*/false);
  Value x = r.get(rope.getInput(), chunk);
  Value y = r.get(rope.getInput(), first ? chunk + partner : chunk - partner);
  if (first)
    sine = k.subf(k.splat(0.0f, r.segment.lanes), sine);
  return k.fma(sine, y, k.mulf(x, cosine));
}

static Value emitRope(EpilogueRow &r, Operation *op, int64_t chunk) {
  auto rope = cast<ir::RopeOp>(op);
  int64_t dim = cast<RankedTensorType>(rope.getInput().getType()).getDimSize(2);
  int64_t pairs = cast<RankedTensorType>(rope.getTable().getType()).getDimSize(1);
  // A tile starts with a whole head.
  int64_t element = chunk * r.segment.lanes % dim;
  if (element >= 2 * pairs)
    return r.get(rope.getInput(), chunk);
  if (rope.getLayout() == ir::RopeLayout::Interleaved)
    return emitInterleavedRope(r, rope, chunk, element);
  return emitHalfRope(r, rope, chunk, element, pairs);
}

static ElementwiseEmitterRegistration add(ir::AddOp::getOperationName(), emitAdd);
static ElementwiseEmitterRegistration mul(ir::MulOp::getOperationName(), emitMul);
static ElementwiseEmitterRegistration silu(ir::SiluOp::getOperationName(), emitSilu);
static ElementwiseEmitterRegistration geluTanh(ir::GeluTanhOp::getOperationName(), emitGeluTanh);
static ElementwiseEmitterRegistration headNorm(ir::RMSNormOp::getOperationName(), emitHeadNorm);
static ElementwiseEmitterRegistration bias(ir::BiasOp::getOperationName(), emitBias);
static ElementwiseEmitterRegistration splitHeads(ir::SplitHeadsOp::getOperationName(), emitView);
static ElementwiseEmitterRegistration mergeHeads(ir::MergeHeadsOp::getOperationName(), emitView);
static ElementwiseEmitterRegistration rope(ir::RopeOp::getOperationName(), emitRope);
