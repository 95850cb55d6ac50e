"""lit's configuration for everything that is told as text: .mlir and .test files.

The unit tests are a suite of their own, in unit/, so that lit counts each GoogleTest case.

Substitutions: %lathe, %python, %tiny (the maker of tiny model files), %model (the default model),
%reference, %qemu (QEMU's user mode, from the path or $LATHE_QEMU) and %ptxas (of NVIDIA's toolkit, from the
path or $CUDA_HOME); for programs that use
liblathe.so %cc, %cxx, %include, %lib, %examples and %valgrind; %cuemu is the emulator as a driver of GPUs.  Features: compiler, default-model,
avx2, avx512, qemu, ptxas, valgrind, zsh, fish.
"""

import os
import shutil
import sys

import lit.formats
import lit.util

config.name = "Lathe"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["inputs", "fuzz", "benchmark", "conformance", "reference"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.lathe_build_dir, "test")

# Seconds until a test that hangs is stopped; lit needs psutil for it.
if lit.util.killProcessAndChildrenIsSupported()[0]:
    lit_config.maxIndividualTestTime = 600


def cached(override, *path):
    """A file that ./dev keeps in the user's cache, or that a variable names; None without it."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    found = os.environ.get(override) or os.path.join(cache, "lathe", *path)
    return found if os.path.isfile(found) else None


def processor_has(*flags):
    try:
        with open("/proc/cpuinfo") as info:
            line = next((line for line in info if line.startswith("flags")), "")
    except OSError:
        return False
    return set(flags) <= set(line.split())


config.environment["PATH"] = os.pathsep.join(
    [config.lathe_tools_dir, config.llvm_tools_dir, os.environ.get("PATH", "")]
)
# The tests have a compiler cache of their own, and no user's settings.
config.environment["HOME"] = config.test_exec_root
config.environment["LATHE_CACHE"] = os.path.join(config.test_exec_root, "cache")

model = cached("LATHE_TEST_MODEL", "models", "smollm2-135m-instruct-q4_1.gguf")
python = cached("LATHE_PYTHON", "venv", "bin", "python") or sys.executable
qemu = os.environ.get("LATHE_QEMU") or shutil.which("qemu-x86_64")
toolkit = os.path.join(os.environ.get("CUDA_HOME", "/usr/local/cuda"), "bin")
ptxas = shutil.which("ptxas") or shutil.which("ptxas", path=toolkit)
tools_inputs = os.path.join(config.test_source_root, "Tools", "inputs")
config.substitutions += [
    ("%lathe", os.path.join(config.lathe_tools_dir, "lathe")),
    ("%python", python),
    ("%tiny", os.path.join(tools_inputs, "tiny_gguf.py")),
    ("%model", model or "the-default-model-is-missing"),
    ("%qemu", qemu or "qemu-is-missing"),
    ("%ptxas", ptxas or "ptxas-is-missing"),
    ("%reference", os.path.join(config.test_source_root, "reference")),
    ("%cc", os.path.join(config.llvm_tools_dir, "clang")),
    ("%cxx", os.path.join(config.llvm_tools_dir, "clang++")),
    ("%include", os.path.join(config.test_source_root, "..", "runtime", "include")),
    ("%lib", os.path.join(config.lathe_build_dir, "lib")),
    ("%cuemu", os.path.join(config.lathe_build_dir, "lib", "libcuemu.so")),
    ("%examples", os.path.join(config.test_source_root, "..", "examples")),
    # Every loss of memory counts but what is reachable to the end, such as the compiler's.
    (
        "%valgrind",
        "valgrind -q --fair-sched=yes --error-exitcode=9 --leak-check=full"
        " --errors-for-leak-kinds=definite,indirect,possible",
    ),
]

if config.lathe_runtime_only:
    config.excludes += ["Dialect", "Passes", "Target", "Import"]
else:
    config.available_features.add("compiler")
for program in ("valgrind", "zsh", "fish"):
    if shutil.which(program):
        config.available_features.add(program)
if model:
    config.available_features.add("default-model")
if qemu:
    config.available_features.add("qemu")
if ptxas:
    config.available_features.add("ptxas")
if processor_has("avx2", "fma", "f16c"):
    config.available_features.add("avx2")
if processor_has("avx512_vnni", "avx512_bf16"):
    config.available_features.add("avx512")
