//===- Passes.td - The reference program --------------------*- tablegen -*-===//

#ifndef LATHE_COMPILER_REFERENCE_PASSES_TD
#define LATHE_COMPILER_REFERENCE_PASSES_TD

include "mlir/Pass/PassBase.td"

def LowerToReferencePass : Pass<"lathe-to-reference", "::mlir::ModuleOp"> {
  let summary = "replaces functions by their meaning as naive linalg on f32";
  let description = [{
    Every function becomes one on tensors alone, made of the reference meanings
    of its ops (`ReferenceOpInterface`). Its arguments are, in order:

    - for rows: token, position and sequence, `tensor<?xi32>` with one entry a
      row, and the row of each row of logits, `tensor<?xi32>`;
    - for a KV cache: keys and values,
      `tensor<layers x sequences x capacity x heads x dim x f32>`;
    - for a tensor: the tensor, dequantised to f32;
    - then for each `lathe.weights` of the module in order: the weight as f32,
      of a layered one the declared layers stacked.

    Results are converted like arguments. The layer stack becomes an `scf.for`,
    groups are inlined, and ops of upstream dialects are kept. Declared effect:
    exact; the result is the oracle that other programs are held against.

    ```mlir
    func.func @f(%x: tensor<?x64xf32>, %w: tensor<32x64x!lathe.q4_0>) -> tensor<?x32xf32>
    // becomes
    func.func @f(%x: tensor<?x64xf32>, %w: tensor<32x64xf32>) -> tensor<?x32xf32>
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect", "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect",
  ];
}

def RandomGraphPass : Pass<"lathe-random-graph", "::mlir::ModuleOp"> {
  let summary = "fills an empty module with a random small transformer";
  let description = [{
    Builds what an importer might: the sizes, the formats of the weights, grouped
    queries, windows, biases, norms per head, tied embeddings and layers that
    differ are all drawn from the seed. The same seed gives the same module on
    every machine. Made to feed `--verify-each-pass`.
  }];
  let options = [
    Option<"seed", "seed", "uint64_t", "0", "what the graph is drawn from">,
  ];
  let dependentDialects = ["::lathe::ir::LatheDialect", "::mlir::func::FuncDialect"];
}

#endif // LATHE_COMPILER_REFERENCE_PASSES_TD
