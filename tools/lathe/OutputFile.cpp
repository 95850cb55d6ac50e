//===- OutputFile.cpp - What -o names ---------------------------------------===//

#include "tools/lathe/OutputFile.h"

using namespace lathe;
using namespace lathe::cli;

std::unique_ptr<OutputFile> OutputFile::open(const std::string &Path, const std::string &Input,
                                             Terminal &Term, Diagnostics &Diags, unsigned Mode) {
  if (Path == "-")
    return std::unique_ptr<OutputFile>(new OutputFile(nullptr, Term));
  if (!checkNotInput(Path, Input, Diags))
    return nullptr;
  std::unique_ptr<AtomicFile> File = AtomicFile::create(Path, Diags, Mode);
  if (!File)
    return nullptr;
  return std::unique_ptr<OutputFile>(new OutputFile(std::move(File), Term));
}

bool OutputFile::write(std::span<const uint8_t> Bytes, Diagnostics &Diags) {
  if (File)
    return File->write(Bytes, Diags);
  return Term.out({reinterpret_cast<const char *>(Bytes.data()), Bytes.size()});
}
