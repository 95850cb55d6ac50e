//===- ScheduleReport.cpp - The schedule as a JSON text --------------------===//

#include "compiler/target/cpu/ScheduleReport.h"

#include "compiler/target/cpu/KernelNames.h"
#include "compiler/target/cpu/Manifest.h"
#include "compiler/target/cpu/TileModel.h"
#include "passes/Memory/Lifetimes.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

/// Rows of a step that are told where an entry takes them, besides the most.
static constexpr int64_t SmallSteps[] = {1, 2, 4, 8};
/// Small steps verify drafts or serve several sequences: every row wants logits.
/// Larger ones are prompts, of which the last row does.
static int64_t logitsRowsOf(int64_t rows) { return rows <= SmallSteps[3] ? rows : 1; }

namespace {

/// A phase and the layers that run it.
struct PlacedPhase {
  step::PhaseOp phase;
  std::string symbol;
  std::optional<SmallVector<int64_t>> layers; ///< None outside of the stack.
  bool barrierAhead = false;

  int64_t times() const { return layers ? layers->size() : 1; }
};

class EntryWriter {
public:
  EntryWriter(llvm::json::OStream &json, step::ProgramOp program, const CpuTarget &target,
              const std::optional<Machine> &machine, int64_t depth, KernelNames &names)
      : json(json), program(program), target(target), machine(machine), depth(depth) {
    collect(names);
  }

  /// `below` is the most rows of the next smaller entry.
  void write(int64_t below);

private:
  void collect(KernelNames &names);
  void collectBlock(Block &block, const std::optional<SmallVector<int64_t>> &layers,
                    KernelNames &names);
  void writeBuffers();
  void writePhase(PlacedPhase &placed);
  void writeOps(step::PhaseOp phase);
  void writeContractions(step::PhaseOp phase);
  void writeTiles(step::PhaseOp phase, int64_t rows);
  void writeCase(PlacedPhase &placed, int64_t rows);
  void writeStep(int64_t rows);
  PhaseTiles divide(step::PhaseOp phase, int64_t rows);
  PhaseLimit limitOf(PlacedPhase &placed, const PhaseWork &work, int64_t rows);
  Footprint footprintOf(int64_t rows);
  PhaseWork workOf(PlacedPhase &placed, int64_t rows) {
    return computeWork(placed.phase, rows, logitsRowsOf(rows), depth, target.bf16Dot);
  }
  std::string nameOf(Value memory);

  llvm::json::OStream &json;
  step::ProgramOp program;
  const CpuTarget &target;
  const std::optional<Machine> &machine;
  int64_t depth;
  SmallVector<PlacedPhase> phases;
  SmallVector<int64_t> rowCases;
  DenseMap<Value, int64_t> bufferNumbers;
  int64_t barriers = 0; ///< Of one step.
};

} // namespace

//===----------------------------------------------------------------------===//
// Collecting
//===----------------------------------------------------------------------===//

void EntryWriter::collectBlock(Block &block, const std::optional<SmallVector<int64_t>> &layers,
                               KernelNames &names) {
  bool barrier = false;
  for (Operation &op : block) {
    if (auto phase = dyn_cast<step::PhaseOp>(op)) {
      phases.push_back({phase, names.next(program, phase), layers, barrier});
      barrier = false;
    } else if (isa<step::BarrierOp>(op)) {
      barrier = true;
      barriers += layers ? layers->size() : 1;
    } else if (auto stack = dyn_cast<step::LayersOp>(op)) {
      for (auto [number, body] : llvm::enumerate(stack.getBodies())) {
        SmallVector<int64_t> own;
        for (int64_t layer : stack.getKeptLayers())
          if (stack.getBodyOf(layer) == number)
            own.push_back(layer);
        collectBlock(body.front(), own, names);
      }
    } else if (auto exit = dyn_cast<step::ExitIfOp>(op)) {
      for (Region *region : {&exit.getPredicate(), &exit.getLeaving()})
        for (Block &inner : *region)
          collectBlock(inner, layers, names);
    }
  }
}

void EntryWriter::collect(KernelNames &names) {
  collectBlock(program.getBody().front(), std::nullopt, names);
  for (auto alloc : program.getOps<step::AllocOp>())
    bufferNumbers.try_emplace(alloc.getResult(), bufferNumbers.size());
}

Footprint EntryWriter::footprintOf(int64_t rows) {
  Footprint footprint;
  footprint.activations = static_cast<int64_t>(program.getArena().value_or(0));
  for (PlacedPhase &placed : phases) {
    PhaseWork work = workOf(placed, rows);
    footprint.weights += (work.weightBytes + work.cacheBytes) * placed.times();
  }
  return footprint;
}

PhaseTiles EntryWriter::divide(step::PhaseOp phase, int64_t rows) {
  const PhaseEmitter *emitter = findPhaseEmitter(phase);
  int64_t own = phase.getLogitsRows() ? logitsRowsOf(rows) : rows;
  return emitter ? emitter->divide(phase, target, own, depth, machine ? machine->workers : 1)
                 : PhaseTiles();
}

PhaseLimit EntryWriter::limitOf(PlacedPhase &placed, const PhaseWork &work, int64_t rows) {
  return computeLimit(*machine, work, divide(placed.phase, rows), footprintOf(rows));
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

static std::string typeName(Type type) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (auto buffer = dyn_cast<step::BufferType>(type)) {
    llvm::interleave(buffer.getShape(), stream, "x");
    stream << "x" << buffer.getElementType();
  } else if (auto tensor = dyn_cast<RankedTensorType>(type)) {
    for (int64_t size : tensor.getShape())
      (ShapedType::isDynamic(size) ? stream << "?" : stream << size) << "x";
    stream << tensor.getElementType();
  } else {
    stream << type;
  }
  // The dialect's name says nothing here.
  if (size_t at = text.find("!lathe."); at != std::string::npos)
    text.erase(at, StringRef("!lathe.").size());
  return text;
}

std::string EntryWriter::nameOf(Value memory) {
  if (memory == program.getCache())
    return "kv";
  if (memory == program.getLogits())
    return "logits";
  auto it = bufferNumbers.find(memory);
  return it == bufferNumbers.end() ? "" : std::to_string(it->second);
}

void EntryWriter::writeBuffers() {
  json.attributeArray("buffers", [&] {
    for (const step::Lifetime &life : step::computeLifetimes(program))
      json.object([&] {
        step::AllocOp alloc = life.buffer;
        json.attribute("name", nameOf(alloc.getResult()));
        json.attribute("type", typeName(alloc.getType()));
        json.attribute("bytes", alloc.getType().getBytes());
        json.attribute("offset", static_cast<int64_t>(alloc.getOffset().value_or(0)));
        json.attribute("first", life.first);
        json.attribute("last", life.last);
      });
  });
}

/// The ops of a phase as a graph: loads and stores are only edges to memory.
void EntryWriter::writeOps(step::PhaseOp phase) {
  DenseMap<Value, int64_t> makers;
  DenseMap<Value, std::string> loaded;
  SmallVector<Operation *> ops;
  for (Operation &op : phase.getBody().front()) {
    if (auto load = dyn_cast<step::LoadOp>(op))
      loaded[load.getResult()] = nameOf(load.getBuffer());
    else if (!isa<step::StoreOp, ir::WeightOp, ir::WidthOp>(op)) {
      for (Value result : op.getResults())
        makers[result] = ops.size();
      ops.push_back(&op);
    }
  }
  auto array = [&](StringRef name, auto each) { json.attributeArray(name, each); };
  array("ops", [&] {
    for (Operation *op : ops)
      json.object([&] {
        json.attribute("op", op->getName().stripDialect());
        json.attribute("type", op->getNumResults() ? typeName(op->getResult(0).getType()) : "");
        array("weights", [&] {
          for (Value operand : op->getOperands())
            if (auto weight = operand.getDefiningOp<ir::WeightOp>())
              json.value(weight.getWeights());
        });
        array("inputs", [&] {
          for (Value operand : op->getOperands())
            if (auto it = makers.find(operand); it != makers.end())
              json.value(it->second);
        });
        array("reads", [&] {
          for (Value operand : op->getOperands())
            if (auto it = loaded.find(operand); it != loaded.end())
              json.value(it->second);
            else if (operand == program.getCache())
              json.value("kv");
        });
        array("writes", [&] {
          for (auto store : phase.getOps<step::StoreOp>())
            if (store.getValue().getDefiningOp() == op)
              json.value(nameOf(store.getDestination()));
        });
      });
  });
}

/// Rows times a weight, in this order.
static bool isContraction(Operation &op) {
  auto fusable = dyn_cast<ir::FusionOpInterface>(op);
  return fusable && fusable.getFusionRole() == ir::FusionRole::Contraction;
}

void EntryWriter::writeContractions(step::PhaseOp phase) {
  json.attributeArray("contractions", [&] {
    for (Operation &op : phase.getBody().front()) {
      if (!isContraction(op))
        continue;
      json.object([&] {
        auto weight = ir::getMatrixType(cast<RankedTensorType>(op.getOperand(1).getType()));
        Type input = cast<RankedTensorType>(op.getOperand(0).getType()).getElementType();
        bool int8 = isa<ir::QuantizedActivationType>(input);
        bool int16 = isa<ir::WideActivationType>(input);
        auto name = op.getOperand(1).getDefiningOp<ir::WeightOp>();
        json.attribute("weight", name ? name.getWeights() : StringRef());
        json.attribute("outputs", weight.getDimSize(0));
        json.attribute("inputs", weight.getDimSize(1));
        const BlockFormat *format = ir::getBlockFormat(weight.getElementType());
        json.attribute("format", StringRef(format->Name));
        json.attribute("layout", "panel" + std::to_string(PanelRows));
        json.attribute("arithmetic", int8             ? "int8"
                                     : int16          ? "int16"
                                     : input.isBF16() ? "bf16"
                                                      : "f32");
        json.attribute("register_rows", program.getMaxRows() == 1 ? 1
                                        : int8                    ? target.rowTile
                                                                  : target.floatRowTile);
        json.attribute("register_columns", program.getMaxRows() == 1 ? PanelRows
                                           : int8                    ? target.columnTile
                                                                     : target.floatColumnTile);
      });
    }
  });
}

void EntryWriter::writeTiles(step::PhaseOp phase, int64_t rows) {
  PhaseTiles tiles = divide(phase, rows);
  json.attributeArray("tiles", [&] {
    for (const TileGroup &group : tiles.groups)
      json.object([&] {
        json.attributeArray("weights", [&] {
          for (Operation *op : group.contractions)
            if (auto weight = op->getOperand(1).getDefiningOp<ir::WeightOp>())
              json.value(weight.getWeights());
        });
        json.attribute("columns", group.columns);
        json.attribute("rows", group.rows);
        json.attribute("count", group.count);
      });
  });
}

void EntryWriter::writeCase(PlacedPhase &placed, int64_t rows) {
  PhaseWork work = workOf(placed, rows);
  json.object([&] {
    json.attribute("rows", rows);
    json.attribute("weight_bytes", work.weightBytes);
    json.attribute("cache_bytes", work.cacheBytes);
    json.attribute("activation_bytes", work.activationBytes);
    json.attribute("int8_operations", work.int8);
    json.attribute("bf16_operations", work.bf16);
    json.attribute("f32_operations", work.f32);
    json.attribute("multiply_adds", work.multiplyAdds);
    writeTiles(placed.phase, rows);
    if (!machine)
      return;
    PhaseLimit limit = limitOf(placed, work, rows);
    json.attribute("bytes_us", limit.bytesSeconds * 1e6);
    json.attribute("operations_us", limit.operationsSeconds * 1e6);
    json.attribute("limit_us", limit.seconds() * 1e6);
    json.attribute("busiest_share", limit.busiestShare);
    double barrier = placed.barrierAhead ? machine->barrierSeconds : 0;
    json.attribute("predicted_us", (limit.predictedSeconds() + barrier) * 1e6);
    json.attribute("bound", limit.boundByBytes() ? "bytes" : "operations");
  });
}

void EntryWriter::writePhase(PlacedPhase &placed) {
  json.object([&] {
    json.attribute("name", placed.phase.getPhaseName());
    json.attribute("symbol", placed.symbol);
    json.attribute("axis", step::stringifyAxis(placed.phase.getAxis()));
    json.attribute("times", placed.times());
    if (placed.layers)
      json.attributeArray("layers", [&] {
        for (int64_t layer : *placed.layers)
          json.value(layer);
      });
    json.attribute("barrier", placed.barrierAhead);
    json.attribute("logits_rows", placed.phase.getLogitsRows());
    writeOps(placed.phase);
    writeContractions(placed.phase);
    json.attributeArray("cases", [&] {
      for (int64_t rows : rowCases)
        writeCase(placed, rows);
    });
  });
}

/// All phases of one step together.
void EntryWriter::writeStep(int64_t rows) {
  Footprint footprint = footprintOf(rows);
  int64_t multiplyAdds = 0;
  double limit = 0, predicted = 0;
  for (PlacedPhase &placed : phases) {
    PhaseWork work = workOf(placed, rows);
    multiplyAdds += work.multiplyAdds * placed.times();
    if (!machine)
      continue;
    PhaseLimit own = limitOf(placed, work, rows);
    limit += own.seconds() * placed.times();
    predicted += own.predictedSeconds() * placed.times();
  }
  json.object([&] {
    json.attribute("rows", rows);
    json.attribute("logits_rows", logitsRowsOf(rows));
    json.attribute("footprint_bytes", footprint.weights);
    json.attribute("multiply_adds", multiplyAdds);
    json.attribute("barriers", barriers);
    if (!machine)
      return;
    json.attribute("read_bytes_per_second", machine->readSpeed(footprint.weights));
    json.attribute("limit_us", limit * 1e6);
    json.attribute("predicted_us", (predicted + barriers * machine->barrierSeconds) * 1e6);
  });
}

void EntryWriter::write(int64_t below) {
  int64_t most = static_cast<int64_t>(program.getMaxRows());
  for (int64_t rows : SmallSteps)
    if (rows > below && rows < most)
      rowCases.push_back(rows);
  rowCases.push_back(most);
  json.object([&] {
    json.attribute("name", program.getSymName());
    json.attribute("max_rows", most);
    json.attribute("arena_bytes", static_cast<int64_t>(program.getArena().value_or(0)));
    json.attribute("arena_bound", static_cast<int64_t>(program.getArenaBound().value_or(0)));
    writeBuffers();
    json.attributeArray("phases", [&] {
      for (PlacedPhase &placed : phases)
        writePhase(placed);
    });
    json.attributeArray("steps", [&] {
      for (int64_t rows : rowCases)
        writeStep(rows);
    });
  });
}

static void writeNumbers(llvm::json::OStream &json, StringRef name, const CpuTarget &target,
                         ArrayRef<TargetNumber> numbers) {
  json.attributeObject(name, [&] {
    for (const TargetNumber &number : numbers)
      json.attribute(number.name, target.*number.field);
  });
}

/// What the tiles of the target were chosen from.
static void writeRegisterTiles(llvm::json::OStream &json, const CpuTarget &target,
                               TileArithmetic arithmetic, StringRef name) {
  RegisterTile chosen = chooseTile(target, arithmetic);
  SmallVector<RegisterTile> tiles = listTiles(target, arithmetic);
  auto isChosen = [&](const RegisterTile &tile) {
    return tile.rows == chosen.rows && tile.columns == chosen.columns;
  };
  if (llvm::none_of(tiles, isChosen))
    tiles.push_back(chosen);
  for (const RegisterTile &tile : tiles)
    json.object([&] {
      json.attribute("arithmetic", name);
      json.attribute("rows", tile.rows);
      json.attribute("columns", tile.columns);
      json.attribute("registers", tile.registers);
      json.attribute("operations_ps", tile.operations);
      json.attribute("loads_ps", tile.loads);
      json.attribute("latency_ps", tile.latency);
      json.attribute("predicted_ps", tile.picoseconds());
      json.attribute("share", tile.share());
      json.attribute("chosen", isChosen(tile));
    });
}

std::string lathe::compiler::writeSchedule(ModuleOp module, const CpuTarget &target,
                                           const std::optional<Machine> &machine, int64_t depth) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  llvm::json::OStream json(stream, 2);
  json.object([&] {
    json.attribute("schedule", 1);
    json.attribute("compiler", "lathe " + compilerVersion());
    json.attribute("target", target.name);
    auto precision = module->getAttrOfType<StringAttr>("lathe.precision");
    json.attribute("precision", precision ? precision.getValue() : "auto");
    json.attribute("depth", depth);
    writeNumbers(json, "core", target, allCoreNumbers());
    writeNumbers(json, "sizes", target, allTargetSizes());
    json.attributeArray("register_tiles", [&] {
      writeRegisterTiles(json, target, TileArithmetic::Int8, "int8");
      writeRegisterTiles(json, target, TileArithmetic::Float, "float");
    });
    json.attributeArray("entries", [&] {
      // The runtime takes the entry with the fewest rows that suffices.
      KernelNames names;
      for (auto program : module.getOps<step::ProgramOp>()) {
        int64_t below = 0;
        for (auto other : module.getOps<step::ProgramOp>())
          if (other.getMaxRows() < program.getMaxRows())
            below = std::max(below, static_cast<int64_t>(other.getMaxRows()));
        EntryWriter(json, program, target, machine, depth, names).write(below);
      }
    });
  });
  stream << "\n";
  return text;
}
