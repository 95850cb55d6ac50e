//===- NeuronOrder.h - Which neurons matter most ----------------*- C++ -*-===//
//
// The importance of a neuron is the mean size of what it gives on a text times the norm
// of the weights that read it: how far its loss moves the layer's result, on average
// (Sun et al., 2024, for whole neurons).  That of a block of the weights is the sum over its
// neurons, as they are stored together.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_ADAPTIVE_NEURONORDER_H
#define LATHE_RUNTIME_ADAPTIVE_NEURONORDER_H

#include "runtime/session/Model.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lathe {

/// The order of each layer's neurons: what comes at place i is Places[i]; empty for a
/// layer without a choice.
using NeuronOrder = std::vector<std::vector<int32_t>>;

/// Places by falling importance, of equals the first ahead; blocks of `Together` stay whole.
std::vector<int32_t> orderByImportance(std::span<const double> Importance, int64_t Together);

/// Runs the model at `Path`, compiled as `Wanted` says, on `Tokens`.  `GoOn` is asked between
/// parts of the work; when it is false, it has told the error.  Nullopt on error: those of
/// Model::load and of Session, and of a model whose layers have no choice of widths.
std::optional<NeuronOrder> measureNeurons(const std::string &Path, const ModelOptions &Wanted,
                                          std::span<const int32_t> Tokens,
                                          const std::function<bool()> &GoOn, Diagnostics &Diags);

} // namespace lathe

#endif // LATHE_RUNTIME_ADAPTIVE_NEURONORDER_H
