# MLIR and LLVM as archives; included by LatheMLIR.cmake when LATHE_STATIC_MLIR is on.
#
# What is named here are the archives whose functions we call; what those need follows from the
# exported targets.  A linker takes from an archive only what is asked for.

add_library(LatheLLVM INTERFACE)
target_link_libraries(LatheLLVM INTERFACE LLVMCore LLVMOrcJIT LLVMPasses LLVMSupport LLVMTarget
  LLVMNVPTXCodeGen LLVMNVPTXDesc LLVMNVPTXInfo LLVMTargetParser LLVMX86CodeGen LLVMX86Desc LLVMX86Info)

# Debian's MLIR archives say that they need the shared libLLVM.  A second LLVM in the same process
# would have a registry, options and types of its own, so the archives take ours in its place.
foreach(library IN LISTS MLIR_EXPORTED_TARGETS)
  get_target_property(needed ${library} INTERFACE_LINK_LIBRARIES)
  if(needed)
    list(TRANSFORM needed REPLACE "^(LLVM|\\$<LINK_ONLY:LLVM>)$" LatheLLVM)
    set_target_properties(${library} PROPERTIES INTERFACE_LINK_LIBRARIES "${needed}")
  endif()
endforeach()

target_link_libraries(LatheMLIR INTERFACE
  # Dialects
  MLIRAffineDialect MLIRArithDialect MLIRControlFlowDialect MLIRFuncDialect MLIRLLVMDialect
  MLIRLinalgDialect MLIRMathDialect MLIRSCFDialect MLIRTensorDialect MLIRVectorDialect
  # Passes
  MLIRAffineToStandard MLIRArithToLLVM MLIRArithTransforms MLIRBufferizationTransforms
  MLIRControlFlowToLLVM MLIRFuncToLLVM MLIRLinalgTransforms MLIRMathToLibm MLIRMathToLLVM
  MLIRMathTransforms MLIRMemRefToLLVM MLIRMemRefTransforms MLIRReconcileUnrealizedCasts
  MLIRSCFToControlFlow MLIRSCFTransforms MLIRTensorTransforms MLIRTransforms MLIRVectorToLLVMPass
  # Reading, and the way to LLVM IR
  MLIRBytecodeReader MLIRParser MLIRPass MLIRBuiltinToLLVMIRTranslation
  MLIRLLVMToLLVMIRTranslation MLIRTargetLLVMIRExport
  LatheLLVM)
# A third of such a file would be the names of LLVM's functions.
target_link_options(LatheMLIR INTERFACE -Wl,--as-needed -Wl,--gc-sections
  $<$<CONFIG:Release>:-Wl,--strip-all>)

# The GPU dialects' passes start every code generator that LLVM has.
llvm_map_components_to_libnames(LATHE_ALL_TARGETS AllTargetsCodeGens AllTargetsDescs AllTargetsInfos)
target_link_libraries(LatheMLIREverything INTERFACE ${LATHE_ALL_TARGETS} LLVMAMDGPUAsmParser
  LLVMSupportLSP MLIRLspServerLib MLIROptLib MLIRRegisterAllDialects
  MLIRRegisterAllExtensions MLIRRegisterAllPasses)
