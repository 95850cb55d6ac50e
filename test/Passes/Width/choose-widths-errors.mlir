// Stacks of which no step could compute a part.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics --lathe-choose-widths

// expected-error@+1 {{no layer has an MLP of which a step could compute a part}}
module {
  func.func @none(%x: tensor<?x64xf32>, %rows: !lathe.rows, %m: tensor<64x64xf32>) -> tensor<?x64xf32> {
    %0 = lathe.layers %i = 0 to 2 (%h = %x) at %rows : tensor<?x64xf32> {
      %y = lathe.linear %h, %m : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
      lathe.yield %y : tensor<?x64xf32>
    }
    return %0 : tensor<?x64xf32>
  }
}

// -----

// 90 neurons are no whole steps.
// expected-error@+1 {{no layer has an MLP of which a step could compute a part}}
module {
  func.func @odd(%x: tensor<?x64xf32>, %rows: !lathe.rows, %u: tensor<90x64xf32>, %d: tensor<64x90xf32>) -> tensor<?x64xf32> {
    %0 = lathe.layers %i = 0 to 2 (%h = %x) at %rows : tensor<?x64xf32> {
      %y = lathe.linear %h, %u : tensor<?x64xf32>, tensor<90x64xf32> -> tensor<?x90xf32>
      %z = lathe.linear %y, %d : tensor<?x90xf32>, tensor<64x90xf32> -> tensor<?x64xf32>
      lathe.yield %z : tensor<?x64xf32>
    }
    return %0 : tensor<?x64xf32>
  }
}

// -----

func.func @no_rows(%x: tensor<?x64xf32>, %m: tensor<64x64xf32>) -> tensor<?x64xf32> {
  // expected-error@+1 {{the stack is not at any rows, which say how wide it is}}
  %0 = lathe.layers %i = 0 to 2 (%h = %x) : tensor<?x64xf32> {
    %y = lathe.linear %h, %m : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}
