#!/usr/bin/env python3
"""Speaks the language server protocol with a server about one file, and prints what it answers.

    talk_lsp.py SERVER FILE [--hover LINE:COLUMN] [--definition LINE:COLUMN]

Lines and columns count from 1. Prints the diagnostics, a line for each, then the answers.
"""

import argparse
import json
import pathlib
import subprocess
import sys


class Server:
    def __init__(self, path):
        self.process = subprocess.Popen(
            [path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.next = 0

    def send(self, message):
        raw = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(raw) + raw)
        self.process.stdin.flush()

    def receive(self):
        length = 0
        while line := self.process.stdout.readline().strip():
            name, value = line.split(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if length == 0:
            sys.exit("the server ended")
        return json.loads(self.process.stdout.read(length))

    def tell(self, method, **params):
        self.send({"method": method, "params": params})

    def ask(self, method, **params):
        self.next += 1
        self.send({"id": self.next, "method": method, "params": params})
        while (answer := self.receive()).get("id") != self.next:
            pass
        if "error" in answer:
            sys.exit(f"{method}: {answer['error']}")
        return answer["result"]


def place(text):
    line, column = (int(number) - 1 for number in text.split(":"))
    return {"line": line, "character": column}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server")
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--hover")
    parser.add_argument("--definition")
    options = parser.parse_args()
    server = Server(options.server)
    uri = options.file.resolve().as_uri()
    server.ask("initialize", processId=None, rootUri=None, capabilities={})
    server.tell("initialized")
    text = options.file.read_text()
    server.tell(
        "textDocument/didOpen",
        textDocument={"uri": uri, "languageId": "mlir", "version": 1, "text": text},
    )
    while (told := server.receive()).get("method") != "textDocument/publishDiagnostics":
        pass
    for each in told["params"]["diagnostics"]:
        start = each["range"]["start"]
        print(f"{start['line'] + 1}:{start['character'] + 1}: {each['message']}")
    print(len(told["params"]["diagnostics"]), "diagnostics")
    document = {"uri": uri}
    if options.hover:
        answer = server.ask("textDocument/hover", textDocument=document, position=place(options.hover))
        print("hover:", json.dumps(answer["contents"]["value"] if answer else None))
    if options.definition:
        answer = server.ask(
            "textDocument/definition", textDocument=document, position=place(options.definition)
        )
        for each in answer:
            start = each["range"]["start"]
            print(f"definition: {start['line'] + 1}:{start['character'] + 1}")
    server.ask("shutdown")
    server.tell("exit")
    sys.exit(server.process.wait(timeout=10))


if __name__ == "__main__":
    main()
