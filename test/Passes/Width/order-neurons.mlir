// Neurons are stored in the order of a file: outputs of what gives them, and inputs of what reads
// them. Other weights are not.
// RUN: lathe-opt %s --lathe-choose-widths=file=model.cal | lathe-opt | FileCheck %s

// CHECK: lathe.weights @o : 2 x tensor<64x64xf32> from "blk.{}.o"{{$}}
// CHECK: lathe.weights @up : 2 x tensor<96x64xf32> from "blk.{}.up" order #lathe.order<dim 0 from "width.{}.order" in "model.cal">
// CHECK: lathe.weights @bias : 2 x tensor<96xf32> from "blk.{}.bias" order #lathe.order<dim 0 from "width.{}.order" in "model.cal">
// CHECK: lathe.weights @down : 2 x tensor<64x96xf32> from "blk.{}.down" order #lathe.order<dim 1 from "width.{}.order" in "model.cal">
lathe.weights @o : 2 x tensor<64x64xf32> from "blk.{}.o"
lathe.weights @up : 2 x tensor<96x64xf32> from "blk.{}.up"
lathe.weights @bias : 2 x tensor<96xf32> from "blk.{}.bias"
lathe.weights @down : 2 x tensor<64x96xf32> from "blk.{}.down"
func.func @forward(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  %0 = lathe.layers %i = 0 to 2 (%h = %x) at %rows : tensor<?x64xf32> {
    %wo = lathe.weight @o[%i] : tensor<64x64xf32>
    %wu = lathe.weight @up[%i] : tensor<96x64xf32>
    %wb = lathe.weight @bias[%i] : tensor<96xf32>
    %wd = lathe.weight @down[%i] : tensor<64x96xf32>
    %o = lathe.linear %h, %wo : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    %a = lathe.add %h, %o : tensor<?x64xf32>
    %u = lathe.linear %a, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
    %b = lathe.bias %u, %wb : tensor<?x96xf32>, tensor<96xf32>
    %d = lathe.linear %b, %wd : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32>
    lathe.yield %d : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}
