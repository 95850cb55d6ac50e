// RUN: lathe-opt %s --allow-unregistered-dialect --pass-pipeline='builtin.module(step.program(lathe-plan-memory))' | FileCheck %s
// RUN: lathe-opt %s --allow-unregistered-dialect --pass-pipeline='builtin.module(step.program(lathe-plan-memory,lathe-check-memory-plan))' -o %t
// RUN: lathe-opt %s --allow-unregistered-dialect --pass-pipeline='builtin.module(step.program(lathe-plan-memory{alignment=1024}))' | FileCheck %s --check-prefix=WIDE

// A worked example.  Each buffer lives from its first to its last access:
//
//   %a  1x64xf32   256 bytes   phases 0 to 1
//   %b  1x128xf32  512 bytes   phases 1 to 2
//   %c  1x40xf32   160 bytes   phases 2 to 3, rounded up to 192, a multiple of 64
//   %d  1x128xf32  512 bytes   phases 3 to 4
//
// They are placed by decreasing size, equal ones in program order: %b, %d, %a, %c.
//
//   %b  nothing is placed                              ->    0 to  512
//   %d  lives with neither of them                     ->    0 to  512
//   %a  lives with %b in phase 1, so it lies behind it ->  512 to  768
//   %c  lives with %b in phase 2 and %d in phase 3     ->  512 to  704, where %a was
//
//   bytes
//    768 +-------+-------+       .
//        |  %a   |  %a   +-------+-------+ 704
//        |       |       |  %c   |  %c   |
//    512 +-------+-------+-------+-------+-------+
//        |       |               |               |
//        |       |  %b      %b   |  %d      %d   |
//      0 +-------+---------------+---------------+
//  phase     0       1       2       3       4
//
// No plan can do with less than what is alive at one time, the bound: 256 + 512 in phase 1.
// CHECK-LABEL: step.program @worked max_rows = 1 arena = 768 bound = 768
// CHECK-NEXT:    step.alloc at 512 : <1x64xf32>
// CHECK-NEXT:    step.alloc at 0 : <1x128xf32>
// CHECK-NEXT:    step.alloc at 512 : <1x40xf32>
// CHECK-NEXT:    step.alloc at 0 : <1x128xf32>

// With an alignment of 1024 every buffer takes a multiple of it.
// WIDE-LABEL:  step.program @worked max_rows = 1 arena = 2048 bound = 2048
// WIDE-NEXT:     step.alloc at 0 : <1x64xf32>
// WIDE-NEXT:     step.alloc at 1024 : <1x128xf32>
// WIDE-NEXT:     step.alloc at 0 : <1x40xf32>
// WIDE-NEXT:     step.alloc at 1024 : <1x128xf32>
step.program @worked max_rows = 1 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc : !step.buffer<1x64xf32>
  %b = step.alloc : !step.buffer<1x128xf32>
  %c = step.alloc : !step.buffer<1x40xf32>
  %d = step.alloc : !step.buffer<1x128xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "1" over rows {
    %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x128xf32>
    step.store %1, %b : tensor<?x128xf32>, !step.buffer<1x128xf32>
  }
  step.phase "2" over rows {
    %0 = step.load %b : !step.buffer<1x128xf32> -> tensor<?x128xf32>
    %1 = "v"(%0) : (tensor<?x128xf32>) -> tensor<?x40xf32>
    step.store %1, %c : tensor<?x40xf32>, !step.buffer<1x40xf32>
  }
  step.phase "3" over rows {
    %0 = step.load %c : !step.buffer<1x40xf32> -> tensor<?x40xf32>
    %1 = "v"(%0) : (tensor<?x40xf32>) -> tensor<?x128xf32>
    step.store %1, %d : tensor<?x128xf32>, !step.buffer<1x128xf32>
  }
  step.phase "4" over rows {
    %0 = step.load %d : !step.buffer<1x128xf32> -> tensor<?x128xf32>
    %1 = "v"(%0) : (tensor<?x128xf32>) -> tensor<?x64xf32>
    step.store %1, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// The back edge.  %carried is written in one round and read in the next; %table is read in every
// round: both live through all of the stack, phases 1 to 3, and %carried until phase 4.  %local and
// %made are made anew in each round, so only their own phases count, but they meet in phase 2.
//
//   %carried 0 to 4    %table 0 to 3    %made 2 to 3    %local 1 to 2    %after 4 to 5
//
// CHECK-LABEL: step.program @back_edge max_rows = 1 arena = 1024 bound = 1024
// CHECK-NEXT:    step.alloc at 0
// CHECK-NEXT:    step.alloc at 256
// CHECK-NEXT:    step.alloc at 512
// CHECK-NEXT:    step.alloc at 768
// CHECK-NEXT:    step.alloc at 256
step.program @back_edge max_rows = 1 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  %carried = step.alloc : !step.buffer<1x64xf32>
  %table = step.alloc : !step.buffer<1x64xf32>
  %made = step.alloc : !step.buffer<1x64xf32>
  %local = step.alloc : !step.buffer<1x64xf32>
  %after = step.alloc : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %carried : tensor<?x64xf32>, !step.buffer<1x64xf32>
    %1 = "v"() : () -> tensor<?x64xf32>
    step.store %1, %table : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.layers %i = 0 to 4 {
    step.phase "1" over rows {
      %0 = step.load %carried : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      step.store %1, %local : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
    step.phase "2" over rows {
      %0 = step.load %local : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      step.store %1, %made : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
    step.phase "3" over rows {
      %0 = step.load %made : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = step.load %table : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %2 = "v"(%0, %1) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
      step.store %2, %carried : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
  step.phase "4" over rows {
    %0 = step.load %carried : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    step.store %1, %after : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "5" over rows {
    %0 = step.load %after : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    step.store %1, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// A buffer whose last phase writes for the next round is alive in between, although nothing reads
// it behind the stack.
// CHECK-LABEL: step.program @next_round max_rows = 1 arena = 512 bound = 512
// CHECK-NEXT:    step.alloc at 0
// CHECK-NEXT:    step.alloc at 256
step.program @next_round max_rows = 1 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  %state = step.alloc : !step.buffer<1x64xf32>
  %local = step.alloc : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %state : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.layers %i = 0 to 4 {
    step.phase "1" over rows {
      %0 = step.load %state : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      step.store %1, %local : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
    step.phase "2" over rows {
      %0 = step.load %local : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
      step.store %1, %state : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
  step.phase "3" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// Two bodies never run at once: what is local to one shares memory with what is local to the
// other.  What one body writes and the other reads lives through both.
//
//   %p 1 to 2    %q 3 to 4    %h 0 to 5    %both 0 to 4
//
// CHECK-LABEL: step.program @two_bodies max_rows = 1 arena = 1024 bound = 1024
// CHECK-NEXT:    step.alloc at 512 : <1x64xf32>
// CHECK-NEXT:    step.alloc at 0 : <1x128xf32>
// CHECK-NEXT:    step.alloc at 0 : <1x128xf32>
// CHECK-NEXT:    step.alloc at 768 : <1x64xf32>
step.program @two_bodies max_rows = 1 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  %h = step.alloc : !step.buffer<1x64xf32>
  %p = step.alloc : !step.buffer<1x128xf32>
  %q = step.alloc : !step.buffer<1x128xf32>
  %both = step.alloc : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %h : tensor<?x64xf32>, !step.buffer<1x64xf32>
    %1 = "v"() : () -> tensor<?x64xf32>
    step.store %1, %both : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.layers %i = 0 to 4 select [0, 1, 1, 0] {
    step.phase "1" over rows {
      %0 = step.load %h : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x128xf32>
      step.store %1, %p : tensor<?x128xf32>, !step.buffer<1x128xf32>
    }
    step.phase "2" over rows {
      %0 = step.load %p : !step.buffer<1x128xf32> -> tensor<?x128xf32>
      %1 = step.load %both : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %2 = "v"(%0, %1) : (tensor<?x128xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
      step.store %2, %h : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }, {
    step.phase "3" over rows {
      %0 = step.load %h : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x128xf32>
      step.store %1, %q : tensor<?x128xf32>, !step.buffer<1x128xf32>
    }
    step.phase "4" over rows {
      %0 = step.load %q : !step.buffer<1x128xf32> -> tensor<?x128xf32>
      %1 = "v"(%0) : (tensor<?x128xf32>) -> tensor<?x64xf32>
      step.store %1, %h : tensor<?x64xf32>, !step.buffer<1x64xf32>
      %2 = "v"(%0) : (tensor<?x128xf32>) -> tensor<?x64xf32>
      step.store %2, %both : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
  step.phase "5" over rows {
    %0 = step.load %h : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    step.store %1, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// A buffer that no phase touches gets no memory.
// CHECK-LABEL: step.program @unused max_rows = 1 arena = 256 bound = 256
// CHECK-NEXT:    step.alloc at 0 : <1x64xf32>
// CHECK-NEXT:    step.alloc : <1x64xf32>
step.program @unused max_rows = 1 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  %used = step.alloc : !step.buffer<1x64xf32>
  %unused = step.alloc : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %used : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "1" over rows {
    %0 = step.load %used : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x64xf32>
    step.store %1, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// What a buffer takes.  A row of int8 elements has, for every 32 of them, an f32 scale, four int16
// sums and an f32 product beside them: 8 rows * (64 + 64 / 32 * 16) = 768 bytes.  bf16: 8 * 64 * 2 = 1024.
// CHECK-LABEL: step.program @bytes max_rows = 8 arena = 1792 bound = 1792
// CHECK-NEXT:    step.alloc at 1024 : <8x64x!lathe.q8_act>
// CHECK-NEXT:    step.alloc at 0 : <8x64xbf16>
step.program @bytes max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 32 x f32>, %logits: !step.buffer<8x64xf32>) {
  %a = step.alloc : !step.buffer<8x64x!lathe.q8_act>
  %b = step.alloc : !step.buffer<8x64xbf16>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64x!lathe.q8_act>
    step.store %0, %a : tensor<?x64x!lathe.q8_act>, !step.buffer<8x64x!lathe.q8_act>
    %1 = "v"() : () -> tensor<?x64xbf16>
    step.store %1, %b : tensor<?x64xbf16>, !step.buffer<8x64xbf16>
  }
  step.phase "1" over rows {
    %0 = step.load %a : !step.buffer<8x64x!lathe.q8_act> -> tensor<?x64x!lathe.q8_act>
    %1 = step.load %b : !step.buffer<8x64xbf16> -> tensor<?x64xbf16>
    %2 = "v"(%0, %1) : (tensor<?x64x!lathe.q8_act>, tensor<?x64xbf16>) -> tensor<?x64xf32>
    step.store %2, %logits : tensor<?x64xf32>, !step.buffer<8x64xf32>
  }
}
