// Stacks and groups that do not hold together.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics

// No layers.
func.func @none(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{'lathe.layers' op count must be between 1 and 4096, got 0}}
  %0 = lathe.layers %i = 0 to 0 (%h = %x) : tensor<?x8xf32> {
    lathe.yield %h : tensor<?x8xf32>
  }
  return
}

// -----

// More layers than a model may have.
func.func @many(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{count must be between 1 and 4096, got 4611686018427387904}}
  %0 = lathe.layers %i = 0 to 4611686018427387904 (%h = %x) : tensor<?x8xf32> {
    lathe.yield %h : tensor<?x8xf32>
  }
  return
}

// -----

// A stack that starts in the middle.
func.func @first(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{the stack starts at layer 0, got 1}}
  %0 = lathe.layers %i = 1 to 3 (%h = %x) : tensor<?x8xf32> {
    lathe.yield %h : tensor<?x8xf32>
  }
  return
}

// -----

// Two bodies, and nothing that says which layer runs which.
func.func @no_select(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{has 2 bodies and no select}}
  %0 = lathe.layers %i = 0 to 3 (%h = %x) : tensor<?x8xf32> {
    lathe.yield %h : tensor<?x8xf32>
  }, {
    lathe.yield %h : tensor<?x8xf32>
  }
  return
}

// -----

// A layer without a body.
func.func @short_select(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{select must name a body for each of the 3 layers, got 2}}
  %0 = lathe.layers %i = 0 to 3 (%h = %x) select [0, 0] : tensor<?x8xf32> {
    lathe.yield %h : tensor<?x8xf32>
  }
  return
}

// -----

// A body that is not there.
func.func @no_such_body(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{select names body 2, but there are 1}}
  %0 = lathe.layers %i = 0 to 3 (%h = %x) select [0, 2, 0] : tensor<?x8xf32> {
    lathe.yield %h : tensor<?x8xf32>
  }
  return
}

// -----

// A negative number of a body.
func.func @negative_body(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{select names body -1, but there are 1}}
  %0 = lathe.layers %i = 0 to 2 (%h = %x) select [0, -1] : tensor<?x8xf32> {
    lathe.yield %h : tensor<?x8xf32>
  }
  return
}

// -----

// No body at all.
func.func @no_body(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{needs a body}}
  %0 = "lathe.layers"(%x) <{count = 3 : i64, operandSegmentSizes = array<i32: 1, 0>}> : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// A value that goes in and does not come out.
func.func @lost(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{carried values start as ('tensor<?x8xf32>') and end as ()}}
  "lathe.layers"(%x) <{count = 3 : i64, operandSegmentSizes = array<i32: 1, 0>}> ({
  ^bb0(%i: index, %h: tensor<?x8xf32>):
    "lathe.yield"() : () -> ()
  }) : (tensor<?x8xf32>) -> ()
  return
}

// -----

// A body that does not take the number of its layer.
func.func @no_number(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{a body must have arguments ('index', 'tensor<?x8xf32>'), got ('tensor<?x8xf32>')}}
  %0 = "lathe.layers"(%x) <{count = 3 : i64, operandSegmentSizes = array<i32: 1, 0>}> ({
  ^bb0(%h: tensor<?x8xf32>):
    "lathe.yield"(%h) <{operandSegmentSizes = array<i32: 1, 0, 0>}> : (tensor<?x8xf32>) -> ()
  }) : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// A body that takes a value of another type than is carried.
func.func @argument_type(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{a body must have arguments ('index', 'tensor<?x8xf32>'), got ('index', 'tensor<?x4xf32>')}}
  %0 = "lathe.layers"(%x) <{count = 3 : i64, operandSegmentSizes = array<i32: 1, 0>}> ({
  ^bb0(%i: index, %h: tensor<?x4xf32>):
    "lathe.yield"(%x) <{operandSegmentSizes = array<i32: 1, 0, 0>}> : (tensor<?x8xf32>) -> ()
  }) : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// A layer that gives another type than it takes.
func.func @yield_type(%x: tensor<?x8xf32>, %y: tensor<?x4xf32>) {
  %0 = lathe.layers %i = 0 to 3 (%h = %x) : tensor<?x8xf32> {
    // expected-error@+1 {{'lathe.yield' op types must be those of the carried values, ('tensor<?x8xf32>'), got ('tensor<?x4xf32>')}}
    lathe.yield %y : tensor<?x4xf32>
  }
  return
}

// -----

// A body that ends otherwise.
func.func @no_yield(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{a body must end in lathe.yield}}
  %0 = lathe.layers %i = 0 to 3 (%h = %x) : tensor<?x8xf32> {
    ub.unreachable
  }
  return
}

// -----

// A body of nothing.
func.func @empty(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{empty block: expect at least a terminator}}
  %0 = lathe.layers %i = 0 to 3 (%h = %x) : tensor<?x8xf32> {
  }
  return
}

// -----

// More types than carried values.
func.func @types(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{number of operands and types do not match: got 1 operands and 2 types}}
  %0:2 = lathe.layers %i = 0 to 3 (%h = %x) : tensor<?x8xf32>, tensor<?x8xf32> {
    lathe.yield %h, %h : tensor<?x8xf32>, tensor<?x8xf32>
  }
  return
}

// -----

// A group that yields another type than it gives.
func.func @group_type(%x: tensor<?x8xf32>) {
  %0 = lathe.group "g" -> tensor<?x4xf32> {
    // expected-error@+1 {{'lathe.yield' op types must be those of the results of the group, ('tensor<?x4xf32>'), got ('tensor<?x8xf32>')}}
    lathe.yield %x : tensor<?x8xf32>
  }
  return
}

// -----

// A group that ends otherwise.
func.func @group_end(%x: tensor<?x8xf32>) {
  // expected-error@+2 {{'lathe.group' op expects regions to end with 'lathe.yield', found 'ub.unreachable'}}
  // expected-note@+1 {{in custom textual format, the absence of terminator implies 'lathe.yield'}}
  "lathe.group"() <{name = "g"}> ({
    "ub.unreachable"() : () -> ()
  }) : () -> ()
  return
}

// -----

// A yield of nobody.
func.func @stray(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{'lathe.yield' op expects parent op to be one of 'lathe.layers, lathe.group'}}
  lathe.yield %x : tensor<?x8xf32>
}

// -----

// Skipping layers: a layer that is not there.
func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error@+1 {{'lathe.layers' op skip names layer 3 of 3}}
  %0 = lathe.layers %i = 0 to 3 (%h = %x) skip [3] : tensor<?x64xf32> {
    lathe.yield %h : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

// Skipping layers: a negative one.
func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error@+1 {{skip names layer -1 of 3}}
  %0 = lathe.layers %i = 0 to 3 (%h = %x) skip [-1] : tensor<?x64xf32> {
    lathe.yield %h : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

// Skipping layers: twice the same.
func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error@+1 {{skip must be ascending, got 1 after 1}}
  %0 = lathe.layers %i = 0 to 3 (%h = %x) skip [1, 1] : tensor<?x64xf32> {
    lathe.yield %h : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

// Skipping layers: all of them.
func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error@+1 {{skip must leave a layer, got all 3}}
  %0 = lathe.layers %i = 0 to 3 (%h = %x) skip [0, 1, 2] : tensor<?x64xf32> {
    lathe.yield %h : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

// Skipping layers: none.
func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-error@+1 {{skip names no layer}}
  %0 = lathe.layers %i = 0 to 3 (%h = %x) skip [] : tensor<?x64xf32> {
    lathe.yield %h : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

// Layers are chosen by rows.
func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  // expected-note@-1 {{prior use here}}
  // expected-error@+1 {{use of value '%x' expects different type than prior uses: '!lathe.rows' vs 'tensor<?x64xf32>'}}
  %0 = lathe.layers %i = 0 to 3 (%h = %x) at %x : tensor<?x64xf32> {
    lathe.yield %h : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

// A weight that only a skipped layer lacks is not missed, but one that another lacks is.
lathe.weights @w : [0, 2] x tensor<64xf32> from "blk.{}.w"
func.func @f(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 3 (%h = %x) skip [1] : tensor<?x64xf32> {
    %w = lathe.weight @w[%i] : tensor<64xf32>
    %y = lathe.bias %h, %w : tensor<?x64xf32>, tensor<64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }
  %1 = lathe.layers %i = 0 to 3 (%h = %0) skip [2] : tensor<?x64xf32> {
    // expected-error@+1 {{'lathe.weight' op layer 1 has no weight @w}}
    %w = lathe.weight @w[%i] : tensor<64xf32>
    %y = lathe.bias %h, %w : tensor<?x64xf32>, tensor<64xf32>
    lathe.yield %y : tensor<?x64xf32>
  }
  return %1 : tensor<?x64xf32>
}
