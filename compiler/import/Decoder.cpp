//===- Decoder.cpp - The graph of a decoder-only transformer ---------------===//

#include "compiler/import/Decoder.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"

#include <cmath>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;
using namespace lathe::ir;

/// Linear scaling divides all angles; the other kinds are other tables.
static float readRopeStretch(const GGUFFile &file, StringRef architecture, Diagnostics &diags) {
  std::string key = (architecture + ".rope.scaling.type").str();
  StringRef type = file.getString(key).value_or("linear");
  if (type == "none")
    return 1.0f;
  if (type != "linear")
    diags.error(401, file.path(), "rotary scaling of type '" + type.str() + "' is not supported",
                "supported: linear, none");
  return HyperParameters(file, architecture, diags).positiveOr("rope.scaling.factor", 1.0);
}

DecoderConfig lathe::compiler::readDecoderConfig(const GGUFFile &file, StringRef architecture,
                                                 Diagnostics &diags) {
  HyperParameters keys(file, architecture, diags);
  DecoderConfig config;
  config.architecture = architecture.str();
  config.layers = keys.integer("block_count", 1, 4096);
  config.context = keys.integer("context_length", 1, int64_t(1) << 31);
  config.width = keys.integer("embedding_length", 1, 1 << 20);
  config.ffn = keys.integer("feed_forward_length", 1, 1 << 22);
  config.heads = keys.integer("attention.head_count", 1, 1 << 14);
  config.kvHeads = keys.integerOr("attention.head_count_kv", config.heads, 1, config.heads);
  config.normEps = keys.positive("attention.layer_norm_rms_epsilon");
  config.ropes.push_back({.base = keys.positiveOr("rope.freq_base", 10000.0),
                          .stretch = readRopeStretch(file, architecture, diags),
                          .factors = {}});
  int64_t evenHead = config.width / config.heads;
  config.headDim = keys.integerOr("attention.key_length", evenHead, 1, 1 << 14);
  config.ropeDim = keys.integerOr("rope.dimension_count", config.headDim, 2, config.headDim);
  if (!file.findValue((architecture + ".attention.key_length").str()) &&
      config.width % config.heads != 0)
    diags.error(403, file.path(),
                "embedding length " + std::to_string(config.width) + " does not divide into " +
                    std::to_string(config.heads) + " heads");
  if (config.heads % config.kvHeads != 0)
    diags.error(403, file.path(),
                std::to_string(config.heads) + " query heads do not divide into " +
                    std::to_string(config.kvHeads) + " key and value heads");
  if (config.headDim % 2 != 0 || config.ropeDim % 2 != 0)
    diags.error(403, file.path(),
                "head dimension and rotary dimension must be even, found " +
                    std::to_string(config.headDim) + " and " + std::to_string(config.ropeDim));
  config.attentionScale = 1.0f / std::sqrt(static_cast<float>(config.headDim));
  if (const FileTensor *embedding = file.findTensor("token_embd.weight"))
    config.vocabulary = embedding->Shape.front();
  return config;
}

namespace {

/// One kind of weight of the layer stack: its tensor in each layer.
struct LayerRole {
  std::string symbol; ///< "blk.attn_q"
  std::string source; ///< "blk.{}.attn_q.weight"
  SmallVector<int64_t> shape;
  SmallVector<const FileTensor *> tensors; ///< Null where an optional one is absent.
};

class DecoderBuilder {
public:
  DecoderBuilder(const GGUFFile &file, const DecoderConfig &config, MLIRContext &context,
                 Diagnostics &diags)
      : file(file), config(config), diags(diags), table(file, diags), builder(&context),
        loc(builder.getUnknownLoc()) {}

  OwningOpRef<ModuleOp> build();

private:
  void collect();
  void collectMLP();
  void addRole(StringRef name, StringRef suffix, ArrayRef<int64_t> shape, bool optional = false);
  std::string getSignature(int64_t layer);
  void declareWeights();
  void declare(StringRef symbol, const FileTensor &tensor, StringRef source,
               DenseI64ArrayAttr layers);
  void buildForward();
  void buildRopeTables();
  Value buildLayers(Value hidden, Value &cache);
  void buildBody(Block &body, int64_t layer);
  Value buildAttention(Value norm, Value &cache, Value index, int64_t layer);
  Value buildMLP(Value norm, Value index, int64_t layer);
  Value buildExperts(Value norm, Value index, int64_t layer);
  Value activate(Value gate);
  Value norm(Value input, StringRef role, int64_t layer, Value index);
  int64_t windowOf(int64_t layer) { return config.windows.empty() ? 0 : config.windows[layer]; }
  int64_t ropeOf(int64_t layer) {
    return config.ropeOfLayer.empty() ? 0 : config.ropeOfLayer[layer];
  }
  Value weight(StringRef symbol);
  Value layerWeight(StringRef name, int64_t layer, Value index);
  Value linear(Value input, Value matrix, Value bias = {});
  Value heads(Value input, int64_t count);
  RankedTensorType rows2D(int64_t width) {
    return RankedTensorType::get({ShapedType::kDynamic, width}, builder.getF32Type());
  }

  const GGUFFile &file;
  const DecoderConfig &config;
  Diagnostics &diags;
  TensorTable table;
  OpBuilder builder;
  Location loc;
  OwningOpRef<ModuleOp> module;
  const FileTensor *embedding = nullptr, *outputNorm = nullptr, *output = nullptr;
  llvm::MapVector<StringRef, LayerRole> roles;
  /// Symbol of a role's tensors in one format: (role, format name) -> symbol.
  llvm::StringMap<std::string> symbols;
  Value rows; ///< The rows of the step.
  SmallVector<Value> ropeTables;
};

} // namespace

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

void DecoderBuilder::addRole(StringRef name, StringRef suffix, ArrayRef<int64_t> shape,
                             bool optional) {
  LayerRole role;
  role.symbol = ("blk." + name + (suffix == "weight" ? "" : "." + suffix)).str();
  role.source = ("blk.{}." + name + "." + suffix).str();
  role.shape.assign(shape.begin(), shape.end());
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    std::string tensor = ("blk." + Twine(layer) + "." + name + "." + suffix).str();
    role.tensors.push_back(optional ? table.find(tensor, shape) : table.require(tensor, shape));
  }
  StringRef key = builder.getStringAttr(name + "." + suffix).getValue();
  roles.insert({key, std::move(role)});
}

void DecoderBuilder::collectMLP() {
  if (!config.experts) {
    addRole("ffn_gate", "weight", {config.ffn, config.width});
    addRole("ffn_up", "weight", {config.ffn, config.width});
    addRole("ffn_down", "weight", {config.width, config.ffn});
    return;
  }
  addRole("ffn_gate_inp", "weight", {config.experts, config.width});
  addRole("ffn_gate_exps", "weight", {config.experts, config.ffn, config.width});
  addRole("ffn_up_exps", "weight", {config.experts, config.ffn, config.width});
  addRole("ffn_down_exps", "weight", {config.experts, config.width, config.ffn});
}

void DecoderBuilder::collect() {
  int64_t q = config.heads * config.headDim, kv = config.kvHeads * config.headDim;
  embedding = table.require("token_embd.weight", {config.vocabulary, config.width});
  outputNorm = table.require("output_norm.weight", {config.width});
  // Without a head of its own the model reads logits off its embedding.
  output = table.find("output.weight", {config.vocabulary, config.width});
  addRole("attn_norm", "weight", {config.width});
  addRole("attn_q", "weight", {q, config.width});
  addRole("attn_q", "bias", {q}, /*optional=*/true);
  addRole("attn_k", "weight", {kv, config.width});
  addRole("attn_k", "bias", {kv}, /*optional=*/true);
  addRole("attn_v", "weight", {kv, config.width});
  addRole("attn_v", "bias", {kv}, /*optional=*/true);
  if (config.headNorms) {
    addRole("attn_q_norm", "weight", {config.headDim});
    addRole("attn_k_norm", "weight", {config.headDim});
  }
  addRole("attn_output", "weight", {config.width, q});
  if (config.resultNorms)
    addRole("post_attention_norm", "weight", {config.width});
  addRole("ffn_norm", "weight", {config.width});
  collectMLP();
  if (config.resultNorms)
    addRole("post_ffw_norm", "weight", {config.width});
  table.find("rope_freqs.weight", {config.ropeDim / 2});
  table.finish();
  for (const GGUFTensor &tensor : file.tensors())
    if (tensor.Shape.size() == 1 && tensor.Format && tensor.Format->Name != "f32")
      diags.error(406, file.path() + ": tensor '" + std::string(tensor.Name) + "'",
                  "a vector must be stored as f32, found " + std::string(tensor.Format->Name));
}

/// Layers with the same signature share a body.
std::string DecoderBuilder::getSignature(int64_t layer) {
  std::string signature;
  for (auto &[name, role] : roles)
    signature += (role.tensors[layer] ? std::string(role.tensors[layer]->Format->Name) : "-") + ",";
  return signature + std::to_string(windowOf(layer)) + "," + std::to_string(ropeOf(layer));
}

void DecoderBuilder::declare(StringRef symbol, const FileTensor &tensor, StringRef source,
                             DenseI64ArrayAttr layers) {
  Type element = getElementType(builder.getContext(), *tensor.Format);
  auto type = RankedTensorType::get(tensor.Shape, element);
  WeightsOp::create(builder, loc, symbol, type, source, layers, StringAttr(), StringAttr());
}

void DecoderBuilder::declareWeights() {
  declare("token_embd", *embedding, "token_embd.weight", {});
  declare("output_norm", *outputNorm, "output_norm.weight", {});
  if (output)
    declare("output", *output, "output.weight", {});
  for (auto &[name, role] : roles) {
    llvm::MapVector<StringRef, SmallVector<int64_t>> byFormat;
    for (auto [layer, tensor] : llvm::enumerate(role.tensors))
      if (tensor)
        byFormat[StringRef(tensor->Format->Name)].push_back(layer);
    for (auto &[format, layers] : byFormat) {
      std::string symbol = role.symbol + (byFormat.size() > 1 ? "." + format.str() : "");
      symbols[(name + ":" + format).str()] = symbol;
      declare(symbol, *role.tensors[layers.front()], role.source,
              builder.getDenseI64ArrayAttr(layers));
    }
  }
}

//===----------------------------------------------------------------------===//
// Graph
//===----------------------------------------------------------------------===//

Value DecoderBuilder::weight(StringRef symbol) {
  auto weights = cast<WeightsOp>(SymbolTable::lookupSymbolIn(*module, symbol));
  return WeightOp::create(builder, loc, weights.getTensorType(), symbol, Value());
}

/// The layer's weight of that role, or null when the layer has none.
Value DecoderBuilder::layerWeight(StringRef name, int64_t layer, Value index) {
  const FileTensor *tensor = roles.find(name)->second.tensors[layer];
  if (!tensor)
    return {};
  StringRef symbol = symbols[(name + ":" + StringRef(tensor->Format->Name)).str()];
  auto weights = cast<WeightsOp>(SymbolTable::lookupSymbolIn(*module, symbol));
  return WeightOp::create(builder, loc, weights.getTensorType(), symbol, index);
}

Value DecoderBuilder::linear(Value input, Value matrix, Value bias) {
  int64_t outputs = cast<RankedTensorType>(matrix.getType()).getDimSize(0);
  Value result = LinearOp::create(builder, loc, rows2D(outputs), input, matrix);
  return bias ? BiasOp::create(builder, loc, result.getType(), result, bias).getResult() : result;
}

Value DecoderBuilder::heads(Value input, int64_t count) {
  auto type =
      RankedTensorType::get({ShapedType::kDynamic, count, config.headDim}, builder.getF32Type());
  return SplitHeadsOp::create(builder, loc, type, input);
}

Value DecoderBuilder::norm(Value input, StringRef role, int64_t layer, Value index) {
  return RMSNormOp::create(builder, loc, input.getType(), input, layerWeight(role, layer, index),
                           builder.getF32FloatAttr(config.normEps));
}

Value DecoderBuilder::buildAttention(Value input, Value &cache, Value index, int64_t layer) {
  auto project = [&](StringRef name) {
    return linear(input, layerWeight((name + ".weight").str(), layer, index),
                  layerWeight((name + ".bias").str(), layer, index));
  };
  Value q = heads(project("attn_q"), config.heads), k = heads(project("attn_k"), config.kvHeads);
  Value v = heads(project("attn_v"), config.kvHeads);
  if (config.headNorms) {
    q = norm(q, "attn_q_norm.weight", layer, index);
    k = norm(k, "attn_k_norm.weight", layer, index);
  }
  auto layout = RopeLayoutAttr::get(builder.getContext(), config.ropeLayout);
  Value angles = ropeTables[ropeOf(layer)];
  q = RopeOp::create(builder, loc, q.getType(), q, angles, layout);
  k = RopeOp::create(builder, loc, k.getType(), k, angles, layout);
  cache = KVAppendOp::create(builder, loc, cache.getType(), cache, index, k, v, rows);
  int64_t window = windowOf(layer);
  Value mixed =
      AttentionOp::create(builder, loc, q.getType(), q, cache, index, rows,
                          builder.getF32FloatAttr(config.attentionScale),
                          window ? builder.getI64IntegerAttr(window) : IntegerAttr(), TypeAttr());
  Value merged = MergeHeadsOp::create(builder, loc, rows2D(config.heads * config.headDim), mixed);
  return linear(merged, layerWeight("attn_output.weight", layer, index));
}

Value DecoderBuilder::activate(Value gate) {
  return config.activation == Activation::Silu
             ? SiluOp::create(builder, loc, gate.getType(), gate).getResult()
             : GeluTanhOp::create(builder, loc, gate.getType(), gate).getResult();
}

Value DecoderBuilder::buildMLP(Value input, Value index, int64_t layer) {
  if (config.experts)
    return buildExperts(input, index, layer);
  Value gate = linear(input, layerWeight("ffn_gate.weight", layer, index));
  Value up = linear(input, layerWeight("ffn_up.weight", layer, index));
  Value gated = MulOp::create(builder, loc, gate.getType(), activate(gate), up);
  return linear(gated, layerWeight("ffn_down.weight", layer, index));
}

/// What the row's experts give, each times its share (Jiang et al., 2024).
Value DecoderBuilder::buildExperts(Value input, Value index, int64_t layer) {
  int64_t used = config.expertsUsed;
  Value logits = linear(input, layerWeight("ffn_gate_inp.weight", layer, index));
  auto choice = RankedTensorType::get({ShapedType::kDynamic, used}, builder.getI32Type());
  auto route = RouteOp::create(builder, loc, choice, rows2D(used), logits);
  auto product = [&](Value x, StringRef name, int64_t outputs) -> Value {
    return ExpertLinearOp::create(builder, loc, rows2D(used * outputs), x,
                                  layerWeight(name, layer, index), route.getChoice());
  };
  Value gate = product(input, "ffn_gate_exps.weight", config.ffn);
  Value up = product(input, "ffn_up_exps.weight", config.ffn);
  Value gated = MulOp::create(builder, loc, gate.getType(), activate(gate), up);
  Value parts = product(gated, "ffn_down_exps.weight", config.width);
  return MixOp::create(builder, loc, rows2D(config.width), parts, route.getShare());
}

void DecoderBuilder::buildBody(Block &body, int64_t layer) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(&body);
  Value index = body.getArgument(0), hidden = body.getArgument(1), cache = body.getArgument(2);
  auto addTo = [&](Value stream, Value result, StringRef resultNorm) -> Value {
    if (config.resultNorms)
      result = norm(result, resultNorm, layer, index);
    return AddOp::create(builder, loc, stream.getType(), stream, result);
  };
  Value attention =
      buildAttention(norm(hidden, "attn_norm.weight", layer, index), cache, index, layer);
  hidden = addTo(hidden, attention, "post_attention_norm.weight");
  Value mlp = buildMLP(norm(hidden, "ffn_norm.weight", layer, index), index, layer);
  hidden = addTo(hidden, mlp, "post_ffw_norm.weight");
  YieldOp::create(builder, loc, ValueRange{hidden, cache});
}

Value DecoderBuilder::buildLayers(Value hidden, Value &cache) {
  llvm::MapVector<StringRef, int64_t> bodies; // signature -> first layer
  SmallVector<int64_t> select;
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    StringRef signature = builder.getStringAttr(getSignature(layer)).getValue();
    auto it = bodies.insert({signature, layer}).first;
    select.push_back(it - bodies.begin());
  }
  LayerChoice choice;
  if (bodies.size() > 1)
    choice.select = builder.getDenseI64ArrayAttr(select);
  auto layers = LayersOp::create(builder, loc, config.layers, ValueRange{hidden, cache}, rows,
                                 choice, bodies.size());
  for (auto [region, body] : llvm::zip(layers.getBodies(), bodies))
    buildBody(region.front(), body.second);
  cache = layers.getResult(1);
  return layers.getResult(0);
}

void DecoderBuilder::buildRopeTables() {
  auto type =
      RankedTensorType::get({ShapedType::kDynamic, config.ropeDim / 2, 2}, builder.getF32Type());
  for (const RopeConfig &rope : config.ropes)
    ropeTables.push_back(RopeTableOp::create(
        builder, loc, type, rows, builder.getF64FloatAttr(rope.base),
        rope.factors.empty() ? DenseF32ArrayAttr() : builder.getDenseF32ArrayAttr(rope.factors),
        builder.getF32FloatAttr(rope.stretch)));
}

void DecoderBuilder::buildForward() {
  MLIRContext *context = builder.getContext();
  Type rowsType = RowsType::get(context);
  Type cacheType =
      KVType::get(context, config.layers, config.kvHeads, config.headDim, builder.getF32Type());
  auto type =
      builder.getFunctionType({rowsType, cacheType}, {rows2D(config.vocabulary), cacheType});
  auto forward = func::FuncOp::create(builder, loc, "forward", type);
  builder.setInsertionPointToEnd(forward.addEntryBlock());
  rows = forward.getArgument(0);
  Value cache = forward.getArgument(1);

  Value embed = EmbedOp::create(builder, loc, rows2D(config.width), rows, weight("token_embd"),
                                builder.getF32FloatAttr(config.embeddingScale));
  buildRopeTables();
  Value hidden = buildLayers(embed, cache);
  Value selected = SelectLogitsOp::create(builder, loc, hidden.getType(), hidden, rows);
  Value norm = RMSNormOp::create(builder, loc, selected.getType(), selected, weight("output_norm"),
                                 builder.getF32FloatAttr(config.normEps));
  Value logits = linear(norm, weight(output ? "output" : "token_embd"));
  func::ReturnOp::create(builder, loc, ValueRange{logits, cache});
}

OwningOpRef<ModuleOp> DecoderBuilder::build() {
  collect();
  if (diags.hasErrors())
    return {};
  module = ModuleOp::create(loc);
  builder.setInsertionPointToEnd(module->getBody());
  auto facts = builder.getDictionaryAttr({
      builder.getNamedAttr("architecture", builder.getStringAttr(config.architecture)),
      builder.getNamedAttr("context", builder.getI64IntegerAttr(config.context)),
      builder.getNamedAttr("embedding", builder.getI64IntegerAttr(config.width)),
      builder.getNamedAttr("layers", builder.getI64IntegerAttr(config.layers)),
      builder.getNamedAttr("vocabulary", builder.getI64IntegerAttr(config.vocabulary)),
  });
  (*module)->setAttr("lathe.model", facts);
  declareWeights();
  buildForward();
  return std::move(module);
}

OwningOpRef<ModuleOp> lathe::compiler::buildDecoder(const GGUFFile &file,
                                                    const DecoderConfig &config,
                                                    MLIRContext &context, Diagnostics &diags) {
  return DecoderBuilder(file, config, context, diags).build();
}
