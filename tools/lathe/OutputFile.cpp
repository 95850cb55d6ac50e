//===- OutputFile.cpp - What -o names ---------------------------------------===//

#include "tools/lathe/OutputFile.h"

#include <sys/stat.h>

using namespace lathe;
using namespace lathe::cli;

static bool sameFile(const std::string &A, const std::string &B) {
  struct stat First, Second;
  return stat(A.c_str(), &First) == 0 && stat(B.c_str(), &Second) == 0 &&
         First.st_dev == Second.st_dev && First.st_ino == Second.st_ino;
}

std::unique_ptr<OutputFile> OutputFile::open(const std::string &Path, const std::string &Input,
                                             Terminal &Term, Diagnostics &Diags, unsigned Mode) {
  if (Path == "-")
    return std::unique_ptr<OutputFile>(new OutputFile(nullptr, Term));
  if (sameFile(Path, Input)) {
    Diags.error(109, Path, "found the input under the name of the output",
                "choose another name for the output");
    return nullptr;
  }
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
