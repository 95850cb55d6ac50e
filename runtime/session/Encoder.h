//===- Encoder.h - Texts to vectors -----------------------------*- C++ -*-===//
//
// An encoder in a model folder (ModelFolder.h), compiled, now or ahead, and packed: texts in,
// pooled vectors out.  A text's vector is the same bits alone or beside others,
// whatever the number of threads.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_ENCODER_H
#define LATHE_RUNTIME_SESSION_ENCODER_H

#include "runtime/formats/ModelFolder.h"
#include "runtime/session/CompiledModel.h"
#include "runtime/session/FindProgram.h"
#include "runtime/session/LayerMask.h"
#include "runtime/session/Model.h"
#include "runtime/session/Program.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/support/MappedMemory.h"
#include "runtime/tokenizer/Tokenizer.h"
#include "runtime/weights/WeightStore.h"
#include "runtime/workers/WorkerPool.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// What the rows of a text become.
enum class Pooling : uint8_t {
  Mean,  ///< The mean of all.
  First, ///< The first, that of the classification token.
};

/// What a folder says of how its vectors are made, as sentence-transformers writes it.
struct EncoderFacts {
  Pooling Pool = Pooling::Mean;
  bool Normalize = false; ///< To the length 1.
  int64_t MaxTokens = 0;  ///< Of a text, those around it included.

  /// Reads `modules.json`, the configuration of its pooling and
  /// `sentence_bert_config.json`, where they are there.  False on error: E0351, and
  /// E0401 a pooling that is not known.
  bool read(const ModelFolder &Folder, Diagnostics &Diags);
};

struct EncoderOptions {
  /// What was compiled ahead (ModelOptions::Compiled); null: compile.
  std::shared_ptr<const CompiledModel> Compiled = nullptr;
  std::string Target = "host";    ///< lathe_compile_request::target.
  std::string Precision = "auto"; ///< lathe_compile_request::precision.
  unsigned Threads = 0;           ///< 0: one per core this process may run on.
  int64_t MaxRows = 0;            ///< Of a step; 0: the compiler's default.
  bool UseCache = true;
  NonFiniteWeights NonFinite = NonFiniteWeights::Warning;
  /// Called before each stage; false ends the load with E0807.
  std::function<bool(LoadStage Next)> OnStage = {};
};

/// Not thread-safe: it has memory for one step.
class Encoder {
public:
  /// Compiles the folder's graph, or finds it in the cache or among what was compiled ahead,
  /// and packs its weights where they are not packed.  Null on error, besides those of the
  /// compiler and of the folder's files: E0834 the model is no encoder, E0810.
  static std::unique_ptr<Encoder> load(std::unique_ptr<ModelFolder> Folder,
                                       const EncoderOptions &Options, Diagnostics &Diags);

  const ModelFolder &folder() const { return *Folder; }
  const EncoderFacts &facts() const { return Facts; }
  const Manifest &manifest() const { return Code->manifest(); }
  const Tokenizer &tokenizer() const { return *Words; }
  const WorkerPool &workers() const { return *Workers; }
  const WeightStore &weights() const { return *Weights; }
  /// What loading cost.
  const LoadReport &report() const { return Report; }
  /// Elements of a vector.
  int64_t width() const { return manifest().Model.Embedding; }

  /// The tokens of texts, at most facts().MaxTokens of each, or `Most` if that is less and
  /// not 0: what is too long loses its end, but not the token behind it, and a warning
  /// (E0836) tells how many did.
  std::vector<std::vector<int32_t>> tokenize(std::span<const std::string_view> Texts,
                                             Diagnostics &Diags, int64_t Most = 0) const;

  /// Computes `Out`, [texts][width], in as few steps as hold the texts.  All texts are
  /// checked before any runs (E0801 a token, E0813 an empty text, E0814 one of more rows
  /// than a step).  When a step fails (E0806) or `Cancel` was set before it (E0807),
  /// nothing is promised of `Out`.
  bool encode(std::span<const std::vector<int32_t>> Texts, Pooling Pool, bool Normalize, float *Out,
              Diagnostics &Diags, const std::atomic<bool> *Cancel = nullptr);

  /// How many vectors a text has when it is followed through the layers: one ahead of
  /// them, at depth 0, and one behind each.
  int64_t depths() const { return manifest().Model.Layers + 1; }

  /// Computes `Out`, [texts][depths()][width], none of length 1; those of the last depth
  /// have the bits that `encode` gives.  Otherwise as `encode`; E0837 when the program
  /// always runs all of its layers.
  bool encodeDepths(std::span<const std::vector<int32_t>> Texts, Pooling Pool, float *Out,
                    Diagnostics &Diags, const std::atomic<bool> *Cancel = nullptr);

  /// Starts a text that `advance` then takes through the layers; its vector at depth 0
  /// goes to `Out`, [width].  Errors are those of `encodeDepths`.
  bool begin(const std::vector<int32_t> &Text, Pooling Pool, float *Out, Diagnostics &Diags);

  /// Runs the next layer of the text that `begin` started, and gives its vector there.
  /// Nothing else may have run in between, and there must be such a layer.
  bool advance(float *Out, Diagnostics &Diags);

private:
  Encoder() = default;
  FoundProgram findProgram(const EncoderOptions &Options, Diagnostics &Diags) const;
  bool findCode(const EncoderOptions &Options, Diagnostics &Diags);
  bool packWeights(const EncoderOptions &Options, Diagnostics &Diags);
  bool allocate(Diagnostics &Diags);
  bool check(std::span<const std::vector<int32_t>> Texts, Diagnostics &Diags) const;
  bool checkResumes(Diagnostics &Diags) const;
  size_t countTogether(std::span<const std::vector<int32_t>> Texts) const;
  template <typename Callable>
  bool runAll(std::span<const std::vector<int32_t>> Texts, const std::atomic<bool> *Cancel,
              Diagnostics &Diags, Callable &&Run);
  void prepare(std::span<const std::vector<int32_t>> Texts, Pooling Pool);
  bool runPart(std::optional<int64_t> Resumed, int64_t End, float *Out, Diagnostics &Diags);
  bool runDepths(size_t Texts, float *Out, Diagnostics &Diags);
  const ManifestEntry &entry() const { return manifest().Entries.back(); }

  std::unique_ptr<ModelFolder> Folder;
  EncoderFacts Facts;
  std::unique_ptr<Tokenizer> Words;
  std::unique_ptr<WorkerPool> Workers;
  std::shared_ptr<const Program> Code;
  std::optional<LayerMask> Layers; ///< All that the program has.
  std::unique_ptr<WeightStore> Weights;
  LoadReport Report;
  int64_t ScratchStride = 0;
  MappedMemory Arena, Scratch;
  /// The columns of the current step, as lathe_step_args wants them.
  std::vector<int32_t> Tokens, Positions, Sequences, Wanted;
  int64_t Depth = 0;             ///< Of the text that `begin` started.
  std::vector<float> AtOneDepth; ///< Vectors of a step's texts.
};

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_ENCODER_H
