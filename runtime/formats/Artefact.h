//===- Artefact.h - The container of a compiled model -----------*- C++ -*-===//
//
// A header, a table and sections, each hashed (docs/artefact.md).  This reader
// knows where the sections are and whether they are whole; what they mean,
// runtime/session/CompiledModel.h knows.  All views point into the bytes given.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_FORMATS_ARTEFACT_H
#define LATHE_RUNTIME_FORMATS_ARTEFACT_H

#include "runtime/support/Diagnostics.h"
#include "runtime/workers/BlockHash.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// Raised when an older reader would get a file wrong.
inline constexpr uint32_t ArtefactVersion = 1;

/// Sections start on cache lines, which is what packed weights ask for.
inline constexpr uint64_t ArtefactAlignment = 64;

/// What a section holds.  The numbers are those in the file.
enum class SectionKind : uint32_t {
  About = 1,       ///< JSON: what was compiled, and by whom.
  ModelPath = 2,   ///< Where the model file was, as it was given.
  Manifest = 3,    ///< JSON (docs/manifest.md); one for each target.
  Code = 4,        ///< An ELF shared object; one for each target.
  ModelHeader = 5, ///< The model file up to its tensor data.
  Weights = 6,     ///< Packed weights, as a WeightStore holds them.
  Calibration = 7, ///< A file of `lathe calibrate`, as it was.
  ModelFiles = 8,  ///< The small files of a model's folder (FileList.h).
};

struct ArtefactSection {
  SectionKind Kind;
  uint32_t Target; ///< Which of several targets; 0 for what belongs to all.
  std::span<const uint8_t> Bytes;
  BlockHash Hash; ///< What the table says; `verify` compares.
};

class Artefact {
public:
  /// Whether `Bytes` begin as an artefact does.
  static bool matches(std::span<const uint8_t> Bytes);

  /// The artefact at the end of an executable, or empty when there is none.
  static std::span<const uint8_t> insideExecutable(std::span<const uint8_t> Executable);

  /// Checks header, table and the places of all sections, but not what is in
  /// them.  Nullopt on error: E0640 no artefact, E0641 another version, E0642 cut
  /// off, E0643 the header or the table is damaged.
  static std::optional<Artefact> parse(std::span<const uint8_t> Bytes, const std::string &Name,
                                       Diagnostics &Diags);

  std::span<const ArtefactSection> sections() const { return Sections; }

  /// Null when there is no such section.
  const ArtefactSection *find(SectionKind Kind, uint32_t Target = 0) const;

  /// Whether `Found` is the section's hash; E0644 when it is not.
  bool check(const ArtefactSection &Section, const BlockHash &Found, Diagnostics &Diags) const;

  /// Reads all of the section; E0644, and false, when its hash is another.
  bool verify(const ArtefactSection &Section, Diagnostics &Diags) const;

private:
  std::string Name;
  std::vector<ArtefactSection> Sections;
};

/// "code of target 1", "weights": for messages.
std::string sectionName(SectionKind Kind, uint32_t Target);

/// A section to write.  The bytes are the caller's.
struct NewSection {
  SectionKind Kind;
  uint32_t Target;
  std::span<const uint8_t> Bytes;
};

/// Takes the next bytes of a file; false ends the writing.
using ByteSink = std::function<bool(std::span<const uint8_t>)>;

/// Writes an artefact, one piece after the other; false when `Write` said so.
/// The same sections give the same bytes.
bool writeArtefact(std::span<const NewSection> Sections, const ByteSink &Write,
                   WorkerPool *Workers = nullptr);

/// Writes an executable that carries an artefact: `Runner`, the artefact, and
/// where it is.
bool writeExecutable(std::span<const uint8_t> Runner, std::span<const NewSection> Sections,
                     const ByteSink &Write, WorkerPool *Workers = nullptr);

} // namespace lathe

#endif // LATHE_RUNTIME_FORMATS_ARTEFACT_H
