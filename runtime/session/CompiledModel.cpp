//===- CompiledModel.cpp - A model that was compiled ahead ----------------===//

#include "runtime/session/CompiledModel.h"

#include "runtime/support/Text.h"

#include <unistd.h>

namespace lathe {

static std::string_view asText(std::span<const uint8_t> Bytes) {
  return {reinterpret_cast<const char *>(Bytes.data()), Bytes.size()};
}

/// The artefact in a file, which may be a part of it or nothing.
static std::span<const uint8_t> artefactBytes(std::span<const uint8_t> File) {
  return Artefact::matches(File) ? File : Artefact::insideExecutable(File);
}

bool CompiledModel::matches(std::span<const uint8_t> Bytes) {
  return !artefactBytes(Bytes).empty();
}

std::optional<ModelKind> findCarried(const std::string &Path, Diagnostics &Diags) {
  std::unique_ptr<MappedFile> File = MappedFile::open(Path, Diags);
  if (!File)
    return std::nullopt;
  std::span<const uint8_t> Inside = artefactBytes(File->bytes());
  if (Inside.empty()) {
    Diags.error(640, Path, "carries no artefact of lathe",
                "'lathe compile' puts one into it; stripping the file takes it away");
    return std::nullopt;
  }
  std::optional<Artefact> Found = Artefact::parse(Inside, Path, Diags);
  if (!Found)
    return std::nullopt;
  if (!Found->find(SectionKind::ModelFiles))
    return ModelKind::Generator;
  return Found->find(SectionKind::Calibration) ? ModelKind::Classifier : ModelKind::Encoder;
}

//===----------------------------------------------------------------------===//
// Opening
//===----------------------------------------------------------------------===//

bool CompiledModel::readTargets(Diagnostics &Diags) {
  for (uint32_t I = 0;; ++I) {
    const ArtefactSection *Text = Contents.find(SectionKind::Manifest, I);
    const ArtefactSection *Code = Contents.find(SectionKind::Code, I);
    if (!Text && !Code && I != 0)
      return true;
    if (!Text || !Code) {
      Diags.error(645, Name,
                  "has no " + sectionName(Text ? SectionKind::Code : SectionKind::Manifest, I),
                  "the file is damaged; compile the model again");
      return false;
    }
    std::optional<Manifest> Parsed;
    if (Contents.verify(*Text, Diags))
      Parsed = Manifest::parse(asText(Text->Bytes), Name, Diags);
    if (!Parsed)
      return false;
    Targets.push_back(std::move(*Parsed));
  }
}

bool CompiledModel::readSections(Diagnostics &Diags) {
  const ArtefactSection *About = Contents.find(SectionKind::About);
  const ArtefactSection *Path = Contents.find(SectionKind::ModelPath);
  const ArtefactSection *Header = Contents.find(SectionKind::ModelHeader);
  if (!About || !Path || !Header != !hasWeights()) {
    SectionKind Missing = !About   ? SectionKind::About
                          : !Path  ? SectionKind::ModelPath
                          : Header ? SectionKind::Weights
                                   : SectionKind::ModelHeader;
    Diags.error(645, Name, "has no " + sectionName(Missing, 0),
                "the file is damaged; compile the model again");
    return false;
  }
  for (const ArtefactSection *Each : {About, Path, Header, Contents.find(SectionKind::Calibration)})
    if (Each && !Contents.verify(*Each, Diags))
      return false;
  Source.Path = asText(Path->Bytes);
  return readAbout(asText(About->Bytes), Name, Source, Diags) && readFiles(Diags) &&
         readTargets(Diags) && readCalibration(Diags);
}

/// Those of a folder, where the model was one.
bool CompiledModel::readFiles(Diagnostics &Diags) {
  const ArtefactSection *Packed = Contents.find(SectionKind::ModelFiles);
  if (!Packed)
    return true;
  std::optional<FileList> Found;
  if (Contents.verify(*Packed, Diags))
    Found = readFileList(Packed->Bytes, Name + ": " + sectionName(Packed->Kind, 0), Diags);
  if (!Found)
    return false;
  Files = std::move(*Found);
  if (!Source.ContentHash.empty())
    return true;
  Diags.error(645, Name + ": about", "found no 'content_hash', expected that of a folder",
              "the file is damaged; compile the model again");
  return false;
}

bool CompiledModel::readCalibration(Diagnostics &Diags) {
  if (isFolder() || !Contents.find(SectionKind::Calibration))
    return true;
  Measured = Calibration::read(calibrationBytes(), Name, Diags);
  return Measured.has_value();
}

std::span<const uint8_t> CompiledModel::calibrationBytes() const {
  const ArtefactSection *Found = Contents.find(SectionKind::Calibration);
  return Found ? Found->Bytes : std::span<const uint8_t>();
}

std::shared_ptr<const Calibration> CompiledModel::calibration() const {
  if (!Measured)
    return nullptr;
  return {shared_from_this(), &*Measured};
}

bool CompiledModel::read(std::span<const uint8_t> Bytes, Diagnostics &Diags) {
  std::span<const uint8_t> Inside = artefactBytes(Bytes);
  std::optional<Artefact> Parsed = Artefact::parse(Inside.empty() ? Bytes : Inside, Name, Diags);
  if (!Parsed)
    return false;
  Contents = std::move(*Parsed);
  return readSections(Diags);
}

std::shared_ptr<const CompiledModel> CompiledModel::open(std::unique_ptr<MappedFile> File,
                                                         Diagnostics &Diags) {
  std::shared_ptr<CompiledModel> Result(new CompiledModel);
  Result->Name = File->path();
  Result->File = std::move(File);
  return Result->read(Result->File->bytes(), Diags) ? Result : nullptr;
}

std::shared_ptr<const CompiledModel> CompiledModel::parse(std::span<const uint8_t> Bytes,
                                                          std::string Name, Diagnostics &Diags) {
  std::shared_ptr<CompiledModel> Result(new CompiledModel);
  Result->Name = std::move(Name);
  return Result->read(Bytes, Diags) ? Result : nullptr;
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

uint64_t CompiledModel::codeBytes(size_t Target) const {
  return Contents.find(SectionKind::Code, static_cast<uint32_t>(Target))->Bytes.size();
}

static std::string joined(std::span<const std::string> Words) {
  std::string Text;
  for (const std::string &Word : Words)
    Text += (Text.empty() ? "" : ", ") + Word;
  return Text;
}

std::optional<size_t> CompiledModel::choose(std::string_view Target, std::string_view Precision,
                                            std::string_view KVType, Diagnostics &Diags,
                                            HasFeature Has) const {
  std::optional<size_t> Best;
  std::vector<std::string> Names;
  std::string Lacking;
  for (size_t I = 0; I < Targets.size(); ++I) {
    const Manifest &Each = Targets[I];
    Names.push_back(Each.Target);
    std::vector<std::string> Missing = missingFeatures(Each.Features, Has);
    bool RunsHere = Missing.empty() && !Each.isForDevice();
    bool Fits = Target == "host" ? RunsHere : Each.Target == Target;
    if (Fits && (!Best || Each.Features.size() > Targets[*Best].Features.size()))
      Best = I;
    Lacking += (I == 0 ? "" : "; ") + Each.Target +
               (Each.isForDevice() ? ", a GPU" : " with " + joined(Missing));
  }
  if (!Best && Target == "host")
    Diags.error(604, Name,
                "compiled for " + Lacking + ", which this machine does not offer (" +
                    hostDescription() + ")",
                "compile the model for a target that this machine has");
  else if (!Best)
    Diags.error(648, Name, "compiled for " + joined(Names) + ", not for " + quoted(Target),
                "leave out --target, or compile the model for it");
  else if (Precision != "auto" && Targets[*Best].Precision != Precision)
    Diags.error(648, Name,
                "compiled with precision " + Targets[*Best].Precision + ", not with " +
                    quoted(Precision),
                "leave out --precision, or compile the model with it");
  else if (KVType != "auto" && Targets[*Best].KVType != KVType)
    Diags.error(648, Name,
                "compiled with a KV cache of " + Targets[*Best].KVType + ", not of " +
                    quoted(KVType),
                "leave out --kv-type, or compile the model with it");
  else
    return Best;
  return std::nullopt;
}

std::shared_ptr<const Program> CompiledModel::loadProgram(size_t Target, Diagnostics &Diags) const {
  auto Number = static_cast<uint32_t>(Target);
  const ArtefactSection *Code = Contents.find(SectionKind::Code, Number);
  if (!Contents.verify(*Code, Diags))
    return nullptr;
  std::shared_ptr<const Program> Result = Program::openImage(Code->Bytes, Name, Diags);
  if (!Result ||
      Result->manifestText() == asText(Contents.find(SectionKind::Manifest, Number)->Bytes))
    return Result;
  Diags.error(645, Name + ": " + sectionName(SectionKind::Code, Number),
              "carries another manifest than the artefact",
              "the file is damaged; compile the model again");
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// The model file's path, or empty, with E0646, when it is nowhere.
std::string CompiledModel::findModel(const std::string &Instead, Diagnostics &Diags) const {
  if (!Instead.empty())
    return Instead;
  // The two may have moved together.
  std::string Folder = Name.substr(0, Name.rfind('/') + 1);
  std::string Moved = Source.Path.starts_with('/') ? Source.Path : Folder + Source.Path;
  std::string Beside = Folder + Source.Path.substr(Source.Path.rfind('/') + 1);
  for (const std::string &Each : {Source.Path, Moved, Beside})
    if (access(Each.c_str(), F_OK) == 0)
      return Each;
  Diags.error(646, Name,
              "its weights are in " + quoted(Source.Path) +
                  ", which is neither there nor beside the artefact",
              "name the model file with --weights, or compile with --embed-weights");
  return {};
}

bool CompiledModel::tellOther(const std::string &Path, Diagnostics &Diags) const {
  Diags.error(647, Path, "is not the model file that " + quoted(Name) + " was compiled from",
              "compile this one again, or name the other with --weights");
  return false;
}

/// The header inside the artefact, or the file.
template <typename File>
std::unique_ptr<File> CompiledModel::openSource(const std::string &Instead,
                                                Diagnostics &Diags) const {
  if (hasWeights())
    return File::parseHeader(Contents.find(SectionKind::ModelHeader)->Bytes, Source.FileBytes, Name,
                             shared_from_this(), Diags);
  std::string Path = findModel(Instead, Diags);
  std::unique_ptr<File> Found = Path.empty() ? nullptr : File::open(Path, Diags);
  if (Found && (Found->fileBytes() != Source.FileBytes ||
                hexText(hashBlocks(Found->headerBytes())) != Source.HeaderHash)) {
    tellOther(Path, Diags);
    return nullptr;
  }
  return Found;
}

std::unique_ptr<GGUFFile> CompiledModel::openModel(const std::string &Instead,
                                                   Diagnostics &Diags) const {
  return openSource<GGUFFile>(Instead, Diags);
}

std::unique_ptr<ModelFolder> CompiledModel::openFolder(const std::string &Instead,
                                                       Diagnostics &Diags) const {
  std::unique_ptr<SafetensorsFile> Weights = openSource<SafetensorsFile>(Instead, Diags);
  if (!Weights)
    return nullptr;
  std::string Path = Weights->path();
  std::unique_ptr<ModelFolder> Found =
      ModelFolder::fromFiles(Name, Files, shared_from_this(), std::move(Weights),
                             hasWeights() ? Source.ContentHash : "", Diags);
  // Training a model further leaves its header as it was.
  if (Found && Found->contentHash() != Source.ContentHash && !tellOther(Path, Diags))
    return nullptr;
  return Found;
}

void CompiledModel::checkWeightsAhead() const {
  if (const ArtefactSection *Packed = Contents.find(SectionKind::Weights))
    Ahead = std::make_unique<HashAhead>(Packed->Bytes);
}

std::unique_ptr<WeightStore> CompiledModel::loadWeights(const WeightFiles &Files,
                                                        const Manifest &Code, WorkerPool &Workers,
                                                        Diagnostics &Diags) const {
  const ArtefactSection *Packed = Contents.find(SectionKind::Weights);
  BlockHash Found = Ahead ? Ahead->finish(Workers) : hashBlocks(Packed->Bytes, &Workers);
  Ahead.reset();
  if (!Contents.check(*Packed, Found, Diags))
    return nullptr;
  return WeightStore::fromPacked(Files, Code, Packed->Bytes, shared_from_this(), Diags);
}

std::shared_ptr<const Calibration> openCalibration(const std::string &Path, const ModelInput &Input,
                                                   Diagnostics &Diags) {
  if (Path.empty())
    return Input.Compiled ? Input.Compiled->calibration() : nullptr;
  // The weights of its exits cannot be others.
  if (Input.Compiled && Input.Compiled->hasWeights() && Input.Compiled->calibration()) {
    Diags.error(111, Path, "found a calibration for an artefact that carries its weights and one",
                "leave it out, or compile the model with it");
    return nullptr;
  }
  std::optional<Calibration> Found = Calibration::open(Path, Diags);
  if (!Found || !Found->checkModel(Input.File->headerBytes(), Path, Diags))
    return nullptr;
  return std::make_shared<const Calibration>(std::move(*Found));
}

//===----------------------------------------------------------------------===//
// What a path names
//===----------------------------------------------------------------------===//

static ModelInput openCompiled(std::unique_ptr<MappedFile> File, const std::string &Weights,
                               Diagnostics &Diags) {
  ModelInput Result;
  Result.Compiled = CompiledModel::open(std::move(File), Diags);
  if (Result.Compiled && Result.Compiled->hasWeights() && !Weights.empty())
    Diags.error(111, "--weights", "found it with an artefact that carries its weights");
  else if (Result.Compiled && Result.Compiled->isFolder())
    Result.Folder = Result.Compiled->openFolder(Weights, Diags);
  else if (Result.Compiled)
    Result.File = Result.Compiled->openModel(Weights, Diags);
  return Result;
}

static ModelInput openFolderInput(const std::string &Path, const std::string &Weights,
                                  Diagnostics &Diags) {
  ModelInput Result;
  if (Weights.empty())
    Result.Folder = ModelFolder::open(Path, Diags);
  else
    Diags.error(111, "--weights", "found it with a model folder, which has its weights");
  return Result;
}

ModelInput openAnyInput(const std::string &Path, const std::string &Weights, Diagnostics &Diags) {
  if (ModelFolder::matches(Path))
    return openFolderInput(Path, Weights, Diags);
  std::unique_ptr<MappedFile> File = MappedFile::open(Path, Diags);
  if (!File)
    return {};
  if (Path.ends_with(".mlir") || Path.ends_with(".mlirbc")) {
    if (!Weights.empty())
      return {GGUFFile::open(Weights, Diags), nullptr, Path};
    Diags.error(633, Path,
                "found a program without --weights, expected the model file of its weights",
                "a function on tensors runs with 'lathe exec'");
    return {};
  }
  if (CompiledModel::matches(File->bytes()) || Path.ends_with(".lathe"))
    return openCompiled(std::move(File), Weights, Diags);
  if (Weights.empty())
    return {GGUFFile::open(Path, Diags), nullptr, {}};
  Diags.error(111, "--weights", "found it with a model file, which has its weights");
  return {};
}

ModelInput openModelInput(const std::string &Path, const std::string &Weights, Diagnostics &Diags) {
  // A folder is told by whoever opens files.
  if (ModelFolder::matches(Path) && !MappedFile::open(Path, Diags))
    return {};
  ModelInput Found = openAnyInput(Path, Weights, Diags);
  if (!Found.Folder)
    return Found;
  Diags.error(835, Path, "is an encoder, expected a model that generates text",
              "'lathe embed' gives the vectors of texts, and 'lathe classify' their labels");
  return {};
}

ModelInput openEncoderInput(const std::string &Path, const std::string &Weights,
                            Diagnostics &Diags) {
  ModelInput Found = openAnyInput(Path, Weights, Diags);
  if (Found.Folder || Diags.hasErrors())
    return Found;
  Diags.error(834, Path, "is no encoder, expected one",
              "a model that generates text runs with 'lathe run'");
  return {};
}

} // namespace lathe
