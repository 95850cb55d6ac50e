//===- NeuronOrder.cpp - Which neurons matter most --------------*- C++ -*-===//

#include "runtime/adaptive/NeuronOrder.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace lathe {

/// Rows whose neurons are held at a time.
static constexpr size_t BlockRows = 128;

std::vector<int32_t> orderByImportance(std::span<const double> Importance, int64_t Together) {
  std::vector<double> Sums(Importance.size() / static_cast<size_t>(Together));
  for (size_t Block = 0; Block < Sums.size(); ++Block)
    for (int64_t I = 0; I < Together; ++I)
      Sums[Block] += Importance[Block * static_cast<size_t>(Together) + static_cast<size_t>(I)];
  std::vector<int32_t> Blocks(Sums.size());
  std::iota(Blocks.begin(), Blocks.end(), 0);
  std::ranges::sort(Blocks, {}, [&](int32_t Block) {
    return std::pair(-Sums[static_cast<size_t>(Block)], Block);
  });
  std::vector<int32_t> Places;
  for (int32_t Block : Blocks)
    for (int64_t I = 0; I < Together; ++I)
      Places.push_back(static_cast<int32_t>(Block * Together + I));
  return Places;
}

namespace {

class NeuronMeter {
public:
  NeuronMeter(const Model &Source, Session &Run, const std::function<bool()> &GoOn,
              Diagnostics &Diags)
      : Source(Source), Run(Run), GoOn(GoOn), Diags(Diags) {}

  bool measure(std::span<const int32_t> Tokens, NeuronOrder &Into);

private:
  bool addSizes(int64_t Layer, std::span<const int32_t> Tokens, std::vector<double> &Sizes);
  void multiplyByNorms(int64_t Layer, std::vector<double> &Sizes, int64_t &Together);

  const Model &Source;
  Session &Run;
  const std::function<bool()> &GoOn;
  Diagnostics &Diags;
};

} // namespace

/// Adds the sizes of what the neurons of the layer give: those of the last layer that runs.
bool NeuronMeter::addSizes(int64_t Layer, std::span<const int32_t> Tokens,
                           std::vector<double> &Sizes) {
  std::shared_ptr<const LayerMask> Part =
      LayerMask::parse("0-" + std::to_string(Layer), "", Source.manifest(), Diags);
  Run.truncate(0, 0);
  if (!Part || !Run.setLayers(0, Part, Diags))
    return false;
  std::vector<float> Rows(BlockRows * Sizes.size());
  for (size_t First = 0; First < Tokens.size(); First += BlockRows) {
    std::span<const int32_t> Block =
        Tokens.subspan(First, std::min(BlockRows, Tokens.size() - First));
    if (!GoOn() || !Run.append(0, Block, LogitsOf::All, Rows.data(), Diags))
      return false;
    for (size_t I = 0; I < Block.size() * Sizes.size(); ++I)
      Sizes[I % Sizes.size()] += std::abs(Rows[I]);
  }
  return true;
}

/// Norms of the columns by which the layer's neurons are read; `Together` becomes the
/// elements of a block of these.
void NeuronMeter::multiplyByNorms(int64_t Layer, std::vector<double> &Sizes, int64_t &Together) {
  for (const ManifestWeight &Each : Source.manifest().Weights) {
    auto Found = std::ranges::find(Each.Layers, Layer);
    if (Each.NeuronDim != 1 || Found == Each.Layers.end())
      continue;
    const BlockFormat &Format = fileFormat(*Each.Format);
    const FileTensor *Tensor =
        Source.file().findTensor(Each.tensorName(Found - Each.Layers.begin()));
    const uint8_t *Bytes = Source.file().data(*Tensor).data();
    std::vector<float> Row(Sizes.size());
    std::vector<double> Squares(Sizes.size());
    int64_t Blocks = Each.columns() / Format.BlockElements;
    for (int64_t R = 0; R < Each.rows(); ++R) {
      Format.Dequantize(Bytes + R * Blocks * Format.BlockBytes, Blocks, Row.data());
      for (size_t I = 0; I < Row.size(); ++I)
        Squares[I] += double(Row[I]) * Row[I];
    }
    for (size_t I = 0; I < Sizes.size(); ++I)
      Sizes[I] *= std::sqrt(Squares[I]);
    Together = std::lcm(Together, int64_t(Format.BlockElements));
  }
}

bool NeuronMeter::measure(std::span<const int32_t> Tokens, NeuronOrder &Into) {
  const std::vector<ManifestWidth> &Widths = Source.manifest().Widths;
  Into.resize(Widths.size());
  for (size_t Layer = 0; Layer < Widths.size(); ++Layer) {
    if (Widths[Layer].Neurons == 0)
      continue;
    std::vector<double> Importance(static_cast<size_t>(Widths[Layer].Neurons));
    int64_t Together = 1;
    if (!addSizes(static_cast<int64_t>(Layer), Tokens, Importance))
      return false;
    multiplyByNorms(static_cast<int64_t>(Layer), Importance, Together);
    Into[Layer] = orderByImportance(Importance, Together);
  }
  return true;
}

std::optional<NeuronOrder> measureNeurons(const std::string &Path, const ModelOptions &Wanted,
                                          std::span<const int32_t> Tokens,
                                          const std::function<bool()> &GoOn, Diagnostics &Diags) {
  ModelOptions Options = Wanted;
  Options.Passes = withWidths({}) + ",lathe-show-neurons";
  Options.AnyResults = true;
  Options.Capacity = static_cast<int64_t>(Tokens.size());
  Options.Sequences = 1;
  std::unique_ptr<Model> Source = Model::load(GGUFFile::open(Path, Diags), Options, Diags);
  SessionOptions Sizes;
  Sizes.Capacity = Options.Capacity;
  std::unique_ptr<Session> Run = Source ? Source->createSession(Sizes, Diags) : nullptr;
  NeuronOrder Order;
  if (!Run || !NeuronMeter(*Source, *Run, GoOn, Diags).measure(Tokens, Order))
    return std::nullopt;
  return Order;
}

} // namespace lathe
