//===- Program.h - A compiled program, ready to be called -------*- C++ -*-===//
//
// The runtime's view of compiled code, whether it was just compiled in this
// process or comes from a shared library.  A Program exists only when its
// manifest is sound and its ABI is ours; whether this CPU can run it, `checkHost`
// tells.  A program for a GPU is a library as well, of data alone: so it takes the same
// ways through cache and artefacts.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_PROGRAM_H
#define LATHE_RUNTIME_SESSION_PROGRAM_H

#include "lathe/abi.h"
#include "runtime/session/Manifest.h"
#include "runtime/support/Diagnostics.h"
#include "runtime/workers/WorkerPool.h"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

class Program {
public:
  /// Finds an exported symbol; null when there is none.
  using Lookup = std::function<void *(const char *Symbol)>;

  /// A program whose code lives as long as `Owner`.  `Where` names it in
  /// messages.  Null on error: E0601-E0603 a bad manifest, E0605 a missing
  /// symbol.
  static std::shared_ptr<const Program> create(const Lookup &Find, std::shared_ptr<void> Owner,
                                               const std::string &Where, Diagnostics &Diags);

  /// A program in a shared library on disk; the library stays open as long as
  /// the program.  The file is code and must be trusted.  E0606 when it cannot
  /// be opened, else as `create`.
  static std::shared_ptr<const Program> openLibrary(const std::string &Path, Diagnostics &Diags);

  /// A program in a shared library that lies in memory, which may go afterwards.
  /// E0606 and E0649 when it cannot be opened, else as `create`.
  static std::shared_ptr<const Program> openImage(std::span<const uint8_t> Library,
                                                  const std::string &Where, Diagnostics &Diags);

  Program(const Program &) = delete;
  Program &operator=(const Program &) = delete;

  const Manifest &manifest() const { return Description; }
  /// The same as the code carries it.
  std::string_view manifestText() const { return Text; }

  /// E0604, and false, when this CPU lacks a feature that the code uses, or the program
  /// is for a GPU: no entry may be called then.
  bool checkHost(Diagnostics &Diags) const;

  /// Entry `Index` of manifest().Entries, of a program for a CPU.
  lathe_entry entry(size_t Index) const { return Entries[Index]; }

  /// Of a program for a GPU: the text that its driver loads, which ends in a zero.
  const char *deviceCode() const { return DeviceCode; }

  /// Calls entry `Index` of manifest().Entries with all workers, for whose barrier
  /// this fills `Args` in.  False with E0806 when one returns another status than 0.
  bool run(size_t Index, lathe_step_args &Args, WorkerPool &Workers, Diagnostics &Diags) const;

  /// Index of the smallest entry that takes `Rows` rows, or of the largest
  /// entry when none does.
  size_t entryFor(int64_t Rows) const;

  /// Names the program in messages.
  const std::string &where() const { return Where; }

private:
  Program(std::string Where, std::string_view Text, Manifest Description,
          std::shared_ptr<void> Owner);
  bool findCode(const Lookup &Find, Diagnostics &Diags);

  std::string Where;
  std::string_view Text;
  Manifest Description;
  std::vector<lathe_entry> Entries; ///< One per manifest entry; of a GPU, none.
  const char *DeviceCode = nullptr;
  std::shared_ptr<void> Owner;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_PROGRAM_H
