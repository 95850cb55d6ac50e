// RUN: not lathe-opt %s --pass-pipeline='builtin.module(step.program(lathe-plan-memory{alignment=48}))' 2>&1 | FileCheck %s --check-prefix=ODD
// RUN: not lathe-opt %s --pass-pipeline='builtin.module(step.program(lathe-plan-memory{alignment=0}))' 2>&1 | FileCheck %s --check-prefix=ZERO
// RUN: not lathe-opt %s --pass-pipeline='builtin.module(step.program(lathe-plan-memory{alignment=-64}))' 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// RUN: not lathe-opt %s --pass-pipeline='builtin.module(lathe-plan-memory)' 2>&1 | FileCheck %s --check-prefix=ANCHOR

// ODD: error: alignment must be a power of two, got 48
// ZERO: error: alignment must be a power of two, got 0
// NEGATIVE: error: alignment must be a power of two, got -64
// ANCHOR: restricted to 'step.program'
step.program @decode max_rows = 1 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
}
