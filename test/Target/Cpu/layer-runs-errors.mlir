// The rows of a step choose among the layers of the model, and of no other stack.
// RUN: lathe-opt %s --lathe-emit-cpu=target=x86-64-v3 --verify-diagnostics
// RUN: lathe-opt %s --lathe-emit-nvptx=target=sm_80 --verify-diagnostics

module attributes {lathe.model = {architecture = "tiny", layers = 2 : i64}} {
  step.program @decode max_rows = 1 arena = 256 (%rows: !lathe.rows, %kv: !lathe.kv<3 x 1 x 32 x f32>, %logits: !step.buffer<1x32xf32>) {
    %x = step.alloc at 0 : !step.buffer<1x32xf32>
    // expected-error@+1 {{the rows choose among the 2 layers of the model, but the stack has 3}}
    step.layers %i = 0 to 3 at %rows {
      step.phase "copy" over rows {
        %0 = step.load %x : !step.buffer<1x32xf32> -> tensor<?x32xf32>
        step.store %0, %logits : tensor<?x32xf32>, !step.buffer<1x32xf32>
      }
    }
  }
}
