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

InFlightDiagnostic ResultComparison::report(StringRef place) const {
  return emitError(loc) << "pass '" << passArgument << "' is declared " << toString(effect)
                        << ", but " << place << " ";
}

LogicalResult ResultComparison::compare(StringRef place, ArrayRef<ReferenceArray> before,
                                        ArrayRef<ReferenceArray> after) const {
  if (before.size() != after.size())
    return report(place) << "the number of results changed from " << before.size() << " to "
                         << after.size();
  for (size_t index = 0; index < before.size(); ++index)
    if (failed(compareResult(place, index, before[index], after[index])))
      return failure();
  return success();
}

LogicalResult ResultComparison::compareResult(StringRef place, size_t index,
                                              const ReferenceArray &before,
                                              const ReferenceArray &after) const {
  if (before.shape != after.shape || before.elements.index() != after.elements.index())
    return report(place) << "the shape or type of result " << index << " changed";
  auto *old = std::get_if<std::vector<float>>(&before.elements);
  if (!old)
    return before.elements == after.elements
               ? success()
               : LogicalResult(report(place) << "the integers of result " << index << " changed");
  auto &fresh = std::get<std::vector<float>>(after.elements);
  Difference worst = findDifference(*old, fresh);
  if (worst.relative <= bound)
    return success();
  return report(place) << "result " << index << " moves by "
                       << llvm::formatv("{0:e2}", worst.relative).str()
                       << " of its largest element at "
                       << describePlace(before.shape, worst.element) << ": from "
                       << std::to_string((*old)[worst.element]) << " to "
                       << std::to_string(fresh[worst.element]);
}
