//===- DeviceObject.cpp - Kernels of a device as an object -----------------===//

#include "compiler/driver/DeviceObject.h"

#include "compiler/driver/Codegen.h"

#include "llvm/IR/Constants.h"

using namespace lathe::compiler;

static void addConstant(llvm::Module &module, llvm::StringRef name, llvm::Constant *value) {
  auto *global = new llvm::GlobalVariable(module, value->getType(), /*isConstant=*/true,
                                          llvm::GlobalValue::ExternalLinkage, value, name);
  global->setAlignment(llvm::Align(sizeof(int64_t)));
}

llvm::Expected<std::string> lathe::compiler::makeDeviceObject(llvm::StringRef manifest,
                                                              llvm::StringRef image) {
  // Data is the same for every level of the processor.
  auto codegen = Codegen::create(*findCpuTarget("x86-64-v3"));
  if (!codegen)
    return codegen.takeError();
  (*codegen)->fill([&](llvm::Module &module) {
    llvm::LLVMContext &context = module.getContext();
    auto text = [&](llvm::StringRef bytes, bool endsInZero) {
      return llvm::ConstantDataArray::getString(context, bytes, endsInZero);
    };
    addConstant(module, "lathe_manifest", text(manifest, /*endsInZero=*/false));
    addConstant(module, "lathe_manifest_size",
                llvm::ConstantInt::get(llvm::Type::getInt64Ty(context), manifest.size()));
    addConstant(module, "lathe_device_code", text(image, /*endsInZero=*/true));
  });
  return (*codegen)->emit(llvm::CodeGenFileType::ObjectFile);
}
