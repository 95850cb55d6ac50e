//===- CacheEntry.cpp - A file of the program cache -----------------------===//

#include "runtime/session/CacheEntry.h"

#include "runtime/support/Text.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace lathe {

static constexpr std::string_view NoteStart = "note ";
static constexpr size_t NoteDigits = 10, HashDigits = 32;
static constexpr size_t NoteLine = NoteStart.size() + NoteDigits + 1, HashLine = HashDigits + 1;

/// The hash of the parts, one behind the other.
static std::string hashOf(std::initializer_list<std::string_view> Parts) {
  XXH3_state_t State;
  XXH3_128bits_reset(&State);
  for (std::string_view Part : Parts)
    XXH3_128bits_update(&State, Part.data(), Part.size());
  XXH128_canonical_t Canonical;
  XXH128_canonicalFromHash(&Canonical, XXH3_128bits_digest(&State));
  return hexText(Canonical.digest);
}

std::string hexHash(std::string_view Bytes) { return hashOf({Bytes}); }

namespace {
struct Field {
  std::string_view Name;
  std::string CacheNote::*Value;
};
} // namespace

static constexpr Field Fields[] = {{"model", &CacheNote::Model},
                                   {"target", &CacheNote::Target},
                                   {"precision", &CacheNote::Precision},
                                   {"kv type", &CacheNote::KVType},
                                   {"compiler", &CacheNote::CompilerBuild},
                                   {"host", &CacheNote::Host}};

std::string cacheTrailer(std::string_view Code, const CacheNote &Note) {
  std::string Lines;
  for (const Field &Each : Fields) {
    std::string Value = escapeControls(Note.*Each.Value);
    std::replace(Value.begin(), Value.end(), '\n', ' ');
    Lines += std::string(Each.Name) + ": " + Value + "\n";
  }
  std::string Count = std::to_string(Lines.size());
  Lines += std::string(NoteStart) + std::string(NoteDigits - Count.size(), '0') + Count + "\n";
  return Lines + hashOf({Code, Lines}) + "\n";
}

/// The lines of the note, or nullopt.
static std::optional<std::string_view> noteLines(std::string_view Entry) {
  if (Entry.size() < NoteLine + HashLine)
    return std::nullopt;
  Entry.remove_suffix(HashLine);
  std::string_view Line = Entry.substr(Entry.size() - NoteLine);
  Entry.remove_suffix(NoteLine);
  size_t Size = 0;
  const char *Digits = Line.data() + NoteStart.size();
  std::from_chars_result Read = std::from_chars(Digits, Digits + NoteDigits, Size);
  if (!Line.starts_with(NoteStart) || Read.ptr != Digits + NoteDigits || Read.ec != std::errc() ||
      Size > Entry.size())
    return std::nullopt;
  return Entry.substr(Entry.size() - Size);
}

std::optional<CacheNote> readCacheNote(std::string_view Entry) {
  std::optional<std::string_view> Lines = noteLines(Entry);
  if (!Lines)
    return std::nullopt;
  CacheNote Note;
  while (!Lines->empty()) {
    std::string_view Line = Lines->substr(0, Lines->find('\n'));
    Lines->remove_prefix(std::min(Line.size() + 1, Lines->size()));
    for (const Field &Each : Fields)
      if (Line.starts_with(Each.Name) && Line.substr(Each.Name.size()).starts_with(": "))
        Note.*Each.Value = Line.substr(Each.Name.size() + 2);
  }
  return Note;
}

bool cacheHashHolds(std::string_view Entry) {
  if (Entry.size() < HashLine || Entry.back() != '\n')
    return false;
  std::string_view Hash = Entry.substr(Entry.size() - HashLine, HashDigits);
  return hashOf({Entry.substr(0, Entry.size() - HashLine)}) == Hash;
}

} // namespace lathe
