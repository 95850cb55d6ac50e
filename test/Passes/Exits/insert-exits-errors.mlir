// Stacks that cannot be given such exits.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics --lathe-insert-exits="layers=0,1"

func.func @last(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  // expected-error@+1 {{there is no exit behind layer 1 of 2: one more layer must follow}}
  %0 = lathe.layers %i = 0 to 2 (%h = %x) at %rows : tensor<?x64xf32> {
    lathe.yield %h : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

func.func @no_rows(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error@+1 {{the stack is not at any rows, which say when to leave it}}
  %0 = lathe.layers %i = 0 to 3 (%h = %x) : tensor<?x64xf32> {
    lathe.yield %h : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

func.func @has_exits(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  // expected-error@+1 {{the stack has exits already}}
  %0 = lathe.layers %i = 0 to 3 (%h = %x) at %rows : tensor<?x64xf32> {
    %p = lathe.margin %h : tensor<?x64xf32>
    lathe.yield %h until %p : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

func.func @two_tensors(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  // expected-error@+1 {{a stack with exits carries one tensor of f32 rows, and caches}}
  %0, %1 = lathe.layers %i = 0 to 3 (%h = %x, %g = %x) at %rows : tensor<?x64xf32>, tensor<?x64xf32> {
    lathe.yield %h, %g : tensor<?x64xf32>, tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

// expected-error@+1 {{exits are for a program of one stack of layers, found 0}}
module {}
