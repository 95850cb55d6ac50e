//===- FileList.cpp - Small files, one behind the other -------------------===//

#include "runtime/formats/FileList.h"

#include "runtime/support/ByteCursor.h"

using namespace lathe;

template <typename T> static void append(std::vector<uint8_t> &To, T Value) {
  To.resize(To.size() + sizeof(T));
  store<T>(To.data() + To.size() - sizeof(T), Value);
}

std::vector<uint8_t> lathe::writeFileList(const FileList &Files) {
  std::vector<uint8_t> Bytes;
  for (const auto &[Name, Contents] : Files) {
    append(Bytes, static_cast<uint32_t>(Name.size()));
    append(Bytes, static_cast<uint64_t>(Contents.size()));
    Bytes.insert(Bytes.end(), Name.begin(), Name.end());
    Bytes.insert(Bytes.end(), Contents.begin(), Contents.end());
  }
  return Bytes;
}

std::optional<FileList> lathe::readFileList(std::span<const uint8_t> Bytes,
                                            const std::string &Where, Diagnostics &Diags) {
  FileList Files;
  ByteCursor At(Bytes);
  while (At.remaining() != 0) {
    uint64_t Start = At.position(), Size = 0;
    uint32_t NameSize = 0;
    std::span<const uint8_t> Name, Contents;
    bool Whole =
        At.read(NameSize) && At.read(Size) && At.take(NameSize, Name) && At.take(Size, Contents);
    std::string Key(Name.begin(), Name.end());
    // By name, each once.
    if (!Whole || (!Files.empty() && Files.rbegin()->first >= Key)) {
      Diags.error(645, Where,
                  Whole ? "found a file out of order at byte " + std::to_string(Start)
                        : "ends within the file at byte " + std::to_string(Start),
                  "the file is damaged; compile the model again");
      return std::nullopt;
    }
    Files.emplace_hint(Files.end(), std::move(Key), Contents);
  }
  return Files;
}
