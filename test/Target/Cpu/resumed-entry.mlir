// The entry of an encoder leaves out what is ahead of the layers when it goes on, and runs the layers
// that its arguments name.  That of a decoder, below, always runs all of them.
// RUN: lathe-opt %s --lathe-emit-cpu=target=x86-64-v3 --split-input-file | FileCheck %s

// CHECK:       func.func @lathe_entry_forward(%[[ARGS:.*]]: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64) -> i32 {
// CHECK:         llvm.call %{{.*}}({{.*}}) : !llvm.ptr, (!llvm.ptr, i64) -> ()
// CHECK:         %[[NONE:.*]] = arith.constant 0 : i64
// CHECK:         %[[RESUMES:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i64
// CHECK:         %[[BEGINS:.*]] = arith.cmpi eq, %[[RESUMES]], %[[NONE]] : i64
// CHECK:         scf.if %[[BEGINS]] {
// CHECK-NEXT:      call @forward.embed(
// CHECK-NEXT:    }
// CHECK:         %[[FIRST:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i64
// CHECK:         %[[LEFT:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i64
// CHECK-NEXT:    %[[END:.*]] = arith.subi %{{.*}}, %[[LEFT]] : i64
// CHECK:         scf.for %[[I:.*]] = {{.*}} {
// CHECK:           call @forward.layer(
// CHECK:         call @forward.pool(
// CHECK:         return
// CHECK:       llvm.mlir.global {{.*}} @lathe_manifest({{.*}}resumes\22:true
step.program @forward max_rows = 4 arena = 1024 (%rows: !lathe.rows, %logits: !step.buffer<4x64xf32>) {
  %x = step.alloc at 0 : !step.buffer<4x64xf32>
  step.phase "embed" over rows {
    %0 = step.load %logits : !step.buffer<4x64xf32> -> tensor<?x64xf32>
    step.store %0, %x : tensor<?x64xf32>, !step.buffer<4x64xf32>
  }
  step.layers %i = 0 to 3 {
    step.phase "layer" over rows {
      %0 = step.load %x : !step.buffer<4x64xf32> -> tensor<?x64xf32>
      %1 = lathe.gelu %0 : tensor<?x64xf32>
      step.store %1, %x : tensor<?x64xf32>, !step.buffer<4x64xf32>
    }
  }
  step.phase "pool" over rows logits_rows {
    %0 = step.load %x : !step.buffer<4x64xf32> -> tensor<?x64xf32>
    %1 = lathe.pool %0, %rows : tensor<?x64xf32>
    step.store %1, %logits : tensor<?x64xf32>, !step.buffer<4x64xf32>
  }
}

// -----

// CHECK:       func.func @lathe_entry_decode(
// CHECK-NOT:     scf.if
// CHECK-NOT:     llvm.load
// CHECK:         call @decode.embed(
// CHECK-NOT:     llvm.load
// CHECK:         scf.for
// CHECK:         return
// CHECK-NOT:   resumes
step.program @decode max_rows = 1 arena = 256 (%rows: !lathe.rows, %kv: !lathe.kv<3 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  %x = step.alloc at 0 : !step.buffer<1x64xf32>
  step.phase "embed" over rows {
    %0 = step.load %logits : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    step.store %0, %x : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.layers %i = 0 to 3 {
    step.phase "layer" over rows {
      %0 = step.load %x : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = lathe.gelu %0 : tensor<?x64xf32>
      step.store %1, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
}
