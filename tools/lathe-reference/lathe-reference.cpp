//===- lathe-reference.cpp - Runs the reference program on arrays ----------===//
//
//   lathe-reference MODULE.mlir FUNCTION OUTPUT-PREFIX [INPUT.npy...]
//
// A tool for tests: runs the reference of a function and writes its results to
// OUTPUT-PREFIX0.npy and so on.  The inputs are the arguments of the function's
// reference form (`lathe-to-reference` tells their order), as NumPy arrays of
// float32 or int32 (numpy/lib/format.py, version 1.0, C order).
//
//===----------------------------------------------------------------------===//

#include "compiler/reference/ReferenceRunner.h"

#include "mlir/Parser/Parser.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

using namespace lathe::compiler;
using namespace llvm;

/// The magic string and version 1.0; no literal type, for the zero at its end.
static constexpr StringRef magic("\x93NUMPY\x01\x00", 8);

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

static Error malformed(StringRef what) { return createStringError(what); }

/// What stands between `open` and `close` behind `key` in the header.
static StringRef field(StringRef header, StringRef key, char open, char close) {
  StringRef rest = header.split(key).second;
  return rest.split(open).second.split(close).first;
}

static Expected<SmallVector<int64_t>> parseShape(StringRef header) {
  SmallVector<int64_t> shape;
  SmallVector<StringRef> sizes;
  field(header, "'shape'", '(', ')').split(sizes, ',', -1, /*KeepEmpty=*/false);
  for (StringRef size : sizes) {
    uint32_t value;
    if (size.trim().empty())
      continue;
    if (size.trim().getAsInteger(10, value))
      return malformed("the shape is not made of numbers");
    shape.push_back(value);
  }
  return shape;
}

template <typename T>
static Expected<std::vector<T>> readElements(StringRef bytes, ArrayRef<int64_t> shape) {
  uint64_t count = 1;
  for (int64_t size : shape)
    count = SaturatingMultiply<uint64_t>(count, size);
  if (SaturatingMultiply<uint64_t>(count, sizeof(T)) != bytes.size())
    return malformed("the number of bytes does not match the shape");
  std::vector<T> elements(count);
  if (count != 0)
    std::memcpy(elements.data(), bytes.data(), bytes.size());
  return elements;
}

static Expected<ReferenceArray> parseNpy(StringRef bytes) {
  if (bytes.size() < magic.size() + 2 || !bytes.consume_front(magic))
    return malformed("is no .npy file of version 1.0");
  uint16_t length = support::endian::read16le(bytes.data());
  bytes = bytes.drop_front(2);
  if (length > bytes.size())
    return malformed("the header is cut off");
  StringRef header = bytes.take_front(length);
  bytes = bytes.drop_front(length);
  if (!header.contains("'fortran_order': False"))
    return malformed("the array is not in C order");
  Expected<SmallVector<int64_t>> shape = parseShape(header);
  if (!shape)
    return shape.takeError();

  ReferenceArray array;
  array.shape = *shape;
  StringRef type = field(header, "'descr':", '\'', '\'');
  if (type == "<f4") {
    auto elements = readElements<float>(bytes, *shape);
    if (!elements)
      return elements.takeError();
    array.elements = std::move(*elements);
    return array;
  }
  if (type != "<i4")
    return malformed("the elements are neither float32 nor int32");
  auto elements = readElements<int32_t>(bytes, *shape);
  if (!elements)
    return elements.takeError();
  array.elements = std::move(*elements);
  return array;
}

static std::optional<ReferenceArray> readNpy(StringRef path) {
  auto file = MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file) {
    errs() << "lathe-reference: " << path << ": " << file.getError().message() << "\n";
    return std::nullopt;
  }
  Expected<ReferenceArray> array = parseNpy((*file)->getBuffer());
  if (array)
    return std::move(*array);
  errs() << "lathe-reference: " << path << ": " << toString(array.takeError()) << "\n";
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

static bool writeNpy(const std::string &path, const ReferenceArray &array) {
  std::error_code failure;
  raw_fd_ostream stream(path, failure);
  if (failure) {
    errs() << "lathe-reference: " << path << ": " << failure.message() << "\n";
    return false;
  }
  std::string shape;
  for (int64_t size : array.shape)
    shape += std::to_string(size) + ",";
  bool isFloat = std::holds_alternative<std::vector<float>>(array.elements);
  std::string header = formatv("{{'descr': '{0}', 'fortran_order': False, 'shape': ({1}), }",
                               isFloat ? "<f4" : "<i4", shape);
  // The array's bytes start at a multiple of 64.
  size_t before = magic.size() + 2, total = alignTo(before + header.size() + 1, 64);
  header.resize(total - before - 1, ' ');
  header += '\n';
  char length[2];
  support::endian::write16le(length, header.size());
  stream << magic << StringRef(length, 2) << header;
  std::visit(
      [&](auto &elements) {
        stream.write(reinterpret_cast<const char *>(elements.data()),
                     elements.size() * sizeof(elements[0]));
      },
      array.elements);
  return true;
}

int main(int argc, char **argv) {
  if (argc < 4) {
    errs() << "usage: lathe-reference MODULE.mlir FUNCTION OUTPUT-PREFIX [INPUT.npy...]\n";
    return 2;
  }
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  prepareReferenceContext(context);
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(argv[1], &context);
  if (!module)
    return 1;
  std::vector<ReferenceArray> inputs;
  for (int i = 4; i < argc; ++i) {
    std::optional<ReferenceArray> input = readNpy(argv[i]);
    if (!input)
      return 1;
    inputs.push_back(std::move(*input));
  }
  auto program = ReferenceProgram::compile(*module, argv[2]);
  if (!program)
    return 1;
  auto outputs = program->run(module->getLoc(), inputs);
  if (failed(outputs))
    return 1;
  for (auto [index, output] : enumerate(*outputs))
    if (!writeNpy(argv[3] + std::to_string(index) + ".npy", output))
      return 1;
  return 0;
}
