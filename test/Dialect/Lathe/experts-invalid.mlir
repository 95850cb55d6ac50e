// Mixtures of experts whose sizes or formats do not fit.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics

// More experts for a row than there are.
func.func @many(%l: tensor<?x4xf32>) {
  // expected-error@+1 {{'lathe.route' op a row cannot have 5 of 4 experts}}
  %c, %s = lathe.route %l : tensor<?x4xf32> -> tensor<?x5xi32>, tensor<?x5xf32>
  return
}

// -----

// A share for each choice.
func.func @shares(%l: tensor<?x4xf32>) {
  // expected-error@+1 {{number of shares must be 2, got 3}}
  %c, %s = lathe.route %l : tensor<?x4xf32> -> tensor<?x2xi32>, tensor<?x3xf32>
  return
}

// -----

// A choice is made of numbers that count.
func.func @floats(%l: tensor<?x4xf32>) {
  // expected-error@+1 {{result #0 must be tensor of i32 rows}}
  %c, %s = lathe.route %l : tensor<?x4xf32> -> tensor<?x2xf32>, tensor<?x2xf32>
  return
}

// -----

// One matrix is none for each expert.
func.func @rank(%x: tensor<?x32xf32>, %w: tensor<64x32xf32>, %c: tensor<?x2xi32>) {
  // expected-error@+1 {{'lathe.expert_linear' op weight must be [experts, outputs, inputs] of known size, got 'tensor<64x32xf32>'}}
  %y = lathe.expert_linear %x, %w by %c : tensor<?x32xf32>, tensor<64x32xf32>, tensor<?x2xi32> -> tensor<?x128xf32>
  return
}

// -----

// A weight in a format that is none.
func.func @format(%x: tensor<?x32xf32>, %w: tensor<4x64x32xi8>, %c: tensor<?x2xi32>) {
  // expected-error@+1 {{weight has element type 'i8', which is no registered weight format}}
  %y = lathe.expert_linear %x, %w by %c : tensor<?x32xf32>, tensor<4x64x32xi8>, tensor<?x2xi32> -> tensor<?x128xf32>
  return
}

// -----

// Rows of the weight that are no whole blocks.
func.func @block(%x: tensor<?x40xf32>, %w: tensor<4x64x40x!lathe.q4_0>, %c: tensor<?x2xi32>) {
  // expected-error@+1 {{rows of the weight must be a multiple of the block of 32 elements, got 40}}
  %y = lathe.expert_linear %x, %w by %c : tensor<?x40xf32>, tensor<4x64x40x!lathe.q4_0>, tensor<?x2xi32> -> tensor<?x128xf32>
  return
}

// -----

// Outputs that do not fill panels: the next expert would begin within one.
func.func @panel(%x: tensor<?x32xf32>, %w: tensor<4x48x32xf32>, %c: tensor<?x2xi32>) {
  // expected-error@+1 {{outputs of an expert must be a multiple of 32, got 48}}
  %y = lathe.expert_linear %x, %w by %c : tensor<?x32xf32>, tensor<4x48x32xf32>, tensor<?x2xi32> -> tensor<?x96xf32>
  return
}

// -----

// A router of other experts.
func.func @router(%x: tensor<?x32xf32>, %w: tensor<4x64x32xf32>, %l: tensor<?x8xf32>) {
  %c, %s = lathe.route %l : tensor<?x8xf32> -> tensor<?x2xi32>, tensor<?x2xf32>
  // expected-error@+1 {{number of experts must be 8, got 4}}
  %y = lathe.expert_linear %x, %w by %c : tensor<?x32xf32>, tensor<4x64x32xf32>, tensor<?x2xi32> -> tensor<?x128xf32>
  return
}

// -----

// An input that is neither for all of a row's experts nor one for each.
func.func @input(%x: tensor<?x96xf32>, %w: tensor<4x64x32xf32>, %c: tensor<?x2xi32>) {
  // expected-error@+1 {{width of the input must be 32 or 64, got 96}}
  %y = lathe.expert_linear %x, %w by %c : tensor<?x96xf32>, tensor<4x64x32xf32>, tensor<?x2xi32> -> tensor<?x128xf32>
  return
}

// -----

// A result that holds the outputs of another number of experts.
func.func @result(%x: tensor<?x32xf32>, %w: tensor<4x64x32xf32>, %c: tensor<?x2xi32>) {
  // expected-error@+1 {{width of the result must be 128, got 64}}
  %y = lathe.expert_linear %x, %w by %c : tensor<?x32xf32>, tensor<4x64x32xf32>, tensor<?x2xi32> -> tensor<?x64xf32>
  return
}

// -----

// Integers times a weight that is none.
func.func @arithmetic(%x: tensor<?x32x!lathe.q8_act>, %w: tensor<4x64x32xf32>, %c: tensor<?x2xi32>) {
  // expected-error@+1 {{an !lathe.q8_act input needs a block-quantised weight with rows of a multiple of 32 elements, got 32 of 'f32'}}
  %y = lathe.expert_linear %x, %w by %c : tensor<?x32x!lathe.q8_act>, tensor<4x64x32xf32>, tensor<?x2xi32> -> tensor<?x128xf32>
  return
}

// -----

// A mixture of another number of experts than there are shares.
func.func @mix(%x: tensor<?x96xf32>, %s: tensor<?x2xf32>) {
  // expected-error@+1 {{'lathe.mix' op width of the input must be 64, got 96}}
  %y = lathe.mix %x, %s : tensor<?x96xf32>, tensor<?x2xf32> -> tensor<?x32xf32>
  return
}
