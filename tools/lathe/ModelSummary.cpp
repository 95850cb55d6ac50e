//===- ModelSummary.cpp - What a model file says of itself ------------------===//

#include "tools/lathe/ModelSummary.h"

#include <algorithm>

using namespace lathe;
using namespace lathe::cli;

/// The reader has checked that the product fits.
static uint64_t elementCount(const FileTensor &Tensor) {
  uint64_t Count = 1;
  for (int64_t Dimension : Tensor.Shape)
    Count *= static_cast<uint64_t>(Dimension);
  return Count;
}

std::map<std::string, TypeCount> cli::countTypes(const TensorFile &File) {
  std::map<std::string, TypeCount> Types;
  for (size_t I = 0; I < File.tensorCount(); ++I) {
    const FileTensor &Each = File.tensor(I);
    TypeCount &Type = Types[File.typeName(Each)];
    ++Type.Tensors;
    Type.Elements += elementCount(Each);
    Type.Bytes += Each.Bytes;
  }
  return Types;
}

uint64_t cli::countParameters(const TensorFile &File) {
  uint64_t Sum = 0;
  for (size_t I = 0; I < File.tensorCount(); ++I)
    Sum += elementCount(File.tensor(I));
  return Sum;
}

std::string cli::modelType(const GGUFFile &File) {
  std::string Name(File.getString("general.architecture").value_or("unknown"));
  std::map<std::string, TypeCount> Types = countTypes(File);
  auto Largest = std::max_element(Types.begin(), Types.end(), [](const auto &A, const auto &B) {
    return A.second.Bytes < B.second.Bytes;
  });
  return Largest == Types.end() ? Name : Name + " " + Largest->first;
}
