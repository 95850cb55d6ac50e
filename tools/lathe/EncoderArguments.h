//===- EncoderArguments.h - Flags of the commands on texts ------*- C++ -*-===//

#ifndef LATHE_TOOLS_LATHE_ENCODERARGUMENTS_H
#define LATHE_TOOLS_LATHE_ENCODERARGUMENTS_H

#include "tools/lathe/Options.h"

#include "runtime/session/Encoder.h"

namespace lathe::cli {

/// MODEL, an encoder, and how to compile and run it.
struct EncoderArguments {
  std::optional<std::string> Path, Weights;
  std::string Target = "host", Precision = "auto";
  std::optional<int64_t> Threads;
  bool NoCache = false, Strict = false;

  /// The positional MODEL; the flags come with `declareFlags`, so that a command may put
  /// its own in between.
  void declareModel(Options &Accepted);
  void declareFlags(Options &Accepted);

  ModelInput openInput(Diagnostics &Diags) const;
  /// Null on error.
  std::unique_ptr<Encoder> load(ModelInput Input, Diagnostics &Diags) const;
  std::unique_ptr<Encoder> load(Diagnostics &Diags) const { return load(openInput(Diags), Diags); }
};

/// --pool: what the rows of a text become.
struct PoolingArgument {
  std::string Word = "model";

  void declare(Options &Accepted);
  Pooling of(const Encoder &Model) const;
};

/// Texts on the command line, or the lines of a file.
struct TextLines {
  std::vector<std::string> Texts;
  std::optional<std::string> File;

  void declareTexts(Options &Accepted);
  void declareFile(Options &Accepted);

  /// Nullopt on error; `Command` is who asks.
  std::optional<std::vector<std::string>> read(const char *Command, Diagnostics &Diags) const;
};

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_ENCODERARGUMENTS_H
