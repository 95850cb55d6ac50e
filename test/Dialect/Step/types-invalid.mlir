// What is no buffer.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics

// A word that is none.
// expected-error@+1 {{expected 'whole'}}
func.func private @word(!step.buffer<8xf32, half>)

// -----

// Blocks are in rows.
// expected-error@+1 {{!lathe.q8_act is for rows of blocks}}
func.func private @blocks(!step.buffer<8x64x!lathe.q8_act, whole>)

// -----

// A scalar is no buffer either.
// expected-error@+1 {{a buffer has at least one dimension, got none}}
func.func private @scalar(!step.buffer<f32>)

// -----

// The greatest number of rows is known.
// expected-error@+1 {{expected static shape}}
func.func private @dynamic(!step.buffer<?x64xf32>)

// -----

// A buffer of no rows.
// expected-error@+1 {{dimensions of a buffer must be positive and hold at most 2^40 elements}}
func.func private @no_rows(!step.buffer<0x64xf32>)

// -----

// A buffer whose bytes no 64-bit number could count.
// expected-error@+1 {{dimensions of a buffer must be positive and hold at most 2^40 elements}}
func.func private @overflow(!step.buffer<4294967296x4294967296xf32>)

// -----

// Activations are f32, bf16, int8 blocks or int16, and choices i32.
// expected-error@+1 {{the element type of a buffer must be f32, bf16, i32, !lathe.q8_act, !lathe.q16_act or !lathe.u8_act, got 'f16'}}
func.func private @element(!step.buffer<8x64xf16>)

// -----

// Weights are not kept in buffers.
// expected-error@+1 {{the element type of a buffer must be f32, bf16, i32, !lathe.q8_act, !lathe.q16_act or !lathe.u8_act, got '!lathe.q4_1'}}
func.func private @weight(!step.buffer<8x64x!lathe.q4_1>)

// -----

// A row of int8 blocks is made of whole blocks.
// expected-error@+1 {{a row of !lathe.q8_act must hold a multiple of 32 elements, got 40}}
func.func private @block(!step.buffer<8x40x!lathe.q8_act>)

// -----

// Elements of int16 come in pairs, and have a scale for each row.
// expected-error@+1 {{!lathe.q16_act is for rows of an even number of elements}}
func.func private @pairs(!step.buffer<8x41x!lathe.q16_act>)

// -----

// expected-error@+1 {{!lathe.q16_act is for rows of an even number of elements}}
func.func private @words(!step.buffer<8x64x!lathe.q16_act, whole>)

// -----

// Elements of unsigned int8 come in quads, and have a least one for each row.
// expected-error@+1 {{!lathe.u8_act is for rows of a multiple of 4 elements}}
func.func private @quads(!step.buffer<8x42x!lathe.u8_act>)

// -----

// expected-error@+1 {{!lathe.u8_act is for rows of a multiple of 4 elements}}
func.func private @bytes(!step.buffer<8x64x!lathe.u8_act, whole>)

// -----

// The dialect has one type.
// expected-error@+1 {{unknown  type `memory` in dialect `step`}}
func.func private @unknown(!step.memory)
