//===- Manifest.h - What a compiled program says of itself ------*- C++ -*-===//
//
// The JSON text that every compiled program exports as `lathe_manifest`
// (runtime/include/lathe/abi.h, docs/manifest.md): what it was compiled for,
// its entries, the weights it reads and the KV cache it needs.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_SESSION_MANIFEST_H
#define LATHE_RUNTIME_SESSION_MANIFEST_H

#include "runtime/formats/BlockFormat.h"
#include "runtime/support/Diagnostics.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// KV positions are allocated in multiples of this (lathe_step_args).
inline constexpr int64_t KVPositionGranule = 256;

struct ManifestModel {
  std::string Architecture; ///< As in the model file: "llama".
  int64_t Vocabulary = 0;   ///< Logits per row, but of encoders; token ids are below it.
  int64_t Embedding = 0;    ///< Elements of a row between layers, and of an encoder's results.
  int64_t Layers = 0;
  int64_t Context = 0; ///< Positions the model was trained for.
};

struct ManifestEntry {
  std::string Name;
  int64_t MaxRows = 0;
  int64_t ArenaBytes = 0;
  int64_t ScratchBytes = 0; ///< Per worker.
  /// Most of the greatest logits that it can be asked for alone; 0: it computes all.
  int64_t GreatestLogits = 0;
  /// Whether a step may end behind any layer and go on from there later.
  bool Resumes = false;
};

enum class WeightLayout {
  Panel32, ///< [N, K] in panels of 32 output rows (docs/layouts.md).
  Vector,  ///< One f32 vector.
  Plain,   ///< As it is in the file, of elements that are not quantised.
};

/// When a step reads a weight of a layer.
enum class WeightUse {
  Layer,  ///< When the layer runs.
  Behind, ///< Then, and for keys and values when the stack was left ahead of it.
  Exit,   ///< When it is asked whether to leave behind it, or left there.
};

/// One weight of the program: one tensor, or one per layer that has it.
struct ManifestWeight {
  std::string Symbol;
  const BlockFormat *Format = nullptr; ///< Never null after parsing.
  /// [N, K] or [experts, N, K] for Panel32, [N] for Vector, any for Plain.
  std::vector<int64_t> Shape;
  WeightLayout Layout = WeightLayout::Panel32;
  int64_t First = 0;           ///< Index of the first pointer in the weight table.
  bool Layered = false;        ///< Whether the manifest lists layers.
  std::vector<int64_t> Layers; ///< Ascending; pointer First + i belongs to Layers[i].
  std::string Tensors;         ///< Tensor name; "{}" stands for the layer number.
  std::string File;            ///< Of the tensors, as the program names it; empty: any.
  WeightUse Use = WeightUse::Layer;

  /// Rows and columns for Panel32: the matrices of experts are one, each below the other.
  int64_t rows() const;
  int64_t columns() const { return Shape.back(); }
  int64_t tensorCount() const { return Layered ? static_cast<int64_t>(Layers.size()) : 1; }
  /// Bytes of one of its tensors, as it is in the file.
  double tensorBytes() const;
  /// The name in the model file of tensor `Ordinal` < tensorCount().
  std::string tensorName(int64_t Ordinal) const;
};

/// What a function on tensors takes or gives: f32 in C order.
struct ManifestTensor {
  std::string Name;
  std::vector<int64_t> Shape; ///< The first is -1 where it is the number of rows.

  bool hasRows() const { return Shape.front() == -1; }
};

/// How kernels of a GPU are launched; all zero in a program for a CPU.
struct ManifestLaunch {
  int64_t Threads = 0;     ///< Of a block.
  int64_t SharedBytes = 0; ///< Shared memory of a block.
};

struct Manifest {
  int64_t ABI = 0;
  std::string Compiler;              ///< "lathe 0.1.0 (LLVM 22.1.8)".
  std::string Target;                ///< "x86-64-v3", or "sm_90a".
  std::vector<std::string> Features; ///< CPU features the code uses.
  ManifestLaunch Launch;
  std::string Precision;
  ManifestModel Model;
  std::vector<ManifestTensor> Inputs, Outputs; ///< Of a function; else empty.
  std::vector<ManifestEntry> Entries;          ///< Ascending by MaxRows; never empty.
  std::vector<ManifestWeight> Weights;
  int64_t WeightTableSize = 0; ///< Pointers in the weight table: all tensors, each once.
  /// Elements of the KV cache: "f32", "f16", "bf16" or "int8"; "none" of an encoder.
  std::string KVType;
  int64_t KVBytesPerPosition = 0;
  std::vector<int64_t> SkippedLayers; ///< Ascending; the program was compiled without them.

  /// Layers behind which a step of one row may leave the stack (lathe_step_args::exit_at),
  /// ascending.
  std::vector<int64_t> Exits;
  /// What becomes of keys and values of the layers behind an exit: "propagate", "none" or
  /// "defer".
  std::string Behind = "none";

  /// Whether layers can be left out step by step (lathe_step_args::layer_runs).
  bool ChoosesLayers = false;

  /// Elements of each row of results where these are no logits; else 0.
  int64_t Results = 0;

  /// Whether the program is kernels of a GPU: text that its driver takes, which no CPU runs.
  bool isForDevice() const { return Launch.Threads != 0; }
  /// Whether the program is a function on tensors, and no model: then `Model` and
  /// the KV cache say nothing.
  bool isFunction() const { return !Outputs.empty(); }
  /// Whether the program is an encoder: its steps are of whole texts, and keep nothing.
  bool isEncoder() const { return KVType == "none"; }

  /// Bytes of the weights of all layers, as they are in their files.
  double layerBytes() const;
  /// Of these, what a step of one row that leaves behind `Layer` does not read, less what it
  /// reads for the exit.
  double bytesLeftOut(int64_t Layer) const;

  /// Elements of each row that a step gives: logits, or what the program gives in their place.
  int64_t resultWidth() const { return Results != 0 ? Results : Model.Vocabulary; }

  /// Parses and checks `Text`.  `Where` names the program in messages.  A text
  /// of another ABI version fails with E0603 before anything else is read;
  /// else all faults are told (E0601 not JSON, E0602 a member).
  static std::optional<Manifest> parse(std::string_view Text, const std::string &Where,
                                       Diagnostics &Diags);
};

} // namespace lathe

#endif // LATHE_RUNTIME_SESSION_MANIFEST_H
