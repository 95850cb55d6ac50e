//===- UpstreamOps.cpp - Which ops of other dialects have code -------------===//

#include "compiler/target/cpu/UpstreamOps.h"

#include "dialects/Step/StepOps.h"
#include "passes/Upstream.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

#include <set>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

namespace {

using Tell = llvm::function_ref<void(Location, const std::string &, const std::string &)>;

/// What has code, but for structured ops of linalg, which all have.  What is missing
/// would call a function of a library of C, whose bits differ from machine to
/// machine, or has no code on tensors.
constexpr llvm::StringLiteral opsWithLoops[] = {
    "arith.addf",
    "arith.addi",
    "arith.andi",
    "arith.bitcast",
    "arith.ceildivsi",
    "arith.ceildivui",
    "arith.cmpf",
    "arith.cmpi",
    "arith.constant",
    "arith.divf",
    "arith.divsi",
    "arith.divui",
    "arith.extf",
    "arith.extsi",
    "arith.extui",
    "arith.floordivsi",
    "arith.fptosi",
    "arith.fptoui",
    "arith.index_cast",
    "arith.index_castui",
    "arith.maximumf",
    "arith.maxnumf",
    "arith.maxsi",
    "arith.maxui",
    "arith.minimumf",
    "arith.minnumf",
    "arith.minsi",
    "arith.minui",
    "arith.mulf",
    "arith.muli",
    "arith.negf",
    "arith.ori",
    "arith.remsi",
    "arith.remui",
    "arith.select",
    "arith.shli",
    "arith.shrsi",
    "arith.shrui",
    "arith.sitofp",
    "arith.subf",
    "arith.subi",
    "arith.truncf",
    "arith.trunci",
    "arith.uitofp",
    "arith.xori",
    "linalg.index",
    "linalg.yield",
    "math.absf",
    "math.absi",
    "math.ceil",
    "math.copysign",
    "math.cos",
    "math.erf",
    "math.exp",
    "math.expm1",
    "math.floor",
    "math.fma",
    "math.log",
    "math.log1p",
    "math.log2",
    "math.roundeven",
    "math.rsqrt",
    "math.sin",
    "math.sqrt",
    "math.tanh",
    "math.trunc",
    "scf.for",
    "scf.if",
    "scf.yield",
    "tensor.cast",
    "tensor.collapse_shape",
    "tensor.dim",
    "tensor.empty",
    "tensor.expand_shape",
    "tensor.extract",
    "tensor.extract_slice",
    "tensor.from_elements",
    "tensor.generate",
    "tensor.insert",
    "tensor.insert_slice",
    "tensor.pad",
    "tensor.splat",
    "tensor.yield",
};

const llvm::StringSet<> &knownOps() {
  static const llvm::StringSet<> ops = [] {
    llvm::StringSet<> set;
    set.insert_range(opsWithLoops);
    return set;
  }();
  return ops;
}

/// The hint for an op that has no code.
constexpr llvm::StringLiteral opHint =
    "docs/ir-input.md lists what has code; others must be lowered to that first";

class Checker {
public:
  explicit Checker(Tell tell) : tell(tell) {}

  void check(Operation *op) {
    bool ours = isa_and_nonnull<ir::LatheDialect, step::StepDialect>(op->getDialect());
    if (ours || isa<func::ReturnOp>(op))
      return;
    if (!hasLoops(op))
      return tellOnce(op, "no code can be made of '" + op->getName().getStringRef().str() + "'",
                      opHint.str());
    for (Type type : op->getResultTypes())
      checkType(op, type);
    checkSizes(op);
  }

private:
  void checkType(Operation *op, Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    Type element = tensor ? tensor.getElementType() : type;
    if (isa<TensorType>(type) && !tensor)
      return tellOnce(op, "no code can be made of a tensor of unknown rank", "");
    if (tensor && !tensor.hasStaticShape() && !isTensorOfRows(tensor))
      return tellOnce(op,
                      "no code can be made of " + print(type) +
                          ": the first size alone may be unknown, the number of rows",
                      "");
    if (tensor && !ir::isBoundedShape(tensor.getShape().drop_front(!tensor.hasStaticShape())))
      return tellOnce(op,
                      "no code can be made of " + print(type) +
                          ": sizes must be positive and hold at most 2^40 elements",
                      "");
    if (!element.isIntOrIndexOrFloat() ||
        (isa<FloatType>(element) && !element.isF32() && !element.isF16() && !element.isBF16()))
      tellOnce(op, "no code can be made of values of type " + print(type),
               "elements may be f32, f16, bf16, integers and index");
  }

  /// Memory is planned for the rows of a step and for nothing else.
  void checkSizes(Operation *op) {
    auto isRows = [](Value value) {
      auto dim = value.getDefiningOp<tensor::DimOp>();
      return dim && isTensorOfRows(dim.getSource().getType()) && dim.getConstantIndex() == 0;
    };
    if (isa<tensor::EmptyOp, tensor::GenerateOp, tensor::SplatOp>(op))
      for (Value operand : op->getOperands())
        if (operand.getType().isIndex() && !isRows(operand))
          tellOnce(op, "no code can be made of a size that is not the number of rows",
                   "sizes that are not known come from tensor.dim of the first dimension");
    if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op))
      for (Value size : slice.getSizes())
        if (!isRows(size))
          tellOnce(op, "no code can be made of a slice whose size is not the number of rows", "");
    if (auto pad = dyn_cast<tensor::PadOp>(op); pad && !pad.getResultType().hasStaticShape())
      for (OpFoldResult amount : {pad.getMixedLowPad().front(), pad.getMixedHighPad().front()})
        if (getConstantIntValue(amount) != 0)
          tellOnce(op, "no code can be made of padding with rows", "");
  }

  static std::string print(Type type) {
    std::string text;
    llvm::raw_string_ostream(text) << type;
    return text;
  }

  void tellOnce(Operation *op, const std::string &what, const std::string &hint) {
    if (told.insert({op->getLoc(), what}).second)
      tell(op->getLoc(), what, hint);
  }

  Tell tell;
  struct Told {
    bool operator()(const std::pair<Location, std::string> &a,
                    const std::pair<Location, std::string> &b) const {
      return std::pair(a.first.getAsOpaquePointer(), a.second) <
             std::pair(b.first.getAsOpaquePointer(), b.second);
    }
  };
  std::set<std::pair<Location, std::string>, Told> told;
};

/// A weight is packed for ops of ours, and left as it is for others.
void checkWeights(ModuleOp module, Tell tell) {
  llvm::StringMap<std::pair<Operation *, Operation *>> users; ///< One of ours, one of others.
  module.walk([&](ir::WeightOp weight) {
    auto &[own, other] = users[weight.getWeights()];
    for (Operation *user : weight->getUsers())
      (isa_and_nonnull<ir::LatheDialect>(user->getDialect()) ? own : other) = user;
  });
  for (auto weights : module.getOps<ir::WeightsOp>()) {
    auto [own, other] = users.lookup(weights.getSymName());
    RankedTensorType type = weights.getTensorType();
    std::string name = "@" + weights.getSymName().str();
    if (other && isa<ir::BlockType>(type.getElementType()))
      tell(other->getLoc(),
           "no code can be made of '" + other->getName().getStringRef().str() +
               "' on the block-quantised weight " + name,
           "lathe.linear and lathe.embed read such weights");
    else if (own && other && type.getRank() == 2)
      tell(other->getLoc(),
           "the weight " + name + " is used by '" + own->getName().getStringRef().str() +
               "' and by '" + other->getName().getStringRef().str() +
               "', which want it in different layouts",
           "declare it twice, with two names");
  }
}

} // namespace

bool lathe::compiler::hasLoops(Operation *op) {
  return isa<linalg::LinalgOp>(op) || knownOps().contains(op->getName().getStringRef());
}

void lathe::compiler::findUnsupported(ModuleOp module, Tell tell) {
  Checker checker(tell);
  for (Operation &op : *module.getBody())
    if (isa<func::FuncOp, step::ProgramOp>(op))
      for (Region &region : op.getRegions())
        region.walk([&](Operation *inner) { checker.check(inner); });
  checkWeights(module, tell);
}
