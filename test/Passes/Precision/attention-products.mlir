// Attention over a cache of bf16 multiplies bf16 by bf16 where the target has an instruction for
// that, and nowhere else.
// RUN: lathe-opt %s --lathe-lower-precision="auto-kv=bf16 bf16-products" | FileCheck %s --check-prefixes=CHECK,CHOSEN
// RUN: lathe-opt %s --lathe-lower-precision="kv=bf16 bf16-products" | FileCheck %s --check-prefixes=CHECK,CHOSEN
// RUN: lathe-opt %s --lathe-lower-precision="policy=f32 kv=bf16 bf16-products" | FileCheck %s --check-prefixes=CHECK,CHOSEN

// A target without one, and caches that are not of bf16.
// RUN: lathe-opt %s --lathe-lower-precision=kv=bf16 | FileCheck %s --check-prefixes=CHECK,PLAIN -DTYPE=bf16
// RUN: lathe-opt %s --lathe-lower-precision=bf16-products | FileCheck %s --check-prefixes=CHECK,NARROW -DTYPE=f16
// RUN: lathe-opt %s --lathe-lower-precision="kv=int8 bf16-products" | FileCheck %s --check-prefixes=CHECK,NARROW -DTYPE=i8
// RUN: lathe-opt %s --lathe-lower-precision="kv=f32 bf16-products" | FileCheck %s --check-prefixes=CHECK,NARROW -DTYPE=f32

// Running it twice is running it once.
// RUN: lathe-opt %s --lathe-lower-precision="kv=bf16 bf16-products" > %t.once
// RUN: lathe-opt %t.once --lathe-lower-precision="kv=bf16 bf16-products" | diff %t.once -

// The stage asks the target.
// RUN: lathe-opt %s --lathe-stage-precision=target=x86-64-v4 | FileCheck %s --check-prefixes=CHECK,CHOSEN
// RUN: lathe-opt %s --lathe-stage-precision=target=x86-64-v4-emulated | FileCheck %s --check-prefixes=CHECK,CHOSEN
// RUN: lathe-opt %s --lathe-stage-precision="target=x86-64-v3 kv-type=bf16" | FileCheck %s --check-prefixes=CHECK,PLAIN -DTYPE=bf16
// RUN: lathe-opt %s --lathe-stage-precision="target=x86-64-v4 kv-type=f16" | FileCheck %s --check-prefixes=CHECK,NARROW -DTYPE=f16
// RUN: lathe-opt %s --lathe-stage-precision="target=sm_90a kv-type=bf16" | FileCheck %s --check-prefixes=CHECK,PLAIN -DTYPE=bf16

// The first cache is not chosen yet, the second is of bf16 whatever is chosen.
// CHECK-LABEL: func.func @attentions
// CHOSEN:        lathe.attention {{.*}} {precision_type = bf16, scale = 2.500000e-01 : f32} : {{.*}} x bf16>
// CHOSEN:        lathe.attention {{.*}} {precision_type = bf16, scale = 5.000000e-01 : f32, window = 8 : i64} : {{.*}} x bf16>
// PLAIN:         lathe.attention {{.*}} {scale = 2.500000e-01 : f32} : {{.*}} x [[TYPE]]>
// PLAIN:         lathe.attention {{.*}} {scale = 5.000000e-01 : f32, window = 8 : i64} : {{.*}} x bf16>
// NARROW:        lathe.attention {{.*}} {scale = 2.500000e-01 : f32} : {{.*}} x [[TYPE]]>
// NARROW:        lathe.attention {{.*}} {precision_type = bf16, scale = 5.000000e-01 : f32, window = 8 : i64} : {{.*}} x bf16>
func.func @attentions(%q: tensor<?x2x16xf32>, %a: !lathe.kv<1 x 1 x 16 x f32>, %b: !lathe.kv<1 x 1 x 16 x bf16>, %i: index, %rows: !lathe.rows) -> tensor<?x2x16xf32> {
  %0 = lathe.attention %q, %a[%i] at %rows {scale = 0.25 : f32} : tensor<?x2x16xf32>, !lathe.kv<1 x 1 x 16 x f32>
  %1 = lathe.attention %0, %b[%i] at %rows {scale = 0.5 : f32, window = 8} : tensor<?x2x16xf32>, !lathe.kv<1 x 1 x 16 x bf16>
  return %1 : tensor<?x2x16xf32>
}
