// One function becomes two programs, for one row and for many.
// RUN: lathe-opt %s --lathe-schedule="prefill-rows=16 verify-rows=0" | FileCheck %s
// RUN: lathe-opt %s --lathe-schedule="prefill-rows=16 verify-rows=0 inline-rows=16" | FileCheck %s --check-prefix=INLINE
// RUN: lathe-opt %s --lathe-schedule="decode-rows=4 verify-rows=4 prefill-rows=16 inline-rows=2" | FileCheck %s --check-prefix=SPLIT

lathe.weights @embd : tensor<40x64xf32> from "e"
lathe.weights @blk.norm : 2 x tensor<64xf32> from "blk.{}.n"
lathe.weights @blk.up : 2 x tensor<96x64xf32> from "blk.{}.u"
lathe.weights @blk.down : 2 x tensor<64x96xf32> from "blk.{}.d"

// The decode entry has the norm inside the phase of the contraction, where each worker computes it
// for itself.  The carried rows are written over by "down": "up" has read them before, and the sum
// reads them element by element.
// CHECK:      step.program @decode max_rows = 1 (%[[ROWS:.*]]: !lathe.rows, %[[KV:.*]]: !lathe.kv<2 x 1 x 32 x f32>, %[[LOGITS:.*]]: !step.buffer<1x40xf32>) {
// CHECK-NEXT:   %[[H:.*]] = step.alloc : <1x64xf32>
// CHECK-NEXT:   %[[U:.*]] = step.alloc : <1x96xf32>
// CHECK-NEXT:   step.phase "embed" over rows {
// CHECK:          %[[E:.*]] = lathe.embed %[[ROWS]]
// CHECK-NEXT:     step.store %[[E]], %[[H]]
// CHECK:        step.layers %[[I:.*]] = 0 to 2 {
// CHECK-NEXT:     step.phase "up" over columns {
// CHECK-NEXT:       %[[X:.*]] = step.load %[[H]] : <1x64xf32> -> tensor<?x64xf32>
// CHECK-NEXT:       %[[W:.*]] = lathe.weight @blk.norm[%[[I]]]
// CHECK-NEXT:       lathe.rms_norm %[[X]], %[[W]]
// CHECK:            step.store %{{.*}}, %[[U]]
// CHECK-NEXT:     }
// CHECK-NEXT:     step.phase "down" over columns {
// CHECK-NEXT:       step.load %[[U]]
// CHECK:            %[[H1:.*]] = step.load %[[H]]
// CHECK-NEXT:       %[[S:.*]] = lathe.add %[[H1]]
// CHECK-NEXT:       step.store %[[S]], %[[H]]
// CHECK-NEXT:     }
// CHECK-NEXT:   }

// The phase of the head has the rows that want logits; its result goes to the caller's buffer.
// CHECK-NEXT:   step.phase "head" over columns logits_rows {
// CHECK-NEXT:     step.load %[[H]]
// CHECK-NEXT:     lathe.select_logits
// CHECK:          step.store %{{.*}}, %[[LOGITS]]

// The prefill entry shares the norm among the workers, in a phase of its own with a buffer.
// CHECK:      step.program @prefill max_rows = 16 (
// CHECK:        step.layers
// CHECK-NEXT:     step.phase "up.in" over rows {
// CHECK:            %[[N:.*]] = lathe.rms_norm
// CHECK-NEXT:       step.store %[[N]], %[[NB:.*]] :
// CHECK:          step.phase "up" over columns {
// CHECK-NEXT:       step.load %[[NB]]
// CHECK-NOT:        lathe.rms_norm
// CHECK:        step.phase "head.in" over rows logits_rows {
// CHECK:        step.phase "head" over columns logits_rows {

// The function is used up; barriers are not this pass's business.
// CHECK-NOT:  func.func
// CHECK-NOT:  step.barrier

// Up to `inline-rows` rows the prologue stays inside.
// INLINE-NOT: .in"
// SPLIT:      step.program @decode max_rows = 4 (
// SPLIT:        step.phase "up.in" over rows {
// SPLIT:      step.program @prefill max_rows = 16 (
func.func @forward(%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>) -> (tensor<?x40xf32>, !lathe.kv<2 x 1 x 32 x f32>) {
  %we = lathe.weight @embd : tensor<40x64xf32>
  %x = lathe.group "embed" -> tensor<?x64xf32> {
    %e = lathe.embed %rows, %we : tensor<40x64xf32> -> tensor<?x64xf32>
    lathe.yield %e : tensor<?x64xf32>
  }
  %y = lathe.layers %i = 0 to 2 (%h = %x) : tensor<?x64xf32> {
    %wn = lathe.weight @blk.norm[%i] : tensor<64xf32>
    %wu = lathe.weight @blk.up[%i] : tensor<96x64xf32>
    %wd = lathe.weight @blk.down[%i] : tensor<64x96xf32>
    %u = lathe.group "up" -> tensor<?x96xf32> {
      %n = lathe.rms_norm %h, %wn {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
      %0 = lathe.linear %n, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
      lathe.yield %0 : tensor<?x96xf32>
    }
    %d = lathe.group "down" -> tensor<?x64xf32> {
      %0 = lathe.linear %u, %wd : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
      %s = lathe.add %h, %0 : tensor<?x64xf32>
      lathe.yield %s : tensor<?x64xf32>
    }
    lathe.yield %d : tensor<?x64xf32>
  }
  %l = lathe.group "head" -> tensor<?x40xf32> {
    %s = lathe.select_logits %y, %rows : tensor<?x64xf32>
    %o = lathe.linear %s, %we : tensor<?x64xf32>, tensor<40x64xf32> -> tensor<?x40xf32>
    lathe.yield %o : tensor<?x40xf32>
  }
  return %l, %kv : tensor<?x40xf32>, !lathe.kv<2 x 1 x 32 x f32>
}
