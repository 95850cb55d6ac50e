//===- fuzz_gguf.cpp - Any bytes at all, as a GGUF file -------------------===//
//
// Reads the bytes and then uses everything that the reader hands out, so that a
// view that leaves the input is seen by the sanitizers.
//
//===----------------------------------------------------------------------===//

#include "runtime/formats/GGUF.h"
#include "runtime/weights/Packer.h"

#include <cstdlib>
#include <vector>

using namespace lathe;

namespace {

/// Breaks the run when `Condition`, a promise of the reader, does not hold.
void demand(bool Condition) {
  if (!Condition)
    abort();
}

void useValues(const GGUFFile &File) {
  size_t Seen = 0;
  for (const GGUFValue &Value : File.values()) {
    demand(File.findValue(Value.Key) == &Value);
    Seen += File.getUInt(Value.Key).has_value() + File.getInt(Value.Key).has_value() +
            File.getFloat(Value.Key).has_value() + File.getBool(Value.Key).has_value() +
            File.getString(Value.Key).has_value();
    if (auto Strings = File.getStrings(Value.Key))
      for (std::string_view Text : *Strings)
        Seen += Text.empty() ? 0 : static_cast<unsigned char>(Text.back());
    Seen += File.getFloats(Value.Key).has_value() + File.getInts(Value.Key).has_value();
  }
  [[maybe_unused]] static volatile size_t Sink;
  Sink = Seen;
}

void useTensors(const GGUFFile &File) {
  for (const GGUFTensor &Tensor : File.tensors()) {
    demand(File.findTensor(Tensor.Name) == &Tensor);
    if (!Tensor.Format)
      continue;
    std::span<const uint8_t> Data = File.data(Tensor);
    demand(Data.size() == Tensor.Bytes);
    int64_t K = Tensor.Shape.back();
    int64_t N = 1;
    for (size_t I = 0; I + 1 < Tensor.Shape.size(); ++I)
      N *= Tensor.Shape[I];
    std::vector<float> Weights(N * K);
    packVector(*Tensor.Format, Data.data(), N * K, Weights.data());
    std::vector<uint8_t> Packed(packedMatrixBytes(*Tensor.Format, N, K));
    packMatrix(*Tensor.Format, Data.data(), N, K, 0, panelCount(N), Packed.data());
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *Data, size_t Size) {
  Diagnostics Diags;
  std::unique_ptr<GGUFFile> File = GGUFFile::parse({Data, Size}, "fuzz.gguf", Diags);
  demand(!File == Diags.hasErrors());
  demand(File || Diags.exitCode() == ExitCode::Malformed ||
         Diags.exitCode() == ExitCode::Unsupported);
  if (!File)
    return 0;
  useValues(*File);
  useTensors(*File);
  return 0;
}
