//===- RandomInputs.cpp - Something to run a reference program on ----------===//

#include "compiler/reference/RandomInputs.h"
#include "compiler/reference/LowerToReference.h"
#include "compiler/reference/Random.h"
#include "dialects/Lathe/LatheOps.h"

#include "llvm/Support/xxhash.h"

#include <cmath>

using namespace mlir;
using namespace lathe::compiler;
using namespace lathe::ir;

/// Rows of a step: a chunk of a sequence with a past, and the start of another.
static constexpr int32_t rowPositions[] = {3, 4, 5, 0, 1};
/// Without a cache there is no past.
static constexpr int32_t freshPositions[] = {0, 1, 2, 0, 1};
static constexpr int32_t rowSequences[] = {0, 0, 0, 1, 1};
static constexpr int32_t logitsRows[] = {2, 3, 4};
static constexpr int64_t rowCount = std::size(rowPositions), sequenceCount = 2, capacity = 8;

namespace {
class InputMaker {
public:
  InputMaker(func::FuncOp func, uint64_t seed);
  FailureOr<std::vector<ReferenceArray>> make();

private:
  LogicalResult addArgument(Type type, uint64_t number);
  void addRows(Random &random);
  void addInts(ArrayRef<int32_t> values) {
    arrays.push_back(
        {{int64_t(values.size())}, std::vector<int32_t>(values.begin(), values.end())});
  }
  void addTensor(RankedTensorType type, Random &random);
  void addWeights(WeightsOp op);

  func::FuncOp func;
  uint64_t seed;
  int64_t vocabulary = 2, layers = 0;
  std::vector<ReferenceArray> arrays;
};
} // namespace

/// Tokens must be rows of every embedding table.
InputMaker::InputMaker(func::FuncOp func, uint64_t seed) : func(func), seed(seed) {
  int64_t smallest = std::numeric_limits<int64_t>::max();
  func.walk([&](EmbedOp op) {
    smallest = std::min(smallest, cast<RankedTensorType>(op.getTable().getType()).getDimSize(0));
  });
  if (smallest != std::numeric_limits<int64_t>::max() && smallest > 0)
    vocabulary = smallest;
  func.walk([&](LayersOp op) { layers = std::max<int64_t>(layers, op.getCount()); });
}

std::vector<int32_t> lathe::compiler::drawWidths(ArrayRef<LayerWidth> widths, Random &random) {
  std::vector<int32_t> drawn;
  for (const LayerWidth &each : widths)
    drawn.push_back(each.step ? each.step * random.draw(1, each.neurons / each.step) : 0);
  return drawn;
}

void InputMaker::addRows(Random &random) {
  std::vector<int32_t> tokens(rowCount);
  for (int32_t &token : tokens)
    token = random.draw(0, vocabulary - 1);
  addInts(tokens);
  bool hasPast = llvm::any_of(func.getArgumentTypes(), llvm::IsaPred<KVType>);
  addInts(hasPast ? rowPositions : freshPositions);
  addInts(rowSequences);
  addInts(logitsRows);
  // The first layer always runs, so that a stack is never empty.
  std::vector<int32_t> runs(layers, 1);
  for (int32_t &layer : MutableArrayRef(runs).drop_front(std::min<int64_t>(layers, 1)))
    layer = !random.chance(25);
  addInts(runs);
  // A step of several rows leaves no stack.
  arrays.push_back({{layers}, std::vector<float>(layers, std::numeric_limits<float>::infinity())});
  addInts(drawWidths(findLayerWidths(func, layers), random));
}

void InputMaker::addTensor(RankedTensorType type, Random &random) {
  ReferenceArray array;
  array.shape.assign(type.getShape().begin(), type.getShape().end());
  for (int64_t &size : array.shape)
    size = ShapedType::isDynamic(size) ? rowCount : size;
  int64_t count = ShapedType::getNumElements(array.shape);
  if (type.getElementType().isF32()) {
    std::vector<float> elements(count);
    for (float &element : elements)
      element = random.real();
    array.elements = std::move(elements);
  } else {
    array.elements = std::vector<int32_t>(count);
  }
  arrays.push_back(std::move(array));
}

LogicalResult InputMaker::addArgument(Type type, uint64_t number) {
  Random random(seed + number);
  if (isa<RowsType>(type)) {
    addRows(random);
    return success();
  }
  for (Type tensor : getReferenceTypes(type)) {
    auto ranked = dyn_cast<RankedTensorType>(tensor);
    if (!ranked)
      return func.emitError() << "no random input for an argument of type " << type;
    SmallVector<int64_t> shape(ranked.getShape());
    if (isa<KVType>(type)) {
      shape[1] = sequenceCount;
      shape[2] = capacity;
    }
    addTensor(ranked.clone(shape), random);
  }
  return success();
}

/// Matrices keep the size of what they are multiplied with; vectors are near 1,
/// as the weights of norms are.
static void fillWeight(MutableArrayRef<float> elements, RankedTensorType type, Random random) {
  bool isMatrix = type.getRank() == 2;
  float scale = isMatrix ? std::sqrt(3.0f / type.getDimSize(1)) : 0.25f,
        middle = isMatrix ? 0.0f : 1.0f;
  for (float &element : elements)
    element = middle + scale * random.real();
}

void InputMaker::addWeights(WeightsOp op) {
  ReferenceArray array;
  auto type = cast<RankedTensorType>(getReferenceWeightType(op));
  array.shape.assign(type.getShape().begin(), type.getShape().end());
  std::vector<float> elements(type.getNumElements());
  SmallVector<int64_t> layers{0};
  if (op.getLayers())
    layers.assign(op.getLayers()->begin(), op.getLayers()->end());
  int64_t each = op.getTensorType().getNumElements();
  for (auto [index, layer] : llvm::enumerate(layers)) {
    Random random(seed ^ llvm::xxh3_64bits(op.getTensorName(layer)));
    fillWeight(MutableArrayRef(elements).slice(index * each, each), op.getTensorType(), random);
  }
  array.elements = std::move(elements);
  arrays.push_back(std::move(array));
}

FailureOr<std::vector<ReferenceArray>> InputMaker::make() {
  for (auto [index, type] : llvm::enumerate(func.getArgumentTypes()))
    if (failed(addArgument(type, index)))
      return failure();
  for (auto op : func->getParentOfType<ModuleOp>().getOps<WeightsOp>())
    addWeights(op);
  return std::move(arrays);
}

FailureOr<std::vector<ReferenceArray>> lathe::compiler::makeRandomInputs(func::FuncOp func,
                                                                         uint64_t seed) {
  return InputMaker(func, seed).make();
}
