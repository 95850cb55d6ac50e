# Finds LLVM/MLIR 22 and offers lathe_add_mlir_library().
find_package(MLIR REQUIRED CONFIG)
if(NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR "Lathe is written for LLVM/MLIR 22, found ${LLVM_PACKAGE_VERSION} in ${LLVM_DIR}")
endif()

# The static LLVM archives name zstd::libzstd_shared, which llvm-22-dev does not bring.
if(NOT TARGET zstd::libzstd_shared)
  find_library(LATHE_ZSTD NAMES zstd libzstd.so.1)
  add_library(zstd::libzstd_shared SHARED IMPORTED)
  set_target_properties(zstd::libzstd_shared PROPERTIES IMPORTED_LOCATION "${LATHE_ZSTD}")
endif()

list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)

add_library(LatheMLIR INTERFACE)
target_include_directories(LatheMLIR SYSTEM INTERFACE ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
# mlir_tablegen() takes its include folders from the directory property.
include_directories(SYSTEM ${MLIR_INCLUDE_DIRS})
include_directories(${PROJECT_SOURCE_DIR})
target_compile_definitions(LatheMLIR INTERFACE ${LLVM_DEFINITIONS})
# LLVM's packages are built with RTTI; -fno-rtti code would not link against the interfaces' type ids.
#
# LatheMLIR is what the compiler is linked with, LatheMLIREverything what lathe-opt registers besides.
add_library(LatheMLIREverything INTERFACE)
target_link_libraries(LatheMLIREverything INTERFACE LatheMLIR)
if(LATHE_STATIC_MLIR)
  include(LatheStaticMLIR)
else()
  target_link_libraries(LatheMLIR INTERFACE MLIR LLVM)
endif()

# One precompiled set of MLIR's and LLVM's heaviest headers for all of the compiler.
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/LathePCH.cpp CONTENT "")
add_library(LathePCH STATIC ${CMAKE_BINARY_DIR}/LathePCH.cpp)
target_link_libraries(LathePCH PUBLIC LatheMLIR LatheRuntime)
target_precompile_headers(LathePCH PRIVATE
  <mlir/IR/Builders.h> <mlir/IR/BuiltinOps.h> <mlir/IR/OpImplementation.h> <mlir/IR/PatternMatch.h>
  <mlir/IR/SymbolTable.h> <mlir/Bytecode/BytecodeOpInterface.h>
  <mlir/Interfaces/InferTypeOpInterface.h> <mlir/Interfaces/SideEffectInterfaces.h>
  <mlir/Pass/Pass.h> <mlir/Pass/PassManager.h> <string> <vector>)

# lathe_add_mlir_library(NAME SOURCES... [DEPENDS tablegen targets...] [LINK libraries...])
# A static, position-independent part of liblathe-compiler, with the project's precompiled MLIR headers.
function(lathe_add_mlir_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
  target_link_libraries(${name} PUBLIC LatheMLIR ${ARG_LINK})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  target_precompile_headers(${name} REUSE_FROM LathePCH)
endfunction()
