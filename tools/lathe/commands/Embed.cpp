//===- Embed.cpp - lathe embed ----------------------------------------------===//
//
// Texts to vectors, with an encoder in a model folder.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/Command.h"
#include "tools/lathe/EncoderArguments.h"
#include "tools/lathe/Json.h"
#include "tools/lathe/NpyWriter.h"
#include "tools/lathe/Signals.h"

#include <charconv>

using namespace lathe;
using namespace lathe::cli;

namespace {
class EmbedCommand final : public Command {
public:
  void declare(Options &Accepted) override;
  void run(Terminal &Term, Diagnostics &Diags) override;

private:
  void writeArray(const std::vector<float> &Vectors, size_t Width, Terminal &Term,
                  Diagnostics &Diags) const;

  EncoderArguments Arguments;
  TextLines Lines;
  std::optional<std::string> Output;
  PoolingArgument Pool;
  bool Normalize = false, NoNormalize = false, Depths = false, AsJson = false;
};
} // namespace

void EmbedCommand::declare(Options &Accepted) {
  Arguments.declareModel(Accepted);
  Lines.declareTexts(Accepted);
  Lines.declareFile(Accepted);
  Accepted.text(Output, "-o,--output", "FILE",
                "write a matrix of numpy (.npy), a row for each text");
  Accepted.flag(AsJson, "--json", "print JSON");
  Pool.declare(Accepted);
  Accepted.flag(Normalize, "--normalize", "vectors of length 1 (as the model's folder says)");
  Accepted.flag(NoNormalize, "--no-normalize", "vectors of any length");
  Accepted.flag(Depths, "--depths",
                "vectors of all depths, one behind the other: ahead of the layers, behind each");
  Arguments.declareFlags(Accepted);
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
  std::unique_ptr<OutputFile> Target = OutputFile::open(*Output, *Arguments.Path, Term, Diags);
  if (Target && NpyWriter(*Target).begin(Vectors.size() / Width, Width, Diags) &&
      NpyWriter(*Target).append(Vectors, Diags))
    Target->finish(Diags);
}

void EmbedCommand::run(Terminal &Term, Diagnostics &Diags) {
  if (Normalize && NoNormalize)
    Diags.error(111, "lathe embed", "found --normalize and --no-normalize, expected one");
  if (Normalize && Depths)
    Diags.error(111, "lathe embed", "found --normalize and --depths, expected one");
  if (AsJson && Output)
    Diags.error(111, "lathe embed", "found --json and -o, expected one");
  std::optional<std::vector<std::string>> Words = Lines.read("lathe embed", Diags);
  if (Diags.hasErrors())
    return;
  Term.progress("loading " + *Arguments.Path + " ...");
  std::unique_ptr<Encoder> Model = Arguments.load(Diags);
  if (!Model)
    return;
  Term.clearProgress();
  std::vector<std::string_view> Views(Words->begin(), Words->end());
  std::vector<std::vector<int32_t>> Tokens = Model->tokenize(Views, Diags);
  auto Width = static_cast<size_t>(Model->width() * (Depths ? Model->depths() : 1));
  std::vector<float> Vectors(Words->size() * Width);
  Pooling Wanted = Pool.of(*Model);
  bool Unit = !NoNormalize && (Normalize || Model->facts().Normalize);
  bool Done = Depths ? Model->encodeDepths(Tokens, Wanted, Vectors.data(), Diags, interruptFlag())
                     : Model->encode(Tokens, Wanted, Unit, Vectors.data(), Diags, interruptFlag());
  if (!Done)
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
