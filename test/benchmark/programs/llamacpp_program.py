from llamacpp import environment

from . import Program, random_tokens, register


@register
class LlamaCpp(Program):
    label = "llama.cpp"
    order = 1
    reads_forms = True

    def __init__(self, model, threads, context, vocabulary):
        self.worker = environment.Worker()
        self.vocabulary = vocabulary
        settings = {"threads": threads, "context": context, "cache": "default"}
        self.worker.ask("load", model=str(model), **settings)

    def measure(self, test):
        # The first evaluation warms up, as lathe bench does.
        if test.prompt:
            for _ in range(2):
                tokens = random_tokens(self.vocabulary, test.prompt)
                answer = self.worker.ask("prefill", tokens=tokens)
        else:
            tokens = random_tokens(self.vocabulary, test.depth + test.generate)
            self.worker.ask("decode", tokens=tokens[:1])
            answer = self.worker.ask("decode", tokens=tokens, depth=test.depth)
        return test.count / answer["seconds"]

    def about(self):
        return f"llama-cpp-python {environment.VERSION}, {environment.CMAKE_ARGS}"

    def close(self):
        self.worker.__exit__()
