//===- LowerPrecision.cpp - Chooses the arithmetic of contractions ---------===//

#include "dialects/Lathe/LatheOps.h"
#include "passes/PassEffect.h"
#include "passes/PassStatistics.h"
#include "passes/Precision/Passes.h"

#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/StringMap.h"

namespace lathe {
#define GEN_PASS_DEF_LOWERPRECISIONPASS
#include "passes/Precision/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::ir;

/// The op that gives a value, seen through the groups it leaves.
static Operation *findProducer(Value value) {
  auto group = value.getDefiningOp<GroupOp>();
  if (!group)
    return value.getDefiningOp();
  unsigned number = cast<OpResult>(value).getResultNumber();
  return findProducer(group.getBody().front().getTerminator()->getOperand(number));
}

/// Whether all that a value does is to be a query or a key, with a bias or without one.
static bool onlyScores(Value value) {
  return !value.use_empty() && llvm::all_of(value.getUses(), [](OpOperand &use) {
    Operation *user = use.getOwner();
    if (auto attention = dyn_cast<SelfAttentionOp>(user))
      return &use == &attention.getQueryMutable() || &use == &attention.getKeyMutable();
    if (auto group = dyn_cast<GroupOp>(user->getParentOp()); group && isa<YieldOp>(user))
      return onlyScores(group.getResult(use.getOperandNumber()));
    return isa<BiasOp>(user) && onlyScores(user->getResult(0));
  });
}

/// Whether a product loses little in int8.  Norms make rows with a few columns that are far
/// greater than all others, so that one scale for many columns leaves the others few bits; what
/// attention mixes and what leaves an activation function has none.  And scores go through a
/// softmax, which takes little notice.
static bool bearsBytes(LinearOp linear) {
  Operation *rows = findProducer(linear.getInput());
  return isa_and_nonnull<SelfAttentionOp, GeluOp, GeluTanhOp, SiluOp>(rows) ||
         onlyScores(linear.getResult());
}

namespace {

struct LowerPrecisionPass : lathe::impl::LowerPrecisionPassBase<LowerPrecisionPass> {
  using LowerPrecisionPassBase::LowerPrecisionPassBase;

  void runOnOperation() override {
    if (failed(checkOptions()))
      return signalPassFailure();
    if (policy == "auto" && isEncoder())
      chosen = encoders;
    else
      chosen = policy;
    auto module = dyn_cast<ModuleOp>(getOperation());
    if (module && (chosen == "int16" || chosen == "mixed"))
      packFloats(module);
    llvm::DenseMap<std::pair<Value, Type>, Value> known;
    getOperation()->walk([&](Operation *op) {
      if (auto linear = dyn_cast<LinearOp>(op))
        lower(linear, known);
      else if (auto experts = dyn_cast<ExpertLinearOp>(op))
        lower(experts, known);
    });
    lowerCache(chooseCache());
    if (bf16Products)
      getOperation()->walk([&](AttentionOp attention) { lower(attention); });
  }

  LogicalResult checkOptions() {
    if (!llvm::is_contained({"auto", "f32", "bf16", "mixed", "int16", "int8"}, policy))
      return getOperation()->emitError()
             << "policy must be auto, f32, bf16, mixed, int16 or int8, got '" << policy << "'";
    if (!llvm::is_contained({"auto", "mixed"}, encoders))
      return getOperation()->emitError()
             << "encoders must be auto or mixed, got '" << encoders << "'";
    if (!llvm::is_contained({"auto", "f32", "f16", "bf16", "int8"}, kv))
      return getOperation()->emitError()
             << "kv must be auto, f32, f16, bf16 or int8, got '" << kv << "'";
    if (!llvm::is_contained({"f16", "bf16"}, autoKV))
      return getOperation()->emitError() << "auto-kv must be f16 or bf16, got '" << autoKV << "'";
    if (!llvm::is_contained({"bf16", "f32"}, storedBF16))
      return getOperation()->emitError()
             << "stored-bf16 must be bf16 or f32, got '" << storedBF16 << "'";
    return success();
  }

  /// Whether rows see all of their text, and nothing is kept of it.
  bool isEncoder() {
    bool sees = false;
    getOperation()->walk([&](SelfAttentionOp) { sees = true; });
    return sees;
  }

  /// The bits that a matrix whose products are `linears` is packed with.
  int64_t chooseBits(ArrayRef<LinearOp> linears) {
    if (chosen == "int16")
      return 16;
    return llvm::all_of(linears, [](LinearOp linear) { return bearsBytes(linear); }) ? 8 : 16;
  }

  /// Matrices of floats that contractions alone read are packed as integers.
  void packFloats(ModuleOp module) {
    llvm::StringMap<SmallVector<WeightOp>> uses;
    module.walk([&](WeightOp weight) { uses[weight.getWeights()].push_back(weight); });
    // All are chosen before any rows change.
    SmallVector<std::pair<WeightsOp, BlockType>> packed;
    for (auto weights : module.getOps<WeightsOp>()) {
      RankedTensorType type = weights.getTensorType();
      SmallVector<LinearOp> linears;
      bool onlyProducts = true;
      for (WeightOp weight : uses[weights.getSymName()])
        for (Operation *user : weight->getUsers())
          if (auto linear = dyn_cast<LinearOp>(user))
            linears.push_back(linear);
          else
            onlyProducts = false;
      if (type.getRank() != 2 || !onlyProducts || !isa<FloatType>(type.getElementType()))
        continue;
      std::string file(getBlockFormat(type.getElementType())->Name);
      for (int64_t bits = chooseBits(linears); bits <= 16; bits += 8) {
        std::string name = "i" + std::to_string(bits) + "_" + file;
        auto element = BlockType::get(&getContext(), name);
        if (type.getDimSize(1) % element.getBlockFormat()->roundedMultiple() != 0 ||
            type.getDimSize(1) > BlockFormat::MostRounded)
          continue;
        packed.emplace_back(weights, element);
        break;
      }
    }
    for (auto [weights, element] : packed) {
      auto type = weights.getTensorType().clone(element);
      weights.setType(type);
      for (WeightOp weight : uses[weights.getSymName()])
        weight.getResult().setType(type);
    }
  }

  /// The element type that the policy wants for the input of products with `matrix`.
  Type chooseInput(Value matrix) {
    Builder builder(&getContext());
    auto weight = getMatrixType(cast<RankedTensorType>(matrix.getType()));
    bool storedNarrow = weight.getElementType().isBF16() && storedBF16 == "bf16";
    if (chosen == "bf16" || (chosen == "auto" && storedNarrow))
      return builder.getBF16Type();
    const BlockFormat *format = getBlockFormat(weight.getElementType());
    if (format && format->RoundedBits == 16)
      return WideActivationType::get(&getContext());
    if (format && format->RoundedBits == 8)
      return ByteActivationType::get(&getContext());
    bool blocks = isa<BlockType>(weight.getElementType()) && weight.getDimSize(1) % 32 == 0;
    if (chosen != "f32" && blocks)
      return QuantizedActivationType::get(&getContext());
    return builder.getF32Type();
  }

  template <typename ProductOp>
  void lower(ProductOp linear, llvm::DenseMap<std::pair<Value, Type>, Value> &known) {
    auto inputType = cast<RankedTensorType>(linear.getInput().getType());
    if (!inputType.getElementType().isF32())
      return;
    Type element = chooseInput(linear.getWeight());
    count(element);
    if (remarks)
      linear.emitRemark() << "multiplies " << element << " by "
                          << cast<RankedTensorType>(linear.getWeight().getType()).getElementType();
    if (element.isF32())
      return;
    Value &quantized = known[{linear.getInput(), element}];
    if (!quantized || quantized.getParentBlock() != linear->getBlock()) {
      OpBuilder builder(linear);
      auto type = RankedTensorType::get(inputType.getShape(), element);
      quantized = QuantizeOp::create(builder, linear.getLoc(), type, linear.getInput());
    }
    linear.getInputMutable().assign(quantized);
  }

  void count(Type element) {
    if (element.isF32())
      ++numF32;
    else if (isa<WideActivationType>(element))
      ++numInt16;
    else if (isa<ByteActivationType>(element))
      ++numBytes;
    else if (element.isBF16())
      ++numBF16;
    else
      ++numInt8;
  }

  /// The element type that the cache shall have.
  Type chooseCache() {
    Builder builder(&getContext());
    StringRef name = kv != "auto" ? kv : policy == "f32" ? policy : autoKV;
    if (name == "f32")
      return builder.getF32Type();
    if (name == "int8")
      return builder.getI8Type();
    return name == "bf16" ? Type(builder.getBF16Type()) : Type(builder.getF16Type());
  }

  /// Every value that is an f32 cache takes the element type.
  void lowerCache(Type element) {
    if (element.isF32())
      return;
    auto convert = [&](Type type) -> Type {
      auto cache = dyn_cast<KVType>(type);
      if (!cache || !cache.getElementType().isF32())
        return type;
      return KVType::get(&getContext(), cache.getLayers(), cache.getHeads(), cache.getHeadDim(),
                         element);
    };
    getOperation()->walk([&](Operation *op) {
      for (Value result : op->getResults())
        result.setType(convert(result.getType()));
      for (Region &region : op->getRegions())
        for (Block &block : region)
          for (BlockArgument argument : block.getArguments())
            argument.setType(convert(argument.getType()));
      if (auto function = dyn_cast<FunctionOpInterface>(op)) {
        auto types = llvm::to_vector(llvm::map_range(function.getArgumentTypes(), convert));
        auto results = llvm::to_vector(llvm::map_range(function.getResultTypes(), convert));
        function.setType(FunctionType::get(&getContext(), types, results));
      }
    });
  }

  /// Rounds what meets keys and values of bf16 as they are.
  void lower(AttentionOp attention) {
    Type stored = attention.getCache().getType().getElementType();
    if (!stored.isBF16() || attention.getPrecisionType())
      return;
    attention.setPrecisionType(stored);
    ++numAttention;
    if (remarks)
      attention.emitRemark() << "multiplies " << stored << " by " << stored;
  }

  std::string chosen; ///< The policy of contractions.
  PassCounter numBytes{"bytes", "contractions that became int8 dot products of 128"};
  PassCounter numInt8{"int8", "contractions that became int8 block dot products"};
  PassCounter numInt16{"int16", "contractions that became int16 dot products"};
  PassCounter numBF16{"bf16", "contractions that became bf16"};
  PassCounter numF32{"f32", "contractions that stayed f32"};
  PassCounter numAttention{"attention", "attentions whose products became bf16"};
};

} // namespace

static const lathe::PassCounters<LowerPrecisionPass> counters{
    &LowerPrecisionPass::numBytes, &LowerPrecisionPass::numInt8, &LowerPrecisionPass::numInt16,
    &LowerPrecisionPass::numBF16,  &LowerPrecisionPass::numF32,  &LowerPrecisionPass::numAttention};
static const lathe::PassEffectRegistration effect("lathe-lower-precision",
                                                  {lathe::NumericEffect::LowersPrecision, 0.1});
