//===- Llama.cpp - The Llama family (Llama, SmolLM2, Mistral) --------------===//

#include "compiler/import/Architecture.h"
#include "compiler/import/Decoder.h"

#include <cstring>

using namespace lathe;
using namespace lathe::compiler;

/// Llama 3.1 and later scale the rotary frequencies by factors that the file
/// holds as a small tensor.
static llvm::SmallVector<float> readRopeFactors(const GGUFFile &file) {
  const GGUFTensor *tensor = file.findTensor("rope_freqs.weight");
  if (!tensor || !tensor->Format || tensor->Format->Name != "f32")
    return {};
  std::span<const uint8_t> bytes = file.data(*tensor);
  llvm::SmallVector<float> factors(bytes.size() / sizeof(float));
  std::memcpy(factors.data(), bytes.data(), factors.size() * sizeof(float));
  return factors;
}

static mlir::OwningOpRef<mlir::ModuleOp>
buildLlama(const GGUFFile &file, mlir::MLIRContext &context, Diagnostics &diags) {
  DecoderConfig config = readDecoderConfig(file, "llama", diags);
  config.ropes.front().factors = readRopeFactors(file);
  if (HyperParameters(file, "llama", diags).integerOr("expert_count", 0, 0, 1 << 16) > 0)
    diags.error(401, file.path(),
                "mixture-of-experts models of the llama family are not supported");
  return buildDecoder(file, config, context, diags);
}

static ArchitectureRegistration registration("llama", buildLlama);
