#!/usr/bin/env python3
"""Checks a page of `lathe inspect --html` of a model with hostile names.

    check_page.py LATHE FOLDER
"""

import html.parser
import pathlib
import subprocess
import sys

from tiny_gguf import STRING, tiny_model

EVIL = "<script>alert('x')</script>\"><img src=http://example.org/x onerror=1>\x1b[2J\u202e &amp;"
VOID = {"meta"}
ALLOWED = {"html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p", "div",
           "b", "span", "i", "table", "tr", "th", "td", "svg", "rect", "line", "path", "circle",
           "text"}  # fmt: skip


class Page(html.parser.HTMLParser):
    """Every element that is opened is closed, is one of ours, and names no address."""

    def __init__(self):
        super().__init__()
        self.open, self.words = [], []

    def handle_starttag(self, tag, attributes):
        assert tag in ALLOWED, tag
        for name, value in attributes:
            assert not name.startswith("on") and name not in ("src", "href", "action"), name
            assert name == "xmlns" or "//" not in (value or ""), value
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.words.append(data)


def main():
    lathe, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    gguf = tiny_model()
    gguf.set("general.name", STRING, EVIL.encode() + b"\xff")
    model, out = folder / "<b>&evil.gguf", folder / "evil.html"
    model.write_bytes(gguf.write())
    subprocess.run([lathe, "inspect", str(model), "--html", str(out), "--no-measure", "-t", "1"], check=True)
    text = out.read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    page.close()
    assert not page.open, page.open
    shown = "".join(page.words)
    assert "<script>alert('x')</script>" in shown and "\x1b" not in text and "<b>&evil" in shown
    assert "\ufffd" in shown, "what is no UTF-8 is shown as such"
    assert "url(" not in text and "@import" not in text
    print("page: well-formed, self-contained, escaped")


if __name__ == "__main__":
    main()
