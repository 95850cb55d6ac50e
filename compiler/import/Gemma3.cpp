//===- Gemma3.cpp - Gemma 3, text (Gemma Team, 2025) ------------------------===//
//
// Beside the Llama family: embeddings times the root of the width, norms of each
// query and key head and behind attention and MLP, GeGLU, and a pattern of layers
// that see a window (with rotary angles of a base of their own) between layers
// that see everything.
//
//===----------------------------------------------------------------------===//

#include "compiler/import/Architecture.h"
#include "compiler/import/Decoder.h"

#include <cmath>

using namespace lathe;
using namespace lathe::compiler;

/// Whether each layer sees a window only.  The file says so layer by layer, or
/// gives the period of the pattern, whose last layer sees everything.
static std::vector<bool> readLocalLayers(const GGUFFile &file, int64_t layers, Diagnostics &diags) {
  constexpr llvm::StringLiteral key = "attention.sliding_window_pattern";
  if (std::optional<std::vector<bool>> listed = file.getBools(("gemma3." + key).str())) {
    if (static_cast<int64_t>(listed->size()) != layers)
      diags.error(403, file.path(),
                  "key 'gemma3." + key.str() + "' must have an entry for each of the " +
                      std::to_string(layers) + " layers, found " + std::to_string(listed->size()));
    listed->resize(layers);
    return *listed;
  }
  int64_t period = HyperParameters(file, "gemma3", diags).integerOr(key, 6, 1, 4096);
  std::vector<bool> local(layers);
  for (int64_t layer = 0; layer < layers; ++layer)
    local[layer] = layer % period != period - 1;
  return local;
}

/// Windows and rotary bases of the layers.
static void readWindows(const GGUFFile &file, DecoderConfig &config, Diagnostics &diags) {
  HyperParameters keys(file, "gemma3", diags);
  if (!file.findValue("gemma3.attention.sliding_window"))
    return;
  int64_t window = keys.integer("attention.sliding_window", 1, int64_t(1) << 31);
  config.ropes.push_back(
      {.base = keys.positiveOr("rope.freq_base_swa", 10000.0), .stretch = 1.0f, .factors = {}});
  for (bool local : readLocalLayers(file, config.layers, diags)) {
    config.windows.push_back(local ? window : 0);
    config.ropeOfLayer.push_back(local ? 1 : 0);
  }
}

static mlir::OwningOpRef<mlir::ModuleOp>
buildGemma3(const GGUFFile &file, mlir::MLIRContext &context, Diagnostics &diags) {
  DecoderConfig config = readDecoderConfig(file, "gemma3", diags);
  config.ropeLayout = ir::RopeLayout::Half;
  config.embeddingScale = std::sqrt(static_cast<float>(config.width));
  config.activation = Activation::GeluTanh;
  config.headNorms = config.resultNorms = true;
  // The 27B model, alone of all, scales by the width of a head in the residual
  // stream, and its files do not say so.
  if (config.layers == 62)
    config.attentionScale = 1.0f / std::sqrt(static_cast<float>(config.width) / config.heads);
  config.attentionScale =
      HyperParameters(file, "gemma3", diags).positiveOr("attention.scale", config.attentionScale);
  readWindows(file, config, diags);
  for (llvm::StringRef cap : {"attn_logit_softcapping", "final_logit_softcapping"})
    if (file.findValue(("gemma3." + cap).str()))
      diags.error(401, file.path(), "gemma3 models with '" + cap.str() + "' are not supported");
  return buildDecoder(file, config, context, diags);
}

static ArchitectureRegistration registration("gemma3", buildGemma3);
