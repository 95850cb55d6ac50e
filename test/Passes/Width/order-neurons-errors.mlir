// Neurons that cannot be stored in another order.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics --lathe-choose-widths=file=model.cal

lathe.weights @up : 2 x tensor<96x64xf32> from "blk.{}.up"
lathe.weights @down : 2 x tensor<64x96xf32> from "blk.{}.down"
func.func @read_elsewhere(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 2 (%h = %x) at %rows : tensor<?x64xf32> {
    // expected-error@+1 {{is read elsewhere than by MLPs that have a width, so that it cannot be stored in another order}}
    %wu = lathe.weight @up[%i] : tensor<96x64xf32>
    %wd = lathe.weight @down[%i] : tensor<64x96xf32>
    %u = lathe.linear %h, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
    %d = lathe.linear %u, %wd : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
    %v = lathe.linear %d, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
    %g = lathe.margin %v : tensor<?x96xf32>
    lathe.yield %d : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

func.func @no_weight(%x: tensor<?x64xf32>, %rows: !lathe.rows, %wu: tensor<96x64xf32>, %wd: tensor<64x96xf32>) -> tensor<?x64xf32> {
  // expected-error@-1 {{neurons can be stored in another order where their weights are a layer's lathe.weight}}
  %0 = lathe.layers %i = 0 to 2 (%h = %x) at %rows : tensor<?x64xf32> {
    %u = lathe.linear %h, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
    %d = lathe.linear %u, %wd : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
    lathe.yield %d : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// -----

// expected-error@+1 {{has neurons along both dimensions, expected one}}
lathe.weights @both : 2 x tensor<96x96xf32> from "blk.{}.both"
func.func @forward(%x: tensor<?x96xf32>, %rows: !lathe.rows) -> tensor<?x96xf32> {
  %0 = lathe.layers %i = 0 to 2 (%h = %x) at %rows : tensor<?x96xf32> {
    %w = lathe.weight @both[%i] : tensor<96x96xf32>
    %u = lathe.linear %h, %w : tensor<?x96xf32>, tensor<96x96xf32> -> tensor<?x96xf32>
    %d = lathe.linear %u, %w : tensor<?x96xf32>, tensor<96x96xf32> -> tensor<?x96xf32>
    lathe.yield %d : tensor<?x96xf32>
  }
  return %0 : tensor<?x96xf32>
}

// -----

// expected-error@+1 {{is stored in an order already}}
lathe.weights @up : 2 x tensor<96x64xf32> from "blk.{}.up" order #lathe.order<dim 0 from "o.{}" in "other">
lathe.weights @down : 2 x tensor<64x96xf32> from "blk.{}.down"
func.func @twice(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 2 (%h = %x) at %rows : tensor<?x64xf32> {
    %wu = lathe.weight @up[%i] : tensor<96x64xf32>
    %wd = lathe.weight @down[%i] : tensor<64x96xf32>
    %u = lathe.linear %h, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
    %d = lathe.linear %u, %wd : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
    lathe.yield %d : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}
