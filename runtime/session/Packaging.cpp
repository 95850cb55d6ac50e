//===- Packaging.cpp - From a model file to an artefact -------------------===//

#include "runtime/session/Packaging.h"

#include "runtime/classify/ClassifierFile.h"
#include "runtime/session/Encoder.h"
#include "runtime/support/AtomicFile.h"
#include "runtime/support/MappedFile.h"
#include "runtime/support/Text.h"
#include "runtime/tokenizer/FolderTokenizer.h"

#include <algorithm>

namespace lathe {

static std::span<const uint8_t> asBytes(std::string_view Text) {
  return {reinterpret_cast<const uint8_t *>(Text.data()), Text.size()};
}

std::vector<std::string> splitTargets(std::string_view Rest) {
  std::vector<std::string> List;
  while (true) {
    size_t End = std::min(Rest.find(','), Rest.size());
    std::string_view Piece = Rest.substr(0, End);
    // One of the sizes behind a name.
    if (!List.empty() && Piece.find('=') < Piece.find(':'))
      List.back().append(",").append(Piece);
    else
      List.emplace_back(Piece);
    if (End == Rest.size())
      return List;
    Rest.remove_prefix(End + 1);
  }
}

/// The linked program.  The linker wants a name to write to, which is gone again
/// when this returns.
static std::vector<uint8_t> linkProgram(CompileResult &Result, const std::string &Beside,
                                        Diagnostics &Diags) {
  std::string Path = Beside + ".code";
  std::unique_ptr<AtomicFile> Scratch = AtomicFile::create(Path, Diags, 0600);
  if (!Scratch)
    return {};
  if (!Result.writeLibrary(Scratch->temporaryPath())) {
    Diags.error(212, Path, "the compiler could not write the linked program",
                "it needs ld.lld-22 or ld.lld");
    return {};
  }
  std::unique_ptr<MappedFile> Code = MappedFile::open(Scratch->temporaryPath(), Diags);
  if (!Code)
    return {};
  return {Code->bytes().begin(), Code->bytes().end()};
}

void addExits(CompileRequest &Request, const Calibration &Measured) {
  if (std::string Exits = Measured.passes(); !Exits.empty())
    Request.Passes = Exits + (Request.Passes.empty() ? "" : "," + Request.Passes);
}

void addWidths(CompileRequest &Request, const Calibration *Measured, double Unasked) {
  std::string Widths = Measured ? Measured->widthPasses({}, Unasked) : withWidths({}, Unasked);
  Request.Passes = Widths + (Request.Passes.empty() ? "" : "," + Request.Passes);
}

bool Package::addCalibration(PackageOptions &Options, Diagnostics &Diags) {
  const std::string &Path = Options.CalibrationPath;
  if (Path.empty()) {
    if (Options.Width)
      addWidths(Options.Compile, nullptr, *Options.Width);
    return true;
  }
  if (Folder && !(Options.Compile.Layers + Options.Compile.Skip).empty()) {
    Diags.error(111, "lathe compile",
                "found a classifier and layers to compile, expected one: its heads are for all");
    return false;
  }
  if (Folder && Options.Width) {
    Diags.error(111, "lathe compile",
                "found a classifier and a width, expected one: its heads are for all neurons");
    return false;
  }
  CalibrationFile = MappedFile::open(Path, Diags);
  if (!CalibrationFile)
    return false;
  Diagnostics Faults;
  std::optional<ClassifierFile> Heads =
      ClassifierFile::read(CalibrationFile->bytes(), Path, Folder ? Diags : Faults);
  if (Folder)
    return Heads && Heads->checkModel(*Folder, Path, Diags);
  if (Heads) {
    Diags.error(834, Source.Path, "is no encoder, expected one, to which a classifier belongs");
    return false;
  }
  Measured = Calibration::read(CalibrationFile->bytes(), Path, Diags);
  if (!Measured || !Measured->checkModel(File->headerBytes(), Path, Diags))
    return false;
  if (Options.Width)
    addWidths(Options.Compile, &*Measured, *Options.Width);
  addExits(Options.Compile, *Measured);
  return true;
}

bool Package::addTarget(const PackageOptions &Options, const std::string &Target,
                        Diagnostics &Diags) {
  const CompilerLibrary *Compiler = CompilerLibrary::open(Diags);
  if (!Compiler)
    return false;
  CompileRequest Request = Options.Compile;
  Request.Target = Target;
  std::shared_ptr<CompileResult> Result = Compiler->compile(Request, Diags);
  if (Result && Options.OnCompiled)
    Options.OnCompiled(*Result);
  Copy New;
  if (Result)
    New.Code = linkProgram(*Result, Options.ScratchPath, Diags);
  if (!New.Code.empty())
    New.Loaded = Program::openImage(New.Code, Source.Path, Diags);
  if (!New.Loaded)
    return false;
  // "host" may be a target that was named as well.
  bool Known = std::any_of(Copies.begin(), Copies.end(), [&](const Copy &Each) {
    return Each.Loaded->manifest().Target == New.Loaded->manifest().Target;
  });
  if (!Known)
    Copies.push_back(std::move(New));
  return true;
}

/// Whether both read the same packed weights: the head of a CPU may be split in a way that
/// a GPU's is not.
static bool readAlike(const Manifest &One, const Manifest &Other) {
  return std::ranges::equal(
      One.Weights, Other.Weights, [](const ManifestWeight &A, const ManifestWeight &B) {
        return A.Format == B.Format && A.Shape == B.Shape && A.Layout == B.Layout &&
               A.First == B.First && A.Layers == B.Layers && A.Tensors == B.Tensors;
      });
}

bool Package::packWeights(Diagnostics &Diags) {
  // One packed copy serves all targets.
  for (const Copy &Each : Copies)
    if (!readAlike(Copies.front().Loaded->manifest(), Each.Loaded->manifest())) {
      Diags.error(511, Source.Path,
                  "found embedded weights for " + Copies.front().Loaded->manifest().Target +
                      " and " + Each.Loaded->manifest().Target +
                      ", which read them in different layouts, expected one of them",
                  "leave out --embed-weights, or make an artefact for each");
      return false;
    }
  WeightFiles Files;
  Files.add(Folder ? std::string(ModelFolder::WeightsName) : std::string(), tensors());
  if (Measured)
    Files.add(Calibration::FileName, *Measured->File);
  Weights = WeightStore::create(Files, Copies.front().Loaded->manifest(), *Workers,
                                SourcePages::Release, NonFiniteWeights::Error, Diags);
  return Weights != nullptr;
}

const TensorFile &Package::tensors() const {
  return Folder ? static_cast<const TensorFile &>(Folder->weights()) : *File;
}

std::string Package::name() const {
  std::string_view Path = Folder ? std::string_view(Folder->path()) : Source.Path;
  std::string_view Name = File ? File->getString("general.name").value_or("") : "";
  return std::string(Name.empty() ? Path.substr(Path.rfind('/') + 1) : Name);
}

/// What is wrong with the tokenizer or the pooling is told now, and reading them tells which
/// files they are in.
bool Package::readFolder(Diagnostics &Diags) {
  if (!createFolderTokenizer(*Folder, Diags) || !EncoderFacts().read(*Folder, Diags))
    return false;
  std::vector<FolderFile> Kept;
  FileList Files;
  for (const std::string &Name : Folder->filesRead()) {
    std::optional<FolderFile> Found = Folder->read(Name, Diags);
    if (!Found)
      return false;
    Files.emplace(Name, Found->Bytes);
    Kept.push_back(std::move(*Found));
  }
  FolderFiles = writeFileList(Files);
  return true;
}

/// The model file, or the folder and the file of its weights.
bool Package::openSource(const std::string &Path, Diagnostics &Diags) {
  Source.Path = Path;
  if (!ModelFolder::matches(Path)) {
    File = GGUFFile::open(Path, Diags);
    return File != nullptr;
  }
  Folder = ModelFolder::open(Path, Diags);
  if (!Folder || !readFolder(Diags))
    return false;
  Source.Path = Folder->pathOf(ModelFolder::WeightsName);
  Source.ContentHash = Folder->contentHash();
  return true;
}

std::optional<Package> Package::create(const PackageOptions &Given, Diagnostics &Diags) {
  PackageOptions Options = Given;
  Package Result;
  bool Opened = Result.openSource(Options.Compile.Input, Diags);
  Result.Workers = Opened ? WorkerPool::create(0, Diags) : nullptr;
  if (!Result.Workers || !Result.addCalibration(Options, Diags))
    return std::nullopt;
  for (const std::string &Target : Options.Targets)
    if (!Result.addTarget(Options, Target, Diags))
      return std::nullopt;
  if (Options.EmbedWeights && !Result.packWeights(Diags))
    return std::nullopt;
  CompiledSource &Source = Result.Source;
  Source.FileBytes = Result.tensors().fileBytes();
  Source.HeaderHash = hexText(hashBlocks(Result.tensors().headerBytes(), Result.Workers.get()));
  for (const Copy &Each : Result.Copies)
    Result.Targets.push_back(Each.Loaded->manifest().Target);
  const Manifest &First = Result.manifest();
  Result.About = aboutText(Source, Result.Targets, First.Compiler, First.Precision);
  return Result;
}

std::vector<NewSection> Package::sections() const {
  std::vector<NewSection> Sections;
  Sections.push_back({SectionKind::About, 0, asBytes(About)});
  Sections.push_back({SectionKind::ModelPath, 0, asBytes(Source.Path)});
  for (uint32_t I = 0; I < Copies.size(); ++I) {
    Sections.push_back({SectionKind::Manifest, I, asBytes(Copies[I].Loaded->manifestText())});
    Sections.push_back({SectionKind::Code, I, Copies[I].Code});
  }
  if (Weights) {
    Sections.push_back({SectionKind::ModelHeader, 0, tensors().headerBytes()});
    Sections.push_back({SectionKind::Weights, 0, Weights->packed()});
  }
  if (CalibrationFile)
    Sections.push_back({SectionKind::Calibration, 0, CalibrationFile->bytes()});
  if (Folder)
    Sections.push_back({SectionKind::ModelFiles, 0, FolderFiles});
  return Sections;
}

} // namespace lathe
