// A pass that crashes, or fails without a word, ends lathe-opt with exit code 70 and leaves a
// reproducer; one that tells an error of its own ends it as MLIR's tools end.
// RUN: rm -rf %t && mkdir %t
// RUN: %python %S/../Tools/inputs/expect.py --exit 70 --error E0903 --memory 1024 \
// RUN:   -- lathe-opt %s --pass-pipeline='builtin.module(canonicalize,lathe-test-fault{kind=segfault})' --reproducer-dir=%t 2>&1 | FileCheck %s --check-prefix=CRASH
// CRASH: error[E0903]: lathe-opt: the passes crashed, SIGSEGV (Segmentation fault): a fault of lathe itself
// CRASH: hint: please report it with {{.*}}/lathe-reproducer-{{[0-9a-f]+}}.mlir, which holds no weights; replay: lathe-opt --run-reproducer {{.*}}/lathe-reproducer-{{[0-9a-f]+}}.mlir
// RUN: cat %t/lathe-reproducer-*.mlir | FileCheck %s --check-prefix=FILE
// FILE: // lathe {{.*}}: the passes crashed, SIGSEGV
// FILE: // lathe-opt --run-reproducer
// FILE: func.func @kept
// FILE: pipeline: "builtin.module(canonicalize{{.*}},lathe-test-fault{kind=segfault})"
// RUN: %python %S/../Tools/inputs/expect.py --exit 70 --error E0901 --memory 1024 \
// RUN:   -- lathe-opt %s --pass-pipeline='builtin.module(lathe-test-fault{kind=silent})' --reproducer-dir=%t
// RUN: %python %S/../Tools/inputs/expect.py --exit 1 --memory 1024 \
// RUN:   -- lathe-opt %s --pass-pipeline='builtin.module(lathe-test-fault{kind=other})' --reproducer-dir=%t 2>&1 | FileCheck %s --check-prefix=USER
// USER: error: kind must be abort, fatal, invalid, segfault, silent or stack
// USER-NOT: reproducer

func.func @kept() {
  return
}
