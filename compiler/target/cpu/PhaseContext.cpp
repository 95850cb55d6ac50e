//===- PhaseContext.cpp - What the emitters of a phase share ---------------===//

#include "compiler/target/cpu/PhaseContext.h"

#include "compiler/target/cpu/LayerPlaces.h"

#include "lathe/abi.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include "llvm/Support/MathExtras.h"

#include <cstddef>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

#define LATHE_FIELD(type, name)                                                                    \
  k.load(k.type(), k.at(arguments[0], offsetof(lathe_step_args, name)))

PhaseContext::PhaseContext(OpBuilder &builder, step::PhaseOp phase, const CpuTarget &target,
                           const WeightTable &weights, KernelSharing &sharing, func::FuncOp kernel)
    : k(builder, phase.getLoc(), target.scalesByPowers), phase(phase), target(target),
      weightTable(weights), sharing(sharing), kernel(kernel) {
  ValueRange arguments = kernel.getArguments();
  argsPointer = arguments[0];
  layer = arguments[1];
  worker = arguments[2];
  workers = arguments[3];
  args.arena = LATHE_FIELD(ptr, arena);
  args.firstScratch = LATHE_FIELD(ptr, scratch);
  args.scratch = k.at(args.firstScratch, k.mul(worker, LATHE_FIELD(i64, scratch_stride)));
  args.weights = LATHE_FIELD(ptr, weights);
  args.kv = LATHE_FIELD(ptr, kv);
  args.kvSlabBytes = LATHE_FIELD(i64, kv_slab_bytes);
  args.kvCapacity = LATHE_FIELD(i64, kv_capacity);
  args.rows = LATHE_FIELD(i64, rows);
  args.token = LATHE_FIELD(ptr, token);
  args.position = LATHE_FIELD(ptr, position);
  args.sequence = LATHE_FIELD(ptr, sequence);
  args.logitsRows = LATHE_FIELD(i64, logits_rows);
  args.logitsRow = LATHE_FIELD(ptr, logits_row);
  args.logits = LATHE_FIELD(ptr, logits);
}

#undef LATHE_FIELD

int64_t PhaseContext::maxRows() { return phase->getParentOfType<step::ProgramOp>().getMaxRows(); }

Rows PhaseContext::layout(Value base, int64_t rows, int64_t elements, Type element) {
  Rows result;
  result.data = base;
  result.elements = elements;
  if (isa<ir::QuantizedActivationType>(element)) {
    rows = step::getBlockRows(rows);
    result.rowBytes = 32;
    result.blockBytes = rows * 32;
    result.scaleBlockBytes = rows * 4;
    result.scales = k.at(base, rows * elements);
    result.scaledSums = k.at(result.scales, rows * elements / 32 * 4);
    result.sums = k.at(result.scaledSums, rows * elements / 32 * 4);
    return result;
  }
  if (isa<ir::WideActivationType>(element)) {
    result.rowBytes = elements * 2;
    result.scales = k.at(base, rows * elements * 2);
    return result;
  }
  if (isa<ir::ByteActivationType>(element)) {
    result.rowBytes = elements;
    result.scales = k.at(base, rows * elements);
    result.scaleBlockBytes = rows * 4;
    int64_t blocks = ir::ByteActivationType::countScales(elements);
    result.lows = k.at(result.scales, blocks * result.scaleBlockBytes);
    return result;
  }
  result.rowBytes = elements * element.getIntOrFloatBitWidth() / 8;
  return result;
}

Rows PhaseContext::rowsOfBuffer(Value buffer) {
  auto type = cast<step::BufferType>(buffer.getType());
  // What is not in the arena is the caller's: the logits, or tensors of a function.
  Value base = args.logits;
  if (phase->getParentOfType<step::ProgramOp>().isFunction()) {
    if (auto argument = dyn_cast<BlockArgument>(buffer)) {
      Value tensors = k.load(k.ptr(), k.at(argsPointer, offsetof(lathe_step_args, tensors)));
      base = k.load(k.ptr(), k.at(tensors, argument.getArgNumber() * sizeof(void *)));
    }
  }
  if (auto alloc = buffer.getDefiningOp<step::AllocOp>()) {
    Value &offset = bufferOffsets[buffer];
    if (!offset)
      offset = argument([bytes = static_cast<int64_t>(*alloc.getOffset())](
                            KernelBuilder &caller, Value) { return caller.constant(bytes); });
    base = k.at(args.arena, offset);
  }
  return layout(base, type.getMaxRows(), type.getRowElements(), type.getElementType());
}

static int64_t rowElements(Value value) {
  int64_t elements = 1;
  for (int64_t size : cast<RankedTensorType>(value.getType()).getShape().drop_front())
    elements *= size;
  return elements;
}

const Rows &PhaseContext::rowsOf(Value value, int64_t rows) {
  auto it = storage.find(value);
  if (it != storage.end())
    return it->second;
  OpBuilder::InsertionGuard guard(k.builder());
  setStart(k.builder());
  if (auto load = value.getDefiningOp<step::LoadOp>())
    return storage[value] = rowsOfBuffer(load.getBuffer());
  for (Operation *user : value.getUsers())
    if (auto store = dyn_cast<step::StoreOp>(user))
      return storage[value] = rowsOfBuffer(store.getDestination());
  Type element = cast<RankedTensorType>(value.getType()).getElementType();
  int64_t elements = rowElements(value);
  Rows result = allocateRows(rows, elements, element);
  if (rows == 1)
    result.rowBytes = 0;
  return storage[value] = result;
}

Value PhaseContext::rowPointer(Value value, Value row, int64_t rows) {
  const Rows &found = rowsOf(value, rows);
  return k.at(found.data, k.mul(row, found.rowBytes));
}

/// Bases are made at the start of the kernel, ahead of all loops.
void PhaseContext::setStart(OpBuilder &builder) {
  builder.setInsertionPointAfter(args.logits.getDefiningOp());
}

Value PhaseContext::argument(KernelArgument argument) {
  extraArguments.push_back(std::move(argument));
  Block *start = argsPointer.getParentBlock();
  return start->addArgument(k.i64(), k.getLoc());
}

Value PhaseContext::weightPointer(Value weight) {
  Value &pointer = weightPointers[weight];
  if (pointer)
    return pointer;
  auto op = weight.getDefiningOp<ir::WeightOp>();
  assert(op && "a weight is always named by a lathe.weight");
  Value index = argument(weightIndex(op, weightTable));
  OpBuilder::InsertionGuard guard(k.builder());
  setStart(k.builder());
  return pointer = k.load(k.ptr(), k.at(args.weights, k.mul(index, 8)));
}

Value PhaseContext::widthOf(Value width) {
  if (!width)
    return {};
  Value &neurons = widths[width];
  if (neurons)
    return neurons;
  OpBuilder::InsertionGuard guard(k.builder());
  setStart(k.builder());
  Value table = k.load(k.ptr(), k.at(argsPointer, offsetof(lathe_step_args, widths)));
  return neurons = rowField(table, layer);
}

void PhaseContext::callShared(StringRef name, ValueRange arguments,
                              llvm::function_ref<void(KernelBuilder &, ValueRange)> body) {
  auto module = phase->getParentOfType<ModuleOp>();
  auto function = module.lookupSymbol<func::FuncOp>(name);
  if (!function) {
    OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
    Location loc = module.getLoc();
    function =
        func::FuncOp::create(builder, loc, name, builder.getFunctionType(arguments.getTypes(), {}));
    function.setPrivate();
    builder.setInsertionPointToEnd(function.addEntryBlock());
    KernelBuilder inside(builder, loc, k.scalesByPowers);
    body(inside, function.getArguments());
    func::ReturnOp::create(builder, loc);
  }
  func::CallOp::create(k.builder(), k.getLoc(), function, arguments);
}

void PhaseContext::callPart(StringRef name, ValueRange arguments,
                            llvm::function_ref<void(PhaseContext &, ValueRange)> body) {
  SmallVector<Value> values{argsPointer, layer, worker, workers};
  llvm::append_range(values, arguments);
  OpBuilder builder(kernel);
  auto part = func::FuncOp::create(builder, kernel.getLoc(), (kernel.getName() + "." + name).str(),
                                   builder.getFunctionType(TypeRange(ValueRange(values)), {}));
  part.setPrivate();
  builder.setInsertionPointToEnd(part.addEntryBlock());
  PhaseContext inside(builder, phase, target, weightTable, sharing, part);
  body(inside, part.getArguments().slice(4, arguments.size()));
  assert(inside.scratchUsed == ClaimBytes && "private memory is its kernel's");
  for (const KernelArgument &extra : inside.arguments())
    values.push_back(argument(extra));
  func::CallOp::create(k.builder(), k.getLoc(), inside.finish(), values);
}

func::FuncOp PhaseContext::finish() {
  Block &body = kernel.getBody().front();
  OpBuilder builder = OpBuilder::atBlockEnd(&body);
  func::ReturnOp::create(builder, k.getLoc());
  kernel.setType(builder.getFunctionType(body.getArgumentTypes(), {}));
  return sharing.unify(kernel);
}

Value PhaseContext::allocateScratch(int64_t bytes) {
  int64_t offset = scratchUsed;
  scratchUsed = llvm::alignTo(offset + bytes, 64);
  return k.at(args.scratch, offset);
}

Rows PhaseContext::allocateRows(int64_t rows, int64_t elements, Type element) {
  Value base = allocateScratch(step::getRowBytes(rows, elements, element));
  return layout(base, rows, elements, element);
}

Value PhaseContext::rowField(Value array, Value row) {
  Value field = k.load(k.i32(), k.at(array, k.mul(row, 4)));
  return arith::ExtSIOp::create(k.builder(), k.getLoc(), k.i64(), field);
}

std::pair<Value, Value> PhaseContext::workerRange(Value count) {
  Value from = k.div(k.mul(count, worker), workers);
  Value to = k.div(k.mul(count, k.add(worker, 1)), workers);
  return {from, to};
}

/// Into how many claims, or a few more, a worker's share is divided, and how many are too few for
/// any to be left when a worker comes late.
static constexpr int64_t ClaimsOfWorker = 64, FewClaimsOfWorker = 8;

/// The number of the next claim: of few, workers take turns.
static Value emitNextClaim(PhaseContext &c, Value few, Value turn, Value ahead) {
  KernelBuilder &k = c.k;
  OpBuilder &b = k.builder();
  auto choice = scf::IfOp::create(b, k.getLoc(), TypeRange(k.i64()), few, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(choice.thenBlock());
  scf::YieldOp::create(b, k.getLoc(), turn);
  b.setInsertionPointToStart(choice.elseBlock());
  // Barriers order the memory; this has only to be counted once.
  Value claim = LLVM::AtomicRMWOp::create(b, k.getLoc(), LLVM::AtomicBinOp::add,
                                          k.at(c.args.firstScratch, ClaimCounter), k.constant(1),
                                          LLVM::AtomicOrdering::monotonic);
  scf::YieldOp::create(b, k.getLoc(), k.sub(claim, ahead));
  return choice.getResult(0);
}

/// There are as many claims as asked for, and one of each worker that finds none: so all know how
/// many there were without asking, once all have come by.
void PhaseContext::forClaimed(Value count, llvm::function_ref<void(Value)> body) {
  OpBuilder &b = k.builder();
  Value together = k.max(k.div(count, k.mul(workers, ClaimsOfWorker)), k.constant(1));
  Value claims = k.ceilDiv(count, together);
  Value few = k.less(claims, k.mul(workers, FewClaimsOfWorker));
  Value aheadPlace = k.at(args.scratch, ClaimsAhead), ahead = k.load(k.i64(), aheadPlace);
  auto loop = scf::WhileOp::create(b, k.getLoc(), TypeRange{k.i64(), k.i64()}, worker);
  {
    OpBuilder::InsertionGuard guard(b);
    Value turn =
        b.createBlock(&loop.getBefore(), {}, TypeRange(k.i64()), {k.getLoc()})->getArgument(0);
    Value claim = emitNextClaim(*this, few, turn, ahead);
    scf::ConditionOp::create(b, k.getLoc(), k.less(claim, claims), ValueRange{claim, turn});
    Block *after =
        b.createBlock(&loop.getAfter(), {}, TypeRange{k.i64(), k.i64()}, {k.getLoc(), k.getLoc()});
    Value first = k.mul(after->getArgument(0), together);
    k.forLoop(first, k.min(k.add(first, together), count), 1, body);
    b.setInsertionPointToEnd(after);
    scf::YieldOp::create(b, k.getLoc(), k.add(after->getArgument(1), workers));
  }
  k.ifThenElse(
      few, [] {},
      [&] {
        k.store(k.add(ahead, k.add(claims, workers)), aheadPlace);
        emitBarrier();
      });
}

void lathe::compiler::emitClaimStart(KernelBuilder &k, Value args, Value worker) {
  Value first = k.load(k.ptr(), k.at(args, offsetof(lathe_step_args, scratch)));
  Value stride = k.load(k.i64(), k.at(args, offsetof(lathe_step_args, scratch_stride)));
  Value none = k.constant(0), own = k.at(first, k.mul(worker, stride));
  k.store(none, k.at(own, ClaimsAhead));
  k.ifThen(k.equal(worker, none), [&] { k.store(none, k.at(first, ClaimCounter)); });
  emitBarrierCall(k, args, worker);
}

void PhaseContext::emitBarrier() { emitBarrierCall(k, argsPointer, worker); }

void lathe::compiler::emitBarrierCall(KernelBuilder &k, Value args, Value worker) {
  Value function = k.load(k.ptr(), k.at(args, offsetof(lathe_step_args, barrier)));
  Value context = k.load(k.ptr(), k.at(args, offsetof(lathe_step_args, barrier_context)));
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(k.builder().getContext()),
                                          {k.ptr(), k.i64()});
  LLVM::CallOp::create(k.builder(), k.getLoc(), type, ValueRange{function, context, worker});
}
