// Exits of a stack parse and print as they are written.
// RUN: lathe-opt %s | lathe-opt | FileCheck %s
// RUN: lathe-opt %s --emit-bytecode | lathe-opt | FileCheck %s

// CHECK:      step.layers %{{.*}} = 0 to 3 at %{{.*}} select [0, 1, 0] rest [2, 2, 2] behind propagate {
// CHECK:      }, {
// CHECK:        step.exit_if %{{.*}} at %{{.*}} : <1x1xf32> {
// CHECK-NEXT:     step.phase "sure" over rows {
// CHECK:          step.barrier
// CHECK-NEXT:   } leaving {
// CHECK-NEXT:     step.phase "lens" over rows {
// CHECK:      }, {
step.program @decode max_rows = 1 (%rows: !lathe.rows, %kv: !lathe.kv<3 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %x = step.alloc : !step.buffer<1x64xf32>
  %p = step.alloc : !step.buffer<1x1xf32>
  step.layers %i = 0 to 3 at %rows select [0, 1, 0] rest [2, 2, 2] behind propagate {
    step.phase "plain" over rows {
      %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      step.store %0, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }, {
    step.exit_if %p at %rows : !step.buffer<1x1xf32> {
      step.phase "sure" over rows {
        %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
        %1 = lathe.margin %0 : tensor<?x64xf32>
        step.store %1, %p : tensor<?x1xf32>, !step.buffer<1x1xf32>
      }
      step.barrier
    } leaving {
      step.phase "lens" over rows {
        %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
        %1 = lathe.silu %0 : tensor<?x64xf32>
        step.store %1, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
      }
    }
  }, {
  }
}
