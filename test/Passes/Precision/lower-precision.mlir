// RUN: lathe-opt %s --lathe-lower-precision | FileCheck %s --check-prefixes=CHECK,INT8,NARROW,AUTO
// RUN: lathe-opt %s --lathe-lower-precision=policy=int8 | FileCheck %s --check-prefixes=CHECK,INT8,NARROW,STRICT
// RUN: lathe-opt %s --lathe-lower-precision=stored-bf16=f32 | FileCheck %s --check-prefixes=CHECK,INT8,NARROW,STRICT
// RUN: lathe-opt %s --lathe-lower-precision=policy=bf16 | FileCheck %s --check-prefixes=CHECK,BF16,NARROW
// RUN: lathe-opt %s --lathe-lower-precision=policy=int16 | FileCheck %s --check-prefixes=CHECK,INT16,NARROW
// RUN: lathe-opt %s --lathe-lower-precision=policy=f32 | FileCheck %s --check-prefixes=CHECK,F32,WIDE

// The policy f32 changes nothing at all.
// RUN: lathe-opt %s > %t.before
// RUN: lathe-opt %s --lathe-lower-precision=policy=f32 | diff %t.before -

// Running it twice is running it once: what is quantised already is left alone.
// RUN: lathe-opt %s --lathe-lower-precision > %t.once
// RUN: lathe-opt %s --lathe-lower-precision --lathe-lower-precision | diff %t.once -

// The cache: narrow unless it is told otherwise.
// RUN: lathe-opt %s --lathe-lower-precision=kv=f32 | FileCheck %s --check-prefixes=CHECK,INT8,WIDE
// RUN: lathe-opt %s --lathe-lower-precision="policy=f32 kv=f16" | FileCheck %s --check-prefixes=CHECK,F32,NARROW
// RUN: lathe-opt %s --lathe-lower-precision="policy=f32 kv=bf16" | FileCheck %s --check-prefixes=CHECK,F32,BRAIN
// RUN: lathe-opt %s --lathe-lower-precision=kv=int8 | FileCheck %s --check-prefixes=CHECK,INT8,BYTES

// A cache that is narrow already stays what it is.
// RUN: lathe-opt %s --lathe-lower-precision=kv=int8 --lathe-lower-precision=kv=f16 | FileCheck %s --check-prefixes=CHECK,INT8,BYTES

lathe.weights @q4 : tensor<64x64x!lathe.q4_1> from "a"
lathe.weights @q8 : tensor<64x64x!lathe.q8_0> from "b"
lathe.weights @half : tensor<64x64xf16> from "c"
lathe.weights @odd : tensor<64x48xf32> from "d"
lathe.weights @brain : tensor<64x64xbf16> from "e"

// Rows that two contractions read are quantised once; weights that are no blocks keep f32 rows
// unless everything is bf16.  Blocks of rows are 32 long, so only bf16 takes a width of 48.
// Under int16 floats that contractions alone read are packed anew, and blocks are as under int8.
// INT16:       lathe.weights @half : tensor<64x64x!lathe.i16_f16> from "c"
// INT16:       lathe.weights @odd : tensor<64x48x!lathe.i16_f32> from "d"
// CHECK-LABEL: func.func @linears
// INT16:       %[[Q:.*]] = lathe.quantize %arg0 : tensor<?x64xf32> -> tensor<?x64x!lathe.q8_act>
// INT16-NEXT:  lathe.linear %[[Q]], %{{.*}} : tensor<?x64x!lathe.q8_act>, tensor<64x64x!lathe.q4_1>
// INT16-NEXT:  lathe.linear %[[Q]], %{{.*}} : tensor<?x64x!lathe.q8_act>, tensor<64x64x!lathe.q8_0>
// INT16-NEXT:  %[[W:.*]] = lathe.quantize %arg0 : tensor<?x64xf32> -> tensor<?x64x!lathe.q16_act>
// INT16-NEXT:  lathe.linear %[[W]], %{{.*}} : tensor<?x64x!lathe.q16_act>, tensor<64x64x!lathe.i16_f16>
// INT16-NEXT:  %[[Y:.*]] = lathe.quantize %arg1 : tensor<?x48xf32> -> tensor<?x48x!lathe.q16_act>
// INT16-NEXT:  lathe.linear %[[Y]], %{{.*}} : tensor<?x48x!lathe.q16_act>, tensor<64x48x!lathe.i16_f32>
// INT8:        %[[Q:.*]] = lathe.quantize %arg0 : tensor<?x64xf32> -> tensor<?x64x!lathe.q8_act>
// INT8-NEXT:   lathe.linear %[[Q]], %{{.*}} : tensor<?x64x!lathe.q8_act>, tensor<64x64x!lathe.q4_1>
// INT8-NEXT:   lathe.linear %[[Q]], %{{.*}} : tensor<?x64x!lathe.q8_act>, tensor<64x64x!lathe.q8_0>
// INT8-NEXT:   lathe.linear %arg0, %{{.*}} : tensor<?x64xf32>, tensor<64x64xf16>
// INT8-NEXT:   lathe.linear %arg1, %{{.*}} : tensor<?x48xf32>, tensor<64x48xf32>
// BF16:        %[[B:.*]] = lathe.quantize %arg0 : tensor<?x64xf32> -> tensor<?x64xbf16>
// BF16-NEXT:   lathe.linear %[[B]], %{{.*}} : tensor<?x64xbf16>, tensor<64x64x!lathe.q4_1>
// BF16-NEXT:   lathe.linear %[[B]], %{{.*}} : tensor<?x64xbf16>, tensor<64x64x!lathe.q8_0>
// BF16-NEXT:   lathe.linear %[[B]], %{{.*}} : tensor<?x64xbf16>, tensor<64x64xf16>
// BF16-NEXT:   %[[O:.*]] = lathe.quantize %arg1 : tensor<?x48xf32> -> tensor<?x48xbf16>
// BF16-NEXT:   lathe.linear %[[O]], %{{.*}} : tensor<?x48xbf16>, tensor<64x48xf32>
// F32-NOT:     lathe.quantize
// F32-COUNT-4: lathe.linear
func.func @linears(%x: tensor<?x64xf32>, %y: tensor<?x48xf32>)
    -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>) {
  %wa = lathe.weight @q4 : tensor<64x64x!lathe.q4_1>
  %wb = lathe.weight @q8 : tensor<64x64x!lathe.q8_0>
  %wc = lathe.weight @half : tensor<64x64xf16>
  %wd = lathe.weight @odd : tensor<64x48xf32>
  %a = lathe.linear %x, %wa : tensor<?x64xf32>, tensor<64x64x!lathe.q4_1> -> tensor<?x64xf32>
  %b = lathe.linear %x, %wb : tensor<?x64xf32>, tensor<64x64x!lathe.q8_0> -> tensor<?x64xf32>
  %c = lathe.linear %x, %wc : tensor<?x64xf32>, tensor<64x64xf16> -> tensor<?x64xf32>
  %d = lathe.linear %y, %wd : tensor<?x48xf32>, tensor<64x48xf32> -> tensor<?x64xf32>
  return %a, %b, %c, %d : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}

// Weights that are stored as bf16 take bf16 rows where the policy is free to choose, unless the
// target would widen both.
// CHECK-LABEL: func.func @stored_as_bf16
// AUTO:        %[[B:.*]] = lathe.quantize %arg0 : tensor<?x64xf32> -> tensor<?x64xbf16>
// AUTO-NEXT:   lathe.linear %[[B]]
// BF16:        lathe.quantize %arg0 : tensor<?x64xf32> -> tensor<?x64xbf16>
// STRICT-NOT:  lathe.quantize
// STRICT:      lathe.linear %arg0
// F32-NOT:     lathe.quantize
// F32:         lathe.linear %arg0
func.func @stored_as_bf16(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = lathe.weight @brain : tensor<64x64xbf16>
  %a = lathe.linear %x, %w : tensor<?x64xf32>, tensor<64x64xbf16> -> tensor<?x64xf32>
  return %a : tensor<?x64xf32>
}

// In fused code the quantisation stands in the group that wants it, once per group: a value inside
// one group cannot be used in the other.
// CHECK-LABEL:   func.func @groups
// CHECK:           lathe.group "a"
// INT8-NEXT:         lathe.quantize
// INT8-NEXT:         lathe.linear
// INT8-NEXT:         lathe.linear
// INT16-NEXT:        lathe.quantize
// BF16-NEXT:         lathe.quantize
// CHECK:           lathe.group "b"
// INT8-NEXT:         lathe.quantize
// INT16-NEXT:        lathe.quantize
// BF16-NEXT:         lathe.quantize
// CHECK-NEXT:        lathe.linear
func.func @groups(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>) {
  %w = lathe.weight @q4 : tensor<64x64x!lathe.q4_1>
  %0:2 = lathe.group "a" -> tensor<?x64xf32>, tensor<?x64xf32> {
    %a = lathe.linear %x, %w : tensor<?x64xf32>, tensor<64x64x!lathe.q4_1> -> tensor<?x64xf32>
    %b = lathe.linear %x, %w : tensor<?x64xf32>, tensor<64x64x!lathe.q4_1> -> tensor<?x64xf32>
    lathe.yield %a, %b : tensor<?x64xf32>, tensor<?x64xf32>
  }
  %1 = lathe.group "b" -> tensor<?x64xf32> {
    %c = lathe.linear %x, %w : tensor<?x64xf32>, tensor<64x64x!lathe.q4_1> -> tensor<?x64xf32>
    lathe.yield %c : tensor<?x64xf32>
  }
  return %0#0, %0#1, %1 : tensor<?x64xf32>, tensor<?x64xf32>, tensor<?x64xf32>
}

// Every value that is the cache changes: arguments, results, carried values and what functions take.
// CHECK-LABEL: func.func @cache
// NARROW-SAME:   !lathe.kv<2 x 1 x 32 x f16>) -> !lathe.kv<2 x 1 x 32 x f16>
// NARROW:        lathe.layers {{.*}} : !lathe.kv<2 x 1 x 32 x f16> {
// NARROW-NEXT:     lathe.kv_append {{.*}} !lathe.kv<2 x 1 x 32 x f16>
// NARROW-NEXT:     lathe.yield %{{.*}} : !lathe.kv<2 x 1 x 32 x f16>
// NARROW:        return %{{.*}} : !lathe.kv<2 x 1 x 32 x f16>
// BRAIN-SAME:    !lathe.kv<2 x 1 x 32 x bf16>) -> !lathe.kv<2 x 1 x 32 x bf16>
// BRAIN:         lathe.layers {{.*}} : !lathe.kv<2 x 1 x 32 x bf16> {
// BRAIN-NEXT:      lathe.kv_append {{.*}} !lathe.kv<2 x 1 x 32 x bf16>
// BRAIN-NEXT:      lathe.yield %{{.*}} : !lathe.kv<2 x 1 x 32 x bf16>
// BYTES-SAME:    !lathe.kv<2 x 1 x 32 x i8>) -> !lathe.kv<2 x 1 x 32 x i8>
// BYTES:         lathe.layers {{.*}} : !lathe.kv<2 x 1 x 32 x i8> {
// BYTES-NEXT:      lathe.kv_append {{.*}} !lathe.kv<2 x 1 x 32 x i8>
// BYTES-NEXT:      lathe.yield %{{.*}} : !lathe.kv<2 x 1 x 32 x i8>
// WIDE-SAME:     !lathe.kv<2 x 1 x 32 x f32>) -> !lathe.kv<2 x 1 x 32 x f32>
// WIDE-NOT:      f16
// WIDE:          return
func.func @cache(%k: tensor<?x1x32xf32>, %rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 32 x f32>) -> !lathe.kv<2 x 1 x 32 x f32> {
  %0 = lathe.layers %i = 0 to 2 (%c = %kv) : !lathe.kv<2 x 1 x 32 x f32> {
    %1 = lathe.kv_append %c[%i], %k, %k at %rows : !lathe.kv<2 x 1 x 32 x f32>, tensor<?x1x32xf32>
    lathe.yield %1 : !lathe.kv<2 x 1 x 32 x f32>
  }
  return %0 : !lathe.kv<2 x 1 x 32 x f32>
}
