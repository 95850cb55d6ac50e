//===- Bert.cpp - BERT, an encoder (Devlin et al., 2019) --------------------===//
//
// Post-norm blocks of attention in both directions and an MLP, on the sum of word,
// position and segment embeddings.  The results are pooled rows of the last layer;
// the heads of checkpoints for one task (`pooler`, `cls`, `classifier`) are left out.
//
//===----------------------------------------------------------------------===//

#include "compiler/import/FolderArchitecture.h"
#include "compiler/import/TensorTable.h"
#include "dialects/Lathe/LatheOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

#include <cmath>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;
using namespace lathe::ir;

namespace {

struct BertConfig {
  int64_t vocabulary, width, layers, heads, ffn, positions, segments;
  double normEps;
  bool tanhGelu;
};

/// One weight of the graph, without or with a layer.
struct BertWeight {
  std::string source; ///< "encoder.layer.{}.output.dense.weight"
  SmallVector<int64_t> shape;
  bool layered;
  const FileTensor *tensor = nullptr; ///< That of layer 0, where there are layers.
};

class BertBuilder {
public:
  BertBuilder(const ModelFolder &folder, MLIRContext &context, Diagnostics &diags)
      : folder(folder), diags(diags), table(folder.weights(), diags), builder(&context),
        loc(builder.getUnknownLoc()) {}

  OwningOpRef<ModuleOp> build();

private:
  void readConfig();
  void collect();
  void addLinear(StringRef symbol, StringRef source, int64_t outputs, int64_t inputs);
  void addNorm(StringRef symbol, StringRef source);
  void add(const Twine &symbol, const Twine &source, ArrayRef<int64_t> shape);
  void declareWeights();
  void buildForward();
  Value embed(Value rows);
  void buildBody(Block &body, Value rows);

  Value weight(const Twine &symbol, Value layer);
  Value linear(Value input, StringRef symbol, Value layer);
  Value norm(Value input, StringRef symbol, Value layer);
  Value sum(Value lhs, Value rhs) { return make<AddOp>(lhs.getType(), lhs, rhs); }
  RankedTensorType rowsOf(int64_t width) {
    return RankedTensorType::get({ShapedType::kDynamic, width}, builder.getF32Type());
  }
  template <typename OpTy, typename... Args> Value make(Args &&...args) {
    return OpTy::create(builder, loc, std::forward<Args>(args)...).getResult();
  }

  const ModelFolder &folder;
  Diagnostics &diags;
  TensorTable table;
  OpBuilder builder;
  Location loc;
  BertConfig config = {};
  std::string prefix; ///< Of the tensors: "bert." in checkpoints for one task.
  std::vector<std::pair<std::string, BertWeight>> weights; ///< With their symbols.
  OwningOpRef<ModuleOp> module;
};

} // namespace

//===----------------------------------------------------------------------===//
// Configuration and tensors
//===----------------------------------------------------------------------===//

void BertBuilder::readConfig() {
  FolderConfig keys(folder, diags);
  config.vocabulary = keys.integer("vocab_size", 1, 1 << 24);
  config.width = keys.integer("hidden_size", 1, 1 << 20);
  config.layers = keys.integer("num_hidden_layers", 1, 4096);
  config.heads = keys.integer("num_attention_heads", 1, 1 << 14);
  config.ffn = keys.integer("intermediate_size", 1, 1 << 22);
  config.positions = keys.integer("max_position_embeddings", 1, 1 << 20);
  config.segments = keys.integer("type_vocab_size", 1, 1 << 16);
  config.normEps = keys.positive("layer_norm_eps");
  config.tanhGelu = keys.word("hidden_act", {"gelu", "gelu_new", "gelu_pytorch_tanh"}) != "gelu";
  keys.word("position_embedding_type", {"absolute"});
  keys.refuse("is_decoder");
  if (config.width % config.heads != 0)
    diags.error(403, folder.configPath(),
                "hidden size " + std::to_string(config.width) + " does not divide into " +
                    std::to_string(config.heads) + " heads");
}

/// All layers must have the weight in one format, so that they run one body.
void BertBuilder::add(const Twine &symbol, const Twine &source, ArrayRef<int64_t> shape) {
  BertWeight weight{prefix + source.str(), SmallVector<int64_t>(shape), false, nullptr};
  size_t place = weight.source.find("{}");
  weight.layered = place != std::string::npos;
  for (int64_t layer = 0; layer < (weight.layered ? config.layers : 1); ++layer) {
    std::string name = weight.source;
    if (weight.layered)
      name.replace(place, 2, std::to_string(layer));
    const FileTensor *tensor = table.require(name, shape);
    if (weight.tensor && tensor && tensor->Format != weight.tensor->Format)
      diags.error(406, folder.weights().path() + ": tensor '" + name + "'",
                  "found " + std::string(tensor->Format->Name) + ", expected " +
                      std::string(weight.tensor->Format->Name) + " as in layer 0");
    if (!weight.tensor)
      weight.tensor = tensor;
  }
  weights.emplace_back(symbol.str(), std::move(weight));
}

void BertBuilder::addLinear(StringRef symbol, StringRef source, int64_t outputs, int64_t inputs) {
  add(symbol, source + ".weight", {outputs, inputs});
  add(symbol + ".bias", source + ".bias", {outputs});
}

void BertBuilder::addNorm(StringRef symbol, StringRef source) {
  add(symbol, source + ".weight", {config.width});
  add(symbol + ".bias", source + ".bias", {config.width});
}

void BertBuilder::collect() {
  if (folder.weights().findTensor("bert.embeddings.word_embeddings.weight"))
    prefix = "bert.";
  int64_t width = config.width, ffn = config.ffn;
  add("token_embd", "embeddings.word_embeddings.weight", {config.vocabulary, width});
  add("position_embd", "embeddings.position_embeddings.weight", {config.positions, width});
  add("segment_embd", "embeddings.token_type_embeddings.weight", {config.segments, width});
  addNorm("embd_norm", "embeddings.LayerNorm");
  addLinear("blk.attn_q", "encoder.layer.{}.attention.self.query", width, width);
  addLinear("blk.attn_k", "encoder.layer.{}.attention.self.key", width, width);
  addLinear("blk.attn_v", "encoder.layer.{}.attention.self.value", width, width);
  addLinear("blk.attn_output", "encoder.layer.{}.attention.output.dense", width, width);
  addNorm("blk.attn_norm", "encoder.layer.{}.attention.output.LayerNorm");
  addLinear("blk.ffn_up", "encoder.layer.{}.intermediate.dense", ffn, width);
  addLinear("blk.ffn_down", "encoder.layer.{}.output.dense", width, ffn);
  addNorm("blk.ffn_norm", "encoder.layer.{}.output.LayerNorm");
  for (StringRef head : {"pooler.", "cls.", "classifier.", "qa_outputs."}) {
    table.ignore((prefix + head).str());
    table.ignore(head);
  }
  table.ignore(prefix + "embeddings.position_ids");
  table.finish();
}

void BertBuilder::declareWeights() {
  SmallVector<int64_t> all = llvm::to_vector(llvm::seq<int64_t>(0, config.layers));
  auto file = builder.getStringAttr(StringRef(ModelFolder::WeightsName));
  for (auto &[symbol, weight] : weights) {
    // Vectors become f32 when they are packed.
    Type element = weight.shape.size() == 1
                       ? builder.getF32Type()
                       : getElementType(builder.getContext(), *weight.tensor->Format);
    WeightsOp::create(builder, loc, symbol, RankedTensorType::get(weight.shape, element),
                      weight.source,
                      weight.layered ? builder.getDenseI64ArrayAttr(all) : DenseI64ArrayAttr(),
                      file, StringAttr());
  }
}

//===----------------------------------------------------------------------===//
// Graph
//===----------------------------------------------------------------------===//

Value BertBuilder::weight(const Twine &symbol, Value layer) {
  std::string name = symbol.str();
  auto declared = cast<WeightsOp>(SymbolTable::lookupSymbolIn(*module, name));
  return make<WeightOp>(declared.getTensorType(), name, declared.getLayers() ? layer : Value());
}

Value BertBuilder::linear(Value input, StringRef symbol, Value layer) {
  Value matrix = weight(symbol, layer), bias = weight(symbol + ".bias", layer);
  Value product = make<LinearOp>(rowsOf(dimOf(matrix, 0)), input, matrix);
  return make<BiasOp>(product.getType(), product, bias);
}

Value BertBuilder::norm(Value input, StringRef symbol, Value layer) {
  return make<LayerNormOp>(input.getType(), input, weight(symbol, layer),
                           weight(symbol + ".bias", layer),
                           builder.getF32FloatAttr(config.normEps));
}

Value BertBuilder::embed(Value rows) {
  RankedTensorType type = rowsOf(config.width);
  Value words = make<EmbedOp>(type, rows, weight("token_embd", {}), builder.getF32FloatAttr(1.0f));
  Value segments = make<EmbedSegmentOp>(type, rows, weight("segment_embd", {}));
  Value positions = make<EmbedPositionOp>(type, rows, weight("position_embd", {}));
  return norm(sum(sum(words, segments), positions), "embd_norm", {});
}

void BertBuilder::buildBody(Block &body, Value rows) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(&body);
  Value layer = body.getArgument(0), hidden = body.getArgument(1);
  float scale = 1.0f / std::sqrt(static_cast<float>(config.width / config.heads));
  Value q = linear(hidden, "blk.attn_q", layer), k = linear(hidden, "blk.attn_k", layer);
  Value v = linear(hidden, "blk.attn_v", layer);
  Value mixed =
      make<SelfAttentionOp>(q.getType(), q, k, v, rows, builder.getI64IntegerAttr(config.heads),
                            builder.getF32FloatAttr(scale));
  Value attention = linear(mixed, "blk.attn_output", layer);
  hidden = norm(sum(hidden, attention), "blk.attn_norm", layer);
  Value up = linear(hidden, "blk.ffn_up", layer);
  Value active =
      config.tanhGelu ? make<GeluTanhOp>(up.getType(), up) : make<GeluOp>(up.getType(), up);
  hidden = norm(sum(hidden, linear(active, "blk.ffn_down", layer)), "blk.ffn_norm", layer);
  YieldOp::create(builder, loc, hidden);
}

void BertBuilder::buildForward() {
  Type rowsType = RowsType::get(builder.getContext());
  auto type = builder.getFunctionType({rowsType}, {rowsOf(config.width)});
  auto forward = func::FuncOp::create(builder, loc, "forward", type);
  builder.setInsertionPointToEnd(forward.addEntryBlock());
  Value rows = forward.getArgument(0);
  auto layers = LayersOp::create(builder, loc, config.layers, ValueRange{embed(rows)},
                                 /*rows=*/Value(), LayerChoice(), /*numBodies=*/1);
  buildBody(layers.getBodies().front().front(), rows);
  Value last = layers.getResult(0);
  func::ReturnOp::create(builder, loc, make<PoolOp>(last.getType(), last, rows));
}

OwningOpRef<ModuleOp> BertBuilder::build() {
  readConfig();
  if (diags.hasErrors())
    return {};
  collect();
  if (diags.hasErrors())
    return {};
  module = ModuleOp::create(loc);
  builder.setInsertionPointToEnd(module->getBody());
  auto fact = [&](StringRef name, int64_t value) {
    return builder.getNamedAttr(name, builder.getI64IntegerAttr(value));
  };
  (*module)->setAttr("lathe.model",
                     builder.getDictionaryAttr(
                         {builder.getNamedAttr("architecture", builder.getStringAttr("bert")),
                          fact("context", config.positions), fact("embedding", config.width),
                          fact("layers", config.layers), fact("vocabulary", config.vocabulary)}));
  declareWeights();
  buildForward();
  return std::move(module);
}

static OwningOpRef<ModuleOp> buildBert(const ModelFolder &folder, MLIRContext &context,
                                       Diagnostics &diags) {
  return BertBuilder(folder, context, diags).build();
}

static FolderArchitectureRegistration registration("bert", buildBert);
