//===- ClassifierFile.cpp - A classifier that was calibrated ----*- C++ -*-===//

#include "runtime/classify/ClassifierFile.h"

#include "runtime/support/JsonReader.h"
#include "runtime/support/MappedFile.h"
#include "runtime/support/Text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

using namespace lathe;

std::string lathe::numbersText(const std::vector<float> &Numbers) {
  std::string Text;
  for (float Each : Numbers) {
    char Buffer[32];
    Text += Text.empty() ? "" : " ";
    Text.append(Buffer, std::to_chars(Buffer, Buffer + sizeof(Buffer), Each).ptr);
  }
  return Text;
}

/// Nullopt when it is anything but finite numbers with single blanks between.
static std::optional<std::vector<float>> readNumbers(std::optional<std::string_view> Text) {
  std::vector<float> Numbers;
  if (!Text)
    return std::nullopt;
  for (const char *At = Text->data(), *End = At + Text->size(); At != End;) {
    float Number = 0;
    std::from_chars_result Read = std::from_chars(At, End, Number);
    bool IsEnd = Read.ptr == End, GoesOn = !IsEnd && *Read.ptr == ' ' && Read.ptr + 1 != End;
    if (Read.ec != std::errc() || !std::isfinite(Number) || (!IsEnd && !GoesOn))
      return std::nullopt;
    Numbers.push_back(Number);
    At = Read.ptr + GoesOn;
  }
  return Numbers;
}

namespace {
/// Reads one file; the first fault is told.
class FileReader {
public:
  FileReader(const std::string &Where, Diagnostics &Diags) : Where(Where), Diags(Diags) {}

  std::optional<ClassifierFile> read(std::string_view Text);

private:
  bool fault(const std::string &Message) {
    Diags.error(843, Where, Message, "'lathe calibrate --task classify' makes such files");
    return false;
  }
  bool readFrame(JsonValue Root);
  bool readLabels(JsonValue Own);
  bool readChoice(JsonValue Own);
  bool readHeads(JsonValue Own);
  bool readHead(JsonValue Own, const std::string &Place, ExitHead &Head);
  bool readWeights(JsonValue Rows, const std::string &Place, ExitHead &Head);

  const std::string &Where;
  Diagnostics &Diags;
  ClassifierFile Result;
};
} // namespace

bool FileReader::readFrame(JsonValue Root) {
  if (!Root.isObject())
    return fault("not a JSON object");
  if (Root["lathe_calibration"].integer() != ClassifierFile::Version)
    return fault("'lathe_calibration' is missing or another version, expected " +
                 std::to_string(ClassifierFile::Version));
  std::optional<std::string_view> Hash = Root["model"]["hash"].text();
  if (!Hash)
    return fault("model.hash: expected a text");
  Result.ModelHash = *Hash;
  if (!Root["classifier"].isObject())
    return fault("'classifier' is missing: the file is for another task");
  return true;
}

bool FileReader::readLabels(JsonValue Own) {
  for (JsonValue Each : Own["labels"].elements().value_or(std::vector<JsonValue>()))
    if (std::optional<std::string_view> Label = Each.text())
      Result.Labels.emplace_back(*Label);
  if (Result.Labels.size() >= 2 && Result.Labels.size() == Own["labels"].size())
    return true;
  return fault("classifier.labels: expected two texts or more");
}

bool FileReader::readChoice(JsonValue Own) {
  std::optional<std::string_view> Pool = Own["pooling"].text(), Refused = Own["refused"].text();
  std::optional<int64_t> Tokens = Own["max_tokens"].integer();
  std::optional<double> Threshold = Own["threshold"].number();
  if (Pool != "mean" && Pool != "cls")
    return fault("classifier.pooling: expected 'mean' or 'cls'");
  if (!Refused || !Tokens || *Tokens < 1 || !Threshold || *Threshold < 0)
    return fault("classifier: expected a text 'refused', 'max_tokens' of at least 1 and a "
                 "'threshold' of at least 0");
  Result.Pool = Pool == "cls" ? Pooling::First : Pooling::Mean;
  Result.Refused = *Refused;
  Result.MaxTokens = *Tokens;
  Result.Threshold = static_cast<float>(*Threshold);
  return true;
}

/// One row a label in the file, one a feature in memory.
bool FileReader::readWeights(JsonValue Rows, const std::string &Place, ExitHead &Head) {
  size_t Labels = Result.Labels.size(), Features = 0;
  std::vector<JsonValue> Texts = Rows.elements().value_or(std::vector<JsonValue>());
  for (size_t L = 0; L < Texts.size() && Texts.size() == Labels; ++L) {
    std::optional<std::vector<float>> Row = readNumbers(Texts[L].text());
    if (L == 0 && Row)
      Head.Weights.resize((Features = Row->size()) * Labels);
    if (!Row || Row->empty() || Row->size() != Features)
      return fault(Place + ".weights[" + std::to_string(L) + "]: expected " +
                   std::to_string(Features) + " numbers with a blank between");
    for (size_t F = 0; F < Features; ++F)
      Head.Weights[F * Labels + L] = (*Row)[F];
  }
  return Features != 0 || fault(Place + ".weights: expected a text for each label");
}

bool FileReader::readHead(JsonValue Own, const std::string &Place, ExitHead &Head) {
  std::optional<int64_t> Depth = Own["depth"].integer();
  std::optional<double> Temperature = Own["temperature"].number();
  std::optional<std::vector<float>> Bias = readNumbers(Own["bias"].text());
  if (!Depth || *Depth < 0 || !Temperature || !(*Temperature > 0))
    return fault(Place + ": expected a 'depth' of at least 0 and a 'temperature' above 0");
  if (!Bias || Bias->size() != Result.Labels.size())
    return fault(Place + ".bias: expected a number for each label");
  Head.Depth = *Depth;
  Head.Temperature = static_cast<float>(*Temperature);
  Head.Bias = std::move(*Bias);
  return readWeights(Own["weights"], Place, Head);
}

bool FileReader::readHeads(JsonValue Own) {
  std::optional<std::vector<JsonValue>> Heads = Own["heads"].elements();
  if (!Heads || Heads->empty())
    return fault("classifier.heads: expected an array of at least 1");
  for (size_t I = 0; I < Heads->size(); ++I) {
    std::string Place = "classifier.heads[" + std::to_string(I) + "]";
    if (!readHead((*Heads)[I], Place, Result.Heads.emplace_back()))
      return false;
    const ExitHead &First = Result.Heads.front(), &Head = Result.Heads.back();
    auto Rise = static_cast<int64_t>(I);
    if (Head.Depth != First.Depth + Rise)
      return fault(Place + ".depth: expected " + std::to_string(First.Depth + Rise));
    // As wide at each depth.
    auto Steps = static_cast<size_t>(Head.Depth + 1), FirstSteps = Steps - I;
    if (Head.Weights.size() * FirstSteps != First.Weights.size() * Steps)
      return fault(Place + ".weights: expected as many numbers a layer as the first head has");
  }
  return true;
}

std::optional<ClassifierFile> FileReader::read(std::string_view Text) {
  std::optional<JsonDocument> Parsed = JsonDocument::parse(Text);
  if (!Parsed)
    return fault("not a JSON object"), std::nullopt;
  JsonValue Root = Parsed->root(), Own = Root["classifier"];
  if (!readFrame(Root) || !readLabels(Own) || !readChoice(Own) || !readHeads(Own))
    return std::nullopt;
  return std::move(Result);
}

std::optional<ClassifierFile> ClassifierFile::parse(std::string_view Text, const std::string &Where,
                                                    Diagnostics &Diags) {
  return FileReader(Where, Diags).read(Text);
}

std::optional<ClassifierFile> ClassifierFile::read(std::span<const uint8_t> Bytes,
                                                   const std::string &Where, Diagnostics &Diags) {
  return parse({reinterpret_cast<const char *>(Bytes.data()), Bytes.size()}, Where, Diags);
}

std::optional<ClassifierFile> ClassifierFile::open(const std::string &Path, Diagnostics &Diags) {
  std::unique_ptr<MappedFile> File = MappedFile::open(Path, Diags);
  return File ? read(File->bytes(), Path, Diags) : std::nullopt;
}

static bool tellOther(const std::string &Where, Diagnostics &Diags) {
  Diags.error(844, Where, "was measured on another model",
              "calibrate this one: 'lathe calibrate MODEL --task classify'");
  return false;
}

bool ClassifierFile::checkModel(const Encoder &Model, const std::string &Where,
                                Diagnostics &Diags) const {
  const ExitHead &Last = Heads.back();
  auto Features = static_cast<size_t>(Model.depths() * Model.width());
  if (Last.Depth + 1 != Model.depths() || Last.Weights.size() != Features * Labels.size())
    return tellOther(Where, Diags);
  return checkModel(Model.folder(), Where, Diags);
}

bool ClassifierFile::checkModel(const ModelFolder &Model, const std::string &Where,
                                Diagnostics &Diags) const {
  return Model.contentHash() == ModelHash || tellOther(Where, Diags);
}
