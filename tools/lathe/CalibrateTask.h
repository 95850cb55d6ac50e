//===- CalibrateTask.h - What a model is calibrated for ---------*- C++ -*-===//
//
// A task of `lathe calibrate` is a class that derives from CalibrateTask and a static
// CalibrateTaskRegistration.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_TOOLS_LATHE_CALIBRATETASK_H
#define LATHE_TOOLS_LATHE_CALIBRATETASK_H

#include "tools/lathe/ModelArguments.h"

#include "runtime/tokenizer/Registry.h"

namespace lathe::cli {

/// What all tasks take.
struct CalibrateArguments {
  ModelArguments Model;
  std::optional<std::string> Output;
  std::optional<double> Gain; ///< What is not so much faster is refused.
  bool AsJson = false;        ///< Prints JSON in place of tables.
};

class CalibrateTask {
public:
  virtual ~CalibrateTask() = default;

  /// Declares what this task alone takes, under names that no other task has.
  virtual void declare(Options &Accepted) = 0;
  virtual void run(const CalibrateArguments &Given, Terminal &Term, Diagnostics &Diags) = 0;
};

struct CalibrateTaskKind {
  std::string_view Name; ///< As --task takes it.
  std::unique_ptr<CalibrateTask> (*Create)();
};
using CalibrateTaskRegistration = Registry<CalibrateTaskKind>::Registration;

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_CALIBRATETASK_H
