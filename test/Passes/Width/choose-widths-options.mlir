// Shares that are none.
// RUN: not lathe-opt %s --lathe-choose-widths=unasked=0 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not lathe-opt %s --lathe-choose-widths=unasked=1.5 2>&1 | FileCheck %s --check-prefix=MORE
// NONE: unasked must be above 0 and at most 1, got 0.0
// MORE: unasked must be above 0 and at most 1, got 1.5
module {}
