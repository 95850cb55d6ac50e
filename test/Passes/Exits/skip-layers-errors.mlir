// Layers that cannot be left out.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics --lathe-skip-layers=layers=0,2

func.func @too_few(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error@+1 {{there is no layer 2 to skip among 2}}
  %0 = lathe.layers %i = 0 to 2 (%h = %x) : tensor<?x64xf32> {
    lathe.yield %h : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

func.func @none_left(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error@+1 {{all 3 layers would be skipped, expected one to stay}}
  %0 = lathe.layers %i = 0 to 3 (%h = %x) skip [1] : tensor<?x64xf32> {
    lathe.yield %h : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}
