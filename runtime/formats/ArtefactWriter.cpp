//===- ArtefactWriter.cpp - Writer of the container of a compiled model ---===//

#include "runtime/formats/Artefact.h"
#include "runtime/formats/ArtefactLayout.h"

#include <cassert>
#include <cstring>

namespace lathe {

using namespace artefact;

static uint64_t alignUp(uint64_t Value, uint64_t Alignment) {
  return (Value + Alignment - 1) / Alignment * Alignment;
}

template <typename T> static std::span<const uint8_t> bytesOf(const T *Values, size_t Count) {
  return {reinterpret_cast<const uint8_t *>(Values), Count * sizeof(T)};
}

static bool writeZeros(uint64_t Count, const ByteSink &Write) {
  static constexpr uint8_t Zeros[ExecutableAlignment] = {};
  assert(Count < sizeof(Zeros));
  return Count == 0 || Write({Zeros, Count});
}

static std::vector<Entry> makeTable(std::span<const NewSection> Sections, WorkerPool *Workers) {
  std::vector<Entry> Table;
  uint64_t Next = sizeof(Header) + Sections.size() * sizeof(Entry);
  for (const NewSection &Each : Sections) {
    Next = alignUp(Next, ArtefactAlignment);
    Table.push_back({static_cast<uint32_t>(Each.Kind),
                     Each.Target,
                     Next,
                     Each.Bytes.size(),
                     hashBlocks(Each.Bytes, Workers),
                     {}});
    Next += Each.Bytes.size();
  }
  return Table;
}

static Header makeHeader(const std::vector<Entry> &Table) {
  Header Head = {};
  std::memcpy(Head.Magic, Magic, sizeof(Magic));
  Head.Version = ArtefactVersion;
  Head.Sections = static_cast<uint32_t>(Table.size());
  Head.FileBytes = Table.back().Offset + Table.back().Bytes;
  Head.TableHash = hashBlocks(bytesOf(Table.data(), Table.size()));
  Head.HeaderHash = hashBlocks(bytesOf(&Head, 1).first(offsetof(Header, HeaderHash)));
  return Head;
}

bool writeArtefact(std::span<const NewSection> Sections, const ByteSink &Write,
                   WorkerPool *Workers) {
  assert(!Sections.empty() && Sections.size() <= MaxSections);
  std::vector<Entry> Table = makeTable(Sections, Workers);
  Header Head = makeHeader(Table);
  if (!Write(bytesOf(&Head, 1)) || !Write(bytesOf(Table.data(), Table.size())))
    return false;
  uint64_t Position = sizeof(Header) + Table.size() * sizeof(Entry);
  for (size_t I = 0; I < Sections.size(); ++I) {
    if (!writeZeros(Table[I].Offset - Position, Write) || !Write(Sections[I].Bytes))
      return false;
    Position = Table[I].Offset + Table[I].Bytes;
  }
  return true;
}

bool writeExecutable(std::span<const uint8_t> Runner, std::span<const NewSection> Sections,
                     const ByteSink &Write, WorkerPool *Workers) {
  Trailer Last = {};
  std::memcpy(Last.Magic, TrailerMagic, sizeof(TrailerMagic));
  Last.Offset = alignUp(Runner.size(), ExecutableAlignment);
  auto Counted = [&](std::span<const uint8_t> Piece) {
    Last.Bytes += Piece.size();
    return Write(Piece);
  };
  return Write(Runner) && writeZeros(Last.Offset - Runner.size(), Write) &&
         writeArtefact(Sections, Counted, Workers) && Write(bytesOf(&Last, 1));
}

} // namespace lathe
