//===- fuzz_safetensors.cpp - Any bytes at all, as safetensors ------------===//
//
// Reads the bytes and then uses everything that the reader hands out, so that a
// view that leaves the input is seen by the sanitizers.
//
//===----------------------------------------------------------------------===//

#include "runtime/formats/Safetensors.h"
#include "runtime/weights/Packer.h"

#include <cstdlib>
#include <vector>

using namespace lathe;

/// Breaks the run when `Condition`, a promise of the reader, does not hold.
static void demand(bool Condition) {
  if (!Condition)
    abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *Data, size_t Size) {
  Diagnostics Diags;
  std::unique_ptr<SafetensorsFile> File =
      SafetensorsFile::parse({Data, Size}, "fuzz.safetensors", Diags);
  demand(!File == Diags.hasErrors());
  demand(File || Diags.exitCode() == ExitCode::Malformed);
  if (!File)
    return 0;
  uint64_t End = File->headerBytes().size();
  for (const SafetensorsTensor &Tensor : File->tensors()) {
    demand(File->findTensor(Tensor.Name) == &Tensor);
    demand(Tensor.Offset == End);
    End += Tensor.Bytes;
    std::span<const uint8_t> Bytes = File->data(Tensor);
    demand(Bytes.size() == Tensor.Bytes && !File->typeName(Tensor).empty());
    if (!Tensor.Format)
      continue;
    auto Count = static_cast<int64_t>(Tensor.Bytes) / Tensor.Format->BlockBytes;
    std::vector<float> Weights(static_cast<size_t>(Count));
    packVector(*Tensor.Format, Bytes.data(), Count, Weights.data());
  }
  demand(End == Size);
  return 0;
}
