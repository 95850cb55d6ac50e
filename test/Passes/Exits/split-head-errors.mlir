// What has no stack and head of its own.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics --lathe-split-head=part=head

// expected-error@+1 {{expected stack or head, got 'head', and a @forward that selects rows for logits once, found 0}}
module {
  func.func @main(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
    return %x : tensor<?x64xf32>
  }
}

// -----

// expected-error@+1 {{the output head reads more than the selected rows}}
func.func @forward(%rows: !lathe.rows, %x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %s = lathe.select_logits %x, %rows : tensor<?x64xf32>
  %y = lathe.add %s, %x : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
