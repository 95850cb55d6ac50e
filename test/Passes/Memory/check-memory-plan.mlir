// Sound plans pass, and the pass changes nothing.
// RUN: lathe-opt %s --allow-unregistered-dialect > %t.before
// RUN: lathe-opt %s --allow-unregistered-dialect --pass-pipeline='builtin.module(step.program(lathe-check-memory-plan))' | diff %t.before -

// %b takes the place of %a as soon as nobody reads %a any more.
step.program @reuse max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  %a = step.alloc at 0 : !step.buffer<1x64xf32>
  %m = step.alloc at 256 : !step.buffer<1x64xf32>
  %b = step.alloc at 0 : !step.buffer<1x64xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %a : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "1" over rows {
    %0 = step.load %a : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    step.store %0, %m : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "2" over rows {
    %0 = step.load %m : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    step.store %0, %b : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.phase "3" over rows {
    %0 = step.load %b : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    step.store %0, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}

// A phase may read and write one buffer, and two bodies may use the same bytes for their own.
step.program @stack max_rows = 1 arena = 512 (%rows: !lathe.rows, %kv: !lathe.kv<4 x 1 x 32 x f32>, %logits: !step.buffer<1x64xf32>) {
  %h = step.alloc at 0 : !step.buffer<1x64xf32>
  %p = step.alloc at 256 : !step.buffer<1x64xf32>
  %q = step.alloc at 320 : !step.buffer<1x32xf32>
  step.phase "0" over rows {
    %0 = "v"() : () -> tensor<?x64xf32>
    step.store %0, %h : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
  step.layers %i = 0 to 4 select [0, 1, 1, 0] {
    step.phase "1" over rows {
      %0 = step.load %h : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      step.store %0, %p : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
    step.phase "2" over rows {
      %0 = step.load %p : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = step.load %h : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %2 = lathe.add %0, %1 : tensor<?x64xf32>
      step.store %2, %h : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }, {
    step.phase "3" over rows {
      %0 = step.load %h : !step.buffer<1x64xf32> -> tensor<?x64xf32>
      %1 = "v"(%0) : (tensor<?x64xf32>) -> tensor<?x32xf32>
      step.store %1, %q : tensor<?x32xf32>, !step.buffer<1x32xf32>
    }
    step.phase "4" over rows {
      %0 = step.load %q : !step.buffer<1x32xf32> -> tensor<?x32xf32>
      %1 = "v"(%0) : (tensor<?x32xf32>) -> tensor<?x64xf32>
      step.store %1, %h : tensor<?x64xf32>, !step.buffer<1x64xf32>
    }
  }
  step.phase "5" over rows {
    %0 = step.load %h : !step.buffer<1x64xf32> -> tensor<?x64xf32>
    step.store %0, %logits : tensor<?x64xf32>, !step.buffer<1x64xf32>
  }
}
