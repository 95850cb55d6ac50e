//===- Artefact.cpp - Reader of the container of a compiled model ---------===//

#include "runtime/formats/Artefact.h"

#include "runtime/formats/ArtefactLayout.h"
#include "runtime/support/CheckedMath.h"
#include "runtime/support/FaultList.h"
#include "runtime/support/Text.h"
#include "runtime/support/Unaligned.h"

#include <algorithm>
#include <cstring>

namespace lathe {

using namespace artefact;

static std::string_view kindName(SectionKind Kind) {
  for (const KindInfo &Each : Kinds)
    if (Each.Kind == Kind)
      return Each.Name;
  return {};
}

std::string sectionName(SectionKind Kind, uint32_t Target) {
  std::string Text(kindName(Kind));
  return Target == 0 ? Text : Text + " of target " + std::to_string(Target);
}

bool Artefact::matches(std::span<const uint8_t> Bytes) {
  return Bytes.size() >= sizeof(Magic) && std::memcmp(Bytes.data(), Magic, sizeof(Magic)) == 0;
}

std::span<const uint8_t> Artefact::insideExecutable(std::span<const uint8_t> Executable) {
  constexpr uint8_t ElfMagic[] = {0x7f, 'E', 'L', 'F'};
  if (Executable.size() < sizeof(Trailer) ||
      std::memcmp(Executable.data(), ElfMagic, sizeof(ElfMagic)) != 0)
    return {};
  uint64_t TrailerStart = Executable.size() - sizeof(Trailer);
  auto Found = load<Trailer>(Executable.data() + TrailerStart);
  if (std::memcmp(Found.Magic, TrailerMagic, sizeof(TrailerMagic)) != 0)
    return {};
  std::optional<uint64_t> End = checkedAdd(Found.Offset, Found.Bytes);
  if (!End || *End > TrailerStart || Found.Offset % ExecutableAlignment != 0)
    return {};
  return Executable.subspan(Found.Offset, Found.Bytes);
}

namespace {

/// One parse.  All that is wrong with a table is told at once.
class ArtefactParser {
public:
  ArtefactParser(std::span<const uint8_t> Bytes, const std::string &Name, Diagnostics &Diags)
      : Bytes(Bytes), Faults(Diags, Name, "the file is damaged; compile the model again") {}

  bool parse(std::vector<ArtefactSection> &Sections);

private:
  bool readHeader();
  bool checkVersion(uint32_t Version);
  void readEntry(uint32_t Index, std::vector<ArtefactSection> &Sections);
  void checkPadding(uint64_t Begin, uint64_t End);

  std::span<const uint8_t> Bytes;
  FaultList Faults;
  Header Head;
  uint64_t Next = 0; ///< Where the sections so far end.
};

} // namespace

bool ArtefactParser::checkVersion(uint32_t Version) {
  if (Version == ArtefactVersion)
    return true;
  bool Newer = Version > ArtefactVersion;
  Faults.error(641, "",
               "found version " + std::to_string(Version) + " of the container, expected " +
                   std::to_string(ArtefactVersion),
               Newer ? "it was made by a newer lathe: update this one, or compile the model again"
                     : "it was made by an older lathe: compile the model again");
  return false;
}

bool ArtefactParser::readHeader() {
  if (!Artefact::matches(Bytes)) {
    Faults.error(640, "", "does not begin as an artefact of lathe does",
                 "name a file that 'lathe compile' wrote");
    return false;
  }
  // The version stands before all that may change with it.
  if (Bytes.size() >= offsetof(Header, Sections) &&
      !checkVersion(load<uint32_t>(Bytes.data() + offsetof(Header, Version))))
    return false;
  if (Bytes.size() < sizeof(Header)) {
    Faults.error(642, "",
                 "has " + std::to_string(Bytes.size()) + " bytes, expected a header of " +
                     std::to_string(sizeof(Header)),
                 "was it copied completely?");
    return false;
  }
  Head = load<Header>(Bytes.data());
  if (hashBlocks(Bytes.first(offsetof(Header, HeaderHash))) != Head.HeaderHash) {
    Faults.error(643, "header", "its hash differs from the one that was stored with it");
    return false;
  }
  if (Head.FileBytes != Bytes.size()) {
    Faults.error(642, "",
                 "has " + std::to_string(Bytes.size()) + " bytes, expected " +
                     std::to_string(Head.FileBytes),
                 "was it copied completely?");
    return false;
  }
  return true;
}

void ArtefactParser::checkPadding(uint64_t Begin, uint64_t End) {
  auto First = Bytes.begin() + static_cast<ptrdiff_t>(Begin);
  if (std::any_of(First, Bytes.begin() + static_cast<ptrdiff_t>(End),
                  [](uint8_t Byte) { return Byte != 0; }))
    Faults.error(643, "",
                 "found other bytes than zeros between sections, from byte " +
                     std::to_string(Begin) + " on");
}

void ArtefactParser::readEntry(uint32_t Index, std::vector<ArtefactSection> &Sections) {
  auto Found = load<Entry>(Bytes.data() + sizeof(Header) + Index * sizeof(Entry));
  auto Kind = static_cast<SectionKind>(Found.Kind);
  std::string Where = "section " + std::to_string(Index);
  if (kindName(Kind).empty())
    return Faults.error(643, Where,
                        "found kind " + std::to_string(Found.Kind) + ", expected 1 to " +
                            std::to_string(std::size(Kinds)));
  for (const ArtefactSection &Each : Sections)
    if (Each.Kind == Kind && Each.Target == Found.Target)
      return Faults.error(643, Where, "a second " + sectionName(Kind, Found.Target));
  std::optional<uint64_t> Start = checkedAlign(Next, ArtefactAlignment);
  std::optional<uint64_t> End = checkedAdd(Found.Offset, Found.Bytes);
  if (!Start || Found.Offset != *Start || !End || *End > Bytes.size())
    return Faults.error(643, Where,
                        "found " + std::to_string(Found.Bytes) + " bytes at byte " +
                            std::to_string(Found.Offset) + ", expected them at byte " +
                            std::to_string(Start.value_or(0)) + " and inside the file");
  checkPadding(Next, Found.Offset);
  Next = *End;
  Sections.push_back({Kind, Found.Target, Bytes.subspan(Found.Offset, Found.Bytes), Found.Hash});
}

bool ArtefactParser::parse(std::vector<ArtefactSection> &Sections) {
  if (!readHeader())
    return false;
  if (Head.Sections > MaxSections ||
      sizeof(Header) + Head.Sections * sizeof(Entry) > Bytes.size()) {
    Faults.error(643, "header",
                 "counts " + std::to_string(Head.Sections) + " sections, expected at most " +
                     std::to_string(MaxSections) + " and a table inside the file");
    return false;
  }
  Next = sizeof(Header) + Head.Sections * sizeof(Entry);
  if (hashBlocks(Bytes.subspan(sizeof(Header), Next - sizeof(Header))) != Head.TableHash) {
    Faults.error(643, "table", "its hash differs from the one that was stored with it");
    return false;
  }
  for (uint32_t I = 0; I < Head.Sections && !Faults.any(); ++I)
    readEntry(I, Sections);
  if (!Faults.any() && Next != Bytes.size())
    Faults.error(643, "",
                 "has " + std::to_string(Bytes.size() - Next) + " bytes after the last section");
  return !Faults.any();
}

std::optional<Artefact> Artefact::parse(std::span<const uint8_t> Bytes, const std::string &Name,
                                        Diagnostics &Diags) {
  Artefact Result;
  Result.Name = Name;
  if (!ArtefactParser(Bytes, Name, Diags).parse(Result.Sections))
    return std::nullopt;
  return Result;
}

const ArtefactSection *Artefact::find(SectionKind Kind, uint32_t Target) const {
  for (const ArtefactSection &Each : Sections)
    if (Each.Kind == Kind && Each.Target == Target)
      return &Each;
  return nullptr;
}

bool Artefact::verify(const ArtefactSection &Section, Diagnostics &Diags) const {
  return check(Section, hashBlocks(Section.Bytes), Diags);
}

bool Artefact::check(const ArtefactSection &Section, const BlockHash &Found,
                     Diagnostics &Diags) const {
  if (Found == Section.Hash)
    return true;
  Diags.error(644, Name + ": " + sectionName(Section.Kind, Section.Target),
              "its hash differs from the one that was stored with it",
              "the file is damaged; copy it or compile the model again");
  return false;
}

} // namespace lathe
