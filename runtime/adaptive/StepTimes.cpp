//===- StepTimes.cpp - What a step of several rows costs --------*- C++ -*-===//

#include "runtime/adaptive/StepTimes.h"

#include <algorithm>

namespace lathe {

double StepTimes::Window::median(int64_t Copies, double Assumed) const {
  std::array<double, Size> Sorted = Values;
  int64_t Used = std::min(Count, Size);
  while (Used < Size && Copies-- > 0)
    Sorted[Used++] = Assumed;
  if (Used == 0)
    return 0;
  auto Middle = Sorted.begin() + (Used - 1) / 2;
  std::nth_element(Sorted.begin(), Middle, Sorted.begin() + Used);
  return *Middle;
}

void StepTimes::record(int64_t Rows, double Seconds) {
  if (Rows == 1)
    Base.add(Seconds);
  else if (hasBase())
    Relative[Rows - 1].add(Seconds / base());
}

double StepTimes::relative(int64_t Rows) const {
  int64_t Below = Rows, Above = Rows;
  while (Below > 1 && !hasMeasured(Below))
    --Below;
  double Lower = Below == 1 ? 1 : measured(Below);
  if (Below == Rows)
    return Lower;
  while (Above <= MaxRows && !hasMeasured(Above))
    ++Above;
  if (Above > MaxRows)
    return Lower + AssumedSlope * static_cast<double>(Rows - Below);
  double Upper = measured(Above);
  return Lower +
         (Upper - Lower) * static_cast<double>(Rows - Below) / static_cast<double>(Above - Below);
}

} // namespace lathe
