// A barrier stands where phases conflict, and nowhere else.
// RUN: lathe-opt %s --allow-unregistered-dialect --pass-pipeline='builtin.module(step.program(lathe-place-barriers))' | FileCheck %s
// Running it twice places nothing more.
// RUN: lathe-opt %s --allow-unregistered-dialect --pass-pipeline='builtin.module(step.program(lathe-place-barriers))' > %t.once
// RUN: lathe-opt %t.once --allow-unregistered-dialect --pass-pipeline='builtin.module(step.program(lathe-place-barriers))' | diff %t.once -

// Read after write: "1" reads what "0" wrote.
// CHECK-LABEL: step.program @read_after_write
// CHECK:         step.phase "0"
// CHECK:         step.barrier
// CHECK-NEXT:    step.phase "1"
// CHECK-NOT:     step.barrier
step.program @read_after_write max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %b = step.alloc at 256 : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "1" over rows {
    %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    step.store %1, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// Write after read: "2" writes bytes that "1" may still be reading.  %c is another buffer than %a,
// but lies in a part of its bytes.
// CHECK-LABEL: step.program @write_after_read
// CHECK:         step.phase "0"
// CHECK:         step.barrier
// CHECK-NEXT:    step.phase "1"
// CHECK:         step.barrier
// CHECK-NEXT:    step.phase "2"
step.program @write_after_read max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %b = step.alloc at 512 : !step.buffer<1x64xf32>
  %c = step.alloc at 192 : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "1" over rows {
    %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    step.store %1, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "2" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %c : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// Write after write, through bytes that are used again: "1" needs nothing of "0".
// CHECK-LABEL: step.program @write_after_write
// CHECK:         step.phase "0"
// CHECK:         step.barrier
// CHECK-NEXT:    step.phase "1"
step.program @write_after_write max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %b = step.alloc at 192 : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "1" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// Neighbours that share no byte, and two readers of the same bytes, do not conflict.
// CHECK-LABEL: step.program @no_conflict
// CHECK:         step.phase "0"
// CHECK-NOT:     step.barrier
// CHECK:         step.phase "1"
// CHECK:         step.barrier
// CHECK-NEXT:    step.phase "2"
// CHECK-NOT:     step.barrier
// CHECK:         step.phase "3"
// CHECK-NOT:     step.barrier
// CHECK:       }
step.program @no_conflict max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %b = step.alloc at 256 : !step.buffer<1x64xf32>
  %c = step.alloc at 512 : !step.buffer<1x64xf32>
  %d = step.alloc at 768 : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "1" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "2" over rows {
    %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %1 = step.load %b : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %2 = "v"(%0, %1) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
    step.store %2, %c : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "3" over rows {
    %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    step.store %1, %d : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// A conflict with any phase since the last barrier counts, not only with the one before.
// CHECK-LABEL: step.program @older_phase
// CHECK:         step.phase "0"
// CHECK-NOT:     step.barrier
// CHECK:         step.phase "1"
// CHECK:         step.barrier
// CHECK-NEXT:    step.phase "2"
step.program @older_phase max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %b = step.alloc at 256 : !step.buffer<1x64xf32>
  %c = step.alloc at 512 : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "1" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "2" over rows {
    %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    step.store %1, %c : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// A barrier that is there already counts.
// CHECK-LABEL: step.program @given
// CHECK:         step.phase "0"
// CHECK:         step.barrier
// CHECK-NEXT:    step.phase "1"
step.program @given max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %b = step.alloc at 256 : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.barrier
  step.phase "1" over rows {
    %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    step.store %1, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// The logits are memory like any other.
// CHECK-LABEL: step.program @logits
// CHECK:         step.phase "0"
// CHECK:         step.barrier
// CHECK-NEXT:    step.phase "1"
step.program @logits max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "1" over rows {
    %0 = step.load %logits : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    step.store %1, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// Attention reads the cache that the phase ahead of it writes, and the next round writes what
// attention may still be reading.  Without the back edge "append" would have no barrier.
// CHECK-LABEL: step.program @cache
// CHECK:         step.layers
// CHECK-NEXT:      step.barrier
// CHECK-NEXT:      step.phase "append"
// CHECK:           step.barrier
// CHECK-NEXT:      step.phase "attention"
step.program @cache max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %q = step.alloc at 0 : !step.buffer<1x64xf32>
  %out = step.alloc at 256 : !step.buffer<1x64xf32>
  step.barrier
  step.layers %i = 0 to 4 {
    step.phase "append" over columns {
      %0 = step.load %q : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %h1 = lathe.split_heads %0 : tensor<?x64xf32> -> tensor<?x1x64xf32>
      %c = lathe.kv_append %kv[%i], %h1, %h1 at %rows : !lathe.kv<4 x 1 x 64 x f32>, tensor<?x1x64xf32>
      step.store %c, %kv : !lathe.kv<4 x 1 x 64 x f32>, !lathe.kv<4 x 1 x 64 x f32>
    }
    step.phase "attention" over heads {
      %0 = step.load %q : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %h1 = lathe.split_heads %0 : tensor<?x64xf32> -> tensor<?x1x64xf32>
      %a = lathe.attention %h1, %kv[%i] at %rows {scale = 0.125 : f32} : tensor<?x1x64xf32>, !lathe.kv<4 x 1 x 64 x f32>
      %m = lathe.merge_heads %a : tensor<?x1x64xf32> -> tensor<?x64xf32>
      step.store %m, %out : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
}

// "0" of the next round writes what "1" read, but the barrier in front of "2" stands between them;
// "2" and the next "0" share nothing, so the back edge needs none.
// CHECK-LABEL: step.program @back_edge_is_covered
// CHECK:         step.layers
// CHECK-NEXT:      step.phase "0"
// CHECK:           step.barrier
// CHECK-NEXT:      step.phase "1"
// CHECK:           step.barrier
// CHECK-NEXT:      step.phase "2"
// CHECK-NOT:       step.barrier
step.program @back_edge_is_covered max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %b = step.alloc at 256 : !step.buffer<1x64xf32>
  %c = step.alloc at 512 : !step.buffer<1x64xf32>
  %d = step.alloc at 768 : !step.buffer<1x64xf32>
  step.layers %i = 0 to 4 {
    step.phase "0" over rows {
      %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      step.store %1, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
    step.phase "1" over rows {
      %0 = step.load %b : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      step.store %1, %c : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
    step.phase "2" over rows {
      %0 = step.load %c : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      step.store %1, %d : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
}

// A phase alone in the stack that reads and writes one buffer meets itself.
// CHECK-LABEL: step.program @itself
// CHECK:         step.layers
// CHECK-NEXT:      step.barrier
// CHECK-NEXT:      step.phase "0"
step.program @itself max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  step.layers %i = 0 to 4 {
    step.phase "0" over rows {
      %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      step.store %1, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
}

// One body of two conflicts with what is ahead of the stack, and both with each other; behind the
// stack counts what any of them left.
// CHECK-LABEL: step.program @two_bodies
// CHECK:         step.phase "0"
// CHECK-NOT:     step.barrier
// CHECK:         step.layers
// CHECK-NEXT:      step.barrier
// CHECK-NEXT:      step.phase "1"
// CHECK:         }, {
// CHECK-NEXT:      step.barrier
// CHECK-NEXT:      step.phase "2"
// CHECK:         step.barrier
// CHECK-NEXT:    step.phase "3"
step.program @two_bodies max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 64 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %b = step.alloc at 256 : !step.buffer<1x64xf32>
  %c = step.alloc at 512 : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.layers %i = 0 to 4 select [0, 1, 0, 1] {
    step.phase "1" over rows {
      %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      step.store %1, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }, {
    step.phase "2" over rows {
      %0 = step.load %b : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      step.store %1, %c : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
  step.phase "3" over rows {
    %0 = step.load %c : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    step.store %1, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}
