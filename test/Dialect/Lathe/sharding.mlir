// The body of a Llama layer, outlined as a flat function, on two ranks by upstream's propagation and partition: the
// dialect fits. Five annotations cut the first weights by columns; the rest follows.
// RUN: lathe-opt %s --pass-pipeline='builtin.module(func.func(sharding-propagation{traversal=forward-backward},shard-partition),canonicalize,cse)' | FileCheck %s --implicit-check-not=shard.

// CHECK: shard.grid @tp(shape = 2)
shard.grid @tp(shape = 2)

// The residual, the norms and the angles are whole on each rank. Weights of columns are halves of rows, the
// weights after them (wo, down) halves of columns: whole blocks of 32. The cache holds one of two heads.
// CHECK-LABEL: func.func @layer(
// CHECK-SAME:    %[[X:[^:]+]]: tensor<?x64xf32>, %[[CACHE:[^:]+]]: !lathe.kv<30 x 1 x 16 x f16>, %[[I:[^:]+]]: index,
// CHECK-SAME:    %[[ROWS:[^:]+]]: !lathe.rows, %[[ANGLES:[^:]+]]: tensor<?x8x2xf32>, %[[NORM:[^:]+]]: tensor<64xf32>,
// CHECK-SAME:    %[[WQ:[^:]+]]: tensor<32x64x!lathe.q4_1>, %[[BQ:[^:]+]]: tensor<32xf32>, %[[WK:[^:]+]]: tensor<16x64x!lathe.q4_1>,
// CHECK-SAME:    %[[WV:[^:]+]]: tensor<16x64x!lathe.q4_1>, %[[QNORM:[^:]+]]: tensor<16xf32>, %[[WO:[^:]+]]: tensor<64x32x!lathe.q4_1>,
// CHECK-SAME:    %[[NORM2:[^:]+]]: tensor<64xf32>, %[[WG:[^:]+]]: tensor<64x64x!lathe.q4_1>, %[[WU:[^:]+]]: tensor<64x64x!lathe.q4_1>,
// CHECK-SAME:    %[[WD:[^:]+]]: tensor<64x64x!lathe.q4_1>) -> (tensor<?x64xf32>, !lathe.kv<30 x 1 x 16 x f16>)
func.func @layer(%x: tensor<?x64xf32>, %cache: !lathe.kv<30 x 2 x 16 x f16>, %i: index, %rows: !lathe.rows, %angles: tensor<?x8x2xf32>,
    %norm: tensor<64xf32>, %wq: tensor<64x64x!lathe.q4_1>, %bq: tensor<64xf32>, %wk: tensor<32x64x!lathe.q4_1>,
    %wv: tensor<32x64x!lathe.q4_1>, %qnorm: tensor<16xf32>, %wo: tensor<64x64x!lathe.q4_1>,
    %norm2: tensor<64xf32>, %wg: tensor<128x64x!lathe.q4_1>, %wu: tensor<128x64x!lathe.q4_1>, %wd: tensor<64x128x!lathe.q4_1>)
    -> (tensor<?x64xf32>, !lathe.kv<30 x 2 x 16 x f16>) {
  %columns = shard.sharding @tp split_axes = [[0]] : !shard.sharding
  %q.w = shard.shard %wq to %columns : tensor<64x64x!lathe.q4_1>
  %k.w = shard.shard %wk to %columns : tensor<32x64x!lathe.q4_1>
  %v.w = shard.shard %wv to %columns : tensor<32x64x!lathe.q4_1>
  %g.w = shard.shard %wg to %columns : tensor<128x64x!lathe.q4_1>
  %u.w = shard.shard %wu to %columns : tensor<128x64x!lathe.q4_1>

  %n = lathe.rms_norm %x, %norm {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %n.q8 = lathe.quantize %n : tensor<?x64xf32> -> tensor<?x64x!lathe.q8_act>
  %q.0 = lathe.linear %n.q8, %q.w : tensor<?x64x!lathe.q8_act>, tensor<64x64x!lathe.q4_1> -> tensor<?x64xf32>
  %q = lathe.bias %q.0, %bq : tensor<?x64xf32>, tensor<64xf32>
  %k = lathe.linear %n.q8, %k.w : tensor<?x64x!lathe.q8_act>, tensor<32x64x!lathe.q4_1> -> tensor<?x32xf32>
  %v = lathe.linear %n.q8, %v.w : tensor<?x64x!lathe.q8_act>, tensor<32x64x!lathe.q4_1> -> tensor<?x32xf32>
  %qh = lathe.split_heads %q : tensor<?x64xf32> -> tensor<?x4x16xf32>
  %kh = lathe.split_heads %k : tensor<?x32xf32> -> tensor<?x2x16xf32>
  %vh = lathe.split_heads %v : tensor<?x32xf32> -> tensor<?x2x16xf32>
  %qn = lathe.rms_norm %qh, %qnorm {eps = 1.0e-05 : f32} : tensor<?x4x16xf32>, tensor<16xf32>
  %qr = lathe.rope %qn, %angles interleaved : tensor<?x4x16xf32>, tensor<?x8x2xf32>
  %kr = lathe.rope %kh, %angles interleaved : tensor<?x2x16xf32>, tensor<?x8x2xf32>
  %cache1 = lathe.kv_append %cache[%i], %kr, %vh at %rows : !lathe.kv<30 x 2 x 16 x f16>, tensor<?x2x16xf32>
  %oh = lathe.attention %qr, %cache1[%i] at %rows {scale = 2.5e-01 : f32} : tensor<?x4x16xf32>, !lathe.kv<30 x 2 x 16 x f16>
  %o = lathe.merge_heads %oh : tensor<?x4x16xf32> -> tensor<?x64xf32>
  %o.q8 = lathe.quantize %o : tensor<?x64xf32> -> tensor<?x64x!lathe.q8_act>
  %a = lathe.linear %o.q8, %wo : tensor<?x64x!lathe.q8_act>, tensor<64x64x!lathe.q4_1> -> tensor<?x64xf32>
  %x1 = lathe.add %x, %a : tensor<?x64xf32>

  %n2 = lathe.rms_norm %x1, %norm2 {eps = 1.0e-05 : f32} : tensor<?x64xf32>, tensor<64xf32>
  %n2.q8 = lathe.quantize %n2 : tensor<?x64xf32> -> tensor<?x64x!lathe.q8_act>
  %g = lathe.linear %n2.q8, %g.w : tensor<?x64x!lathe.q8_act>, tensor<128x64x!lathe.q4_1> -> tensor<?x128xf32>
  %u = lathe.linear %n2.q8, %u.w : tensor<?x64x!lathe.q8_act>, tensor<128x64x!lathe.q4_1> -> tensor<?x128xf32>
  %s = lathe.silu %g : tensor<?x128xf32>
  %m = lathe.mul %s, %u : tensor<?x128xf32>
  %m.q8 = lathe.quantize %m : tensor<?x128xf32> -> tensor<?x128x!lathe.q8_act>
  %d = lathe.linear %m.q8, %wd : tensor<?x128x!lathe.q8_act>, tensor<64x128x!lathe.q4_1> -> tensor<?x64xf32>
  %y = lathe.add %x1, %d : tensor<?x64xf32>
  return %y, %cache1 : tensor<?x64xf32>, !lathe.kv<30 x 2 x 16 x f16>
}

// Two of four query heads, and the one key/value head that they share.
// CHECK:         %[[N:.*]] = lathe.rms_norm %[[X]], %[[NORM]] {{.*}}: tensor<?x64xf32>
// CHECK:         %[[NQ:.*]] = lathe.quantize %[[N]]
// CHECK:         %[[Q0:.*]] = lathe.linear %[[NQ]], %[[WQ]] : {{.*}} -> tensor<?x32xf32>
// CHECK:         %[[Q:.*]] = lathe.bias %[[Q0]], %[[BQ]] : tensor<?x32xf32>, tensor<32xf32>
// CHECK:         %[[K:.*]] = lathe.linear %[[NQ]], %[[WK]] : {{.*}} -> tensor<?x16xf32>
// CHECK:         %[[V:.*]] = lathe.linear %[[NQ]], %[[WV]] : {{.*}} -> tensor<?x16xf32>
// CHECK:         %[[QH:.*]] = lathe.split_heads %[[Q]] : tensor<?x32xf32> -> tensor<?x2x16xf32>
// CHECK:         %[[KH:.*]] = lathe.split_heads %[[K]] : tensor<?x16xf32> -> tensor<?x1x16xf32>
// CHECK:         %[[VH:.*]] = lathe.split_heads %[[V]] : tensor<?x16xf32> -> tensor<?x1x16xf32>
// CHECK:         %[[QN:.*]] = lathe.rms_norm %[[QH]], %[[QNORM]] {{.*}}: tensor<?x2x16xf32>, tensor<16xf32>
// CHECK:         %[[QR:.*]] = lathe.rope %[[QN]], %[[ANGLES]] interleaved : tensor<?x2x16xf32>
// CHECK:         %[[KR:.*]] = lathe.rope %[[KH]], %[[ANGLES]] interleaved : tensor<?x1x16xf32>
// CHECK:         %[[CACHE1:.*]] = lathe.kv_append %[[CACHE]][%[[I]]], %[[KR]], %[[VH]] at %[[ROWS]] : !lathe.kv<30 x 1 x 16 x f16>
// CHECK:         %[[OH:.*]] = lathe.attention %[[QR]], %[[CACHE1]][%[[I]]] at %[[ROWS]] {{.*}}: tensor<?x2x16xf32>, !lathe.kv<30 x 1 x 16 x f16>
// CHECK:         %[[O:.*]] = lathe.merge_heads %[[OH]] : tensor<?x2x16xf32> -> tensor<?x32xf32>
// CHECK:         %[[OQ:.*]] = lathe.quantize %[[O]] : tensor<?x32xf32>

// Exactly two collectives: each joins the partial sums of a product before the residual.
// CHECK:         %[[A:.*]] = lathe.linear %[[OQ]], %[[WO]] : {{.*}} -> tensor<?x64xf32>
// CHECK:         %[[AR:.*]] = shard.all_reduce %[[A]] on @tp grid_axes = [0] : tensor<?x64xf32> -> tensor<?x64xf32>
// CHECK:         %[[X1:.*]] = lathe.add %[[X]], %[[AR]] : tensor<?x64xf32>
// CHECK:         lathe.rms_norm %[[X1]], %[[NORM2]] {{.*}}: tensor<?x64xf32>
// CHECK:         %[[G:.*]] = lathe.linear %{{.*}}, %[[WG]] : {{.*}} -> tensor<?x64xf32>
// CHECK:         %[[U:.*]] = lathe.linear %{{.*}}, %[[WU]] : {{.*}} -> tensor<?x64xf32>
// CHECK:         %[[S:.*]] = lathe.silu %[[G]] : tensor<?x64xf32>
// CHECK:         %[[M:.*]] = lathe.mul %[[S]], %[[U]] : tensor<?x64xf32>
// CHECK:         %[[MQ:.*]] = lathe.quantize %[[M]]
// CHECK:         %[[D:.*]] = lathe.linear %[[MQ]], %[[WD]] : {{.*}} -> tensor<?x64xf32>
// CHECK:         %[[DR:.*]] = shard.all_reduce %[[D]] on @tp grid_axes = [0] : tensor<?x64xf32> -> tensor<?x64xf32>
// CHECK:         %[[Y:.*]] = lathe.add %[[X1]], %[[DR]] : tensor<?x64xf32>
// CHECK:         return %[[Y]], %[[CACHE1]]
