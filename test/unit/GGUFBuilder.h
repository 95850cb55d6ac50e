//===- GGUFBuilder.h - GGUF bytes, right and wrong --------------*- C++ -*-===//

#ifndef LATHE_TEST_UNIT_GGUFBUILDER_H
#define LATHE_TEST_UNIT_GGUFBUILDER_H

#include "runtime/formats/GGUF.h"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace lathe::test {

/// Appends little-endian fields.
class Bytes {
public:
  template <typename T> Bytes &add(T Value) {
    static_assert(std::is_arithmetic_v<T>);
    auto *Raw = reinterpret_cast<const uint8_t *>(&Value);
    Content.insert(Content.end(), Raw, Raw + sizeof(T));
    return *this;
  }
  Bytes &add(const Bytes &Other) {
    Content.insert(Content.end(), Other.Content.begin(), Other.Content.end());
    return *this;
  }
  Bytes &raw(std::string_view Text) {
    Content.insert(Content.end(), Text.begin(), Text.end());
    return *this;
  }
  Bytes &string(std::string_view Text) { return add<uint64_t>(Text.size()).raw(Text); }
  Bytes &type(GGUFValueType Type) { return add(static_cast<uint32_t>(Type)); }
  Bytes &fill(size_t Size) {
    Content.resize(Size);
    return *this;
  }

  std::vector<uint8_t> Content;
};

/// A file made of parts that a test may bend one by one.
struct GGUFBuilder {
  struct Tensor {
    std::string Name;
    std::vector<uint64_t> Dimensions; ///< As stored: K first.
    uint32_t Type;
    uint64_t Bytes;
    std::optional<uint64_t> Offset = {};
  };

  std::string Magic = "GGUF";
  uint32_t Version = 3;
  std::optional<uint64_t> TensorCount, ValueCount;
  uint64_t Alignment = 32;
  std::vector<Bytes> Values;
  std::vector<Tensor> Tensors;
  int64_t DataDelta = 0; ///< Bytes more (or fewer) than the tensors need.

  GGUFBuilder &value(std::string_view Key, GGUFValueType Type, const Bytes &Payload) {
    Values.push_back(Bytes().string(Key).type(Type).add(Payload));
    return *this;
  }
  template <typename T> GGUFBuilder &value(std::string_view Key, GGUFValueType Type, T Number) {
    return value(Key, Type, Bytes().add(Number));
  }
  GGUFBuilder &text(std::string_view Key, std::string_view Text) {
    return value(Key, GGUFValueType::String, Bytes().string(Text));
  }
  GGUFBuilder &array(std::string_view Key, GGUFValueType Element, uint64_t Count,
                     const Bytes &Payload) {
    return value(Key, GGUFValueType::Array, Bytes().type(Element).add(Count).add(Payload));
  }
  GGUFBuilder &tensor(Tensor T) {
    Tensors.push_back(std::move(T));
    return *this;
  }

  std::vector<uint8_t> build() const {
    Bytes File;
    File.raw(Magic).add(Version);
    File.add<uint64_t>(TensorCount.value_or(Tensors.size()));
    File.add<uint64_t>(ValueCount.value_or(Values.size()));
    for (const Bytes &Value : Values)
      File.add(Value);
    uint64_t Offset = 0, End = 0;
    for (const Tensor &T : Tensors) {
      File.string(T.Name).add<uint32_t>(T.Dimensions.size());
      for (uint64_t Dimension : T.Dimensions)
        File.add(Dimension);
      File.add(T.Type).add<uint64_t>(T.Offset.value_or(Offset));
      End = Offset + T.Bytes;
      Offset = aligned(End);
    }
    if (!Tensors.empty())
      File.fill(aligned(File.Content.size()) + End + DataDelta);
    return File.Content;
  }

private:
  uint64_t aligned(uint64_t Value) const { return (Value + Alignment - 1) / Alignment * Alignment; }
};

} // namespace lathe::test

#endif // LATHE_TEST_UNIT_GGUFBUILDER_H
