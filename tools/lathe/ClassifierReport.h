//===- ClassifierReport.h - What calibrating a classifier found -*- C++ -*-===//

#ifndef LATHE_TOOLS_LATHE_CLASSIFIERREPORT_H
#define LATHE_TOOLS_LATHE_CLASSIFIERREPORT_H

#include "tools/lathe/Svg.h"

#include "runtime/classify/CalibrateClassifier.h"

namespace lathe::cli {

/// The baselines, and exits from each depth on; times and accuracies are those of the
/// test part.
std::string classifierTable(const CalibratedClassifier &Found);

/// The same as JSON; and the file that `lathe classify --cal` takes, which has it too.
std::string classifierJson(const CalibratedClassifier &Found, const ExitRule &Rule);
std::string classifierFileText(const CalibratedClassifier &Found, const ExitRule &Rule);

/// Accuracy against latency, of all points of the table.
SvgPicture drawClassifier(const CalibratedClassifier &Found);

} // namespace lathe::cli

#endif // LATHE_TOOLS_LATHE_CLASSIFIERREPORT_H
