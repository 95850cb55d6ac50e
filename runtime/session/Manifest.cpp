//===- Manifest.cpp - What a compiled program says of itself ----*- C++ -*-===//

#include "runtime/session/Manifest.h"

#include "lathe/abi.h"
#include "runtime/support/CheckedMath.h"
#include "runtime/support/FaultList.h"
#include "runtime/support/JsonReader.h"
#include "runtime/support/Limits.h"
#include "runtime/support/Text.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <limits>
#include <numeric>
#include <utility>

namespace lathe {

/// No sound manifest comes near these; they bound what a broken one can cost.
static constexpr size_t MaxTextBytes = size_t(16) << 20;
static constexpr int64_t MaxVocabulary = limits::MaxVocabulary;
static constexpr int64_t MaxLayers = limits::MaxLayers;
static constexpr int64_t MaxDimension = std::numeric_limits<int32_t>::max();
static constexpr int64_t MaxRowsOfEntry = int64_t(1) << 20;
static constexpr int64_t MaxMemoryBytes = int64_t(1) << 42;
/// What CUDA's programming guide allows a block.
static constexpr int64_t MaxBlockThreads = 1024, MaxSharedBytes = int64_t(1) << 20;
static constexpr uint64_t MaxTensorElements = uint64_t(1) << 40;
static constexpr int64_t MaxTableSize = limits::MaxTableEntries;

namespace {

/// Reads members of the manifest; a fault is told and reading goes on with a
/// default, so that all faults are found.
class ManifestReader {
public:
  ManifestReader(const std::string &Where, Diagnostics &Diags)
      : Faults(Diags, Where + ": manifest") {}

  bool failed() const { return Faults.any(); }

  void read(JsonValue Root, Manifest &Result);

private:
  void fault(const std::string &Path, const std::string &Message) {
    Faults.error(602, Path, Message);
  }

  int64_t integer(JsonValue Object, const std::string &Path, const char *Key, int64_t Least,
                  int64_t Most);
  std::string text(JsonValue Object, const std::string &Path, const char *Key);

  /// Calls Read(object, path) on the object, or on each object of an array.
  template <typename Callable>
  void object(JsonValue Object, const std::string &Path, const char *Key, Callable Read);
  template <typename Callable>
  void objects(JsonValue Object, const std::string &Path, const char *Key, Callable Read);

  std::vector<std::string> texts(JsonValue Object, const std::string &Path, const char *Key);
  std::vector<int64_t> integers(JsonValue Object, const std::string &Path, const char *Key,
                                int64_t Least, int64_t Most);

  void readModel(JsonValue Root, Manifest &Result);
  void readSignature(JsonValue Root, Manifest &Result);
  ManifestTensor tensor(JsonValue Object, const std::string &Path);
  ManifestEntry entry(JsonValue Object, const std::string &Path);
  ManifestWeight weight(JsonValue Object, const std::string &Path);
  void checkShape(const ManifestWeight &Weight, const std::string &Path);
  void checkLayers(const ManifestWeight &Weight, int64_t NumLayers, const std::string &Path);
  void checkTable(Manifest &Result);
  void readExits(JsonValue Root, Manifest &Result);
  void checkSkipped(Manifest &Result);
  void checkEntries(Manifest &Result);

  FaultList Faults;
};

} // namespace

static std::string join(const std::string &Path, const char *Key) {
  return Path.empty() ? Key : Path + "." + Key;
}

static std::string range(int64_t Least, int64_t Most) {
  return "an integer from " + std::to_string(Least) + " to " + std::to_string(Most);
}

int64_t ManifestReader::integer(JsonValue Object, const std::string &Path, const char *Key,
                                int64_t Least, int64_t Most) {
  JsonValue Found = Object[Key];
  std::optional<int64_t> Value = Found.integer();
  if (!Value || *Value < Least || *Value > Most) {
    fault(join(Path, Key), (Found ? "found " + lathe::quoted(Found.str()) : "missing") +
                               ", expected " + range(Least, Most));
    return Least;
  }
  return *Value;
}

std::string ManifestReader::text(JsonValue Object, const std::string &Path, const char *Key) {
  std::optional<std::string_view> Value = Object[Key].text();
  if (!Value || Value->empty()) {
    fault(join(Path, Key), "expected a text that is not empty");
    return {};
  }
  return std::string(*Value);
}

template <typename Callable>
void ManifestReader::object(JsonValue Object, const std::string &Path, const char *Key,
                            Callable Read) {
  JsonValue Value = Object[Key];
  if (!Value.isObject())
    return fault(join(Path, Key), "expected an object");
  Read(Value, join(Path, Key));
}

template <typename Callable>
void ManifestReader::objects(JsonValue Object, const std::string &Path, const char *Key,
                             Callable Read) {
  std::optional<std::vector<JsonValue>> Values = Object[Key].elements();
  if (!Values)
    return fault(join(Path, Key), "expected an array");
  size_t Index = 0;
  for (JsonValue Value : *Values) {
    std::string Name = join(Path, Key) + "[" + std::to_string(Index++) + "]";
    if (!Value.isObject())
      fault(Name, "expected an object");
    else
      Read(Value, Name);
  }
}

std::vector<std::string> ManifestReader::texts(JsonValue Object, const std::string &Path,
                                               const char *Key) {
  std::vector<std::string> Result;
  std::optional<std::vector<JsonValue>> Values = Object[Key].elements();
  bool Sound = Values.has_value();
  if (Sound)
    for (JsonValue Element : *Values) {
      std::optional<std::string_view> Value = Element.text();
      Sound &= Value.has_value();
      Result.emplace_back(Value.value_or(""));
    }
  if (!Sound)
    fault(join(Path, Key), "expected an array of texts");
  return Result;
}

std::vector<int64_t> ManifestReader::integers(JsonValue Object, const std::string &Path,
                                              const char *Key, int64_t Least, int64_t Most) {
  std::vector<int64_t> Result;
  std::optional<std::vector<JsonValue>> Values = Object[Key].elements();
  bool Sound = Values.has_value();
  if (Sound)
    for (JsonValue Element : *Values) {
      std::optional<int64_t> Value = Element.integer();
      Sound &= Value && *Value >= Least && *Value <= Most;
      Result.push_back(Value.value_or(0));
    }
  if (!Sound)
    fault(join(Path, Key), "expected an array, each element " + range(Least, Most));
  return Result;
}

ManifestEntry ManifestReader::entry(JsonValue Object, const std::string &Path) {
  ManifestEntry Entry;
  Entry.Name = text(Object, Path, "name");
  Entry.MaxRows = integer(Object, Path, "max_rows", 1, MaxRowsOfEntry);
  Entry.ArenaBytes = integer(Object, Path, "arena_bytes", 0, MaxMemoryBytes);
  Entry.ScratchBytes = integer(Object, Path, "scratch_bytes", 0, MaxMemoryBytes);
  if (Object["greatest_logits"])
    Entry.GreatestLogits = integer(Object, Path, "greatest_logits", 1, MaxVocabulary);
  if (JsonValue Resumes = Object["resumes"]) {
    if (!Resumes.boolean())
      fault(join(Path, "resumes"), "expected true or false");
    Entry.Resumes = Resumes.boolean().value_or(false);
  }
  return Entry;
}

ManifestWeight ManifestReader::weight(JsonValue Object, const std::string &Path) {
  ManifestWeight Weight;
  Weight.Symbol = text(Object, Path, "symbol");
  std::string Format = text(Object, Path, "format");
  Weight.Format = findBlockFormat(Format);
  if (!Weight.Format)
    fault(join(Path, "format"),
          "found " + lathe::quoted(Format) + ", expected a known block format");
  std::string Layout = text(Object, Path, "layout");
  constexpr std::pair<std::string_view, WeightLayout> Layouts[] = {
      {"panel32", WeightLayout::Panel32},
      {"vector", WeightLayout::Vector},
      {"plain", WeightLayout::Plain}};
  auto Known = std::find_if(std::begin(Layouts), std::end(Layouts),
                            [&](const auto &Each) { return Each.first == Layout; });
  if (Known != std::end(Layouts))
    Weight.Layout = Known->second;
  else
    fault(join(Path, "layout"),
          "found " + lathe::quoted(Layout) + ", expected 'panel32', 'vector' or 'plain'");
  Weight.Shape = integers(Object, Path, "shape", 1, MaxDimension);
  Weight.First = integer(Object, Path, "first", 0, MaxTableSize);
  Weight.Tensors = text(Object, Path, "tensors");
  if (Object["file"])
    Weight.File = text(Object, Path, "file");
  if (Weight.File.starts_with('/') || ("/" + Weight.File + "/").find("/../") != std::string::npos)
    fault(join(Path, "file"),
          "found " + lathe::quoted(Weight.File) + ", expected a path below the program's folder");
  Weight.Layered = bool(Object["layers"]);
  if (Weight.Layered)
    Weight.Layers = integers(Object, Path, "layers", 0, MaxLayers);
  std::string Use = Object["use"] ? text(Object, Path, "use") : "";
  if (Use == "behind" || Use == "exit")
    Weight.Use = Use == "exit" ? WeightUse::Exit : WeightUse::Behind;
  else if (!Use.empty())
    fault(join(Path, "use"), "found " + lathe::quoted(Use) + ", expected 'behind' or 'exit'");
  return Weight;
}

void ManifestReader::checkShape(const ManifestWeight &Weight, const std::string &Path) {
  bool IsVector = Weight.Layout == WeightLayout::Vector;
  if (Weight.Layout == WeightLayout::Plain) {
    if (Weight.Shape.empty() || Weight.Shape.size() > 2)
      fault(join(Path, "shape"),
            "found " + std::to_string(Weight.Shape.size()) + " dimensions, expected 1 or 2");
    if (Weight.Format && Weight.Format->Quantized)
      fault(join(Path, "layout"), "found 'plain' for a quantised weight");
    return;
  }
  size_t Dimensions = Weight.Shape.size();
  if (IsVector ? Dimensions != 1 : Dimensions != 2 && Dimensions != 3)
    return fault(join(Path, "shape"), "found " + std::to_string(Dimensions) +
                                          " dimensions, expected " + (IsVector ? "1" : "2 or 3"));
  uint64_t Elements = 1;
  for (int64_t Size : Weight.Shape)
    Elements = checkedMul<uint64_t>(Elements, Size).value_or(MaxTensorElements + 1);
  if (Dimensions == 3 && Elements > MaxTensorElements)
    return fault(join(Path, "shape"),
                 "found more than " + std::to_string(MaxTensorElements) + " elements");
  if (Weight.Format && Weight.Shape.back() % Weight.Format->BlockElements != 0)
    fault(join(Path, "shape"), "rows of " + std::to_string(Weight.Shape.back()) +
                                   " elements, expected a multiple of " +
                                   std::to_string(Weight.Format->BlockElements));
}

void ManifestReader::checkLayers(const ManifestWeight &Weight, int64_t NumLayers,
                                 const std::string &Path) {
  bool HasPlace = Weight.Tensors.find("{}") != std::string::npos;
  if (HasPlace != Weight.Layered)
    fault(join(Path, "tensors"),
          "found " + lathe::quoted(Weight.Tensors) + ", expected '{}' " +
              (Weight.Layered ? "for the layer number" : "only beside a list of layers"));
  if (!Weight.Layered)
    return;
  bool Ascending = std::adjacent_find(Weight.Layers.begin(), Weight.Layers.end(),
                                      std::greater_equal<>()) == Weight.Layers.end();
  if (Weight.Layers.empty() || !Ascending || Weight.Layers.back() >= NumLayers)
    fault(join(Path, "layers"),
          "expected at least one layer, ascending and below " + std::to_string(NumLayers));
}

void ManifestReader::checkTable(Manifest &Result) {
  std::vector<const ManifestWeight *> Sorted;
  for (const ManifestWeight &Weight : Result.Weights)
    Sorted.push_back(&Weight);
  std::sort(Sorted.begin(), Sorted.end(),
            [](const auto *Left, const auto *Right) { return Left->First < Right->First; });
  int64_t Next = 0;
  for (const ManifestWeight *Weight : Sorted) {
    if (Weight->First != Next)
      return fault("weights", lathe::quoted(Weight->Symbol) + " starts at pointer " +
                                  std::to_string(Weight->First) + ", expected " +
                                  std::to_string(Next));
    Next += Weight->tensorCount();
  }
  Result.WeightTableSize = Next;
}

void ManifestReader::checkSkipped(Manifest &Result) {
  const std::vector<int64_t> &Skipped = Result.SkippedLayers;
  bool Ascending =
      std::adjacent_find(Skipped.begin(), Skipped.end(), std::greater_equal<>()) == Skipped.end();
  if (!Skipped.empty() && (!Ascending || Skipped.back() >= Result.Model.Layers ||
                           std::ssize(Skipped) == Result.Model.Layers)) {
    fault("skipped_layers", "expected layers, ascending, below " +
                                std::to_string(Result.Model.Layers) + " and not all of them");
    Result.SkippedLayers.clear();
  }
}

void ManifestReader::checkEntries(Manifest &Result) {
  if (Result.Entries.empty())
    fault("entries", "found none, expected at least one");
  for (const ManifestEntry &Entry : Result.Entries)
    if (Entry.Name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string::npos)
      fault("entries", "found the name " + lathe::quoted(Entry.Name) +
                           ", expected lower-case letters, digits and '_'");
  std::sort(Result.Entries.begin(), Result.Entries.end(),
            [](const auto &Left, const auto &Right) { return Left.MaxRows < Right.MaxRows; });
}

void ManifestReader::read(JsonValue Root, Manifest &Result) {
  Result.Compiler = text(Root, "", "compiler");
  Result.Target = text(Root, "", "target");
  Result.Features = texts(Root, "", "features");
  if (Root["launch"])
    object(Root, "", "launch", [&](JsonValue Object, const std::string &Path) {
      Result.Launch.Threads = integer(Object, Path, "threads", 1, MaxBlockThreads);
      Result.Launch.SharedBytes = integer(Object, Path, "shared_bytes", 0, MaxSharedBytes);
    });
  Result.Precision = text(Root, "", "precision");
  if (Root["outputs"])
    readSignature(Root, Result);
  else
    readModel(Root, Result);
  objects(Root, "", "entries", [&](JsonValue Object, const std::string &Path) {
    Result.Entries.push_back(entry(Object, Path));
  });
  objects(Root, "", "weights", [&](JsonValue Object, const std::string &Path) {
    Result.Weights.push_back(weight(Object, Path));
    checkShape(Result.Weights.back(), Path);
    checkLayers(Result.Weights.back(), Result.Model.Layers, Path);
  });
  if (Root["skipped_layers"])
    Result.SkippedLayers = integers(Root, "", "skipped_layers", 0, MaxLayers);
  if (JsonValue Chooses = Root["chooses_layers"]) {
    if (!Chooses.boolean())
      fault("chooses_layers", "expected true or false");
    Result.ChoosesLayers = Chooses.boolean().value_or(false);
  }
  readExits(Root, Result);
  if (Root["results"])
    Result.Results = integer(Root, "", "results", 1, MaxDimension);
  checkSkipped(Result);
  checkEntries(Result);
  checkTable(Result);
}

void ManifestReader::readExits(JsonValue Root, Manifest &Result) {
  if (!Root["exits"])
    return;
  std::vector<int64_t> Exits = integers(Root, "", "exits", 0, MaxLayers);
  bool Ascending =
      std::adjacent_find(Exits.begin(), Exits.end(), std::greater_equal<>()) == Exits.end();
  if (Exits.empty() || !Ascending || Exits.back() >= Result.Model.Layers)
    return fault("exits",
                 "expected layers, ascending, below " + std::to_string(Result.Model.Layers));
  Result.Exits = std::move(Exits);
  Result.Behind = text(Root, "", "behind");
  if (Result.Behind != "propagate" && Result.Behind != "none" && Result.Behind != "defer")
    fault("behind",
          "found " + lathe::quoted(Result.Behind) + ", expected propagate, none or defer");
}

void ManifestReader::readModel(JsonValue Root, Manifest &Result) {
  object(Root, "", "model", [&](JsonValue Object, const std::string &Path) {
    Result.Model.Architecture = text(Object, Path, "architecture");
    Result.Model.Vocabulary = integer(Object, Path, "vocabulary", 1, MaxVocabulary);
    Result.Model.Embedding = integer(Object, Path, "embedding", 1, MaxDimension);
    Result.Model.Layers = integer(Object, Path, "layers", 0, MaxLayers);
    Result.Model.Context = integer(Object, Path, "context", 1, MaxDimension);
  });
  object(Root, "", "kv", [&](JsonValue Object, const std::string &Path) {
    Result.KVType = text(Object, Path, "type");
    Result.KVBytesPerPosition = integer(Object, Path, "bytes_per_position", 0, MaxMemoryBytes);
  });
}

ManifestTensor ManifestReader::tensor(JsonValue Object, const std::string &Path) {
  ManifestTensor Tensor;
  Tensor.Name = text(Object, Path, "name");
  Tensor.Shape = integers(Object, Path, "shape", -1, MaxDimension);
  uint64_t Product = 1;
  for (size_t I = 0; I < Tensor.Shape.size(); ++I) {
    bool Rows = I == 0 && Tensor.Shape[I] == -1;
    Product = Rows ? Product : checkedMul<uint64_t>(Product, Tensor.Shape[I]).value_or(0);
    if ((!Rows && Tensor.Shape[I] < 1) || Product == 0 || Product > MaxTensorElements) {
      fault(join(Path, "shape"), "expected sizes from 1 on, whose product is at most " +
                                     std::to_string(MaxTensorElements) +
                                     ", and -1 in the first place alone");
      break;
    }
  }
  if (Tensor.Shape.empty())
    fault(join(Path, "shape"), "found no dimension, expected at least 1");
  return Tensor;
}

void ManifestReader::readSignature(JsonValue Root, Manifest &Result) {
  objects(Root, "", "inputs", [&](JsonValue Object, const std::string &Path) {
    Result.Inputs.push_back(tensor(Object, Path));
  });
  objects(Root, "", "outputs", [&](JsonValue Object, const std::string &Path) {
    Result.Outputs.push_back(tensor(Object, Path));
  });
  if (Result.Outputs.empty())
    fault("outputs", "found none, expected at least one");
  // A function may have a stack of layers of any height.
  Result.Model.Layers = MaxLayers;
}

int64_t ManifestWeight::rows() const {
  return std::accumulate(Shape.begin(), Shape.end() - 1, int64_t(1), std::multiplies<>());
}

double ManifestWeight::tensorBytes() const {
  double Bytes =
      static_cast<double>(Format->BlockBytes) / static_cast<double>(Format->BlockElements);
  for (int64_t Size : Shape)
    Bytes *= static_cast<double>(Size);
  return Bytes;
}

double Manifest::layerBytes() const {
  double Bytes = 0;
  for (const ManifestWeight &Each : Weights)
    if (Each.Use != WeightUse::Exit)
      Bytes += Each.tensorBytes() * static_cast<double>(Each.Layers.size());
  return Bytes;
}

double Manifest::bytesLeftOut(int64_t Layer) const {
  double Bytes = 0;
  for (const ManifestWeight &Each : Weights) {
    auto Count = [&](auto Counts) {
      return Each.tensorBytes() * static_cast<double>(std::ranges::count_if(Each.Layers, Counts));
    };
    if (Each.Use == WeightUse::Layer)
      Bytes += Count([&](int64_t Own) { return Own > Layer; });
    else if (Each.Use == WeightUse::Exit)
      Bytes -= Count([&](int64_t Own) { return Own == Layer; });
  }
  return Bytes;
}

std::string ManifestWeight::tensorName(int64_t Ordinal) const {
  std::string Name = Tensors;
  if (Layered)
    Name.replace(Name.find("{}"), 2, std::to_string(Layers[Ordinal]));
  return Name;
}

std::optional<Manifest> Manifest::parse(std::string_view Text, const std::string &Where,
                                        Diagnostics &Diags) {
  auto Malformed = [&](const std::string &Message) {
    Diags.error(601, Where + ": manifest", Message);
    return std::nullopt;
  };
  if (Text.size() > MaxTextBytes)
    return Malformed("has " + std::to_string(Text.size()) + " bytes, expected at most " +
                     std::to_string(MaxTextBytes));
  std::optional<JsonDocument> Parsed = JsonDocument::parse(Text);
  if (!Parsed)
    return Malformed("not a JSON object");

  Manifest Result;
  JsonValue Root = Parsed->root();
  if (std::optional<int64_t> Found = Root["abi"].integer())
    Result.ABI = *Found;
  else
    return Malformed("'abi' is missing, expected the version of the interface");
  if (Result.ABI < LATHE_ABI_OLDEST || Result.ABI > LATHE_ABI_VERSION) {
    Diags.error(603, Where,
                "compiled for version " + std::to_string(Result.ABI) +
                    " of the interface to the runtime, expected " +
                    std::to_string(LATHE_ABI_OLDEST) + " to " + std::to_string(LATHE_ABI_VERSION),
                "compile the model again with this version of lathe");
    return std::nullopt;
  }
  ManifestReader Reader(Where, Diags);
  Reader.read(Root, Result);
  if (Reader.failed())
    return std::nullopt;
  return Result;
}

} // namespace lathe
