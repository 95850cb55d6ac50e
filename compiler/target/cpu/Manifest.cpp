//===- Manifest.cpp - What a program tells the runtime ---------------------===//

#include "compiler/target/cpu/Manifest.h"

#include "compiler/target/cpu/KVLayout.h"
#include "passes/Memory/Accesses.h"
#include "passes/Upstream.h"

#include "lathe/abi.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

#include <set>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

std::string lathe::compiler::compilerVersion() {
  return std::string(LATHE_VERSION) + " (LLVM " + LLVM_VERSION_STRING + ")";
}

WeightTable lathe::compiler::assignWeights(ModuleOp module) {
  WeightTable table;
  int64_t next = 0;
  for (auto weights : module.getOps<ir::WeightsOp>()) {
    table[weights.getSymName()] = next;
    next += weights.getLayers() ? weights.getLayers()->size() : 1;
  }
  return table;
}

static void writeEntries(llvm::json::OStream &json, ModuleOp module, const ManifestTarget &target) {
  json.attributeArray("entries", [&] {
    for (auto program : module.getOps<step::ProgramOp>())
      json.object([&] {
        json.attribute("name", program.getSymName());
        json.attribute("max_rows", static_cast<int64_t>(program.getMaxRows()));
        json.attribute("arena_bytes", static_cast<int64_t>(program.getArena().value_or(0)));
        json.attribute("arena_bound", static_cast<int64_t>(program.getArenaBound().value_or(0)));
        json.attribute("scratch_bytes", target.scratchBytes);
        if (int64_t most = target.greatestLogits.lookup(program.getSymName()))
          json.attribute("greatest_logits", most);
        program.walk([&](ir::HeadTopkOp head) {
          json.attribute("greatest_logits", static_cast<int64_t>(head.getK()));
        });
        if (step::getResumedStack(program))
          json.attribute("resumes", true);
      });
  });
}

/// Ops of ours read a matrix in panels, ops of other dialects as it is.
static StringRef layoutOf(ModuleOp module, ir::WeightsOp weights) {
  RankedTensorType type = weights.getTensorType();
  if (type.getRank() == 1 && type.getElementType().isF32())
    return "vector";
  bool plain = false;
  module.walk([&](ir::WeightOp use) {
    if (use.getWeights() == weights.getSymName())
      plain |= llvm::any_of(use->getUsers(), isUpstream);
  });
  return plain ? "plain" : type.getRank() > 1 ? "panel32" : "vector";
}

/// The dimension of each weight along which it has neurons that a step may leave out.
static llvm::StringMap<int64_t> findNeurons(ModuleOp module) {
  llvm::StringMap<int64_t> dims;
  module.walk([&](ir::LinearOp linear) {
    auto weight = linear.getWeight().getDefiningOp<ir::WeightOp>();
    if (weight && (linear.getTo() || linear.getOf()))
      dims[weight.getWeights()] = linear.getTo() ? 0 : 1;
  });
  return dims;
}

static void writeShape(llvm::json::OStream &json, ArrayRef<int64_t> shape) {
  json.attributeArray("shape", [&] {
    for (int64_t size : shape)
      json.value(size);
  });
}

namespace {

/// When steps read a weight of the stack besides, or in place of, when its layer runs.
class WeightUses {
public:
  explicit WeightUses(ModuleOp module) {
    module.walk([&](ir::WeightOp op) { add(op); });
  }
  /// Empty where nothing else is known.
  StringRef of(StringRef symbol) const {
    if (behind.contains(symbol))
      return "behind";
    return exits.contains(symbol) && !layers.contains(symbol) ? "exit" : "";
  }

private:
  void add(ir::WeightOp op) {
    auto stack = op->getParentOfType<step::LayersOp>();
    if (!stack)
      return;
    Region *body = op->getParentRegion();
    while (body->getParentOp() != stack)
      body = body->getParentOp()->getParentRegion();
    if (stack.getRest() && llvm::is_contained(*stack.getRest(), body->getRegionNumber()))
      behind.insert(op.getWeights());
    else
      (op->getParentOfType<step::ExitIfOp>() ? exits : layers).insert(op.getWeights());
  }

  llvm::StringSet<> behind, exits, layers;
};

} // namespace

static void writeWeights(llvm::json::OStream &json, ModuleOp module, const WeightTable &table) {
  llvm::StringMap<int64_t> neurons = findNeurons(module);
  WeightUses uses(module);
  json.attributeArray("weights", [&] {
    for (auto weights : module.getOps<ir::WeightsOp>())
      json.object([&] {
        RankedTensorType type = weights.getTensorType();
        json.attribute("symbol", weights.getSymName());
        json.attribute("format", StringRef(ir::getBlockFormat(type.getElementType())->Name));
        writeShape(json, type.getShape());
        json.attribute("layout", layoutOf(module, weights));
        json.attribute("first", table.lookup(weights.getSymName()));
        if (std::optional<ArrayRef<int64_t>> layers = weights.getLayers())
          json.attributeArray("layers", [&] {
            for (int64_t layer : *layers)
              json.value(layer);
          });
        json.attribute("tensors", weights.getSource());
        if (weights.getFile())
          json.attribute("file", *weights.getFile());
        if (auto known = neurons.find(weights.getSymName()); known != neurons.end())
          json.attribute("neurons", known->second);
        if (ir::OrderAttr order = weights.getOrderAttr())
          json.attributeObject("order", [&] {
            json.attribute("dim", order.getDim());
            json.attribute("tensors", order.getSource());
            json.attribute("file", order.getFile());
          });
        if (StringRef use = uses.of(weights.getSymName()); !use.empty())
          json.attribute("use", use);
      });
  });
}

static void writeModel(llvm::json::OStream &json, ModuleOp module) {
  auto facts = module->getAttrOfType<DictionaryAttr>("lathe.model");
  json.attributeObject("model", [&] {
    for (NamedAttribute fact : facts ? facts.getValue() : ArrayRef<NamedAttribute>()) {
      if (auto text = dyn_cast<StringAttr>(fact.getValue()))
        json.attribute(fact.getName(), text.getValue());
      else if (auto number = dyn_cast<IntegerAttr>(fact.getValue()))
        json.attribute(fact.getName(), number.getInt());
    }
  });
}

/// What a function takes and gives; the number of rows is -1.
static void writeSignature(llvm::json::OStream &json, step::ProgramOp program) {
  auto inputs = static_cast<int64_t>(*program.getNumInputs());
  auto arguments = program.getBody().getArguments();
  auto write = [&](StringRef list, int64_t first, int64_t last) {
    json.attributeArray(list, [&] {
      for (int64_t i = first; i < last; ++i)
        json.object([&] {
          auto buffer = cast<step::BufferType>(arguments[i].getType());
          SmallVector<int64_t> shape(buffer.getShape());
          if (!buffer.getWhole())
            shape.front() = -1;
          json.attribute("name", cast<StringAttr>((*program.getNames())[i]).getValue());
          writeShape(json, shape);
        });
    });
  };
  write("inputs", 0, inputs);
  write("outputs", inputs, arguments.size());
}

/// All programs have the same cache; those of encoders have none.
static void writeCache(llvm::json::OStream &json, ModuleOp module) {
  StringRef type = "none";
  int64_t perPosition = 0;
  for (auto program : module.getOps<step::ProgramOp>()) {
    if (program.isEncoder())
      continue;
    type = cast<ir::KVType>(program.getCache().getType()).getElementName();
    perPosition = std::max(perPosition, slabBytesPerPosition(program));
  }
  json.attributeObject("kv", [&] {
    json.attribute("type", type);
    json.attribute("bytes_per_position", perPosition);
  });
}

/// All programs leave out the same layers, and all stacks or none ask the step's rows.
static void writeLayerChoice(llvm::json::OStream &json, ModuleOp module) {
  std::optional<ArrayRef<int64_t>> skip;
  bool asks = true;
  module.walk([&](step::LayersOp layers) {
    skip = layers.getSkip();
    asks &= layers.getRows() != nullptr;
  });
  json.attribute("chooses_layers", asks);
  if (skip)
    json.attributeArray("skipped_layers", [&] {
      for (int64_t layer : *skip)
        json.value(layer);
    });
}

/// The neurons of each layer, where steps choose how many are computed.
static void writeWidths(llvm::json::OStream &json, ModuleOp module) {
  auto facts = module->getAttrOfType<DictionaryAttr>("lathe.model");
  auto layers = facts ? facts.getAs<IntegerAttr>("layers") : IntegerAttr();
  auto widths = ir::findLayerWidths(module, layers ? layers.getInt() : 0);
  if (llvm::all_of(widths, [](const ir::LayerWidth &each) { return each.neurons == 0; }))
    return;
  json.attributeObject("widths", [&] {
    auto write = [&](StringRef name, int64_t ir::LayerWidth::*field) {
      json.attributeArray(name, [&] {
        for (const ir::LayerWidth &each : widths)
          json.value(each.*field);
      });
    };
    write("neurons", &ir::LayerWidth::neurons);
    write("step", &ir::LayerWidth::step);
    write("unasked", &ir::LayerWidth::unasked);
  });
}

/// The size of a row of results, where a program of a model gives no logits.
static void writeResults(llvm::json::OStream &json, ModuleOp module) {
  auto facts = module->getAttrOfType<DictionaryAttr>("lathe.model");
  auto vocabulary = facts ? facts.getAs<IntegerAttr>("vocabulary") : IntegerAttr();
  auto programs = module.getOps<step::ProgramOp>();
  if (!vocabulary || programs.empty() || (*programs.begin()).isEncoder())
    return;
  auto results = cast<step::BufferType>((*programs.begin()).getLogits().getType());
  if (results.getShape().back() != vocabulary.getInt())
    json.attribute("results", results.getShape().back());
}

/// The layers behind which a step of one row may leave the stack.
static void writeExits(llvm::json::OStream &json, ModuleOp module) {
  std::set<int64_t> exits;
  StringRef behind = "none";
  module.walk([&](step::ExitIfOp exit) {
    auto stack = cast<ir::LayerLoopOpInterface>(exit->getParentOp());
    unsigned body = exit->getParentRegion()->getRegionNumber();
    for (int64_t layer : stack.getKeptLayers())
      if (stack.getBodyOf(layer) == body)
        exits.insert(layer);
    behind = stack.getBehind().value_or(behind);
  });
  if (exits.empty())
    return;
  json.attributeArray("exits", [&] {
    for (int64_t layer : exits)
      json.value(layer);
  });
  json.attribute("behind", behind);
}

/// Of a module with planned programs.
static std::string writeManifest(ModuleOp module, const ManifestTarget &target,
                                 const WeightTable &weights) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  llvm::json::OStream json(stream);
  json.object([&] {
    json.attribute("abi", LATHE_ABI_VERSION);
    json.attribute("compiler", "lathe " + compilerVersion());
    json.attribute("target", target.name);
    json.attributeArray("features", [&] {
      for (const std::string &feature : target.features)
        json.value(feature);
    });
    if (target.threads)
      json.attributeObject("launch", [&] {
        json.attribute("threads", target.threads);
        json.attribute("shared_bytes", target.sharedBytes);
      });
    auto precision = module->getAttrOfType<StringAttr>("lathe.precision");
    json.attribute("precision", precision ? precision.getValue() : "auto");
    auto programs = module.getOps<step::ProgramOp>();
    bool isFunction = !programs.empty() && (*programs.begin()).isFunction();
    if (isFunction)
      writeSignature(json, *programs.begin());
    else
      writeModel(json, module);
    writeEntries(json, module, target);
    writeWeights(json, module, weights);
    if (!isFunction) {
      writeCache(json, module);
      writeLayerChoice(json, module);
      writeExits(json, module);
      writeWidths(json, module);
      writeResults(json, module);
    }
  });
  return text;
}

static void emitManifest(ModuleOp module, const std::string &text) {
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  Location loc = module.getLoc();
  auto bytes = LLVM::LLVMArrayType::get(builder.getI8Type(), text.size());
  LLVM::GlobalOp::create(builder, loc, bytes, /*isConstant=*/true, LLVM::Linkage::External,
                         "lathe_manifest", builder.getStringAttr(text));
  LLVM::GlobalOp::create(builder, loc, builder.getI64Type(), /*isConstant=*/true,
                         LLVM::Linkage::External, "lathe_manifest_size",
                         builder.getI64IntegerAttr(text.size()));
}

void lathe::compiler::replacePrograms(ModuleOp module, const ManifestTarget &target,
                                      const WeightTable &weights) {
  emitManifest(module, writeManifest(module, target, weights));
  module->setAttr("lathe.target", StringAttr::get(module.getContext(), target.name));
  for (auto program : llvm::make_early_inc_range(module.getOps<step::ProgramOp>()))
    program.erase();
  for (auto op : llvm::make_early_inc_range(module.getOps<ir::WeightsOp>()))
    op.erase();
}
