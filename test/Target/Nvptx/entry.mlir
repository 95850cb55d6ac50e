// One kernel for each program: the phases in order, and between them a barrier of all blocks.
// RUN: lathe-opt %s --lathe-emit-nvptx=target=sm_80 | FileCheck %s

// The backend drops an order stronger than monotonic from an atomicrmw: fences stand around it.
// CHECK-LABEL: func.func @lathe_entry_decode(%arg0: !llvm.ptr)
// CHECK:         %[[BLOCK:.*]] = llvm.call_intrinsic "llvm.nvvm.read.ptx.sreg.ctaid.x"
// CHECK:         call @decode$embed
// CHECK:         llvm.call_intrinsic "llvm.nvvm.barrier.cta.sync.aligned.all"
// CHECK:         scf.if
// CHECK:           llvm.fence syncscope("device") acq_rel
// CHECK:           llvm.atomicrmw add {{.*}} syncscope("device") monotonic
// CHECK:           scf.while
// CHECK:             llvm.load {{.*}} atomic syncscope("device") acquire
// CHECK:           llvm.fence syncscope("device") acq_rel
// CHECK:         llvm.call_intrinsic "llvm.nvvm.barrier.cta.sync.aligned.all"
// CHECK:         call @decode$head
// Behind the head, all blocks look for the greatest logits where the step wants few: those of parts, and, when
// they have met, those of all.
// CHECK:         scf.if
// CHECK:           call @decode$greatest_of_parts
// CHECK:           llvm.atomicrmw add
// CHECK:           call @decode$greatest(
// The manifest says what a launch needs, and that the greatest are found.
// CHECK: lathe_manifest("{\22abi\22:{{[0-9]+}},{{.*}}\22target\22:\22sm_80\22{{.*}}\22launch\22:{\22threads\22:256,\22shared_bytes\22:{{[0-9]+}}}{{.*}}\22greatest_logits\22:64}
lathe.weights @table : tensor<64x64xf32> from "table"
step.program @decode max_rows = 1 arena = 256 (%rows: !lathe.rows, %kv: !lathe.kv<1 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64xf32>
  step.phase "embed" over rows {
    %w = lathe.weight @table : tensor<64x64xf32>
    %0 = lathe.embed %rows, %w : tensor<64x64xf32> -> tensor<?x64xf32>
    step.store %0, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.barrier
  step.phase "head" over columns logits_rows {
    %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %1 = lathe.select_logits %0, %rows : tensor<?x64xf32>
    %w = lathe.weight @table : tensor<64x64xf32>
    %2 = lathe.linear %1, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    step.store %2, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}
