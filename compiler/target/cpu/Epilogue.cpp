//===- Epilogue.cpp - Elementwise ops on the tiles of a contraction --------===//

#include "compiler/target/cpu/Epilogue.h"
#include "compiler/target/cpu/BlockQuantizer.h"
#include "compiler/target/cpu/KVFormat.h"
#include "compiler/target/cpu/VectorMath.h"

#include "mlir/IR/Matchers.h"

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

EpilogueRow::EpilogueRow(PhaseContext &context, const Segment &segment, const EpiloguePlace &head,
                         Value shift, const HeadFactors &factors)
    : c(context), segment(segment), row(head.row), firstColumn(c.k.add(head.column, shift)),
      shift(shift), factors(factors), rows(head.rows) {
  for (Value tile : head.tiles)
    tiles.push_back(c.k.at(tile, c.k.mul(shift, 4)));
}

Value EpilogueRow::columnOffset(int64_t chunk) {
  return c.k.mul(c.k.add(firstColumn, chunk * segment.lanes), 4);
}

Value EpilogueRow::get(Value value, int64_t chunk) {
  auto place = std::make_pair(value.getAsOpaquePointer(), chunk);
  auto it = known.find(place);
  if (it != known.end())
    return it->second;
  Value result = compute(value, chunk);
  return known[place] = result;
}

Value EpilogueRow::compute(Value value, int64_t chunk) {
  KernelBuilder &k = c.k;
  Operation *op = value.getDefiningOp();
  Type type = k.vec(k.f32(), segment.lanes);
  if (auto linear = dyn_cast<ir::LinearOp>(op)) {
    auto index = llvm::find(segment.linears, linear) - segment.linears.begin();
    return k.load(type, k.at(tiles[index], chunk * segment.lanes * 4));
  }
  if (auto experts = dyn_cast<ir::ExpertLinearOp>(op)) {
    auto index = llvm::find(segment.experts, experts) - segment.experts.begin();
    return k.load(type, k.at(tiles[index], chunk * segment.lanes * 4));
  }
  if (tiles.empty() || isa<step::LoadOp>(op))
    return k.load(type, k.at(c.rowPointer(value, row, rows), columnOffset(chunk)));
  ElementwiseEmitter emitter = findElementwiseEmitter(op->getName().getStringRef());
  assert(emitter && "checked before emission");
  return emitter(*this, op, chunk);
}

bool lathe::compiler::storesBlock(step::StoreOp store) {
  auto type = dyn_cast<RankedTensorType>(store.getValue().getType());
  return type && isa<ir::QuantizedActivationType>(type.getElementType());
}

void EpilogueRow::emitStores(int64_t chunk) {
  for (step::StoreOp store : segment.stores) {
    if (auto append = store.getValue().getDefiningOp<ir::KVAppendOp>()) {
      emitCacheWrite(*this, append, chunk);
      continue;
    }
    if (storesBlock(store))
      continue; // A block needs more than a chunk, see emitBlockStores.
    Value pointer = c.rowPointer(store.getValue(), row, rows), offset = columnOffset(chunk);
    if (cast<RankedTensorType>(store.getValue().getType()).getElementType().isBF16())
      offset = c.k.div(offset, 2);
    c.k.store(get(store.getValue(), chunk), c.k.at(pointer, offset));
  }
}

/// Runs `body` with every shift of chunk 0 in a period, and what it carries.
static SmallVector<Value>
forPeriod(KernelBuilder &k, const Segment &segment, ArrayRef<Value> carried,
          llvm::function_ref<SmallVector<Value>(Value shift, ValueRange carried)> body) {
  if (segment.period == 1)
    return body(k.constant(0), carried);
  return k.forLoop(k.constant(0), k.constant(segment.period * segment.lanes), segment.lanes,
                   carried, body);
}

SmallVector<Value> lathe::compiler::foldHead(
    PhaseContext &c, const Segment &segment, const EpiloguePlace &head, const HeadFactors &factors,
    ArrayRef<Value> inits,
    llvm::function_ref<SmallVector<Value>(EpilogueRow &, int64_t, ValueRange)> fold) {
  SmallVector<Value> folded(inits);
  for (int64_t chunk = 0; chunk * segment.lanes < segment.headColumns; chunk += segment.period)
    folded = forPeriod(c.k, segment, folded, [&](Value shift, ValueRange carried) {
      EpilogueRow part(c, segment, head, shift, factors);
      return fold(part, chunk, carried);
    });
  return folded;
}

/// Where the elements from `column` on of a row go in the cache.
static KVPlace findPlace(PhaseContext &c, ir::KVType type, Value row, Value column) {
  KernelBuilder &k = c.k;
  Value head = k.div(column, type.getHeadDim()), element = k.rem(column, type.getHeadDim());
  Value position = c.rowField(c.args.position, row), sequence = c.rowField(c.args.sequence, row);
  Value split = k.div(position, AttentionSplit);
  return {emitKVPointers(c, type, c.layer, sequence, head, split), k.rem(position, AttentionSplit),
          element};
}

/// Of norms, each of which may need those before it, and of what the cache takes.
static HeadFactors emitHeadFactors(PhaseContext &c, const Segment &segment,
                                   const EpiloguePlace &head) {
  KernelBuilder &k = c.k;
  HeadFactors factors;
  for (ir::RMSNormOp norm : segment.headNorms) {
    auto addSquares = [&](EpilogueRow &part, int64_t chunk, ValueRange sum) -> SmallVector<Value> {
      Value x = part.get(norm.getInput(), chunk);
      return {k.fma(x, x, sum[0])};
    };
    Value squares =
        foldHead(c, segment, head, factors, {k.splat(0.0f, segment.lanes)}, addSquares)[0];
    factors[norm.getOperation()] =
        emitInverseRMS(k, squares, k.floatConstant(static_cast<float>(segment.headColumns)),
                       k.floatConstant(norm.getEps().convertToFloat()));
  }
  for (ir::KVAppendOp append : segment.appends) {
    ir::KVType type = append.getCache().getType();
    getKVFormat(type).prepare(c, segment, head, append, findPlace(c, type, head.row, head.column),
                              factors);
  }
  return factors;
}

void lathe::compiler::emitChunks(PhaseContext &c, const Segment &segment,
                                 const EpiloguePlace &place, Value columns,
                                 llvm::function_ref<void(EpilogueRow &, int64_t)> body) {
  KernelBuilder &k = c.k;
  auto emitHead = [&](Value column) {
    EpiloguePlace head{place.row, k.add(place.column, column), {}, place.rows};
    for (Value tile : place.tiles)
      head.tiles.push_back(k.at(tile, k.mul(column, 4)));
    HeadFactors factors = emitHeadFactors(c, segment, head);
    forPeriod(k, segment, {}, [&](Value shift, ValueRange) -> SmallVector<Value> {
      EpilogueRow part(c, segment, head, shift, factors);
      for (int64_t chunk = 0; chunk * segment.lanes < segment.headColumns; chunk += segment.period)
        body(part, chunk);
      return {};
    });
  };
  llvm::APInt known;
  if (matchPattern(columns, m_ConstantInt(&known)) && known == segment.headColumns)
    return emitHead(k.constant(0));
  k.forLoop(k.constant(0), columns, segment.headColumns, emitHead);
}

/// One block of `count` rows.
static void emitBlockOfRows(PhaseContext &c, const Segment &segment, const EpiloguePlace &first,
                            int64_t count) {
  KernelBuilder &k = c.k;
  HeadFactors none;
  for (step::StoreOp store : llvm::make_filter_range(segment.stores, storesBlock)) {
    Value exact = store.getValue().getDefiningOp<ir::QuantizeOp>().getInput();
    const Rows &rows = c.rowsOf(store.getValue(), first.rows);
    SmallVector<Value> elements;
    SmallVector<QuantizedPlace> places;
    for (int64_t number = 0; number < count; ++number) {
      EpiloguePlace place{k.add(first.row, number), first.column, {}, first.rows};
      for (Value tile : first.tiles)
        place.tiles.push_back(k.at(tile, number * segment.tileColumns * 4));
      EpilogueRow row(c, segment, place, k.constant(0), none);
      elements.append({row.get(exact, 0), row.get(exact, 1)});
      places.push_back(QuantizedPlace::get(k, rows, place.row, k.div(place.column, 32)));
    }
    emitQuantizeTogether(k, elements, places);
  }
}

void lathe::compiler::emitBlockStores(PhaseContext &c, const Segment &segment,
                                      const EpiloguePlace &first, Value rows, Value columns) {
  KernelBuilder &k = c.k;
  k.forLoop(k.constant(0), columns, 2 * segment.lanes, [&](Value column) {
    Value from = k.constant(0);
    for (int64_t together : {quantizedTogether(c.target), int64_t(1)}) {
      Value to = k.mul(k.div(rows, together), together);
      k.forLoop(from, to, together, [&](Value row) {
        Value shift = k.add(k.mul(row, segment.tileColumns * 4), k.mul(column, 4));
        EpiloguePlace place{k.add(first.row, row), k.add(first.column, column), {}, first.rows};
        for (Value tile : first.tiles)
          place.tiles.push_back(k.at(tile, shift));
        emitBlockOfRows(c, segment, place, together);
      });
      from = to;
    }
  });
}

void lathe::compiler::emitElementwiseRow(PhaseContext &c, Operation *op, Value row, int64_t rows) {
  KernelBuilder &k = c.k;
  Segment segment = makeElementwiseSegment(op);
  auto append = dyn_cast<ir::KVAppendOp>(op);
  EpiloguePlace place{row, k.constant(0), {}, rows};
  emitChunks(c, segment, place, k.constant(segment.outputs), [&](EpilogueRow &part, int64_t chunk) {
    if (append)
      return emitCacheWrite(part, append, chunk);
    Value value = findElementwiseEmitter(op->getName().getStringRef())(part, op, chunk);
    k.store(value, k.at(c.rowPointer(op->getResult(0), row, rows), part.columnOffset(chunk)));
  });
}

//===----------------------------------------------------------------------===//
// The cache
//===----------------------------------------------------------------------===//

void lathe::compiler::emitCacheWrite(EpilogueRow &r, ir::KVAppendOp append, int64_t chunk) {
  ir::KVType type = append.getCache().getType();
  Value column = r.c.k.add(r.firstColumn, chunk * r.segment.lanes);
  getKVFormat(type).write(r, append, chunk, findPlace(r.c, type, r.row, column));
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

static Value emitGelu(EpilogueRow &r, Operation *op, int64_t chunk) {
  return lathe::compiler::emitGelu(r.c.k, r.get(op->getOperand(0), chunk));
}

static Value emitBias(EpilogueRow &r, Operation *op, int64_t chunk) {
  KernelBuilder &k = r.c.k;
  Value pointer = k.at(r.c.weightPointer(cast<ir::BiasOp>(op).getBias()), r.columnOffset(chunk));
  return k.addf(r.get(op->getOperand(0), chunk), k.load(k.vec(k.f32(), r.segment.lanes), pointer));
}

static Value emitRounded(EpilogueRow &r, Operation *op, int64_t chunk) {
  return emitRoundBF16(r.c.k, r.get(op->getOperand(0), chunk));
}

/// The norm of the head that the chunk is of.
static Value emitHeadNorm(EpilogueRow &r, Operation *op, int64_t chunk) {
  KernelBuilder &k = r.c.k;
  auto norm = cast<ir::RMSNormOp>(op);
  Value inHead = k.mul(k.add(r.shift, chunk * r.segment.lanes), 4);
  Value weight = k.at(r.c.weightPointer(norm.getWeight()), inHead);
  Value scaled = k.mulf(r.get(norm.getInput(), chunk), r.factors.lookup(op));
  return k.mulf(scaled, k.load(k.vec(k.f32(), r.segment.lanes), weight));
}

/// Heads are contiguous columns, so another shape is the same chunk.
static Value emitView(EpilogueRow &r, Operation *op, int64_t chunk) {
  return r.get(op->getOperand(0), chunk);
}

/// Cosines and sines for one chunk at `element` of the head: of `lanes` pairs
/// (half) or `lanes / 2`, each twice (interleaved).
static std::pair<Value, Value> loadAngles(EpilogueRow &r, ir::RopeOp rope, int64_t element,
                                          bool interleaved) {
  KernelBuilder &k = r.c.k;
  int64_t lanes = r.segment.lanes, entries = interleaved ? lanes / 2 : lanes;
  Value pair = k.mul(k.add(r.shift, element), interleaved ? 4 : 8);
  Value pointer = k.at(r.c.rowPointer(rope.getTable(), r.row, r.rows), pair);
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
  auto [cosine, sine] = loadAngles(r, rope, element, /*interleaved=*/true);
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
  int64_t pairs = cast<RankedTensorType>(rope.getTable().getType()).getDimSize(1);
  int64_t element = chunk * r.segment.lanes;
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
static ElementwiseEmitterRegistration gelu(ir::GeluOp::getOperationName(), emitGelu);
static ElementwiseEmitterRegistration headNorm(ir::RMSNormOp::getOperationName(), emitHeadNorm);
static ElementwiseEmitterRegistration bias(ir::BiasOp::getOperationName(), emitBias);
static ElementwiseEmitterRegistration quantize(ir::QuantizeOp::getOperationName(), emitRounded);
static ElementwiseEmitterRegistration splitHeads(ir::SplitHeadsOp::getOperationName(), emitView);
static ElementwiseEmitterRegistration mergeHeads(ir::MergeHeadsOp::getOperationName(), emitView);
static ElementwiseEmitterRegistration rope(ir::RopeOp::getOperationName(), emitRope);
