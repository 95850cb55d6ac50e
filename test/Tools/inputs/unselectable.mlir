// What the emitters never make: an AVX-512 instruction for a CPU without it.
module attributes {lathe.stage = "kernels", lathe.target = "x86-64-v3"} {
  func.func @f(%a: vector<16xf32>, %b: vector<32xbf16>) -> vector<16xf32> {
    %c = llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"(%a, %b, %b) : (vector<16xf32>, vector<32xbf16>, vector<32xbf16>) -> vector<16xf32>
    return %c : vector<16xf32>
  }
}
