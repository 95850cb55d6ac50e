//===- ArtefactLayout.h - An artefact byte by byte --------------*- C++ -*-===//
//
// Internal to the reader and the writer; docs/artefact.md describes it.  All
// numbers are little-endian.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_FORMATS_ARTEFACTLAYOUT_H
#define LATHE_RUNTIME_FORMATS_ARTEFACTLAYOUT_H

#include "runtime/formats/Artefact.h"

#include <bit>
#include <cstddef>

namespace lathe::artefact {

static_assert(std::endian::native == std::endian::little);

/// Not text, and changed by whatever changes line ends.
inline constexpr uint8_t Magic[8] = {0x89, 'L', 'A', 'T', 'H', 'E', '\r', '\n'};
inline constexpr uint8_t TrailerMagic[8] = {0x89, 'L', 'A', 'T', 'H', 'E', 'X', '\n'};

/// Far above what targets and kinds can make.
inline constexpr uint32_t MaxSections = 256;

/// A page, so that an executable's artefact lies in memory as one alone does.
inline constexpr uint64_t ExecutableAlignment = 4096;

struct Header {
  uint8_t Magic[8];
  uint32_t Version;
  uint32_t Sections;
  uint64_t FileBytes; ///< Of all, header included.
  uint64_t Reserved;  ///< 0.
  BlockHash TableHash;
  BlockHash HeaderHash; ///< Of all ahead.
};
static_assert(sizeof(Header) == 64);

struct Entry {
  uint32_t Kind;
  uint32_t Target;
  uint64_t Offset; ///< From the header; a multiple of ArtefactAlignment.
  uint64_t Bytes;
  BlockHash Hash;
  uint8_t Reserved[24]; ///< 0.
};
static_assert(sizeof(Entry) == 64);

/// The last bytes of an executable that carries an artefact.
struct Trailer {
  uint8_t Magic[8];
  uint64_t Offset; ///< A multiple of ExecutableAlignment.
  uint64_t Bytes;
};
static_assert(sizeof(Trailer) == 24);

struct KindInfo {
  SectionKind Kind;
  std::string_view Name;
};
inline constexpr KindInfo Kinds[] = {
    {SectionKind::About, "about"},
    {SectionKind::ModelPath, "model path"},
    {SectionKind::Manifest, "manifest"},
    {SectionKind::Code, "code"},
    {SectionKind::ModelHeader, "model header"},
    {SectionKind::Weights, "weights"},
    {SectionKind::Calibration, "calibration"},
    {SectionKind::ModelFiles, "model files"},
};

} // namespace lathe::artefact

#endif // LATHE_RUNTIME_FORMATS_ARTEFACTLAYOUT_H
