//===- Decoder.h - The graph of a decoder-only transformer ------*- C++ -*-===//
//
// One builder with switches for the decoder family that Llama stands for:
// pre-norm blocks of grouped-query attention with rotary positions and a gated
// MLP.  Architectures fill in a DecoderConfig.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_COMPILER_IMPORT_DECODER_H
#define LATHE_COMPILER_IMPORT_DECODER_H

#include "compiler/import/TensorTable.h"
#include "dialects/Lathe/LatheOps.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace lathe::compiler {

/// One table of rotary angles.
struct RopeConfig {
  double base = 10000.0;
  float stretch = 1.0f;             ///< Divides all angles.
  llvm::SmallVector<float> factors; ///< Empty, or one per pair.
};

/// The activation of the gate of the MLP.
enum class Activation { Silu, GeluTanh };

struct DecoderConfig {
  std::string architecture;
  int64_t vocabulary = 0;
  int64_t width = 0; ///< Elements of the residual stream.
  int64_t layers = 0;
  int64_t heads = 0; ///< Query heads.
  int64_t kvHeads = 0;
  int64_t headDim = 0;
  int64_t ffn = 0;         ///< Neurons of the MLP, or of each expert.
  int64_t experts = 0;     ///< MLPs that a router chooses from; 0: there is one and no router.
  int64_t expertsUsed = 0; ///< That each row has.
  int64_t context = 0;     ///< Positions the model was trained for.
  double normEps = 0;
  int64_t ropeDim = 0; ///< Leading elements of a head that are turned.
  ir::RopeLayout ropeLayout = ir::RopeLayout::Interleaved;
  llvm::SmallVector<RopeConfig> ropes;
  /// The table of each layer; empty when all use the first.
  llvm::SmallVector<int64_t> ropeOfLayer;
  float embeddingScale = 1.0f;
  float attentionScale = 0; ///< Of the scores.
  Activation activation = Activation::Silu;
  bool headNorms = false;   ///< Queries and keys are normed, head by head.
  bool resultNorms = false; ///< So is what attention and MLP add to the residual stream.
  /// Sliding window of each layer, 0 for none; empty when no layer has one.
  llvm::SmallVector<int64_t> windows;
};

/// Reads the hyper-parameters that all decoders name alike.
DecoderConfig readDecoderConfig(const GGUFFile &file, llvm::StringRef architecture,
                                Diagnostics &diags);

/// Checks the tensors of `config` and builds the module; null when `diags` has
/// errors.
mlir::OwningOpRef<mlir::ModuleOp> buildDecoder(const GGUFFile &file, const DecoderConfig &config,
                                               mlir::MLIRContext &context, Diagnostics &diags);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_IMPORT_DECODER_H
