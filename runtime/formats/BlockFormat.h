//===- BlockFormat.h - Storage formats of weights ---------------*- C++ -*-===//
//
// One description per element format of a weight: f32, f16, bf16 and the GGUF
// block formats (ggml-org/ggml, docs/gguf.md and ggml-common.h).  A format is
// added by one file in runtime/formats/blocks/ that registers itself.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_FORMATS_BLOCKFORMAT_H
#define LATHE_RUNTIME_FORMATS_BLOCKFORMAT_H

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace lathe {

/// Panels are 32 output rows wide for every format (docs/layouts.md).
inline constexpr int64_t PanelRows = 32;

struct BlockFormat {
  std::string_view Name; ///< Lower case, as printed in IR: "q4_1", "f32".
  uint32_t GGUFType;     ///< ggml_type number in a GGUF tensor table.
  int64_t BlockElements; ///< Elements along K in one block: 1, 32 or 256.
  int64_t BlockBytes;    ///< Bytes of one block in the file.
  bool Quantized;        ///< Blocks carry a scale.

  /// The halves (f16) that scale a block: d, or d and what scales its minimum.
  /// 0 when not quantised.
  int64_t ScaleHalves;

  /// Where they stand in a block of the file.
  int64_t ScaleOffset;

  /// Bytes of one block of `BlockElements` k for all 32 rows of a packed panel.
  int64_t PanelBlockBytes;

  /// The blocks of a packed panel are filled up with zero weights to a multiple
  /// of this: 2 for bf16, which stores k in pairs, otherwise 1.
  int64_t PanelBlockMultiple;

  /// Reference dequantisation of `Blocks` consecutive blocks into f32; the
  /// oracle is gguf-py.  Bit-exact.
  void (*Dequantize)(const uint8_t *Source, int64_t Blocks, float *Destination);

  /// Packs one panel: `Rows` (1..32) rows of `KBlocks` blocks each, row r at
  /// Source + r * RowBytes, into `packedPanelBytes` bytes.  Missing rows become
  /// zero weights.  The layout is told in the file of the format.
  void (*PackPanel)(const uint8_t *Source, int64_t RowBytes, int64_t Rows, int64_t KBlocks,
                    uint8_t *Destination);

  /// Bytes of a packed panel in front of its blocks.
  int64_t PanelFrontBytes = 0;

  /// Where panels have a second part, the tail, behind the first parts of all panels
  /// of a matrix: its bytes for each block, and what packs it as PackPanel packs the
  /// first part.
  int64_t TailBlockBytes = 0;
  void (*PackTail)(const uint8_t *Source, int64_t RowBytes, int64_t Rows, int64_t KBlocks,
                   uint8_t *Destination) = nullptr;

  /// Where this is another way to pack the blocks of a format of files: its name.
  /// The members about blocks in the file, and GGUFType, are then those of that.
  std::string_view PackingOf = {};

  /// 16 or 8 where a packed panel holds floats rounded to integers of so many bits: int16 with
  /// a scale for each row in front of them, or int8 with one for each row of every
  /// `ScaledTogether` columns.  0: neither.
  int64_t RoundedBits = 0;
  static constexpr int64_t ScaledTogether = 128;
  /// Most columns of such a matrix, which are a multiple of `roundedMultiple()`.
  static constexpr int64_t MostRounded = 65536;
  constexpr int64_t roundedMultiple() const { return 32 / RoundedBits; }

  /// Whether weights of this format are blocks, and not numbers of a float type.
  constexpr bool isBlock() const { return Quantized || !PackingOf.empty(); }
};

/// The registered format of that name, or the format of files of that GGUF type,
/// or null.
const BlockFormat *findBlockFormat(std::string_view Name);
const BlockFormat *findBlockFormat(uint32_t GGUFType);

/// The format that tensors have in files when they are packed as `Format`.
const BlockFormat &fileFormat(const BlockFormat &Format);

/// All registered formats, by name.
std::vector<const BlockFormat *> allBlockFormats();

/// Bytes of the tail of a packed panel of `K` columns, a multiple of BlockElements.
constexpr int64_t packedTailBytes(const BlockFormat &Format, int64_t K) {
  return K / Format.BlockElements * Format.TailBlockBytes;
}

/// Bytes of one packed panel of `K` columns, a multiple of BlockElements, without its
/// tail.  For bf16 an odd `K` counts as K + 1.
constexpr int64_t packedPanelBytes(const BlockFormat &Format, int64_t K) {
  int64_t Blocks = K / Format.BlockElements;
  int64_t Multiple = Format.PanelBlockMultiple;
  return Format.PanelFrontBytes +
         (Blocks + Multiple - 1) / Multiple * Multiple * Format.PanelBlockBytes;
}

/// A static object of this type registers a format, which must outlive it.
/// Register before `main` or before other threads run.
struct BlockFormatRegistration {
  explicit BlockFormatRegistration(const BlockFormat &Format);
};

} // namespace lathe

#endif // LATHE_RUNTIME_FORMATS_BLOCKFORMAT_H
