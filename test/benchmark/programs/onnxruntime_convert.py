"""Runs in an environment with torch: a GGUF file as an int4 model of ONNX Runtime GenAI.

    onnxruntime_convert.py MODEL.gguf OUT_DIR

transformers dequantises the file; the model builder quantises its weights anew, in blocks of 32 with
int8 activations (accuracy level 4), the output layer too.
"""

import pathlib
import subprocess
import sys
import tempfile

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main():
    source, target = pathlib.Path(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as work:
        folder = pathlib.Path(work, "hf")
        place = {"gguf_file": source.name}
        model = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32, **place)
        # Its weights are plain numbers now, but it still calls itself quantised and is not saved.
        model.hf_quantizer = None
        vars(model.config).pop("quantization_config", None)
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(source.parent, **place).save_pretrained(folder)
        del model
        builder = [sys.executable, "-m", "onnxruntime_genai.models.builder"]
        options = ["int4_accuracy_level=4", "int4_block_size=32"]
        command = [*builder, "-i", folder, "-o", target, "-p", "int4", "-e", "cpu"]
        command += ["-c", pathlib.Path(work, "cache"), "--extra_options", *options]
        subprocess.run(command, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main()
