// RUN: not lathe-opt %s --lathe-lower-precision=policy=int4 2>&1 | FileCheck %s --check-prefix=POLICY
// RUN: not lathe-opt %s --lathe-lower-precision=kv=int4 2>&1 | FileCheck %s --check-prefix=KV
// RUN: not lathe-opt %s --lathe-lower-precision=policy= 2>&1 | FileCheck %s --check-prefix=EMPTY

// POLICY: error: policy must be auto, f32, bf16 or int8, got 'int4'
// KV: error: kv must be auto, f32, f16, bf16 or int8, got 'int4'
// EMPTY: error: policy must be auto, f32, bf16 or int8, got ''
module {
}
