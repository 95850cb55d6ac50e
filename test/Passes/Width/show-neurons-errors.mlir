// Programs without neurons that could be shown.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics --lathe-show-neurons

// expected-error@+1 {{expected a @forward with one stack of layers that selects rows for logits once, found 0 and 0}}
module {
  func.func @main(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
    return %x : tensor<?x64xf32>
  }
}

// -----

func.func @forward(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  // expected-error@+1 {{expected layers with an MLP on f32 rows}}
  %0 = lathe.layers %i = 0 to 2 (%h = %x) at %rows : tensor<?x64xf32> {
    lathe.yield %h : tensor<?x64xf32>
  }
  %r = lathe.select_logits %0, %rows : tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}

// -----

func.func @forward(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  // expected-error@+1 {{expected a stack at some rows, without exits}}
  %0 = lathe.layers %i = 0 to 2 (%h = %x) : tensor<?x64xf32> {
    lathe.yield %h : tensor<?x64xf32>
  }
  %r = lathe.select_logits %0, %rows : tensor<?x64xf32>
  return %r : tensor<?x64xf32>
}
