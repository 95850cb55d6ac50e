//===- Embed.cpp - lathe embed ----------------------------------------------===//
//
// Texts to vectors, with an encoder in a model folder.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/Command.h"
#include "tools/lathe/Json.h"
#include "tools/lathe/ModelArguments.h"
#include "tools/lathe/NpyWriter.h"
#include "tools/lathe/Signals.h"

#include "runtime/session/Encoder.h"

#include <charconv>

using namespace lathe;
using namespace lathe::cli;

namespace {
class EmbedCommand final : public Command {
public:
  void declare(Options &Accepted) override;
  void run(Terminal &Term, Diagnostics &Diags) override;

private:
  std::optional<std::vector<std::string>> readTexts(Diagnostics &Diags) const;
  std::unique_ptr<Encoder> load(Diagnostics &Diags) const;
  Pooling poolingOf(const Encoder &Model) const;
  void writeArray(const std::vector<float> &Vectors, size_t Width, Terminal &Term,
                  Diagnostics &Diags) const;

  std::optional<std::string> Path, File, Output;
  std::vector<std::string> Texts;
  std::string Pool = "model", Target = "host", Precision = "auto";
  std::optional<int64_t> Threads;
  bool Normalize = false, NoNormalize = false, AsJson = false, NoCache = false, Strict = false;
};
} // namespace

void EmbedCommand::declare(Options &Accepted) {
  Accepted.positional(Path, "MODEL", "a folder with config.json and model.safetensors", true);
  Accepted.positionals(Texts, "TEXT", "the texts");
  Accepted.text(File, "-f,--file", "FILE", "texts from a file, one a line (- is standard input)");
  Accepted.text(Output, "-o,--output", "FILE",
                "write a matrix of numpy (.npy), a row for each text");
  Accepted.flag(AsJson, "--json", "print JSON");
  Accepted.choice(Pool, "--pool", {"model", "mean", "cls"},
                  "what the rows of a text become; model is what its folder says");
  Accepted.flag(Normalize, "--normalize", "vectors of length 1 (as the model's folder says)");
  Accepted.flag(NoNormalize, "--no-normalize", "vectors of any length");
  Accepted.integer(Threads, "-t,--threads", "worker threads (all cores)",
                   {1, WorkerPool::MaxWorkers});
  Accepted.choice(Precision, "--precision", {"auto", "f32", "bf16", "int8"}, "arithmetic");
  Accepted.text(Target, "--target", "NAME", "CPU, and sizes (host; an error lists them)");
  Accepted.flag(NoCache, "--no-cache", "compile anew, store nothing");
  Accepted.flag(Strict, "--strict", "refuse weights that are infinite or not numbers");
}

/// Those of the command line, or the lines of the file.
std::optional<std::vector<std::string>> EmbedCommand::readTexts(Diagnostics &Diags) const {
  if (Texts.empty() == !File) {
    Diags.error(Texts.empty() ? 108 : 111, "lathe embed",
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

std::unique_ptr<Encoder> EmbedCommand::load(Diagnostics &Diags) const {
  EncoderOptions Wanted;
  Wanted.Target = Target;
  Wanted.Precision = Precision;
  Wanted.Threads = static_cast<unsigned>(Threads.value_or(0));
  Wanted.UseCache = !NoCache;
  Wanted.NonFinite = Strict ? NonFiniteWeights::Error : NonFiniteWeights::Warning;
  return Encoder::load(ModelFolder::open(*Path, Diags), Wanted, Diags);
}

Pooling EmbedCommand::poolingOf(const Encoder &Model) const {
  if (Pool == "model")
    return Model.facts().Pool;
  return Pool == "cls" ? Pooling::First : Pooling::Mean;
}

/// One line a text.
static std::string asLines(const std::vector<float> &Vectors, size_t Width) {
  std::string Text;
  for (size_t I = 0; I < Vectors.size(); ++I) {
    char Buffer[32];
    Text.append(Buffer, std::to_chars(Buffer, Buffer + sizeof(Buffer), Vectors[I]).ptr);
    Text += (I + 1) % Width == 0 ? '\n' : ' ';
  }
  return Text;
}

static std::string asJson(const std::vector<std::string> &Texts,
                          const std::vector<std::vector<int32_t>> &Tokens,
                          const std::vector<float> &Vectors, size_t Width) {
  JsonWriter Json;
  Json.beginObject().field("width", static_cast<uint64_t>(Width)).key("texts").beginArray();
  for (size_t I = 0; I < Texts.size(); ++I) {
    Json.beginObject().field("text", Texts[I]);
    Json.field("tokens", static_cast<uint64_t>(Tokens[I].size())).key("embedding").beginArray();
    for (size_t J = 0; J < Width; ++J)
      Json.value(Vectors[I * Width + J]);
    Json.endArray().endObject();
  }
  return Json.endArray().endObject().take();
}

void EmbedCommand::writeArray(const std::vector<float> &Vectors, size_t Width, Terminal &Term,
                              Diagnostics &Diags) const {
  std::unique_ptr<OutputFile> Target = OutputFile::open(*Output, *Path, Term, Diags);
  if (Target && NpyWriter(*Target).begin(Vectors.size() / Width, Width, Diags) &&
      NpyWriter(*Target).append(Vectors, Diags))
    Target->finish(Diags);
}

void EmbedCommand::run(Terminal &Term, Diagnostics &Diags) {
  if (Normalize && NoNormalize)
    Diags.error(111, "lathe embed", "found --normalize and --no-normalize, expected one");
  if (AsJson && Output)
    Diags.error(111, "lathe embed", "found --json and -o, expected one");
  std::optional<std::vector<std::string>> Words = readTexts(Diags);
  if (Diags.hasErrors())
    return;
  Term.progress("loading " + *Path + " ...");
  std::unique_ptr<Encoder> Model = load(Diags);
  if (!Model)
    return;
  Term.clearProgress();
  std::vector<std::string_view> Views(Words->begin(), Words->end());
  std::vector<std::vector<int32_t>> Tokens = Model->tokenize(Views, Diags);
  auto Width = static_cast<size_t>(Model->width());
  std::vector<float> Vectors(Words->size() * Width);
  bool Unit = !NoNormalize && (Normalize || Model->facts().Normalize);
  if (!Model->encode(Tokens, poolingOf(*Model), Unit, Vectors.data(), Diags, interruptFlag()))
    return;
  if (Output)
    return writeArray(Vectors, Width, Term, Diags);
  Term.out(AsJson ? asJson(*Words, Tokens, Vectors, Width) : asLines(Vectors, Width));
}

static CommandRegistration Registered({
    "embed",
    "print the vectors of texts, with an encoder",
    "  lathe embed minilm \"How are you?\" \"Where is the station?\"\n"
    "  lathe embed minilm -f titles.txt -o titles.npy\n"
    "  lathe embed minilm \"a text\" --json --pool cls --no-normalize\n",
    createCommand<EmbedCommand>,
});
