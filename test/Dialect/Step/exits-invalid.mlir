// Exits of programs that cannot be.
// RUN: lathe-opt %s --split-input-file --verify-diagnostics

// Several rows do not leave together.
step.program @p max_rows = 8 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<8x96xf32>) {
  %p = step.alloc : !step.buffer<8x1xf32>
  step.layers %i = 0 to 2 at %rows {
    // expected-error@+1 {{'step.exit_if' op only programs of one row can leave a stack, but this one is for 8}}
    step.exit_if %p at %rows : !step.buffer<8x1xf32> {
    } leaving {
    }
  }
}

// -----

// A row of 96 numbers is no confidence.
step.program @p max_rows = 1 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<1x96xf32>) {
  step.layers %i = 0 to 2 at %rows {
    // expected-error@+1 {{the confidence must be one f32 for each row, got '!step.buffer<1x96xf32>'}}
    step.exit_if %logits at %rows : !step.buffer<1x96xf32> {
    } leaving {
    }
  }
}

// -----

// Two exits of one layer.
step.program @p max_rows = 1 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<1x96xf32>) {
  %p = step.alloc : !step.buffer<1x1xf32>
  step.layers %i = 0 to 2 at %rows {
    // expected-error@+1 {{a body has one exit at most}}
    step.exit_if %p at %rows : !step.buffer<1x1xf32> {
    } leaving {
    }
    step.exit_if %p at %rows : !step.buffer<1x1xf32> {
    } leaving {
    }
  }
}

// -----

// There is nothing to leave.
step.program @p max_rows = 1 (%rows: !lathe.rows, %kv: !lathe.kv<2 x 2 x 32 x f16>, %logits: !step.buffer<1x96xf32>) {
  %p = step.alloc : !step.buffer<1x1xf32>
  // expected-error@+1 {{'step.exit_if' op expects parent op 'step.layers'}}
  step.exit_if %p at %rows : !step.buffer<1x1xf32> {
  } leaving {
  }
}
