// Attention over a KV cache of int8: products are of pairs of int16, and nothing of the cache
// becomes a float on the way.
// REQUIRES: compiler
// RUN: lathe-opt %s --lathe-emit-cpu=target=x86-64-v4 -o %t.v4.mlir
// RUN: %lathe compile %t.v4.mlir --emit asm -o - | FileCheck %s --check-prefix=V4 --implicit-check-not=vcvtph2ps
// RUN: lathe-opt %s --lathe-emit-cpu=target=x86-64-v3 -o %t.v3.mlir
// RUN: %lathe compile %t.v3.mlir --emit asm -o - | FileCheck %s --check-prefix=V3 --implicit-check-not=vcvtph2ps --implicit-check-not=zmm
// RUN: FileCheck %s --check-prefix=SLAB < %t.v3.mlir

// The keys of a block of 16 positions meet the query, then the values meet the weights.
// V4: vpmovsxbw {{.*}}%zmm
// V4: vpdpwssd {{.*}}%zmm
// V4: vpmovsxbw {{.*}}%zmm
// V4: vpdpwssd {{.*}}%zmm
// V3: vpmovsxbw {{.*}}%ymm
// V3: vpmaddwd {{.*}}%ymm
// V3: vpmovsxbw {{.*}}%ymm
// V3: vpmaddwd {{.*}}%ymm

// A head of 24 takes the room of 32, and four bytes for its scale; keys and values of two layers are
// 2 * 2 * 36 bytes. Partial results of two queries add 2 * (64 + 128) / 256, rounded up.
// SLAB: \22kv\22:{\22type\22:\22int8\22,\22bytes_per_position\22:146}
module attributes {lathe.stage = "kernels"} {
  step.program @decode max_rows = 1 arena = 1024 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 1 x 24 x i8>, %logits: !step.buffer<1x32xf32>) {
    %q = step.alloc at 0 : !step.buffer<1x2x24xf32>
    %o = step.alloc at 512 : !step.buffer<1x2x24xf32>
    step.layers %i = 0 to 2 {
      step.phase "attention" over heads {
        %0 = step.load %q : !step.buffer<1x2x24xf32> -> tensor<?x2x24xf32>
        %1 = lathe.attention %0, %kv[%i] at %rows {scale = 1.0 : f32} : tensor<?x2x24xf32>, !lathe.kv<2 x 1 x 24 x i8>
        step.store %1, %o : tensor<?x2x24xf32>, !step.buffer<1x2x24xf32>
      }
    }
  }
}
