//===- Packaging.h - From a model file to an artefact -----------*- C++ -*-===//
//
// Asks the compiler for a shared object for every target and puts them together
// with the model's name, or its header and packed weights; of an encoder's folder with
// all files that running it reads.  The same file name, file, targets, precision and
// compiler give the same sections, byte by byte.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_PACKAGING_H
#define LATHE_RUNTIME_SESSION_PACKAGING_H

#include "runtime/formats/Artefact.h"
#include "runtime/session/CompiledModel.h"
#include "runtime/session/CompilerLibrary.h"
#include "runtime/session/Program.h"
#include "runtime/weights/WeightStore.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

struct PackageOptions {
  CompileRequest Compile;           ///< Its target is not read.
  std::vector<std::string> Targets; ///< At least one; "host" is resolved.
  bool EmbedWeights = false;
  /// A file of `lathe calibrate` for the artefact to carry: exits of it are compiled in, the
  /// classifier of an encoder stands beside it.  Empty: none.
  std::string CalibrationPath = {};
  /// The share of each layer's neurons that runs unless a step asks for another, in a program
  /// that has the choice; none: it has not.
  std::optional<double> Width = std::nullopt;
  /// Called with what every compile gave, when set.
  std::function<void(const CompileResult &)> OnCompiled = nullptr;
  /// Beside it linked code is written for a moment.
  std::string ScratchPath;
};

/// The names in "host,x86-64-v4", each with the sizes behind it
/// ("x86-64-v3:row-tile=3,row-chunk=32").
std::vector<std::string> splitTargets(std::string_view List);

/// Has `Request` write the exits of `Measured` into the graph, ahead of all other passes.
void addExits(CompileRequest &Request, const Calibration &Measured);

/// Has it let steps choose how many neurons of each layer they compute, `Unasked` of them unless
/// they do; of `Measured`, which may be null, the neurons' order is taken.
void addWidths(CompileRequest &Request, const Calibration *Measured, double Unasked);

/// The contents of an artefact.
class Package {
public:
  /// Nullopt on error: those of the compiler, of GGUFFile::open, or of ModelFolder::open, the
  /// tokenizer and EncoderFacts::read; those of MappedFile::open, E0834, E0843 and E0844 of the
  /// calibration, and E0111 where a part of the layers stands beside a classifier; those of
  /// WeightStore::create (E0325 too: an artefact carries no weights that are not finite), E0212
  /// code that cannot be written.
  static std::optional<Package> create(const PackageOptions &Options, Diagnostics &Diags);

  /// Views of what the package owns.
  std::vector<NewSection> sections() const;

  /// Of the first target.
  const Manifest &manifest() const { return Copies.front().Loaded->manifest(); }
  const std::vector<std::string> &targets() const { return Targets; }
  /// What people call the model.
  std::string name() const;
  const CompiledSource &source() const { return Source; }
  bool hasWeights() const { return Weights != nullptr; }
  bool hasClassifier() const { return Folder && CalibrationFile; }

  /// For hashing; lives as long as the package.
  WorkerPool &workers() const { return *Workers; }

private:
  struct Copy {
    std::vector<uint8_t> Code;
    std::shared_ptr<const Program> Loaded; ///< Of that code, for its manifest.
  };

  Package() = default;
  bool openSource(const std::string &Path, Diagnostics &Diags);
  bool readFolder(Diagnostics &Diags);
  bool addCalibration(PackageOptions &Options, Diagnostics &Diags);
  bool addTarget(const PackageOptions &Options, const std::string &Target, Diagnostics &Diags);
  bool packWeights(Diagnostics &Diags);
  const TensorFile &tensors() const;

  std::unique_ptr<GGUFFile> File;              ///< Null for a folder.
  std::unique_ptr<ModelFolder> Folder;         ///< Null for a file.
  std::vector<uint8_t> FolderFiles;            ///< writeFileList of all that running it reads.
  std::unique_ptr<MappedFile> CalibrationFile; ///< Null where there is none.
  std::optional<Calibration> Measured;         ///< Of its bytes; none for a folder.
  std::unique_ptr<WorkerPool> Workers;
  std::vector<Copy> Copies;
  std::unique_ptr<WeightStore> Weights; ///< Null when they stay in the model file.
  std::vector<std::string> Targets;
  CompiledSource Source; ///< Its path is the one that was given.
  std::string About;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_PACKAGING_H
