// Each kind of fusion can be left out.
// RUN: lathe-opt %s --lathe-fuse | FileCheck %s --check-prefixes=CHECK,ALL
// RUN: lathe-opt %s --lathe-fuse=prologues=false | FileCheck %s --check-prefixes=CHECK,NOPRO
// RUN: lathe-opt %s --lathe-fuse=epilogues=false | FileCheck %s --check-prefixes=CHECK,NOEPI
// RUN: lathe-opt %s --lathe-fuse=siblings=false | FileCheck %s --check-prefixes=CHECK,NOSIB
// RUN: lathe-opt %s --lathe-fuse="prologues=false epilogues=false siblings=false" | FileCheck %s --check-prefixes=CHECK,NONE

lathe.weights @norm : tensor<64xf32> from "n"
lathe.weights @gate : tensor<96x64xf32> from "g"
lathe.weights @up : tensor<96x64xf32> from "u"

// CHECK-LABEL: func.func @ffn

// ALL:        lathe.group "gate+up" -> tensor<?x96xf32> {
// ALL-NEXT:     lathe.rms_norm
// ALL-NEXT:     lathe.linear
// ALL-NEXT:     lathe.linear
// ALL-NEXT:     lathe.silu
// ALL-NEXT:     lathe.mul
// ALL-NOT:    lathe.group

// NOPRO:      lathe.group "rms_norm" -> tensor<?x64xf32> {
// NOPRO:      lathe.group "gate+up" -> tensor<?x96xf32> {
// NOPRO-NEXT:   lathe.linear

// NOEPI:      lathe.group "gate+up" -> tensor<?x96xf32>, tensor<?x96xf32> {
// NOEPI-NEXT:   lathe.rms_norm
// NOEPI-NEXT:   lathe.linear
// NOEPI-NEXT:   lathe.linear
// NOEPI-NEXT:   lathe.yield
// NOEPI:      lathe.group "silu+mul" -> tensor<?x96xf32> {

// Without siblings the norm has two places to be, so it is in neither.
// NOSIB:      lathe.group "rms_norm"
// NOSIB:      lathe.group "gate" -> tensor<?x96xf32> {
// NOSIB-NEXT:   lathe.linear
// NOSIB-NEXT:   lathe.silu
// NOSIB:      lathe.group "up" -> tensor<?x96xf32> {
// NOSIB-NEXT:   lathe.linear
// NOSIB-NEXT:   lathe.mul

// NONE:       lathe.group "rms_norm"
// NONE:       lathe.group "gate"
// NONE:       lathe.group "up"
// NONE:       lathe.group "silu+mul"
func.func @ffn(%x: tensor<?x64xf32>) -> tensor<?x96xf32> {
  %w = lathe.weight @norm : tensor<64xf32>
  %wg = lathe.weight @gate : tensor<96x64xf32>
  %wu = lathe.weight @up : tensor<96x64xf32>
  %n = lathe.rms_norm %x, %w {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %g = lathe.linear %n, %wg : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %u = lathe.linear %n, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32>
  %s = lathe.silu %g : tensor<?x96xf32>
  %m = lathe.mul %s, %u : tensor<?x96xf32>
  return %m : tensor<?x96xf32>
}
