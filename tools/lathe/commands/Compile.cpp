//===- Compile.cpp - lathe compile ------------------------------------------===//

#include "tools/lathe/Command.h"
#include "tools/lathe/ModelArguments.h"
#include "tools/lathe/OutputFile.h"

#include "runtime/session/CompilerLibrary.h"

using namespace lathe;
using namespace lathe::cli;

namespace {
class CompileCommand final : public Command {
public:
  void declare(Options &Accepted) override;
  void run(Terminal &Term, Diagnostics &Diags) override;

private:
  bool writeResult(CompileResult &Result, OutputFile &Output, Diagnostics &Diags) const;

  std::optional<std::string> Input, Output;
  TargetArguments Target;
  std::string Emit;
  std::optional<std::string> Passes, ReproducerFolder;
  bool VerifyEachPass = false, Statistics = false;
};
} // namespace

void CompileCommand::declare(Options &Accepted) {
  Accepted.positional(Input, "INPUT", "a GGUF file, or MLIR printed at a stage", true);
  Accepted.text(Output, "-o,--output", "FILE", "where the result goes; - is standard output");
  Accepted.choice(Emit, "--emit",
                  {"mlir:import", "mlir:fused", "mlir:precision", "mlir:scheduled", "mlir:planned",
                   "mlir:kernels", "llvm", "asm", "obj"},
                  "stop at a stage and print it");
  Target.declare(Accepted);
  Accepted.flag(VerifyEachPass, "--verify-each-pass", "compare before and after every pass");
  Accepted.flag(Statistics, "--statistics", "print what the passes counted");
  Accepted.text(Passes, "--passes", "LIST", "passes to run first, named as lathe-opt names them");
  Accepted.text(ReproducerFolder, "--reproducer-dir", "DIR",
                "where a fault of lathe leaves its reproducer ($TMPDIR, /tmp)");
}

bool CompileCommand::writeResult(CompileResult &Result, OutputFile &Output,
                                 Diagnostics &Diags) const {
  if (!Emit.empty())
    return Output.write(Result.output(), Diags);
  if (Result.writeLibrary(*Output.temporaryPath()))
    return true;
  Diags.error(212, *this->Output, "the compiler could not write the library");
  return false;
}

void CompileCommand::run(Terminal &Term, Diagnostics &Diags) {
  if (!Output)
    Diags.error(108, "lathe compile", "found no -o, expected the name of a file to write",
                "'-o -' is standard output");
  if (Output == "-" && Emit.empty())
    Diags.error(111, "lathe compile", "found '-o -' without --emit, expected a file for a library");
  if (Diags.hasErrors())
    return;
  std::unique_ptr<OutputFile> File = OutputFile::open(*Output, *Input, Term, Diags);
  if (!File)
    return;
  const CompilerLibrary *Compiler = CompilerLibrary::open(Diags);
  if (!Compiler)
    return;
  Term.progress("compiling " + *Input + " ...");
  CompileRequest Request;
  Request.Input = *Input;
  Request.Target = Target.Target;
  Request.Precision = Target.Precision;
  Request.KVType = Target.KVType;
  Request.Emit = Emit;
  Request.VerifyEachPass = VerifyEachPass;
  Request.Passes = Passes.value_or("");
  Request.ReproducerFolder = ReproducerFolder.value_or("");
  std::shared_ptr<CompileResult> Result = Compiler->compile(Request, Diags);
  if (Result && Statistics)
    Term.err(Result->statistics());
  if (Result && writeResult(*Result, *File, Diags))
    File->finish(Diags);
}

static CommandRegistration Registered({
    "compile",
    "compile a model, or stop half way and print",
    "  lathe compile model.gguf -o model.so                      a shared library\n"
    "  lathe compile model.gguf --emit mlir:import -o -          the model, readable\n"
    "  lathe compile fused.mlir --emit asm -o model.s            go on from a stage\n"
    "  lathe compile model.gguf --target x86-64-v4 --emit obj -o model.o\n",
    createCommand<CompileCommand>,
});
