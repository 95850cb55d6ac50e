// RUN: not lathe-opt %s --lathe-lower-precision=policy=int4 2>&1 | FileCheck %s --check-prefix=POLICY
// RUN: not lathe-opt %s --lathe-lower-precision=kv=int4 2>&1 | FileCheck %s --check-prefix=KV
// RUN: not lathe-opt %s --lathe-lower-precision=policy= 2>&1 | FileCheck %s --check-prefix=EMPTY
// RUN: not lathe-opt %s --lathe-lower-precision=stored-bf16=f16 2>&1 | FileCheck %s --check-prefix=STORED
// RUN: not lathe-opt %s --lathe-lower-precision=encoders=int8 2>&1 | FileCheck %s --check-prefix=ENCODERS

// POLICY: error: policy must be auto, f32, bf16, mixed, int16 or int8, got 'int4'
// KV: error: kv must be auto, f32, f16, bf16 or int8, got 'int4'
// EMPTY: error: policy must be auto, f32, bf16, mixed, int16 or int8, got ''
// STORED: error: stored-bf16 must be bf16 or f32, got 'f16'
// ENCODERS: error: encoders must be auto or mixed, got 'int8'
module {
}
