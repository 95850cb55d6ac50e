//===- VectorFile.cpp - Vectors of texts, kept in a file ------------------===//

#include "runtime/classify/VectorFile.h"

#include "runtime/classify/ClassifierFile.h"
#include "runtime/support/AtomicFile.h"
#include "runtime/support/Unaligned.h"

#include <cstring>

using namespace lathe;

static std::string headerOf(const Encoder &Model, Pooling Pool) {
  const Manifest &Program = Model.manifest();
  return "lathe vectors 1: " + Model.folder().contentHash() + ", " + Program.Compiler + ", " +
         Program.Target + ", " + Program.Precision + ", " +
         (Pool == Pooling::First ? "cls" : "mean") + "\n";
}

static std::string keyOf(std::span<const uint8_t> Tokens) {
  return {reinterpret_cast<const char *>(Tokens.data()), Tokens.size()};
}

static std::span<const uint8_t> bytesOf(const std::vector<int32_t> &Text) {
  return {reinterpret_cast<const uint8_t *>(Text.data()), Text.size() * sizeof(int32_t)};
}

std::span<const uint8_t> VectorFile::old() const {
  return File ? File->bytes() : std::span<const uint8_t>();
}

std::optional<VectorFile> VectorFile::open(const std::string &Path, const Encoder &Model,
                                           Pooling Pool, Diagnostics &Diags) {
  auto Numbers = static_cast<size_t>(Model.depths() * Model.width());
  VectorFile Result(Path, headerOf(Model, Pool), Numbers * sizeof(float));
  if (FileIdentity::of(Path) == FileIdentity())
    return Result;
  Result.File = MappedFile::open(Path, Diags);
  if (!Result.File || !Result.index(Diags))
    return std::nullopt;
  return Result;
}

bool VectorFile::index(Diagnostics &Diags) {
  constexpr std::string_view Beginning = "lathe vectors ";
  std::string_view Text(reinterpret_cast<const char *>(old().data()), old().size());
  if (!Text.starts_with(Header)) {
    bool IsOther = Text.starts_with(Beginning);
    Diags.error(IsOther ? 844 : 843, Path,
                IsOther ? "has vectors of another model, program or pooling"
                        : "does not begin as a file of vectors does",
                "'lathe calibrate --vectors' makes such files; remove it to begin anew");
    return false;
  }
  for (size_t At = Header.size(); At < Text.size();) {
    size_t Left = Text.size() - At;
    uint64_t Tokens = Left < 4 ? 0 : load<uint32_t>(old().data() + At);
    if (Tokens == 0 || 4 + 4 * Tokens + VectorBytes > Left) {
      Diags.error(843, Path, "ends within a text", "remove it to begin anew");
      return false;
    }
    Places[keyOf(old().subspan(At + 4, 4 * Tokens))] = At + 4 + 4 * Tokens;
    At += 4 + 4 * Tokens + VectorBytes;
  }
  return true;
}

bool VectorFile::find(const std::vector<int32_t> &Text, float *Into) const {
  auto Found = Places.find(keyOf(bytesOf(Text)));
  if (Found == Places.end())
    return false;
  size_t Place = Found->second, Before = old().size();
  std::memcpy(Into, Place < Before ? old().data() + Place : Added.data() + (Place - Before),
              VectorBytes);
  return true;
}

void VectorFile::add(const std::vector<int32_t> &Text, const float *Vectors) {
  std::span<const uint8_t> Tokens = bytesOf(Text);
  if (!Places.try_emplace(keyOf(Tokens), old().size() + Added.size() + 4 + Tokens.size()).second)
    return;
  auto Count = static_cast<uint32_t>(Text.size());
  auto Append = [&](const void *From, size_t Bytes) {
    const auto *First = static_cast<const uint8_t *>(From);
    Added.insert(Added.end(), First, First + Bytes);
  };
  Append(&Count, sizeof(Count));
  Append(Tokens.data(), Tokens.size());
  Append(Vectors, VectorBytes);
}

bool VectorFile::save(Diagnostics &Diags) const {
  if (Added.empty())
    return true;
  std::unique_ptr<AtomicFile> To = AtomicFile::create(Path, Diags);
  bool Begun = To && (File ? To->write(old(), Diags) : To->write(std::string_view(Header), Diags));
  return Begun && To->write(Added, Diags) && To->commit(Diags);
}
