//===- ReferenceRunner.cpp - Runs a reference program in process -----------===//

#include "compiler/reference/ReferenceRunner.h"
#include "compiler/reference/LowerToReference.h"
#include "compiler/reference/ReferenceJit.h"
#include "dialects/Lathe/LatheOps.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/FuncBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Linalg/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"

#include <cstring>

using namespace mlir;
using namespace lathe::compiler;

/// Names that no model's functions have, and no library's.
static constexpr StringLiteral functionName = "lathe_reference";
static constexpr StringLiteral interfaceName = "_mlir_ciface_lathe_reference";
static constexpr StringLiteral entryName = "lathe_reference_entry";

void lathe::compiler::prepareReferenceContext(MLIRContext &context) {
  DialectRegistry registry;
  registry.insert<affine::AffineDialect, arith::ArithDialect, bufferization::BufferizationDialect,
                  cf::ControlFlowDialect, func::FuncDialect, linalg::LinalgDialect,
                  LLVM::LLVMDialect, math::MathDialect, memref::MemRefDialect, scf::SCFDialect,
                  tensor::TensorDialect, lathe::ir::LatheDialect>();
  arith::registerBufferizableOpInterfaceExternalModels(registry);
  bufferization::func_ext::registerBufferizableOpInterfaceExternalModels(registry);
  linalg::registerBufferizableOpInterfaceExternalModels(registry);
  scf::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerBufferizableOpInterfaceExternalModels(registry);
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  context.appendDialectRegistry(registry);
  for (StringRef name : registry.getDialectNames())
    context.getOrLoadDialect(name);
}

//===----------------------------------------------------------------------===//
// Compilation
//===----------------------------------------------------------------------===//

/// A copy of `module` in which `function` is the only one, in reference form.
static OwningOpRef<ModuleOp> isolate(ModuleOp module, StringRef function) {
  OwningOpRef<ModuleOp> copy(module.clone());
  func::FuncOp found;
  for (Operation &op : llvm::make_early_inc_range(*copy->getBody())) {
    auto func = dyn_cast<func::FuncOp>(op);
    if (func && func.getName() == function)
      found = func;
    else if (!isa<lathe::ir::WeightsOp>(op))
      op.erase();
  }
  if (!found) {
    module.emitError() << "there is no function @" << function;
    return {};
  }
  found.setName(functionName);
  found.setPublic();
  return succeeded(lowerToReference(*copy)) ? std::move(copy) : OwningOpRef<ModuleOp>();
}

static LogicalResult collectTypes(func::FuncOp func, TypeRange types,
                                  SmallVectorImpl<RankedTensorType> &tensors) {
  for (Type type : types) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor || !(tensor.getElementType().isF32() || tensor.getElementType().isInteger(32)))
      return func.emitError()
             << "a program that is run takes and gives tensors of f32 or i32, found " << type;
    tensors.push_back(tensor);
  }
  return success();
}

static void addBufferize(OpPassManager &pm) {
  bufferization::OneShotBufferizePassOptions bufferize;
  bufferize.allowReturnAllocsFromLoops = true;
  bufferize.bufferizeFunctionBoundaries = true;
  bufferize.functionBoundaryTypeConversion = bufferization::LayoutMapOption::IdentityLayoutMap;
  pm.addPass(bufferization::createOneShotBufferizePass(bufferize));
}

/// A copy between memories of different strides would call a library that is not there.
static void expandCopies(ModuleOp module) {
  module.walk([](memref::CopyOp copy) {
    OpBuilder builder(copy);
    linalg::CopyOp::create(builder, copy.getLoc(), copy.getSource(), copy.getTarget());
    copy.erase();
  });
}

static void buildLLVMPipeline(OpPassManager &pm) {
  pm.addPass(createConvertLinalgToLoopsPass());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  // x86-64 without AVX512-BF16 would call a rounding function that no library of the process has.
  arith::ArithExpandOpsPassOptions expand;
  expand.includeBf16 = true;
  pm.addPass(arith::createArithExpandOpsPass(expand));
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertMathToLLVMPass());
  // LLVM has no error function.
  pm.addPass(createConvertMathToLibmPass());
  pm.addPass(createArithToLLVMConversionPass());
  FinalizeMemRefToLLVMConversionPassOptions memory;
  memory.useGenericFunctions = true;
  pm.addPass(createFinalizeMemRefToLLVMConversionPass(memory));
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
}

static LogicalResult lowerToLLVM(ModuleOp module, func::FuncOp func) {
  UnitAttr unit = UnitAttr::get(module.getContext());
  func->setAttr(LLVM::LLVMDialect::getEmitCWrapperAttrName(), unit);
  // The caller's arrays stay as they are.
  for (unsigned i = 0; i < func.getNumArguments(); ++i)
    func.setArgAttr(i, bufferization::BufferizationDialect::kWritableAttrName,
                    BoolAttr::get(module.getContext(), false));
  PassManager bufferize(module.getContext()), rest(module.getContext());
  addBufferize(bufferize);
  buildLLVMPipeline(rest);
  if (failed(bufferize.run(module)))
    return failure();
  expandCopies(module);
  return rest.run(module);
}

std::unique_ptr<ReferenceProgram> ReferenceProgram::compile(ModuleOp module, StringRef function) {
  OwningOpRef<ModuleOp> copy = isolate(module, function);
  if (!copy)
    return nullptr;
  auto func = copy->lookupSymbol<func::FuncOp>(functionName);
  std::unique_ptr<ReferenceProgram> program(new ReferenceProgram);
  if (failed(collectTypes(func, func.getArgumentTypes(), program->inputs)) ||
      failed(collectTypes(func, func.getResultTypes(), program->results)))
    return nullptr;
  if (program->results.empty()) {
    func.emitError() << "a program that is run must have a result";
    return nullptr;
  }
  if (failed(lowerToLLVM(*copy, func)))
    return nullptr;

  auto context = std::make_unique<llvm::LLVMContext>();
  auto code = translateModuleToLLVMIR(*copy, *context);
  if (!code)
    return nullptr;
  addPackedEntry(*code, entryName, interfaceName);
  if (llvm::Error error = program->link(std::move(code), std::move(context))) {
    module.emitError() << "reference program: " << llvm::toString(std::move(error));
    return nullptr;
  }
  return program;
}

llvm::Error ReferenceProgram::link(std::unique_ptr<llvm::Module> code,
                                   std::unique_ptr<llvm::LLVMContext> context) {
  auto compiled = compileInProcess(std::move(code), std::move(context));
  if (!compiled)
    return compiled.takeError();
  jit = std::move(*compiled);
  auto address = jit->lookup(entryName);
  if (!address)
    return address.takeError();
  entry = address->toPtr<void (*)(void **)>();
  return llvm::Error::success();
}

ReferenceProgram::~ReferenceProgram() = default;

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

static LogicalResult verifyInput(Location loc, unsigned index, RankedTensorType type,
                                 const ReferenceArray &array) {
  bool isFloat = std::holds_alternative<std::vector<float>>(array.elements);
  if (type.getElementType().isF32() != isFloat)
    return emitError(loc) << "input " << index << ": found elements of type "
                          << (isFloat ? "f32" : "i32") << ", expected " << type;
  bool fits = array.shape.size() == size_t(type.getRank());
  for (int64_t dim = 0; fits && dim < type.getRank(); ++dim)
    fits = type.isDynamicDim(dim) || type.getDimSize(dim) == array.shape[dim];
  if (fits)
    return success();
  InFlightDiagnostic error = emitError(loc) << "input " << index << ": found shape [";
  llvm::interleaveComma(array.shape, error);
  return error << "], expected " << type;
}

/// A ranked memref as compiled code sees it: pointer, aligned pointer, offset,
/// sizes and strides, eight bytes each.
static size_t descriptorWords(RankedTensorType type) { return 3 + 2 * type.getRank(); }

static std::vector<int64_t> describe(const ReferenceArray &array) {
  const void *data =
      std::visit([](auto &elements) -> const void * { return elements.data(); }, array.elements);
  int64_t rank = array.shape.size(), address = reinterpret_cast<intptr_t>(data);
  std::vector<int64_t> words{address, address, 0};
  words.insert(words.end(), array.shape.begin(), array.shape.end());
  words.resize(words.size() + rank, 1);
  for (int64_t dim = rank - 2; dim >= 0; --dim)
    words[3 + rank + dim] = words[3 + rank + dim + 1] * array.shape[dim + 1];
  return words;
}

template <typename T> static std::vector<T> copyElements(const int64_t *words, int64_t count) {
  std::vector<T> elements(count);
  auto *data = reinterpret_cast<const T *>(words[1]) + words[2];
  if (count != 0)
    std::memcpy(elements.data(), data, count * sizeof(T));
  return elements;
}

/// Results have the identity layout, so their strides say nothing new.
static ReferenceArray readResult(RankedTensorType type, const int64_t *words) {
  ReferenceArray array;
  array.shape.assign(words + 3, words + 3 + type.getRank());
  int64_t count = ShapedType::getNumElements(array.shape);
  if (type.getElementType().isF32())
    array.elements = copyElements<float>(words, count);
  else
    array.elements = copyElements<int32_t>(words, count);
  return array;
}

FailureOr<std::vector<ReferenceArray>>
ReferenceProgram::run(Location loc, ArrayRef<ReferenceArray> arrays) const {
  if (arrays.size() != inputs.size())
    return emitError(loc) << "found " << arrays.size() << " inputs, expected " << inputs.size();
  std::vector<std::vector<int64_t>> descriptors;
  for (auto [index, array] : llvm::enumerate(arrays)) {
    if (failed(verifyInput(loc, index, inputs[index], array)))
      return failure();
    descriptors.push_back(describe(array));
  }
  size_t resultWords = 0;
  for (RankedTensorType type : results)
    resultWords += descriptorWords(type);
  std::vector<int64_t> resultStorage(resultWords);
  std::vector<void *> arguments{resultStorage.data()};
  for (std::vector<int64_t> &descriptor : descriptors)
    arguments.push_back(descriptor.data());

  RunMemory memory;
  entry(arguments.data());
  std::vector<ReferenceArray> outputs;
  const int64_t *next = resultStorage.data();
  for (RankedTensorType type : results) {
    outputs.push_back(readResult(type, next));
    next += descriptorWords(type);
  }
  return outputs;
}
