//===- RandomGraph.cpp - Random small transformers -------------------------===//

#include "compiler/reference/RandomGraph.h"
#include "compiler/reference/Passes.h"
#include "compiler/reference/Random.h"
#include "dialects/Lathe/LatheOps.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"

#include <cmath>

namespace lathe::compiler {
#define GEN_PASS_DEF_RANDOMGRAPHPASS
#include "compiler/reference/Passes.h.inc"
} // namespace lathe::compiler

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;
using namespace lathe::ir;

namespace {

/// What is drawn once for the whole model.
struct GraphPlan {
  explicit GraphPlan(Random &random);

  int64_t layers, kvHeads, heads, headDim, width, ffn, vocabulary, ropePairs;
  bool tied, biases, headNorms, resultNorms, gelu, scaled;
  RopeLayout layout;
  /// The body of each layer; every body has a layer.
  SmallVector<int64_t> bodies;
  int64_t bodyCount;
  /// Of each body, 0 for none.
  SmallVector<int64_t> windows;
  /// The table of angles of each body.
  SmallVector<int64_t> tables;
};

/// Builds the module of a plan.
class GraphBuilder {
public:
  GraphBuilder(ModuleOp module, uint64_t seed)
      : random(seed), plan(random), loc(module.getLoc()), builder(module.getBodyRegion()) {}

  void build();

private:
  void declareModelWeights();
  void declareLayerWeights();
  void declareRole(StringRef name, StringRef suffix, ArrayRef<int64_t> shape);
  void declare(const Twine &symbol, RankedTensorType type, const Twine &source,
               DenseI64ArrayAttr layers);
  RankedTensorType drawType(ArrayRef<int64_t> shape);

  Value buildStack(Value hidden, Value &cache);
  void buildBody(Block &block, int64_t body);
  Value buildAttention(Value norm, Value &cache, Value layer, int64_t body);
  Value buildHeads(StringRef role, Value norm, Value layer, int64_t body, int64_t count);
  Value buildMLP(Value norm, Value layer, int64_t body);
  Value norm(Value input, Value weight);
  Value linear(Value input, Value weight);
  Value weight(StringRef symbol, Value layer);
  Value layerWeight(StringRef role, Value layer, int64_t body);

  RankedTensorType rowsOf(ArrayRef<int64_t> sizes) {
    SmallVector<int64_t> shape{ShapedType::kDynamic};
    llvm::append_range(shape, sizes);
    return RankedTensorType::get(shape, builder.getF32Type());
  }
  template <typename OpTy, typename... Args> Value make(Args &&...args) {
    return OpTy::create(builder, loc, std::forward<Args>(args)...).getResult();
  }

  Random random;
  GraphPlan plan;
  Location loc;
  OpBuilder builder;
  llvm::StringMap<RankedTensorType> types;
  /// The symbol of a role's weight in each body.
  llvm::StringMap<SmallVector<std::string>> symbols;
  Value rows, tables[2];
};

} // namespace

//===----------------------------------------------------------------------===//
// Drawing
//===----------------------------------------------------------------------===//

/// At times a width that formats of super-blocks can have.
static int64_t drawWidth(Random &random, int64_t most) {
  return random.chance(20) ? 256 : 32 * random.draw(1, most);
}

GraphPlan::GraphPlan(Random &random)
    : layers(random.draw(1, 4)), kvHeads(random.draw(1, 2)), heads(kvHeads * random.draw(1, 3)),
      headDim(16 * random.draw(1, 2)), width(drawWidth(random, 3)), ffn(drawWidth(random, 4)),
      vocabulary(8 * random.draw(3, 6)), ropePairs(headDim / (random.chance(25) ? 4 : 2)),
      tied(random.chance(50)), biases(random.chance(40)), headNorms(random.chance(30)),
      resultNorms(random.chance(30)), gelu(random.chance(30)), scaled(random.chance(20)),
      layout(random.chance(50) ? RopeLayout::Half : RopeLayout::Interleaved) {
  bodyCount = random.draw(1, std::min<int64_t>(layers, 3));
  for (int64_t layer = 0; layer < layers; ++layer)
    bodies.push_back(layer < bodyCount ? layer : random.draw(0, bodyCount - 1));
  for (int64_t body = 0; body < bodyCount; ++body) {
    windows.push_back(random.chance(40) ? random.draw(1, 4) : 0);
    tables.push_back(random.chance(30) ? 1 : 0);
  }
}

/// A matrix in one of the formats whose blocks divide its rows.
RankedTensorType GraphBuilder::drawType(ArrayRef<int64_t> shape) {
  if (shape.size() == 1)
    return RankedTensorType::get(shape, builder.getF32Type());
  std::vector<const BlockFormat *> formats = allBlockFormats();
  // What is packed as integers is rounded, and the reference is not.
  llvm::erase_if(formats, [&](const BlockFormat *format) {
    return format->RoundedBits || shape.back() % format->BlockElements;
  });
  const BlockFormat &format = *formats[random.draw(0, formats.size() - 1)];
  return RankedTensorType::get(shape, getElementType(builder.getContext(), format));
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

void GraphBuilder::declare(const Twine &symbol, RankedTensorType type, const Twine &source,
                           DenseI64ArrayAttr layers) {
  std::string name = symbol.str();
  types[name] = type;
  WeightsOp::create(builder, loc, name, type, source.str(), layers, StringAttr(), StringAttr());
}

/// A role whose format differs between bodies is declared once for each format.
void GraphBuilder::declareRole(StringRef name, StringRef suffix, ArrayRef<int64_t> shape) {
  bool same = random.chance(60);
  SmallVector<RankedTensorType> ofBody;
  for (int64_t body = 0; body < plan.bodyCount; ++body)
    ofBody.push_back(same && body > 0 ? ofBody.front() : drawType(shape));
  llvm::MapVector<Type, SmallVector<int64_t>> byType;
  for (auto [layer, body] : llvm::enumerate(plan.bodies))
    byType[ofBody[body]].push_back(layer);

  std::string role = (name + "." + suffix).str();
  SmallVector<std::string> &names = symbols[role];
  names.resize(plan.bodyCount);
  for (auto &[type, layers] : byType) {
    auto tensor = cast<RankedTensorType>(type);
    std::string symbol = "blk." + (suffix == "weight" ? name.str() : role);
    if (byType.size() > 1)
      symbol += "." + std::string(getBlockFormat(tensor.getElementType())->Name);
    declare(symbol, tensor, "blk.{}." + role, builder.getDenseI64ArrayAttr(layers));
    for (int64_t layer : layers)
      names[plan.bodies[layer]] = symbol;
  }
}

void GraphBuilder::declareModelWeights() {
  declare("token_embd", drawType({plan.vocabulary, plan.width}), "token_embd.weight", {});
  declare("output_norm", drawType({plan.width}), "output_norm.weight", {});
  if (!plan.tied)
    declare("output", drawType({plan.vocabulary, plan.width}), "output.weight", {});
}

void GraphBuilder::declareLayerWeights() {
  int64_t queries = plan.heads * plan.headDim, keys = plan.kvHeads * plan.headDim;
  declareRole("attn_norm", "weight", {plan.width});
  for (auto [name, size] : {std::pair{"attn_q", queries}, {"attn_k", keys}, {"attn_v", keys}}) {
    declareRole(name, "weight", {size, plan.width});
    if (plan.biases)
      declareRole(name, "bias", {size});
  }
  if (plan.headNorms) {
    declareRole("attn_q_norm", "weight", {plan.headDim});
    declareRole("attn_k_norm", "weight", {plan.headDim});
  }
  if (plan.resultNorms) {
    declareRole("post_attention_norm", "weight", {plan.width});
    declareRole("post_ffw_norm", "weight", {plan.width});
  }
  declareRole("attn_output", "weight", {plan.width, queries});
  declareRole("ffn_norm", "weight", {plan.width});
  declareRole("ffn_gate", "weight", {plan.ffn, plan.width});
  declareRole("ffn_up", "weight", {plan.ffn, plan.width});
  declareRole("ffn_down", "weight", {plan.width, plan.ffn});
}

//===----------------------------------------------------------------------===//
// Graph
//===----------------------------------------------------------------------===//

Value GraphBuilder::weight(StringRef symbol, Value layer) {
  return make<WeightOp>(types[symbol], symbol, layer);
}

Value GraphBuilder::layerWeight(StringRef role, Value layer, int64_t body) {
  return weight(symbols[role][body], layer);
}

Value GraphBuilder::norm(Value input, Value weight) {
  return make<RMSNormOp>(input.getType(), input, weight, builder.getF32FloatAttr(1e-5f));
}

Value GraphBuilder::linear(Value input, Value weight) {
  return make<LinearOp>(rowsOf(cast<RankedTensorType>(weight.getType()).getDimSize(0)), input,
                        weight);
}

/// The projection of `role` ("attn_q") as heads.
Value GraphBuilder::buildHeads(StringRef role, Value input, Value layer, int64_t body,
                               int64_t count) {
  Value flat = linear(input, layerWeight((role + ".weight").str(), layer, body));
  if (plan.biases)
    flat = make<BiasOp>(flat.getType(), flat, layerWeight((role + ".bias").str(), layer, body));
  return make<SplitHeadsOp>(rowsOf({count, plan.headDim}), flat);
}

Value GraphBuilder::buildAttention(Value input, Value &cache, Value layer, int64_t body) {
  Value query = buildHeads("attn_q", input, layer, body, plan.heads);
  Value key = buildHeads("attn_k", input, layer, body, plan.kvHeads);
  Value value = buildHeads("attn_v", input, layer, body, plan.kvHeads);
  if (plan.headNorms) {
    query = norm(query, layerWeight("attn_q_norm.weight", layer, body));
    key = norm(key, layerWeight("attn_k_norm.weight", layer, body));
  }
  Value table = tables[plan.tables[body]];
  query = make<RopeOp>(query.getType(), query, table, plan.layout);
  key = make<RopeOp>(key.getType(), key, table, plan.layout);
  cache = make<KVAppendOp>(cache.getType(), cache, layer, key, value, rows);
  int64_t window = plan.windows[body];
  auto limit = window ? builder.getI64IntegerAttr(window) : IntegerAttr();
  auto scale = builder.getF32FloatAttr(1.0f / std::sqrt(float(plan.headDim)));
  Value mixed =
      make<AttentionOp>(query.getType(), query, cache, layer, rows, scale, limit, TypeAttr());
  Value flat = make<MergeHeadsOp>(rowsOf(plan.heads * plan.headDim), mixed);
  return linear(flat, layerWeight("attn_output.weight", layer, body));
}

Value GraphBuilder::buildMLP(Value input, Value layer, int64_t body) {
  Value gate = linear(input, layerWeight("ffn_gate.weight", layer, body));
  Value up = linear(input, layerWeight("ffn_up.weight", layer, body));
  Value active =
      plan.gelu ? make<GeluTanhOp>(gate.getType(), gate) : make<SiluOp>(gate.getType(), gate);
  Value gated = make<MulOp>(up.getType(), active, up);
  return linear(gated, layerWeight("ffn_down.weight", layer, body));
}

void GraphBuilder::buildBody(Block &block, int64_t body) {
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(&block);
  Value layer = block.getArgument(0), hidden = block.getArgument(1), cache = block.getArgument(2);
  auto add = [&](Value lhs, Value rhs, StringRef resultNorm) {
    if (plan.resultNorms)
      rhs = norm(rhs, layerWeight(resultNorm, layer, body));
    return make<AddOp>(lhs.getType(), lhs, rhs);
  };
  Value before = norm(hidden, layerWeight("attn_norm.weight", layer, body));
  hidden = add(hidden, buildAttention(before, cache, layer, body), "post_attention_norm.weight");
  Value between = norm(hidden, layerWeight("ffn_norm.weight", layer, body));
  hidden = add(hidden, buildMLP(between, layer, body), "post_ffw_norm.weight");
  YieldOp::create(builder, loc, ValueRange{hidden, cache});
}

Value GraphBuilder::buildStack(Value hidden, Value &cache) {
  LayerChoice choice;
  if (plan.bodyCount > 1)
    choice.select = builder.getDenseI64ArrayAttr(plan.bodies);
  auto stack = LayersOp::create(builder, loc, plan.layers, ValueRange{hidden, cache}, rows, choice,
                                unsigned(plan.bodyCount));
  for (auto [body, region] : llvm::enumerate(stack.getBodies()))
    buildBody(region.front(), body);
  cache = stack.getResult(1);
  return stack.getResult(0);
}

void GraphBuilder::build() {
  declareModelWeights();
  declareLayerWeights();
  MLIRContext *context = builder.getContext();
  const Type forms[] = {builder.getF32Type(), builder.getF16Type(), builder.getBF16Type(),
                        builder.getI8Type()};
  Type stored = forms[random.draw(0, std::size(forms) - 1)];
  auto cacheType = KVType::get(context, plan.layers, plan.kvHeads, plan.headDim, stored);
  auto type = builder.getFunctionType({RowsType::get(context), cacheType},
                                      {rowsOf(plan.vocabulary), cacheType});
  auto forward = func::FuncOp::create(builder, loc, "forward", type);
  Block *entry = forward.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  rows = entry->getArgument(0);
  Value cache = entry->getArgument(1);

  Value embedding = weight("token_embd", {});
  auto scale = builder.getF32FloatAttr(plan.scaled ? std::sqrt(float(plan.width)) : 1.0f);
  Value hidden = make<EmbedOp>(rowsOf(plan.width), rows, embedding, scale);
  for (int64_t index : {0, 1})
    if (llvm::is_contained(plan.tables, index))
      tables[index] = make<RopeTableOp>(
          rowsOf({plan.ropePairs, 2}), rows, builder.getF64FloatAttr(index ? 1e6 : 1e4),
          DenseF32ArrayAttr(), builder.getF32FloatAttr(index ? 8.0f : 1.0f));
  hidden = buildStack(hidden, cache);
  Value wanted = make<SelectLogitsOp>(hidden.getType(), hidden, rows);
  Value head = plan.tied ? weight("token_embd", {}) : weight("output", {});
  Value logits = linear(norm(wanted, weight("output_norm", {})), head);
  func::ReturnOp::create(builder, loc, ValueRange{logits, cache});
}

void lathe::compiler::buildRandomGraph(ModuleOp module, uint64_t seed) {
  GraphBuilder(module, seed).build();
}

namespace {
struct RandomGraph : lathe::compiler::impl::RandomGraphPassBase<RandomGraph> {
  using RandomGraphPassBase::RandomGraphPassBase;

  void runOnOperation() override {
    if (!getOperation().getBody()->empty()) {
      getOperation().emitError() << "the module must be empty";
      signalPassFailure();
      return;
    }
    buildRandomGraph(getOperation(), seed);
  }
};
} // namespace
