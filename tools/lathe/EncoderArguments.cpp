//===- EncoderArguments.cpp - Flags of the commands on texts ----------------===//

#include "tools/lathe/EncoderArguments.h"

#include "tools/lathe/ModelArguments.h"

#include "runtime/workers/WorkerPool.h"

using namespace lathe;
using namespace lathe::cli;

void EncoderArguments::declareModel(Options &Accepted) {
  Accepted.positional(
      Path, "MODEL",
      "a folder with config.json and model.safetensors, or what 'lathe compile' made of it", true);
}

void EncoderArguments::declareFlags(Options &Accepted) {
  Accepted.integer(Threads, "-t,--threads", "worker threads (all cores)",
                   {1, WorkerPool::MaxWorkers});
  Accepted.choice(Precision, "--precision", {"auto", "f32", "bf16", "mixed", "int16", "int8"},
                  "arithmetic");
  declareTarget(Accepted, Target, "NAME", "CPU, and sizes (host; an error lists them)");
  Accepted.flag(NoCache, "--no-cache", "compile anew, store nothing");
  Accepted.text(Weights, "--weights", "FILE", "the weights, for a MODEL that names another file");
  Accepted.flag(Strict, "--strict", "refuse weights that are infinite or not numbers");
}

ModelInput EncoderArguments::openInput(Diagnostics &Diags) const {
  ModelInput Input = openEncoderInput(*Path, Weights.value_or(""), Diags);
  if (Input.Folder && Input.Compiled)
    Input.Compiled->checkWeightsAhead();
  return Input;
}

std::unique_ptr<Encoder> EncoderArguments::load(ModelInput Input, Diagnostics &Diags) const {
  EncoderOptions Wanted;
  Wanted.Compiled = std::move(Input.Compiled);
  Wanted.Target = Target;
  Wanted.Precision = Precision;
  Wanted.Threads = static_cast<unsigned>(Threads.value_or(0));
  Wanted.UseCache = !NoCache;
  Wanted.NonFinite = Strict ? NonFiniteWeights::Error : NonFiniteWeights::Warning;
  return Encoder::load(std::move(Input.Folder), Wanted, Diags);
}

void PoolingArgument::declare(Options &Accepted) {
  Accepted.choice(Word, "--pool", {"model", "mean", "cls"}, "rows to one vector (model: its own)");
}

Pooling PoolingArgument::of(const Encoder &Model) const {
  if (Word == "model")
    return Model.facts().Pool;
  return Word == "cls" ? Pooling::First : Pooling::Mean;
}

void TextLines::declareTexts(Options &Accepted) {
  Accepted.positionals(Texts, "TEXT", "the texts");
}

void TextLines::declareFile(Options &Accepted) {
  Accepted.text(File, "-f,--file", "FILE", "texts from a file, one a line (- is standard input)");
}

std::optional<std::vector<std::string>> TextLines::read(const char *Command,
                                                        Diagnostics &Diags) const {
  if (Texts.empty() == !File) {
    Diags.error(Texts.empty() ? 108 : 111, Command,
                Texts.empty() ? "found no text, expected TEXT or -f"
                              : "found TEXT and -f, expected one");
    return std::nullopt;
  }
  if (!File)
    return Texts;
  std::optional<std::string> All = readTextFile(*File, Diags);
  if (!All)
    return std::nullopt;
  std::vector<std::string> Lines;
  for (std::string_view Rest = *All; !Rest.empty();) {
    std::string_view Line = Rest.substr(0, Rest.find('\n'));
    Rest.remove_prefix(std::min(Rest.size(), Line.size() + 1));
    Lines.emplace_back(Line.ends_with('\r') ? Line.substr(0, Line.size() - 1) : Line);
  }
  return Lines;
}
