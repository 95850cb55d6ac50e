//===- CostModel.cpp - What phases should cost on a machine ----------------===//

#include "compiler/target/cpu/CostModel.h"
#include "compiler/target/cpu/KVFormat.h"
#include "compiler/target/cpu/KVLayout.h"

#include "dialects/Lathe/LatheOps.h"

#include <cmath>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

//===----------------------------------------------------------------------===//
// Machine
//===----------------------------------------------------------------------===//

double Machine::readSpeed(int64_t footprint) const {
  if (footprint <= read.front().bytes)
    return read.front().bytesPerSecond;
  for (size_t i = 1; i < read.size(); ++i) {
    const ReadSpeed &below = read[i - 1], &above = read[i];
    if (footprint > above.bytes)
      continue;
    double place = std::log(static_cast<double>(footprint) / below.bytes) /
                   std::log(static_cast<double>(above.bytes) / below.bytes);
    return below.bytesPerSecond + place * (above.bytesPerSecond - below.bytesPerSecond);
  }
  return read.back().bytesPerSecond;
}

static llvm::Error wrong(const llvm::Twine &what) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), what);
}

llvm::Expected<Machine> Machine::parse(StringRef text) {
  llvm::Expected<llvm::json::Value> value = llvm::json::parse(text);
  if (!value)
    return value.takeError();
  const llvm::json::Object *root = value->getAsObject();
  const llvm::json::Array *speeds = root ? root->getArray("read") : nullptr;
  if (!speeds)
    return wrong("found no list 'read'");
  Machine machine;
  machine.workers = root->getInteger("workers").value_or(0);
  for (const llvm::json::Value &each : *speeds) {
    const llvm::json::Object *speed = each.getAsObject();
    machine.read.push_back({speed ? speed->getInteger("bytes").value_or(0) : 0,
                            speed ? speed->getNumber("bytes_per_second").value_or(0) : 0});
  }
  std::pair<StringRef, double *> numbers[] = {{"int8_operations_per_second", &machine.int8},
                                              {"bf16_operations_per_second", &machine.bf16},
                                              {"f32_operations_per_second", &machine.f32},
                                              {"barrier_seconds", &machine.barrierSeconds}};
  for (auto [name, into] : numbers) {
    *into = root->getNumber(name).value_or(0);
    if (!(*into > 0))
      return wrong("'" + name + "' must be a positive number");
  }
  if (machine.workers < 1 || machine.workers > 4096)
    return wrong("'workers' must be from 1 to 4096");
  int64_t last = 0;
  for (const ReadSpeed &speed : machine.read) {
    if (speed.bytes <= last || !(speed.bytesPerSecond > 0))
      return wrong("'read' must ascend and hold positive numbers");
    last = speed.bytes;
  }
  if (machine.read.empty())
    return wrong("'read' must not be empty");
  return machine;
}

//===----------------------------------------------------------------------===//
// Work
//===----------------------------------------------------------------------===//

/// Positions that the rows see, summed over all of them.
static int64_t countSeen(ir::AttentionOp attention, int64_t rows, int64_t depth) {
  int64_t window = static_cast<int64_t>(attention.getWindow().value_or(INT64_MAX)), seen = 0;
  for (int64_t row = 0; row < rows; ++row)
    seen += std::min(depth + row + 1, window);
  return seen;
}

/// Bytes of one position of one layer, keys and values.
static int64_t positionBytes(ir::KVType cache) {
  return 2 * cache.getHeads() * getKVFormat(cache).splitBytes(cache) / AttentionSplit;
}

static int64_t rowBytes(RankedTensorType type, int64_t rows) {
  int64_t elements = 1;
  for (int64_t size : type.getShape().drop_front())
    elements *= size;
  return step::getRowBytes(rows, elements, type.getElementType());
}

static void addContraction(Value rows, int64_t operations, PhaseWork &work) {
  Type input = cast<RankedTensorType>(rows.getType()).getElementType();
  // A vector holds half as many int16, and its instructions take as long.
  if (isa<ir::WideActivationType>(input))
    work.int8 += operations;
  bool integers =
      isa<ir::QuantizedActivationType, ir::WideActivationType, ir::ByteActivationType>(input);
  (integers ? work.int8 : input.isBF16() ? work.bf16 : work.f32) += operations;
  work.multiplyAdds += operations / 2;
}

static void addOp(Operation &op, int64_t rows, int64_t depth, bool dotsPairs, PhaseWork &work) {
  if (auto load = dyn_cast<step::LoadOp>(op)) {
    work.activationBytes += rowBytes(cast<RankedTensorType>(load.getType()), rows);
  } else if (auto store = dyn_cast<step::StoreOp>(op)) {
    if (auto type = dyn_cast<RankedTensorType>(store.getValue().getType()))
      work.activationBytes += rowBytes(type, rows);
    else
      work.cacheBytes += rows * positionBytes(cast<ir::KVType>(store.getValue().getType()));
  }
  auto priced = dyn_cast<ir::CostOpInterface>(op);
  if (!priced)
    return;
  ir::Cost cost = priced.getCost(rows);
  work.weightBytes += cost.WeightBytes;
  auto fusable = dyn_cast<ir::FusionOpInterface>(op);
  if (fusable && fusable.getFusionRole() == ir::FusionRole::Contraction)
    return addContraction(op.getOperand(0), cost.Operations, work);
  if (auto attention = dyn_cast<ir::AttentionOp>(op)) {
    // An attention tells what one position costs every row.
    int64_t operations = cost.Operations / rows * countSeen(attention, rows, depth);
    work.multiplyAdds += operations / 2;
    bool inPairs = dotsPairs && attention.getPrecisionType().has_value();
    (inPairs ? work.bf16 : work.f32) += operations;
    int64_t window = static_cast<int64_t>(attention.getWindow().value_or(INT64_MAX));
    int64_t oldest = std::max<int64_t>(0, depth + 1 - window);
    work.cacheBytes += (depth + rows - oldest) * positionBytes(attention.getCache().getType());
    return;
  }
  // As if the rows were one text.
  work.f32 += cost.Operations * (isa<ir::SelfAttentionOp>(op) ? rows : 1);
}

PhaseWork lathe::compiler::computeWork(step::PhaseOp phase, int64_t rows, int64_t logitsRows,
                                       int64_t depth, bool dotsPairs) {
  PhaseWork work;
  if (phase.getLogitsRows())
    rows = logitsRows;
  SmallVector<Operation *> prologue = step::getPrologue(phase);
  for (Operation &op : phase.getBody().front()) {
    int64_t before = work.f32;
    addOp(op, rows, depth, dotsPairs, work);
    // What stands in front of contractions is computed by every worker for itself.
    if (phase.getAxis() == step::Axis::Columns && llvm::is_contained(prologue, &op))
      work.repeated += work.f32 - before;
  }
  return work;
}

PhaseLimit lathe::compiler::computeLimit(const Machine &machine, const PhaseWork &work,
                                         const PhaseTiles &tiles, const Footprint &footprint) {
  PhaseLimit limit;
  limit.bytesSeconds = (work.weightBytes + work.cacheBytes) / machine.readSpeed(footprint.weights) +
                       work.activationBytes / machine.readSpeed(footprint.activations);
  double f32 = work.f32 + static_cast<double>(work.repeated) * (machine.workers - 1);
  limit.operationsSeconds = work.int8 / machine.int8 + work.bf16 / machine.bf16 + f32 / machine.f32;
  limit.busiestShare = tiles.busiestShare;
  limit.workers = machine.workers;
  return limit;
}
