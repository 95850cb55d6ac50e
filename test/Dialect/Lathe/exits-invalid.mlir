// Exits that cannot be.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics

// Only layers can be left.
func.func @group(%x: tensor<?x8xf32>, %p: tensor<?x1xf32>) {
  %0 = lathe.group "g" -> tensor<?x8xf32> {
    // expected-error@+1 {{'lathe.yield' op only layers have exits}}
    lathe.yield %x until %p : tensor<?x8xf32>
  }
  return
}

// -----

// The rows say how sure is sure enough.
func.func @no_rows(%x: tensor<?x8xf32>, %p: tensor<?x1xf32>) {
  %0 = lathe.layers %i = 0 to 3 (%h = %x) : tensor<?x8xf32> {
    // expected-error@+1 {{asks the rows how sure is sure enough, but lathe.layers is not at any}}
    lathe.yield %h until %p : tensor<?x8xf32>
  }
  return
}

// -----

// Something leaves, but nothing says when.
func.func @no_until(%x: tensor<?x8xf32>, %rows: !lathe.rows) {
  %0 = lathe.layers %i = 0 to 3 (%h = %x) at %rows : tensor<?x8xf32> {
    // expected-error@+1 {{leaving needs until}}
    lathe.yield %h leaving %h : tensor<?x8xf32>
  }
  return
}

// -----

// More leaves than is carried.
func.func @too_many(%x: tensor<?x8xf32>, %p: tensor<?x1xf32>, %rows: !lathe.rows) {
  %0 = lathe.layers %i = 0 to 3 (%h = %x) at %rows : tensor<?x8xf32> {
    // expected-error@+1 {{number of operands and types do not match: got 2 operands and 1 types}}
    lathe.yield %h until %p leaving %h, %h : tensor<?x8xf32>
  }
  return
}

// -----

// A step has one KV cache.
func.func @two_caches(%x: tensor<?x8xf32>, %p: tensor<?x1xf32>, %kv: !lathe.kv<3 x 1 x 8 x f16>, %rows: !lathe.rows) {
  %0, %1 = lathe.layers %i = 0 to 3 (%h = %x, %c = %kv) at %rows behind defer : tensor<?x8xf32>, !lathe.kv<3 x 1 x 8 x f16> {
    // expected-error@+1 {{what leaves must have the KV cache of the values}}
    lathe.yield %h, %c until %p leaving %h, %kv : tensor<?x8xf32>, !lathe.kv<3 x 1 x 8 x f16>
  }
  return
}

// -----

// Two numbers a row are no confidence.
// expected-note@+1 {{prior use here}}
func.func @wide(%x: tensor<?x8xf32>, %p: tensor<?x2xf32>, %rows: !lathe.rows) {
  %0 = lathe.layers %i = 0 to 3 (%h = %x) at %rows : tensor<?x8xf32> {
    // expected-error@+1 {{use of value '%p' expects different type than prior uses: 'tensor<?x1xf32>' vs 'tensor<?x2xf32>'}}
    lathe.yield %h until %p : tensor<?x8xf32>
  }
  return
}

// -----

// Behind an exit there is no other.
func.func @exit_in_rest(%x: tensor<?x8xf32>, %p: tensor<?x1xf32>, %rows: !lathe.rows) {
  %0 = lathe.layers %i = 0 to 3 (%h = %x) at %rows rest [0, 0, 0] : tensor<?x8xf32> {
    // expected-error@+1 {{the body is in rest, behind an exit, and cannot be another}}
    lathe.yield %h until %p : tensor<?x8xf32>
  }
  return
}

// -----

// A body behind an exit that is not there.
func.func @no_such_rest(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{rest names body 1, but there are 1}}
  %0 = lathe.layers %i = 0 to 2 (%h = %x) rest [0, 1] : tensor<?x8xf32> {
    lathe.yield %h : tensor<?x8xf32>
  }
  return
}

// -----

// A layer without a body behind an exit.
func.func @short_rest(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{rest must name a body for each of the 2 layers, got 1}}
  %0 = lathe.layers %i = 0 to 2 (%h = %x) rest [0] : tensor<?x8xf32> {
    lathe.yield %h : tensor<?x8xf32>
  }
  return
}

// -----

// A word that nobody knows.
func.func @behind(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{behind must be propagate, none or defer, got always}}
  %0 = lathe.layers %i = 0 to 2 (%h = %x) behind always : tensor<?x8xf32> {
    lathe.yield %h : tensor<?x8xf32>
  }
  return
}

// -----

// A classifier of another width.
func.func @classifier(%x: tensor<?x8xf32>, %w: tensor<4xf32>, %b: tensor<1xf32>) {
  // expected-error@+1 {{size of the weight must be 8, got 4}}
  %0 = lathe.logistic %x, %w, %b : tensor<?x8xf32>, tensor<4xf32>, tensor<1xf32>
  return
}

// -----

// A bias for each column.
func.func @bias(%x: tensor<?x8xf32>, %w: tensor<8xf32>, %b: tensor<8xf32>) {
  // expected-error@+1 {{size of the bias must be 1, got 8}}
  %0 = lathe.logistic %x, %w, %b : tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32>
  return
}

// -----

// One element is ahead of no other.
func.func @margin(%x: tensor<?x1xf32>) {
  // expected-error@+1 {{rows must have two elements or more, got 1}}
  %0 = lathe.margin %x : tensor<?x1xf32>
  return
}

// -----

// Later rows would attend to keys and values that nobody made.
func.func @no_keys(%x: tensor<?x8xf32>, %p: tensor<?x1xf32>, %kv: !lathe.kv<3 x 1 x 8 x f16>, %rows: !lathe.rows) {
  // expected-error@+1 {{may be left and has a KV cache, so that it needs 'behind propagate' or 'behind defer'}}
  %0, %1 = lathe.layers %i = 0 to 3 (%h = %x, %c = %kv) at %rows behind none : tensor<?x8xf32>, !lathe.kv<3 x 1 x 8 x f16> {
    lathe.yield %h, %c until %p : tensor<?x8xf32>, !lathe.kv<3 x 1 x 8 x f16>
  }
  return
}

// -----

// There is nothing to run again for.
func.func @no_cache(%x: tensor<?x8xf32>, %p: tensor<?x1xf32>, %rows: !lathe.rows) {
  // expected-error@+1 {{has no KV cache that anything could be behind}}
  %0 = lathe.layers %i = 0 to 3 (%h = %x) at %rows behind defer : tensor<?x8xf32> {
    lathe.yield %h until %p : tensor<?x8xf32>
  }
  return
}
