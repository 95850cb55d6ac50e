//===- ModelArguments.h - Flags that several commands share -----*- C++ -*-===//

#ifndef LATHE_TOOLS_LATHE_MODELARGUMENTS_H
#define LATHE_TOOLS_LATHE_MODELARGUMENTS_H

#include "tools/lathe/Options.h"
#include "tools/lathe/Terminal.h"

#include "runtime/adaptive/Calibration.h"
#include "runtime/session/Model.h"

namespace lathe::cli {

/// --kv-type.
void declareKVType(Options &Accepted, std::string &KVType);

/// What puts numbers in place of words in a target, where a program has it: an executable
/// made of a model has not.  Answers with the fault.
using TargetResolver = std::optional<Diagnostic> (*)(std::string &Target);
struct TargetResolverRegistration {
  explicit TargetResolverRegistration(TargetResolver Resolver);
};

/// --target, a name or a list of them.
void declareTarget(Options &Accepted, std::string &Target, std::string Meta, std::string Help);

/// What a program is compiled for: --target, --precision and --kv-type.
struct TargetArguments {
  std::string Target = "host";
  std::string Precision = "auto";
  std::string KVType = "auto";

  void declare(Options &Accepted);
};

/// A model with weights, and a session on it.
struct LoadedModel {
  std::unique_ptr<Model> Source;
  std::unique_ptr<Session> Run; ///< Goes before its model.
};

/// MODEL and how to compile and run it.
struct ModelArguments {
  std::optional<std::string> Path;
  TargetArguments Compile;
  std::string Device = "cpu"; ///< ModelOptions::Device.
  std::optional<std::string> Weights, Layers, Skip, Width;
  std::optional<int64_t> Threads, Context, Chunk;
  bool NoCache = false;
  bool Strict = false;
  bool AnyResults = false; ///< ModelOptions::AnyResults.
  /// The exits that the model is to have; null: none.
  const Calibration *Exits = nullptr;
  /// What may say the order of neurons, where there is a width; null: the model's file.
  const Calibration *Widths = nullptr;

  /// The positional MODEL; the flags come with `declareFlags`, so that a
  /// command may put its own in between.
  void declareModel(Options &Accepted);
  void declareFlags(Options &Accepted);
  /// For commands that can run a part of the layers, or of their neurons.
  void declareLayers(Options &Accepted);

  /// The model's file, so that what needs its header alone fails before anything
  /// is compiled.  Its file is null on error.
  ModelInput openFile(Diagnostics &Diags) const;

  /// How the model of `Input` is compiled; what was compiled ahead is taken from it.
  ModelOptions modelOptions(ModelInput &Input) const;

  /// Loads with a progress line, and makes a session that stops at the first
  /// signal; `DefaultCapacity` holds when there is no --ctx (0: the model's
  /// context).  Nullopt on error.
  std::optional<LoadedModel> load(ModelInput Input, int64_t Sequences, int64_t DefaultCapacity,
                                  Terminal &Term, Diagnostics &Diags) const;
};

/// A text given as an argument, with -p, with -f or on standard input.
struct TextArguments {
  std::optional<std::string> Argument, Prompt, File;

  /// How many of the three were given.
  int count() const { return Argument.has_value() + Prompt.has_value() + File.has_value(); }
  /// The text; a newline at the end of a file stays.  Nullopt on error.
  std::optional<std::string> read(Diagnostics &Diags) const;
};

/// All bytes of `Path`, "-" for standard input.  Nullopt on error.
std::optional<std::string> readTextFile(const std::string &Path, Diagnostics &Diags);

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_MODELARGUMENTS_H
