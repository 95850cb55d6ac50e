//===- ModuleImage.cpp - Names inside a shared library ----------------------===//
//
// ELF: System V ABI, chapters 4 and 5, and the GNU hash table as glibc reads it
// (elf/dl-lookup.c): bloom filter, buckets, chains.
//
//===----------------------------------------------------------------------===//

#include "tools/lathe/outputs/ModuleImage.h"

#include "runtime/support/Text.h"
#include "runtime/support/Unaligned.h"

#include <climits>
#include <cstring>
#include <span>

#include <elf.h>

using namespace lathe;
using namespace lathe::cli;

namespace {

/// The parts of a library that its names stand in.
class ModuleNames {
public:
  explicit ModuleNames(std::span<uint8_t> Bytes) : Bytes(Bytes) {}

  /// Each is false when the library is not as ours are.
  bool find();
  bool setLibrary(std::string_view Name) { return replace(LibraryName, Name, NAME_MAX); }
  bool setEntry(std::string_view Name) {
    return replace(EntryName, Name, MaxEntryName) && setHash(Name);
  }

private:
  bool findSections();
  bool findNames();
  bool replace(size_t Offset, std::string_view Name, size_t Longest);
  bool setHash(std::string_view Name);

  /// The bytes of a section; empty when it lies outside the file.
  std::span<uint8_t> contents(const Elf64_Shdr &Section) const {
    if (Section.sh_offset > Bytes.size() || Section.sh_size > Bytes.size() - Section.sh_offset)
      return {};
    return Bytes.subspan(Section.sh_offset, Section.sh_size);
  }

  std::span<uint8_t> Bytes, Strings, Symbols, Dynamic, Hashes;
  size_t LibraryName = 0, EntryName = 0; ///< In Strings.
};

} // namespace

bool ModuleNames::findSections() {
  if (Bytes.size() < sizeof(Elf64_Ehdr) || std::memcmp(Bytes.data(), ELFMAG, SELFMAG) != 0)
    return false;
  auto Head = load<Elf64_Ehdr>(Bytes.data());
  uint64_t Table = uint64_t(Head.e_shnum) * sizeof(Elf64_Shdr);
  if (Head.e_shentsize != sizeof(Elf64_Shdr) || Head.e_shoff > Bytes.size() ||
      Table > Bytes.size() - Head.e_shoff)
    return false;
  auto Section = [&](size_t Index) {
    return load<Elf64_Shdr>(Bytes.data() + Head.e_shoff + Index * sizeof(Elf64_Shdr));
  };
  for (size_t I = 0; I < Head.e_shnum; ++I) {
    Elf64_Shdr Each = Section(I);
    if (Each.sh_type == SHT_DYNSYM && Each.sh_link < Head.e_shnum) {
      Symbols = contents(Each);
      Strings = contents(Section(Each.sh_link));
    } else if (Each.sh_type == SHT_DYNAMIC) {
      Dynamic = contents(Each);
    } else if (Each.sh_type == SHT_GNU_HASH) {
      Hashes = contents(Each);
    }
  }
  return !Symbols.empty() && !Strings.empty() && !Dynamic.empty() && !Hashes.empty();
}

bool ModuleNames::findNames() {
  unsigned Libraries = 0, Entries = 0;
  for (size_t At = 0; At + sizeof(Elf64_Dyn) <= Dynamic.size(); At += sizeof(Elf64_Dyn))
    if (auto Each = load<Elf64_Dyn>(Dynamic.data() + At); Each.d_tag == DT_SONAME) {
      LibraryName = Each.d_un.d_val;
      ++Libraries;
    }
  for (size_t At = 0; At + sizeof(Elf64_Sym) <= Symbols.size(); At += sizeof(Elf64_Sym))
    if (auto Each = load<Elf64_Sym>(Symbols.data() + At); Each.st_shndx != SHN_UNDEF) {
      EntryName = Each.st_name;
      ++Entries;
    }
  return Libraries == 1 && Entries == 1;
}

bool ModuleNames::find() { return findSections() && findNames(); }

/// Writes over the name at `Offset`, which holds the place of the `Longest`.
bool ModuleNames::replace(size_t Offset, std::string_view Name, size_t Longest) {
  if (Offset >= Strings.size())
    return false;
  auto *Start = reinterpret_cast<char *>(Strings.data()) + Offset;
  size_t Room = strnlen(Start, Strings.size() - Offset);
  if (Room != Longest || Name.size() > Room)
    return false;
  std::memset(Start, 0, Room);
  std::memcpy(Start, Name.data(), Name.size());
  return true;
}

static uint32_t gnuHash(std::string_view Name) {
  uint32_t Hash = 5381;
  for (char C : Name)
    Hash = Hash * 33 + static_cast<unsigned char>(C);
  return Hash;
}

/// The table for one symbol, the last of all; every name falls into the one bucket.
bool ModuleNames::setHash(std::string_view Name) {
  struct TableHead {
    uint32_t Buckets, FirstSymbol, FilterWords, FilterShift;
  };
  if (Hashes.size() < sizeof(TableHead))
    return false;
  auto Head = load<TableHead>(Hashes.data());
  size_t FilterBytes = size_t(Head.FilterWords) * sizeof(uint64_t);
  if (Head.Buckets != 1 || Head.FilterWords == 0 || Head.FilterShift > 31 ||
      Hashes.size() != sizeof(TableHead) + FilterBytes + 2 * sizeof(uint32_t) ||
      (Head.FirstSymbol + 1) * sizeof(Elf64_Sym) != Symbols.size())
    return false;
  uint32_t Hash = gnuHash(Name);
  uint64_t Filter = uint64_t(1) << Hash % 64 | uint64_t(1) << (Hash >> Head.FilterShift) % 64;
  uint8_t *Words = Hashes.data() + sizeof(TableHead);
  std::memset(Words, 0, FilterBytes);
  std::memcpy(Words + Hash / 64 % Head.FilterWords * sizeof(Filter), &Filter, sizeof(Filter));
  // The lowest bit ends the chain.
  uint32_t Link = Hash | 1;
  std::memcpy(Words + FilterBytes + sizeof(uint32_t), &Link, sizeof(Link));
  return true;
}

bool cli::nameModule(std::vector<uint8_t> &Bytes, std::string_view File, std::string_view Entry,
                     const std::string &Path, Diagnostics &Diags) {
  ModuleNames Names(Bytes);
  if (Names.find() && Names.setLibrary(File) && Names.setEntry(Entry))
    return true;
  Diags.error(616, Path, "is not the library of lathe that a model can be appended to",
              "install lathe as a whole, or set LATHE_MODULE to its liblathe-module.so");
  return false;
}
