//===- GGMLTypes.h - The element types that GGUF knows ----------*- C++ -*-===//
//
// Sizes of all element types of GGUF 3, also of those that Lathe cannot run:
// the place of a tensor follows from the sizes of those before it (ggml-org/ggml,
// ggml.h and ggml-common.h).
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_FORMATS_GGMLTYPES_H
#define LATHE_RUNTIME_FORMATS_GGMLTYPES_H

#include <cstdint>
#include <string_view>

namespace lathe {

struct GGMLType {
  uint32_t Number;
  std::string_view Name; ///< Lower case.
  uint64_t BlockElements;
  uint64_t BlockBytes; ///< 0 for a type that GGUF has removed.

  bool removed() const { return BlockBytes == 0; }
};

/// The type of that number, or null when GGUF never had one.
const GGMLType *findGGMLType(uint32_t Number);

} // namespace lathe

#endif // LATHE_RUNTIME_FORMATS_GGMLTYPES_H
