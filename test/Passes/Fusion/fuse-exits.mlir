// What exits alone need is in groups of its own, so that it is computed when it is asked for.
// RUN: lathe-opt %s --lathe-fuse | FileCheck %s

// The norm and the sum behind the layer are one group; the classifier reads its rows and would
// join it.  The lens and the head of the margin have the same input, and are for different things.
// CHECK:      lathe.layers
// CHECK:        %[[Y:.*]] = lathe.group "rms_norm+add" -> tensor<?x64xf32> {
// CHECK-NOT:      logistic
// CHECK:        %[[P:.*]] = lathe.group "logistic" -> tensor<?x1xf32> {
// CHECK:        %[[Z:.*]] = lathe.group "w" -> tensor<?x64xf32> {
// CHECK:        lathe.yield %[[Y]] until %[[P]] leaving %[[Z]] :
lathe.weights @w : tensor<64x64xf32> from "w"
lathe.weights @v : tensor<64xf32> from "v"
lathe.weights @b : tensor<1xf32> from "b"
func.func @one(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  %w = lathe.weight @w : tensor<64x64xf32>
  %v = lathe.weight @v : tensor<64xf32>
  %b = lathe.weight @b : tensor<1xf32>
  %0 = lathe.layers %i = 0 to 3 (%h = %x) at %rows behind none : tensor<?x64xf32> {
    %l = lathe.linear %h, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    %n = lathe.rms_norm %l, %v {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
    %y = lathe.add %h, %n : tensor<?x64xf32>
    %p = lathe.logistic %y, %v, %b : tensor<?x64xf32>, tensor<64xf32>, tensor<1xf32>
    %z = lathe.linear %y, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    lathe.yield %y until %p leaving %z : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @two(
// CHECK:         lathe.group "w" -> tensor<?x64xf32> {
// CHECK:         lathe.group "margin" -> tensor<?x1xf32> {
// CHECK:         lathe.group "w" -> tensor<?x64xf32> {
func.func @two(%x: tensor<?x64xf32>, %rows: !lathe.rows) -> tensor<?x64xf32> {
  %w = lathe.weight @w : tensor<64x64xf32>
  %0 = lathe.layers %i = 0 to 3 (%h = %x) at %rows behind none : tensor<?x64xf32> {
    %l = lathe.linear %h, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    %p = lathe.margin %l : tensor<?x64xf32>
    %z = lathe.linear %h, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    lathe.yield %h until %p leaving %z : tensor<?x64xf32>
  }
  return %0 : tensor<?x64xf32>
}
