// What upstream's clean-up may do with a schedule: loads and weights are merged or dropped, while
// stores, barriers and the buffers that they touch stay.
// RUN: lathe-opt %s --canonicalize --cse | FileCheck %s

lathe.weights @w : tensor<64xf32> from "w"

// CHECK-LABEL: step.program @program
step.program @program max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  // A buffer that nothing touches goes.
  // CHECK-COUNT-1: step.alloc
  // CHECK-NOT:     step.alloc
  %x = step.alloc : !step.buffer<8x64xf32>
  %unused = step.alloc : !step.buffer<8x64xf32>
  // A weight named twice is one, a load that is not used goes, a store stays.
  // CHECK:      step.phase "bias" over rows {
  // CHECK-NEXT:   %[[X:.*]] = step.load
  // CHECK-NEXT:   %[[W:.*]] = lathe.weight @w
  // CHECK-NEXT:   %[[A:.*]] = lathe.bias %[[X]], %[[W]]
  // CHECK-NEXT:   %[[B:.*]] = lathe.bias %[[A]], %[[W]]
  // CHECK-NEXT:   step.store %[[B]]
  // CHECK-NEXT: }
  step.phase "bias" over rows {
    %0 = step.load %x : !step.buffer<8x64xf32> -> tensor<?x64xf32>
    %1 = step.load %x : !step.buffer<8x64xf32> -> tensor<?x64xf32>
    %2 = lathe.weight @w : tensor<64xf32>
    %3 = lathe.bias %0, %2 : tensor<?x64xf32>, tensor<64xf32>
    %4 = lathe.weight @w : tensor<64xf32>
    %5 = lathe.bias %3, %4 : tensor<?x64xf32>, tensor<64xf32>
    step.store %5, %x : tensor<?x64xf32>, !step.buffer<8x64xf32>
  }
  // CHECK-NEXT: step.barrier
  step.barrier
  // The same load on the other side of a barrier is another value.
  // CHECK-NEXT: step.phase "copy" over rows {
  // CHECK-NEXT:   step.load
  // CHECK-NEXT:   step.store
  step.phase "copy" over rows {
    %0 = step.load %x : !step.buffer<8x64xf32> -> tensor<?x64xf32>
    step.store %0, %x : tensor<?x64xf32>, !step.buffer<8x64xf32>
  }
  // CHECK: step.layers
  // CHECK:   step.barrier
  step.layers %i = 0 to 2 {
    step.barrier
  }
}
