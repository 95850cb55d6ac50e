#!/usr/bin/env python3
"""Writes test/reference/wordpiece: a small vocabulary of BERT and what huggingface/tokenizers makes
of some texts with it.

The vocabulary is a part of the one of bert-base-uncased (Apache-2.0, google-research/bert), as the
model all-MiniLM-L6-v2 carries it: all pieces of one character, and every seventh other piece.

    pip install tokenizers
    make_wordpiece_goldens.py VOCAB.txt OUT_DIR
"""

import argparse
import json
import pathlib

from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXTS = [
    "",
    " ",
    "\t\n\r ",
    "Hello, world!",
    "the quick brown fox jumps over the lazy dog",
    "unaffable unbelievably antidisestablishmentarianism",
    "don't can't it's 'quoted' \"double\" (brackets) [square] {curly} <angle>",
    "1,234.56 $9.99 50% #tag @name user@example.com https://example.com/a?b=c&d=e_f",
    "e.g. i.e. U.S.A. A.B.C",
    "naïve café résumé Ångström Zürich coöperate façade",
    "nai\u0308ve cafe\u0301 A\u030angstro\u0308m",
    "ÀÉÎÕÜ àéîõü ÇŠŽ ñ Ñ Ø ø Ł ł ß ẞ Æ æ Đ đ",
    "İstanbul ISTANBUL ıstanbul I\u0307",
    "ΑΒΓΔ Σίσυφος ΣΊΣΥΦΟΣ ς σ",
    "Привет, мир! Ёлка ёлка Йод",
    "שלום עולם שָׁלוֹם",
    "مرحبا بالعالم مَرْحَبًا",
    "नमस्ते दुनिया",
    "สวัสดีชาวโลก",
    "你好世界 中文字符abc漢字かなカナ",
    "한국어 텍스트 각 힣",
    "日本語のテキスト、です。",
    "emoji 😀 👩‍👩‍👧 🏳️‍🌈 ✨ ☃ ❤️",
    "zero\u200bwidth\u200cjoin\u200ders\ufeff and soft\u00adhyphen",
    "no\u00a0break\u2009thin\u3000ideographic\u2028line\u2029paragraph\u0085next",
    "control\x00\x01\x02\x07\x1b\x7f\x80chars and \ufffd replacement",
    "\x0bvertical\x0cform\x1cfile\x1dgroup",
    "em—dash en–dash hy-phen un‐breaking‑hyphen …ellipsis · middle • bullet",
    "¿Qué? ¡Hola! «guillemets» „low” ‚single’ ‹angle›",
    "math: x² + y₃ = ½ ± √2 ≤ ∞ × ÷ − a^b ~ `code` |pipe| \\back",
    "fullwidth ＡＢＣ１２３！ ｱｲｳ ligature ﬁ ﬂ ㎏ ①",
    "a" * 100,
    "a" * 101,
    "ab" * 49 + " " + "xyz" * 34,
    "é" * 100 + " " + "é" * 101,
    "[CLS] [SEP] [MASK] [PAD] [UNK] [cls] [Mask] [NOPE] [MASK]ed un[MASK]",
    "##ing ## # ##s a##b",
    "word" + "\u0301" * 3 + " \u0301alone \u0301",
    "\U00020000\U0002a6d6 \U0002b740\U0002b81f \U0002b820 \uf900\ufaff \U0002f800",
    "\u0e33 \u0f71\u0f72 \u0344 \u1e9b\u0323 \ufb1d \u212b \u2126",
    "mixed CASE McDonald iPhone eBay 3D 2nd B2B C++ C#",
    "line one\nline two\r\nline three\ttabbed",
    "\u0300 \u20dd \u0903 \u0488 marks a\u20dd b\u0488 c\u0903",
    "price:€5£6¥7¢8₹9 §4 ¶ © ® ™ ° µ",
]


def small_vocabulary(lines):
    """The special pieces first, then a part of the others in their order."""
    rest = [line for line in lines if not line.startswith("[") or len(line) == 1]
    single = {line for line in rest if len(line.removeprefix("##")) == 1}
    kept = [line for number, line in enumerate(rest) if line in single or number % 7 == 0]
    return SPECIAL + kept


def tokenizer(vocabulary, lowercase, accents, ideographs):
    ids = {text: number for number, text in enumerate(vocabulary)}
    made = Tokenizer(WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=ideographs,
        strip_accents=accents,
        lowercase=lowercase,
    )
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    made.add_special_tokens(SPECIAL)
    return made


# Name, and lowercase, strip_accents and handle_chinese_chars.  Nothing else differs.
KINDS = {
    "uncased": (True, None, True),
    "cased": (False, None, True),
    "accents": (True, False, True),
    "stripped": (False, True, False),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("vocabulary", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    vocabulary = small_vocabulary(options.vocabulary.read_text("utf-8").splitlines())
    (options.out / "vocab.txt").write_text("\n".join(vocabulary) + "\n", "utf-8")
    ids = {}
    for name, switches in KINDS.items():
        made = tokenizer(vocabulary, *switches)
        if name == "uncased":
            made.save(str(options.out / "tokenizer.json"), pretty=False)
        ids[name] = [made.encode(text).ids for text in TEXTS]
    goldens = {"texts": TEXTS, "kinds": KINDS, "ids": ids}
    (options.out / "goldens.json").write_text(json.dumps(goldens) + "\n")


if __name__ == "__main__":
    main()
