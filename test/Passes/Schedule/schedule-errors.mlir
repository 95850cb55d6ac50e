// RUN: lathe-opt %s --lathe-schedule --split-input-file --verify-diagnostics
// RUN: not lathe-opt %s --lathe-schedule="decode-rows=8 prefill-rows=4" --split-input-file 2>&1 | FileCheck %s --check-prefix=ORDER
// RUN: not lathe-opt %s --lathe-schedule=decode-rows=0 --split-input-file 2>&1 | FileCheck %s --check-prefix=ZERO

// ORDER: error: decode-rows and prefill-rows must be positive and ascending, got 8 and 4
// ZERO: error: decode-rows and prefill-rows must be positive and ascending, got 0 and 512

lathe.weights @w : tensor<40x64xf32> from "w"
func.func @forward(%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>) -> (tensor<?x64xf32>, !lathe.kv<2 x 1 x 32 x f32>) {
  %w = lathe.weight @w : tensor<40x64xf32>
  // expected-error@+1 {{'lathe.embed' is in no fusion group; run lathe-fuse first}}
  %x = lathe.embed %rows, %w : tensor<40x64xf32> -> tensor<?x64xf32>
  %y = lathe.group "silu" -> tensor<?x64xf32> {
    %s = lathe.silu %x : tensor<?x64xf32>
    lathe.yield %s : tensor<?x64xf32>
  }
  return %y, %kv : tensor<?x64xf32>, !lathe.kv<2 x 1 x 32 x f32>
}

// -----

// expected-error@+1 {{there is no func.func @forward or @main to schedule}}
module {
  func.func @backward() {
    return
  }
}

// -----

// expected-error@+1 {{@forward must take rows and a KV cache and return logits and the cache}}
func.func @forward(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  return %x : tensor<?x64xf32>
}

// -----

// expected-error@+1 {{@forward must take rows and a KV cache and return logits and the cache}}
func.func @forward(%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>) -> !lathe.kv<2 x 1 x 32 x f32> {
  return %kv : !lathe.kv<2 x 1 x 32 x f32>
}

// -----

// An encoder keeps nothing, and gives its results alone.
// expected-error@+1 {{that of an encoder must take rows and return results}}
func.func @forward(%rows: !lathe.rows) -> (!lathe.rows, !lathe.rows) {
  return %rows, %rows : !lathe.rows, !lathe.rows
}

// -----

// Logits that are what the layer stack carries would be written to the arena alone.
lathe.weights @w : tensor<40x64xf32> from "w"
// expected-error@+1 {{the logits must come from a fusion group; run lathe-fuse first}}
func.func @forward(%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>) -> (tensor<?x64xf32>, !lathe.kv<2 x 1 x 32 x f32>) {
  %w = lathe.weight @w : tensor<40x64xf32>
  %x = lathe.group "embed" -> tensor<?x64xf32> {
    %e = lathe.embed %rows, %w : tensor<40x64xf32> -> tensor<?x64xf32>
    lathe.yield %e : tensor<?x64xf32>
  }
  %y = lathe.layers %i = 0 to 2 (%h = %x) : tensor<?x64xf32> {
    lathe.yield %h : tensor<?x64xf32>
  }
  return %y, %kv : tensor<?x64xf32>, !lathe.kv<2 x 1 x 32 x f32>
}
