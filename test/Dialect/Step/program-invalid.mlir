// Programs and buffers that do not fit each other.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics

// A program for no rows.
// expected-error@+1 {{'step.program' op max_rows must be positive, got 0}}
step.program @p max_rows = 0 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
}

// -----

// A program for a negative number of rows.
// expected-error@+1 {{max_rows must be positive, got -1}}
step.program @p max_rows = -1 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
}

// -----

// A program whose caller gives no logits.
// expected-error@+1 {{arguments must be the rows, the KV cache and the buffer of the logits, got ('!lathe.rows', '!lathe.kv<2 x 2 x 32 x f16>')}}
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>) {
}

// -----

// An encoder has no cache, but a buffer for what it computes.
// expected-error@+1 {{arguments must be the rows, the KV cache and the buffer of the logits, got ('!lathe.rows', '!lathe.rows'); an encoder has no cache}}
step.program @p max_rows = 8 (%rows: !lathe.rows, %others: !lathe.rows) {
}

// -----

// Arguments in another order.
// expected-error@+1 {{arguments must be the rows, the KV cache and the buffer of the logits}}
step.program @p max_rows = 8 (%kv: !lathe.kv<2 x 2 x 32 x f16>, %rows: !lathe.rows, %logits: !step.buffer<8x96xf32>) {
}

// -----

// Logits are f32.
// expected-error@+1 {{logits must be rows of f32, got '!step.buffer<8x96xbf16>'}}
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xbf16>) {
}

// -----

// Logits of fewer rows than may want them.
// expected-error@+1 {{a buffer must have room for the 8 rows of the program, got '!step.buffer<4x96xf32>'}}
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<4x96xf32>) {
}

// -----

// An arena of a negative size.
// expected-error@+1 {{sizes of the arena must not be negative, got -64}}
step.program @p max_rows = 8 arena = -64 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
}

// -----

// A lower bound of a negative size.
// expected-error@+1 {{sizes of the arena must not be negative, got -1}}
step.program @p max_rows = 8 arena = 64 bound = -1 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
}

// -----

// An arena is a number of bytes.
// expected-error@+1 {{invalid kind of attribute specified}}
step.program @p max_rows = 8 arena = "much" (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
}

// -----

// A buffer that has no room for all rows.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  // expected-error@+1 {{'step.alloc' op a buffer must have room for the 8 rows of the program, got '!step.buffer<1x64xf32>'}}
  %0 = step.alloc : !step.buffer<1x64xf32>
}

// -----

// A place ahead of the arena.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  // expected-error@+1 {{offset must not be negative, got -64}}
  %0 = step.alloc at -64 : !step.buffer<8x64xf32>
}

// -----

// A buffer of no program.
func.func @alloc() {
  // expected-error@+1 {{'step.alloc' op expects parent op 'step.program'}}
  %0 = step.alloc : !step.buffer<8x64xf32>
  return
}

// -----

// A value from outside: a program has what the caller gives, and nothing else.
%others = ub.poison : !lathe.rows
// expected-note@+1 {{required by region isolation constraints}}
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  %x = step.alloc : !step.buffer<8x16x2xf32>
  step.phase "outside" over rows {
    // expected-error@+1 {{'lathe.rope_table' op using value defined outside the region}}
    %0 = lathe.rope_table %others {base = 1.0e+04 : f64} : tensor<?x16x2xf32>
    step.store %0, %x : tensor<?x16x2xf32>, !step.buffer<8x16x2xf32>
  }
}

// -----

// A program is named in a module, and nowhere else.
func.func @inside() {
  // expected-error@+1 {{'step.program' op symbol's parent must have the SymbolTable trait}}
  step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  }
  return
}

// -----

// A function that gives nothing.
// expected-error@+1 {{a function needs a result behind its inputs, got 1 inputs among 1 arguments}}
step.program @p max_rows = 8 (%x: !step.buffer<8x96xf32>) -> () attributes {names = ["x"]} {
}

// -----

// A function whose arguments have no names.
// expected-error@+1 {{names must hold one name for each of 2 arguments}}
step.program @p max_rows = 8 (%x: !step.buffer<8x96xf32>) -> (%y: !step.buffer<8x96xf32>) attributes {names = ["x"]} {
}

// -----

// A function on what is no f32.
// expected-error@+1 {{arguments of a function must be buffers of f32, got '!step.buffer<8x96xbf16>'}}
step.program @p max_rows = 8 (%x: !step.buffer<8x96xbf16>) -> (%y: !step.buffer<8x96xf32>) attributes {names = ["x", "y"]} {
}

// -----

// Fewer rows than the program has.
// expected-error@+1 {{a buffer must have room for the 8 rows of the program, got '!step.buffer<4x96xf32>'}}
step.program @p max_rows = 8 (%x: !step.buffer<4x96xf32>) -> (%y: !step.buffer<4xf32, whole>) attributes {names = ["x", "y"]} {
}
