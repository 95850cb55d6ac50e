//===- TensorTable.cpp - What an architecture needs of a file --------------===//

#include "compiler/import/TensorTable.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <cmath>

using namespace lathe;
using namespace lathe::compiler;

//===----------------------------------------------------------------------===//
// HyperParameters
//===----------------------------------------------------------------------===//

int64_t HyperParameters::integer(llvm::StringRef key, int64_t min, int64_t max) {
  std::string name = fullKey(key);
  if (!file.findValue(name)) {
    diags.error(402, file.path(), "missing key '" + name + "'",
                "the file is incomplete; convert it again");
    return min;
  }
  return integerOr(key, min, min, max);
}

int64_t HyperParameters::integerOr(llvm::StringRef key, int64_t fallback, int64_t min,
                                   int64_t max) {
  std::string name = fullKey(key);
  if (!file.findValue(name))
    return fallback;
  std::optional<int64_t> value = file.getInt(name);
  if (value && *value >= min && *value <= max)
    return *value;
  std::string found = value ? std::to_string(*value) : "a value of another type";
  diags.error(403, file.path(),
              "key '" + name + "' must be an integer from " + std::to_string(min) + " to " +
                  std::to_string(max) + ", found " + found);
  return min;
}

double HyperParameters::positive(llvm::StringRef key) {
  if (!file.findValue(fullKey(key)))
    diags.error(402, file.path(), "missing key '" + fullKey(key) + "'",
                "the file is incomplete; convert it again");
  return positiveOr(key, 1.0);
}

double HyperParameters::positiveOr(llvm::StringRef key, double fallback) {
  std::string name = fullKey(key);
  if (!file.findValue(name))
    return fallback;
  std::optional<double> value = file.getFloat(name);
  if (value && std::isfinite(*value) && *value > 0)
    return *value;
  std::string found = value ? std::to_string(*value) : "a value of another type";
  diags.error(403, file.path(), "key '" + name + "' must be a positive number, found " + found);
  return fallback;
}

//===----------------------------------------------------------------------===//
// TensorTable
//===----------------------------------------------------------------------===//

static std::string shapeText(llvm::ArrayRef<int64_t> shape) {
  auto text = llvm::map_range(shape, [](int64_t size) { return std::to_string(size); });
  return "[" + llvm::join(text, ", ") + "]";
}

const FileTensor *TensorTable::require(const llvm::Twine &name, llvm::ArrayRef<int64_t> shape) {
  std::string text = name.str();
  if (const FileTensor *tensor = file.findTensor(text)) {
    used.insert(text);
    return check(*tensor, shape);
  }
  missing.push_back(text);
  return nullptr;
}

const FileTensor *TensorTable::find(const llvm::Twine &name, llvm::ArrayRef<int64_t> shape) {
  return file.findTensor(name.str()) ? require(name, shape) : nullptr;
}

const FileTensor *TensorTable::check(const FileTensor &tensor, llvm::ArrayRef<int64_t> shape) {
  std::string where = file.path() + ": tensor '" + std::string(tensor.Name) + "'";
  bool good = true;
  if (llvm::ArrayRef<int64_t>(tensor.Shape) != shape) {
    diags.error(405, where,
                "found shape " + shapeText(tensor.Shape) + ", expected " + shapeText(shape));
    good = false;
  }
  if (!tensor.Format) {
    std::vector<llvm::StringRef> names;
    for (const BlockFormat *format : allBlockFormats())
      if (format->PackingOf.empty())
        names.emplace_back(format->Name);
    diags.error(406, where, "tensor type " + file.typeName(tensor) + " is not supported",
                "supported: " + llvm::join(names, ", "));
    good = false;
  }
  return good ? &tensor : nullptr;
}

void TensorTable::ignore(llvm::StringRef prefix) {
  for (size_t i = 0; i < file.tensorCount(); ++i)
    if (llvm::StringRef name(file.tensor(i).Name); name.starts_with(prefix))
      used.insert(name);
}

void TensorTable::finish() {
  constexpr size_t shown = 5;
  if (!missing.empty()) {
    auto first = llvm::ArrayRef(missing).take_front(shown);
    std::string text =
        "missing " + std::to_string(missing.size()) + " tensor(s): " + llvm::join(first, ", ");
    if (missing.size() > shown)
      text += ", and " + std::to_string(missing.size() - shown) + " more";
    diags.error(404, file.path(), text, "the file is incomplete, or of another architecture");
  }
  std::vector<std::string> extra;
  for (size_t i = 0; i < file.tensorCount(); ++i)
    if (llvm::StringRef name(file.tensor(i).Name); !used.contains(name))
      extra.push_back(name.str());
  if (extra.empty())
    return;
  auto first = llvm::ArrayRef(extra).take_front(shown);
  diags.warning(407, file.path(),
                std::to_string(extra.size()) + " tensor(s) are not used: " +
                    llvm::join(first, ", ") + (extra.size() > shown ? ", ..." : ""));
}
