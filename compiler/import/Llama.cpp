//===- Llama.cpp - The Llama family (Llama, SmolLM2, Mistral, Mixtral) -----===//

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

/// Mixtral has experts in place of the MLP.
static void readExperts(const GGUFFile &file, DecoderConfig &config, Diagnostics &diags) {
  HyperParameters keys(file, "llama", diags);
  config.experts = keys.integerOr("expert_count", 0, 0, 1 << 12);
  if (config.experts == 0)
    return;
  config.expertsUsed = keys.integer("expert_used_count", 1, config.experts);
  constexpr int64_t panel = PanelRows;
  if (config.ffn % panel != 0 || config.width % panel != 0)
    diags.error(401, file.path(),
                "experts whose neurons or whose embedding are no multiple of " +
                    std::to_string(panel) + " are not supported, found " +
                    std::to_string(config.ffn) + " and " + std::to_string(config.width));
  if (file.findTensor("blk.0.ffn_gate.0.weight"))
    diags.error(401, file.path(), "experts in tensors of their own are not supported",
                "the file is older than the form with one tensor for all experts; convert the "
                "model again");
}

static mlir::OwningOpRef<mlir::ModuleOp>
buildLlama(const GGUFFile &file, mlir::MLIRContext &context, Diagnostics &diags) {
  DecoderConfig config = readDecoderConfig(file, "llama", diags);
  config.ropes.front().factors = readRopeFactors(file);
  readExperts(file, config, diags);
  return buildDecoder(file, config, context, diags);
}

static ArchitectureRegistration registration("llama", buildLlama);
