//===- ModelSummary.h - What a model file says of itself --------*- C++ -*-===//

#ifndef LATHE_TOOLS_LATHE_MODELSUMMARY_H
#define LATHE_TOOLS_LATHE_MODELSUMMARY_H

#include "runtime/formats/GGUF.h"

#include <cstdint>
#include <map>
#include <string>

namespace lathe::cli {

/// Tensors of one element type.
struct TypeCount {
  uint64_t Tensors = 0;
  uint64_t Elements = 0;
  uint64_t Bytes = 0; ///< In the file; 0 for a type that is not supported.
};

/// All element types of `File`, by name; "type 23" for one that is not supported.
std::map<std::string, TypeCount> countTypes(const TensorFile &File);

/// All elements of all tensors.
uint64_t countParameters(const TensorFile &File);

/// The architecture and the element type that takes the most bytes: "llama q4_1".
std::string modelType(const GGUFFile &File);

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_MODELSUMMARY_H
