//===- ExitMeter.cpp - Rows inside a model, and what they say ---*- C++ -*-===//

#include "runtime/adaptive/ExitMeter.h"

#include "runtime/adaptive/DepthScores.h"

#include <algorithm>

namespace lathe {

/// Rows that the head takes at a time.
static constexpr size_t HeadRows = 64;

static std::unique_ptr<TensorFunction> loadHead(const GGUFFile &File, const ModelOptions &Wanted,
                                                Diagnostics &Diags) {
  FunctionOptions Options;
  Options.Target = Wanted.Target;
  Options.Precision = Wanted.Precision;
  Options.Threads = Wanted.Threads;
  Options.Rows = static_cast<int64_t>(HeadRows);
  Options.UseCache = Wanted.UseCache;
  Options.Weights = File.path();
  Options.Passes = "lathe-split-head{part=head}";
  Options.NonFinite = Wanted.NonFinite;
  if (Wanted.ProgramPath.empty())
    Options.Header = File.headerBytes();
  return TensorFunction::load(Wanted.ProgramPath.empty() ? File.path() : Wanted.ProgramPath,
                              Options, Diags);
}

std::unique_ptr<ExitMeter> ExitMeter::create(const std::string &Path, const ModelOptions &Wanted,
                                             size_t Longest, std::function<bool()> GoOn,
                                             Diagnostics &Diags) {
  std::unique_ptr<ExitMeter> Result(new ExitMeter);
  Result->GoOn = std::move(GoOn);
  ModelOptions Options = Wanted;
  Options.Passes = "lathe-split-head{part=stack}";
  Options.AnyResults = true;
  Options.Capacity = static_cast<int64_t>(Longest);
  Options.Sequences = 1;
  Result->Stack = Model::load(GGUFFile::open(Path, Diags), Options, Diags);
  if (!Result->Stack)
    return nullptr;
  SessionOptions Sizes;
  Sizes.Capacity = Options.Capacity;
  Result->Run = Result->Stack->createSession(Sizes, Diags);
  if (Result->Run)
    Result->Head = loadHead(Result->Stack->file(), Wanted, Diags);
  return Result->Head ? std::move(Result) : nullptr;
}

double ExitMeter::headBytes() const {
  double Bytes = 0;
  for (const ManifestWeight &Each : Head->manifest().Weights)
    Bytes += Each.tensorBytes();
  return Bytes;
}

std::optional<RowSet> ExitMeter::rows(std::span<const ScoredText> Texts,
                                      std::optional<int64_t> Layer, Diagnostics &Diags) {
  auto Width = static_cast<size_t>(Run->resultWidth());
  std::shared_ptr<const LayerMask> Layers =
      LayerMask::parse(Layer ? "0-" + std::to_string(*Layer) : "", "", Stack->manifest(), Diags);
  if (!Layers)
    return std::nullopt;
  RowSet Result{Width, {}};
  std::vector<float> All;
  for (const ScoredText &Text : Texts) {
    if (Text.counted() == 0)
      continue;
    // Nothing follows the last token.
    std::span<const int32_t> Tokens = std::span(Text.Tokens).first(Text.Tokens.size() - 1);
    All.resize(Tokens.size() * Width);
    Run->truncate(0, 0);
    if (!GoOn() || !Run->setLayers(0, Layers, Diags) ||
        !Run->append(0, Tokens, LogitsOf::All, All.data(), Diags))
      return std::nullopt;
    auto First = All.begin() + static_cast<ptrdiff_t>((Text.First - 1) * Width);
    Result.Values.insert(Result.Values.end(), First, All.end());
  }
  return Result;
}

std::optional<SaidTokens> ExitMeter::say(const RowSet &Rows, std::span<const ScoredText> Texts,
                                         Diagnostics &Diags) {
  std::vector<int32_t> Next;
  for (const ScoredText &Text : Texts)
    if (Text.counted() != 0)
      Next.insert(Next.end(), Text.Tokens.begin() + static_cast<ptrdiff_t>(Text.First),
                  Text.Tokens.end());
  auto Columns = static_cast<size_t>(Head->manifest().Outputs.front().Shape.back());
  std::vector<float> Logits(std::min(HeadRows, Rows.rows()) * Columns);
  SaidTokens Said;
  for (size_t First = 0; First < Rows.rows(); First += HeadRows) {
    size_t Count = std::min(HeadRows, Rows.rows() - First);
    const float *Input = Rows.Values.data() + First * Rows.Width;
    float *Output = Logits.data();
    if (!GoOn() || !Head->run({&Input, 1}, {&Output, 1}, static_cast<int64_t>(Count), Diags))
      return std::nullopt;
    for (size_t I = 0; I < Count; ++I) {
      std::span<const float> Row = std::span(Logits).subspan(I * Columns, Columns);
      Said.Likeliest.push_back(likeliestToken(Row));
      Said.Loss.push_back(logSum(Row) - Row[static_cast<size_t>(Next[First + I])]);
    }
  }
  return Said;
}

} // namespace lathe
