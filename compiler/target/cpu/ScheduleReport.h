//===- ScheduleReport.h - The schedule as a JSON text -----------*- C++ -*-===//

#ifndef LATHE_COMPILER_TARGET_CPU_SCHEDULEREPORT_H
#define LATHE_COMPILER_TARGET_CPU_SCHEDULEREPORT_H

#include "compiler/target/cpu/CostModel.h"
#include "compiler/target/cpu/CpuTarget.h"

#include "mlir/IR/BuiltinOps.h"

#include <optional>
#include <string>

namespace lathe::compiler {

/// What was decided for the planned programs of `module`: entries, phases, tiles,
/// arithmetic, work and memory, in the form that docs/cost-model.md describes.
/// With a machine also what everything should take on it; every entry is told for
/// the numbers of rows that it would be chosen for, after `depth` positions.
std::string writeSchedule(mlir::ModuleOp module, const CpuTarget &target,
                          const std::optional<Machine> &machine, int64_t depth);

} // namespace lathe::compiler

#endif // LATHE_COMPILER_TARGET_CPU_SCHEDULEREPORT_H
