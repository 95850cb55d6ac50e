//===- CompareResults.cpp - How far results may move -----------------------===//

#include "compiler/reference/CompareResults.h"

#include "dialects/Lathe/LatheOps.h"

#include "llvm/Support/FormatVariadic.h"

#include <bit>
#include <cmath>

using namespace mlir;
using namespace lathe;
using namespace lathe::compiler;

static constexpr double plainBound = 1e-4;
/// With a KV cache of f16, and of bf16: when a value is rounded the other way.
static constexpr double halfCacheBound = 1e-3;
static constexpr double brainCacheBound = 8e-3;
/// With quantised activations, or a quantised KV cache.
static constexpr double quantizedBound = 2e-2;
/// How far rounding to integers moves results at all.
static constexpr double roundingNoise = 4e-2;

/// Activations and the cache are rounded apart from each other, so that what both
/// move adds up.
double lathe::compiler::getReassociationBound(Operation *program) {
  double activations = 0, cache = 0;
  program->walk([&](Operation *op) {
    if (isa<ir::QuantizeOp>(op))
      activations = quantizedBound;
    auto append = dyn_cast<ir::KVAppendOp>(op);
    if (!append)
      return;
    Type stored = append.getCache().getType().getElementType();
    if (stored.isInteger())
      cache = std::max(cache, quantizedBound);
    else if (!stored.isF32())
      cache = std::max(cache, stored.isBF16() ? brainCacheBound : halfCacheBound);
  });
  bool bothQuantized = activations == quantizedBound && cache == quantizedBound;
  return bothQuantized ? activations + cache : std::max({plainBound, activations, cache});
}

namespace {
/// The element that moved most, relative to the largest of its tensor.
struct Difference {
  double relative = 0;
  int64_t element = -1;
};
} // namespace

static double distance(float before, float after, double largest) {
  if (std::bit_cast<uint32_t>(before) == std::bit_cast<uint32_t>(after))
    return 0;
  double difference = std::abs(double(before) - double(after)) / largest;
  // A NaN on one side is as far away as can be; so is a zero of another sign
  // under "exact", by the smallest distance there is.
  if (std::isnan(difference))
    return std::numeric_limits<double>::infinity();
  return std::max(difference, std::numeric_limits<double>::min());
}

static Difference findDifference(const std::vector<float> &before,
                                 const std::vector<float> &after) {
  double largest = std::numeric_limits<float>::min();
  for (float value : before)
    if (std::isfinite(value))
      largest = std::max<double>(largest, std::abs(value));
  Difference worst;
  for (size_t i = 0; i < before.size(); ++i) {
    double relative = distance(before[i], after[i], largest);
    if (relative > worst.relative)
      worst = {relative, int64_t(i)};
  }
  return worst;
}

static std::string describePlace(ArrayRef<int64_t> shape, int64_t element) {
  SmallVector<int64_t> place(shape.size());
  for (int64_t dim = shape.size() - 1; dim >= 0; --dim) {
    place[dim] = element % shape[dim];
    element /= shape[dim];
  }
  return llvm::formatv("[{0:$[, ]}]", llvm::make_range(place.begin(), place.end()));
}

ResultComparison::ResultComparison(Location loc, StringRef passArgument, PassEffect effect,
                                   double reassociationBound)
    : loc(loc), passArgument(passArgument), effect(effect), bound(effect.relativeBound) {
  if (effect.kind == NumericEffect::Exact)
    bound = 0;
  else if (effect.kind == NumericEffect::Reassociates)
    bound = reassociationBound;
}

LogicalResult ResultComparison::report(StringRef place, const ResultMove &move) const {
  return emitError(loc) << "pass '" << passArgument << "' is declared " << toString(effect)
                        << ", but " << place << " " << move.told;
}

bool ResultComparison::isUndecided(const ResultMove &move) const {
  return effect.kind == NumericEffect::Reassociates && bound >= quantizedBound &&
         move.relative <= roundingNoise;
}

LogicalResult ResultComparison::compare(StringRef place, ArrayRef<ReferenceArray> before,
                                        ArrayRef<ReferenceArray> after) const {
  std::optional<ResultMove> move = find(before, after);
  return move ? report(place, *move) : success();
}

static ResultMove otherResults(const Twine &told) {
  return {std::numeric_limits<double>::infinity(), told.str()};
}

std::optional<ResultMove> ResultComparison::find(ArrayRef<ReferenceArray> before,
                                                 ArrayRef<ReferenceArray> after) const {
  if (before.size() != after.size())
    return otherResults("the number of results changed from " + Twine(before.size()) + " to " +
                        Twine(after.size()));
  for (size_t index = 0; index < before.size(); ++index)
    if (std::optional<ResultMove> move = findMove(index, before[index], after[index]))
      return move;
  return std::nullopt;
}

std::optional<ResultMove> ResultComparison::findMove(size_t index, const ReferenceArray &before,
                                                     const ReferenceArray &after) const {
  if (before.shape != after.shape || before.elements.index() != after.elements.index())
    return otherResults("the shape or type of result " + Twine(index) + " changed");
  auto *old = std::get_if<std::vector<float>>(&before.elements);
  if (!old) {
    if (before.elements == after.elements)
      return std::nullopt;
    return otherResults("the integers of result " + Twine(index) + " changed");
  }
  auto &fresh = std::get<std::vector<float>>(after.elements);
  Difference worst = findDifference(*old, fresh);
  if (worst.relative <= bound)
    return std::nullopt;
  std::string told =
      llvm::formatv("result {0} moves by {1:e2} of its largest element at {2}: from "
                    "{3} to {4}",
                    index, worst.relative, describePlace(before.shape, worst.element),
                    std::to_string((*old)[worst.element]), std::to_string(fresh[worst.element]));
  return ResultMove{worst.relative, told};
}
