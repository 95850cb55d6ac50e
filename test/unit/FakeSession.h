//===- FakeSession.h - Sessions on the fake program -------------*- C++ -*-===//

#ifndef LATHE_TEST_UNIT_FAKESESSION_H
#define LATHE_TEST_UNIT_FAKESESSION_H

#include "runtime/session/Session.h"

#include "fake/FakeProgram.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace lathe::test {

/// A session on the fake program.
class FakeSessionTest : public testing::Test {
protected:
  void start(const SessionOptions &Options = {}, unsigned NumWorkers = 2) {
    Diagnostics Local;
    Run.reset();
    Workers = WorkerPool::create(NumWorkers, Local);
    Code = Program::create(findSymbol, nullptr, "fake", Local);
    ASSERT_TRUE(Workers && Code) << Local.str();
    Run = Session::create(*Code, {Table, sizeof(Weight)}, *Workers, Options, Local);
    ASSERT_TRUE(Run) << Local.str();
  }

  static void *findSymbol(const char *Symbol) {
    std::string Name = Symbol;
    if (Name == "lathe_manifest")
      return const_cast<char *>(lathe_manifest);
    if (Name == "lathe_manifest_size")
      return const_cast<int64_t *>(&lathe_manifest_size);
    if (Name == "lathe_entry_decode")
      return reinterpret_cast<void *>(&lathe_entry_decode);
    return Name == "lathe_entry_prefill" ? reinterpret_cast<void *>(&lathe_entry_prefill) : nullptr;
  }

  alignas(64) float Weight[FakeVocabulary] = {0.5f};
  const uint8_t *Table[1] = {reinterpret_cast<const uint8_t *>(Weight)};
  std::unique_ptr<WorkerPool> Workers;
  std::shared_ptr<const Program> Code;
  std::unique_ptr<Session> Run;
  Diagnostics Diags;
};

} // namespace lathe::test

#endif // LATHE_TEST_UNIT_FAKESESSION_H
