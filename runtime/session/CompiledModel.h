//===- CompiledModel.h - A model that was compiled ahead --------*- C++ -*-===//
//
// What `lathe compile` put into an artefact (docs/artefact.md): one program for
// each target, and the model file, by its name or as its header and packed
// weights; of a folder the file of its weights, and all others that it needs.
// Nothing here needs the compiler.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_COMPILEDMODEL_H
#define LATHE_RUNTIME_SESSION_COMPILEDMODEL_H

#include "runtime/adaptive/Calibration.h"
#include "runtime/formats/Artefact.h"
#include "runtime/formats/GGUF.h"
#include "runtime/formats/ModelFolder.h"
#include "runtime/session/HostCPU.h"
#include "runtime/session/Program.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/support/MappedFile.h"
#include "runtime/weights/WeightStore.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// The file that a program was compiled from.
struct CompiledSource {
  std::string Path; ///< As it was given to the compiler.
  uint64_t FileBytes = 0;
  std::string HeaderHash; ///< hexText(hashBlocks(TensorFile::headerBytes())).
  /// ModelFolder::contentHash; empty for a model that is a file.
  std::string ContentHash = {};
};

/// The section `about`, written and read.
std::string aboutText(const CompiledSource &Source, std::span<const std::string> Targets,
                      std::string_view Compiler, std::string_view Precision);
/// E0645, and false, when it is not as `aboutText` makes it.
bool readAbout(std::string_view Text, const std::string &Where, CompiledSource &Source,
               Diagnostics &Diags);

class CompiledModel : public std::enable_shared_from_this<CompiledModel> {
public:
  /// Whether the file is an artefact, or an executable that carries one.
  static bool matches(std::span<const uint8_t> Bytes);

  /// Checks the artefact in `File` and all of its sections but code and weights,
  /// which are checked when they are asked for.  Null on error: E0640 to E0645,
  /// and those of Manifest::parse and Calibration::read.
  static std::shared_ptr<const CompiledModel> open(std::unique_ptr<MappedFile> File,
                                                   Diagnostics &Diags);

  /// The same for bytes in memory (fuzzing, tests).
  static std::shared_ptr<const CompiledModel> parse(std::span<const uint8_t> Bytes,
                                                    std::string Name, Diagnostics &Diags);

  const std::string &path() const { return Name; }
  const CompiledSource &source() const { return Source; }
  /// One for each target, in the order of the file; never empty.
  std::span<const Manifest> targets() const { return Targets; }
  uint64_t codeBytes(size_t Target) const;
  bool hasWeights() const { return Contents.find(SectionKind::Weights) != nullptr; }
  /// Whether the model was a folder, which openFolder opens; openModel opens any other.
  bool isFolder() const { return Contents.find(SectionKind::ModelFiles) != nullptr; }
  /// The file of `lathe calibrate`, as it was; empty where the artefact carries none.  Of a
  /// folder it is a ClassifierFile, which whoever needs it reads.
  std::span<const uint8_t> calibrationBytes() const;
  /// What it says of any other model, with the weights of its exits; null where there is none.
  std::shared_ptr<const Calibration> calibration() const;

  /// Which of `targets` to run: "host" is the one that uses most of what the CPU,
  /// by default this one, offers, and the first of several alike.  Nullopt on
  /// error: E0604 the CPU can run none, E0648 it was not compiled for `Target` or
  /// with `Precision` or `KVType` ("auto": whatever it was compiled with).
  std::optional<size_t> choose(std::string_view Target, std::string_view Precision,
                               std::string_view KVType, Diagnostics &Diags,
                               HasFeature Has = hostHasFeature) const;

  /// The program of one of `targets`.  Null on error: E0644, E0645, and those of
  /// Program::openImage.
  std::shared_ptr<const Program> loadProgram(size_t Target, Diagnostics &Diags) const;

  /// The model file: its header inside the artefact when that has weights, else
  /// the file `Instead`, else the one that was named when it was compiled, also
  /// looked for beside the artefact.  Null on error: E0646 there is none, E0647
  /// it is another, and those of GGUFFile::open.
  std::unique_ptr<GGUFFile> openModel(const std::string &Instead, Diagnostics &Diags) const;

  /// The same for a folder, of which the file of its weights is what is named.
  std::unique_ptr<ModelFolder> openFolder(const std::string &Instead, Diagnostics &Diags) const;

  /// Begins to check the weights, when there are, for a `loadWeights` that will come.
  /// Not thread-safe, as that is.
  void checkWeightsAhead() const;

  /// Maps the weights, when there are, after all workers checked them; nothing is
  /// copied.  `Files` is what openModel or openFolder gave, with `calibration`'s.  Null on
  /// error: E0644, and those of WeightStore::fromPacked.
  std::unique_ptr<WeightStore> loadWeights(const WeightFiles &Files, const Manifest &Code,
                                           WorkerPool &Workers, Diagnostics &Diags) const;

private:
  CompiledModel() = default;
  bool read(std::span<const uint8_t> Bytes, Diagnostics &Diags);
  bool readSections(Diagnostics &Diags);
  bool readFiles(Diagnostics &Diags);
  bool readTargets(Diagnostics &Diags);
  bool readCalibration(Diagnostics &Diags);
  std::string findModel(const std::string &Instead, Diagnostics &Diags) const;
  template <typename File>
  std::unique_ptr<File> openSource(const std::string &Instead, Diagnostics &Diags) const;
  bool tellOther(const std::string &Path, Diagnostics &Diags) const;

  std::string Name;
  std::unique_ptr<MappedFile> File; ///< Null for bytes in memory.
  Artefact Contents;
  CompiledSource Source;
  FileList Files; ///< Of a folder.
  std::vector<Manifest> Targets;
  std::optional<Calibration> Measured;      ///< Of the artefact's bytes.
  mutable std::unique_ptr<HashAhead> Ahead; ///< Goes before the file.
};

/// What an artefact can be asked for.
enum class ModelKind {
  Generator,  ///< Text.
  Encoder,    ///< Vectors of texts.
  Classifier, ///< Their labels as well.
};

/// What the program or library `Path` carries; nullopt when that is nothing (E0640), damaged
/// (E0641 to E0643) or cannot be opened.
std::optional<ModelKind> findCarried(const std::string &Path, Diagnostics &Diags);

/// What a path that is given as a model names.
struct ModelInput {
  std::unique_ptr<GGUFFile> File; ///< Null on error, and for a folder.
  /// Null for a model file; it goes into ModelOptions::Compiled.
  std::shared_ptr<const CompiledModel> Compiled;
  /// A program written as MLIR, for ModelOptions::ProgramPath; else empty.
  std::string ProgramPath = {};
  /// Of an encoder; else null.
  std::unique_ptr<ModelFolder> Folder = nullptr;
};

/// What was measured of the model of `Input`: in the file `Path`, or where that is empty in
/// its artefact.  Null without an error where there is none, else with those of
/// Calibration::open and Calibration::checkModel, and E0111 for an artefact that carries its
/// weights and a calibration.
std::shared_ptr<const Calibration> openCalibration(const std::string &Path, const ModelInput &Input,
                                                   Diagnostics &Diags);

/// Opens a model file, an artefact or an executable, or the model file of a program
/// (.mlir, .mlirbc).  `Weights`, when it is not empty, names the model file of an
/// artefact, and must for a program; E0111 with anything else.  E0835 for an encoder.
ModelInput openModelInput(const std::string &Path, const std::string &Weights, Diagnostics &Diags);

/// Opens the folder of an encoder, or what one was compiled to; E0834 for anything else.
ModelInput openEncoderInput(const std::string &Path, const std::string &Weights,
                            Diagnostics &Diags);

/// Opens a model of either kind.
ModelInput openAnyInput(const std::string &Path, const std::string &Weights, Diagnostics &Diags);

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_COMPILEDMODEL_H
