//===- Limits.h - The most that an untrusted input may ask for --*- C++ -*-===//
//
// One table for all readers.  The numbers lie far above every real model and
// far below what would exhaust a machine.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SUPPORT_LIMITS_H
#define LATHE_RUNTIME_SUPPORT_LIMITS_H

#include <cstdint>

namespace lathe::limits {

inline constexpr uint64_t MaxVocabulary = uint64_t(1) << 24;
inline constexpr uint64_t MaxLayers = 4096;
/// Of a model file that is not at hand itself: sizes of its tensors, padded and
/// widened, stay far from 2^63.
inline constexpr uint64_t MaxFileBytes = uint64_t(1) << 48;
inline constexpr uint64_t MaxStringBytes = uint64_t(1) << 30;
inline constexpr uint64_t MaxArrayElements = uint64_t(1) << 30;
/// Entries of a tensor table or of a metadata table.
inline constexpr uint64_t MaxTableEntries = uint64_t(1) << 20;
inline constexpr uint64_t MaxKeyBytes = 65535;
inline constexpr uint64_t MaxTensorNameBytes = 63;
inline constexpr uint32_t MaxTensorDimensions = 4;
inline constexpr uint64_t MaxAlignment = uint64_t(1) << 20;
/// Arrays of arrays in a metadata value; the outermost counts as 1.
inline constexpr unsigned MaxArrayDepth = 4;

/// Of a safetensors file.  The format allows 100 MB; a header as long as this names
/// 150,000 tensors.
inline constexpr uint64_t MaxSafetensorsHeaderBytes = uint64_t(1) << 24;
inline constexpr uint64_t MaxSafetensorsDimensions = 8;
/// Of JSON that is an object of objects of arrays.
inline constexpr uint64_t MaxSafetensorsDepth = 8;

} // namespace lathe::limits

#endif // LATHE_RUNTIME_SUPPORT_LIMITS_H
