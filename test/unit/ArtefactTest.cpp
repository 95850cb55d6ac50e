//===- ArtefactTest.cpp - The container of a compiled model ---------------===//

#include "runtime/formats/Artefact.h"
#include "runtime/formats/ArtefactLayout.h"
#include "runtime/formats/FileList.h"
#include "runtime/workers/WorkerPool.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include <gtest/gtest.h>

using namespace lathe;

namespace {

using Bytes = std::vector<uint8_t>;

std::span<const uint8_t> view(std::string_view Text) {
  return {reinterpret_cast<const uint8_t *>(Text.data()), Text.size()};
}

Bytes sample() {
  static const std::string Long(200, 'x');
  std::vector<NewSection> Sections = {{SectionKind::About, 0, view("{}")},
                                      {SectionKind::Manifest, 0, view("first")},
                                      {SectionKind::Manifest, 1, view("")},
                                      {SectionKind::Code, 1, view(Long)}};
  Bytes Result;
  EXPECT_TRUE(writeArtefact(Sections, [&](std::span<const uint8_t> Piece) {
    Result.insert(Result.end(), Piece.begin(), Piece.end());
    return true;
  }));
  return Result;
}

/// Puts the hashes of header and table right again.
void repair(Bytes &File) {
  using namespace artefact;
  Header Head;
  std::memcpy(&Head, File.data(), sizeof(Head));
  std::span<const uint8_t> All = File;
  Head.TableHash = hashBlocks(All.subspan(sizeof(Head), Head.Sections * sizeof(Entry)));
  std::memcpy(File.data(), &Head, sizeof(Head));
  Head.HeaderHash = hashBlocks(All.first(offsetof(Header, HeaderHash)));
  std::memcpy(File.data(), &Head, sizeof(Head));
}

/// The number of the first error of a parse and of checking every section; 0 for
/// none.
unsigned faultOf(const Bytes &File) {
  Diagnostics Diags;
  std::optional<Artefact> Parsed = Artefact::parse(File, "x.lathe", Diags);
  EXPECT_EQ(!Parsed, Diags.hasErrors());
  if (Parsed)
    for (const ArtefactSection &Each : Parsed->sections())
      Parsed->verify(Each, Diags);
  return Diags.hasErrors() ? Diags.all()[0].Number : 0;
}

TEST(Artefact, SectionsComeBack) {
  Bytes File = sample();
  Diagnostics Diags;
  std::optional<Artefact> Parsed = Artefact::parse(File, "x.lathe", Diags);
  ASSERT_TRUE(Parsed) << Diags.str();
  ASSERT_EQ(Parsed->sections().size(), 4u);
  for (const ArtefactSection &Each : Parsed->sections()) {
    EXPECT_EQ((Each.Bytes.data() - File.data()) % 64, 0);
    EXPECT_TRUE(Parsed->verify(Each, Diags)) << Diags.str();
  }
  const ArtefactSection *Code = Parsed->find(SectionKind::Code, 1);
  ASSERT_TRUE(Code);
  EXPECT_EQ(Code->Bytes.size(), 200u);
  EXPECT_EQ(Parsed->find(SectionKind::Code), nullptr);
  EXPECT_EQ(Parsed->find(SectionKind::Weights), nullptr);
}

TEST(Artefact, EveryTruncationIsTold) {
  Bytes File = sample();
  for (size_t Length = 0; Length < File.size(); ++Length) {
    unsigned Fault = faultOf(Bytes(File.begin(), File.begin() + Length));
    EXPECT_EQ(Fault, Length < 8 ? 640u : 642u) << Length;
  }
  File.push_back(0);
  EXPECT_EQ(faultOf(File), 642u);
}

TEST(Artefact, EveryFlippedBitIsTold) {
  Bytes File = sample();
  for (size_t At = 0; At < File.size(); ++At)
    for (unsigned Bit : {0u, 7u}) {
      Bytes Bent = File;
      Bent[At] ^= uint8_t(1) << Bit;
      EXPECT_NE(faultOf(Bent), 0u) << "byte " << At;
    }
}

TEST(Artefact, OtherVersionsSayWhatToDo) {
  for (uint32_t Version : {0u, 2u, 0xffffffffu}) {
    Bytes File = sample();
    std::memcpy(&File[offsetof(artefact::Header, Version)], &Version, sizeof(Version));
    Diagnostics Diags;
    EXPECT_FALSE(Artefact::parse(File, "x.lathe", Diags));
    ASSERT_EQ(Diags.errorCount(), 1u);
    EXPECT_EQ(Diags.all()[0].Number, 641u);
    EXPECT_EQ(Diags.exitCode(), ExitCode::VersionMismatch);
    EXPECT_NE(Diags.all()[0].Hint.find(Version > 1 ? "newer" : "older"), std::string::npos);
  }
}

/// A table that lies, with hashes that are right.
TEST(Artefact, PlacesAreChecked) {
  using artefact::Entry;
  auto WithEntry = [](size_t Index, auto Change) {
    Bytes File = sample();
    Entry Each;
    uint8_t *Place = File.data() + 64 + Index * sizeof(Entry);
    std::memcpy(&Each, Place, sizeof(Each));
    Change(Each);
    std::memcpy(Place, &Each, sizeof(Each));
    repair(File);
    return faultOf(File);
  };
  EXPECT_EQ(WithEntry(0, [](Entry &) {}), 0u);
  EXPECT_EQ(WithEntry(0, [](Entry &Each) { Each.Kind = 0; }), 643u);
  EXPECT_EQ(WithEntry(0, [](Entry &Each) { Each.Kind = 99; }), 643u);
  EXPECT_EQ(WithEntry(2, [](Entry &Each) { Each.Target = 0; }), 643u) << "a second one";
  EXPECT_EQ(WithEntry(1, [](Entry &Each) { Each.Offset += 64; }), 643u);
  EXPECT_EQ(WithEntry(1, [](Entry &Each) { Each.Offset = ~uint64_t(0) - 1; }), 643u);
  EXPECT_EQ(WithEntry(1, [](Entry &Each) { Each.Bytes = ~uint64_t(0); }), 643u);
  EXPECT_EQ(WithEntry(3, [](Entry &Each) { Each.Bytes += 1; }), 643u);
  EXPECT_EQ(WithEntry(3, [](Entry &Each) { Each.Bytes -= 1; }), 643u) << "a byte is left";
}

TEST(Artefact, CountsOfSectionsAreChecked) {
  for (uint32_t Count : {3u, 5u, 256u, 257u, 0xffffffffu}) {
    Bytes File = sample();
    std::memcpy(&File[offsetof(artefact::Header, Sections)], &Count, sizeof(Count));
    artefact::Header Head;
    std::memcpy(&Head, File.data(), sizeof(Head));
    Head.HeaderHash =
        hashBlocks(std::span<const uint8_t>(File).first(offsetof(artefact::Header, HeaderHash)));
    std::memcpy(File.data(), &Head, sizeof(Head));
    EXPECT_EQ(faultOf(File), 643u) << Count;
  }
}

TEST(Artefact, IsFoundInsideAnExecutable) {
  Bytes Runner(5000, 0);
  std::memcpy(Runner.data(),
              "\x7f"
              "ELF",
              4);
  std::vector<NewSection> Sections = {{SectionKind::About, 0, view("{}")}};
  Bytes File;
  ASSERT_TRUE(writeExecutable(Runner, Sections, [&](std::span<const uint8_t> Piece) {
    File.insert(File.end(), Piece.begin(), Piece.end());
    return true;
  }));
  std::span<const uint8_t> Inside = Artefact::insideExecutable(File);
  ASSERT_FALSE(Inside.empty());
  EXPECT_EQ((Inside.data() - File.data()) % 4096, 0);
  EXPECT_EQ(faultOf(Bytes(Inside.begin(), Inside.end())), 0u);
  EXPECT_TRUE(Artefact::insideExecutable(Runner).empty());
  EXPECT_TRUE(Artefact::insideExecutable(std::span(File).first(File.size() - 1)).empty());
  // A trailer that names what lies outside.
  for (size_t Field : {8u, 16u}) {
    Bytes Bent = File;
    uint64_t Far = ~uint64_t(0) - 4095;
    std::memcpy(&Bent[Bent.size() - 24 + Field], &Far, sizeof(Far));
    EXPECT_TRUE(Artefact::insideExecutable(Bent).empty());
  }
}

TEST(Artefact, WritingStopsWhenTheSinkFails) {
  int Left = 3;
  std::vector<NewSection> Sections = {{SectionKind::About, 0, view("{}")},
                                      {SectionKind::Code, 0, view("x")}};
  EXPECT_FALSE(writeArtefact(Sections, [&](std::span<const uint8_t>) { return --Left > 0; }));
  EXPECT_EQ(Left, 0);
}

/// Against xxHash itself: one block and three blocks, and any number of threads.
TEST(FileList, FilesComeBack) {
  FileList Files = {{"vocab.txt", view("a\nb\n")}, {"1_Pooling/config.json", view("{}")}, {"", {}}};
  Bytes Written = writeFileList(Files);
  Diagnostics Diags;
  std::optional<FileList> Read = readFileList(Written, "files", Diags);
  ASSERT_TRUE(Read) << Diags.str();
  ASSERT_EQ(Read->size(), Files.size());
  for (const auto &[Name, Contents] : Files) {
    ASSERT_TRUE(Read->contains(Name));
    EXPECT_TRUE(std::ranges::equal(Read->at(Name), Contents));
  }
  EXPECT_TRUE(readFileList({}, "files", Diags)->empty());
}

TEST(FileList, FaultsAreTold) {
  Bytes One = writeFileList({{"b", view("text")}}), Other = writeFileList({{"a", view("")}});
  auto FaultOf = [](const Bytes &List) {
    Diagnostics Diags;
    EXPECT_EQ(!readFileList(List, "files", Diags), Diags.hasErrors());
    return Diags.hasErrors() ? Diags.all()[0].Number : 0;
  };
  for (size_t Size = 1; Size < One.size(); ++Size)
    EXPECT_EQ(FaultOf(Bytes(One.begin(), One.begin() + static_cast<ptrdiff_t>(Size))), 645u)
        << Size;
  // A length that no file has.
  Bytes Long = One;
  Long[11] = 0xff;
  EXPECT_EQ(FaultOf(Long), 645u);
  // Out of order, and twice.
  for (const Bytes &Next : {Other, One}) {
    Bytes Both = One;
    Both.insert(Both.end(), Next.begin(), Next.end());
    EXPECT_EQ(FaultOf(Both), 645u);
  }
}

TEST(BlockHash, IsTheHashOfTheHashes) {
  Bytes Data(2 * HashBlockBytes + 17);
  for (size_t I = 0; I < Data.size(); ++I)
    Data[I] = static_cast<uint8_t>(I * 2654435761u >> 11);
  for (size_t Length : {size_t(0), size_t(5), Data.size()}) {
    std::vector<XXH128_canonical_t> Blocks;
    for (size_t Start = 0; Start < Length; Start += HashBlockBytes)
      XXH128_canonicalFromHash(
          &Blocks.emplace_back(),
          XXH3_128bits(&Data[Start], std::min(HashBlockBytes, Length - Start)));
    XXH128_canonical_t Expected;
    XXH128_canonicalFromHash(&Expected, XXH3_128bits(Blocks.data(), Blocks.size() * 16));
    Diagnostics Diags;
    std::unique_ptr<WorkerPool> Workers = WorkerPool::create(3, Diags);
    ASSERT_TRUE(Workers);
    std::span<const uint8_t> Part = std::span(Data).first(Length);
    EXPECT_EQ(std::memcmp(hashBlocks(Part).data(), Expected.digest, 16), 0);
    EXPECT_EQ(hashBlocks(Part), hashBlocks(Part, Workers.get()));
    EXPECT_EQ(hashBlocks(Part), HashAhead(Part).finish(*Workers));
    HashAhead GivenUp(Part);
  }
}

} // namespace
