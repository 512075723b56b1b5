"""Of `hostile_cases`: tokenizers that are slow, or make much of little."""

import json

from changes import content

TOKENIZER = "run/checkpoints/best/tokenizer/"


def tokenizer(**changed):
    def change(folder):
        path = folder / TOKENIZER / "tokenizer.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changed))

    return change


def of_model(**changed):
    def change(folder):
        path = folder / TOKENIZER / "tokenizer.json"
        there = json.loads(path.read_text())
        path.write_text(json.dumps(there | {"model": there["model"] | changed}))

    return change


def with_settings(**changed):
    def change(folder):
        path = folder / TOKENIZER / "tokenizer_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changed))

    return change


def replaced(what, by):
    return {"type": "Replace", "pattern": what, "content": by}


def template(times, ids=(2,)):
    piece = {"Sequence": {"id": "A", "type_id": 0}}
    return {
        "type": "TemplateProcessing", "single": [piece] * times,
        "pair": [piece, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [*ids], "tokens": ["[CLS]"] * len(ids)}},
    }  # fmt: skip


def sequence(*parts):
    return {"type": "Sequence", "normalizers": [*parts]}


ADDED = {
    "single_word": False,
    "lstrip": False,
    "rstrip": False,
    "normalized": True,
    "special": False,
}
SLOW = {"Regex": "(x+x+)+y"}
TOKENIZERS = {
    "slow expression that splits": tokenizer(
        pre_tokenizer={"type": "Split", "pattern": SLOW, "behavior": "Isolated", "invert": False}),
    "slow expression that replaces": tokenizer(normalizer=replaced(SLOW, "z")),
    "expressions one after the other": tokenizer(normalizer=replaced({"Regex": "x+x+x+x+y"}, "z")),
    "nothing replaced by much": tokenizer(normalizer=replaced({"String": ""}, "z" * 10**6)),
    "a letter replaced by eight": tokenizer(
        normalizer=sequence(*[replaced({"String": "e"}, "e" * 8)] * 20)),
    "an expression replaced by eight": tokenizer(normalizer=replaced({"Regex": "e"}, "e" * 8)),
    "a long start": tokenizer(normalizer={"type": "Prepend", "prepend": "x" * 10**6}),
    "10^5 parts": tokenizer(normalizer=sequence(*[{"type": "NFKC"}] * 10**5)),
    "nested parts": tokenizer(normalizer=sequence(sequence(*[sequence({"type": "NFC"})] * 20))),
    "parts of no kind": tokenizer(pre_tokenizer={"type": "FixedLength", "length": 0}),
    "text of 10^5 texts": tokenizer(post_processor=template(10**5)),
    "text of two texts": tokenizer(post_processor=template(2)),
    "10^5 tokens in front": tokenizer(post_processor=template(1, [2] * 10**5)),
    "no text at all": tokenizer(post_processor=template(0)),
    "words of 10^12 characters": of_model(max_input_chars_per_word=10**12),
    "10^5 words": of_model(vocab={f"w{i}": i for i in range(10**5)}),
    "no unknown word": of_model(unk_token="nope"),
    "a model of no kind": of_model(type="Lookup"),
    "no vocabulary": of_model(vocab=None),
    "10^4 added tokens": tokenizer(
        added_tokens=[{"id": 100 + i, "content": f"t{i}", **ADDED} for i in range(10**4)]),
    "added token of 10^6": tokenizer(added_tokens=[{"id": 100, "content": "z" * 10**6, **ADDED}]),
    "10^4 added tokens of the settings": with_settings(
        added_tokens_decoder={str(100 + i): {"content": f"t{i}", **ADDED} for i in range(10**4)}),
    "10^4 special tokens": with_settings(extra_special_tokens=[f"t{i}" for i in range(10**4)]),
    "tokenizer of no kind": with_settings(tokenizer_class="RagTokenizer"),
    "a damaged table of characters": tokenizer(
        normalizer={"type": "Precompiled", "precompiled_charsmap": "EAAAAP////////////////////8="}),
    "a table of long texts": tokenizer(
        normalizer={"type": "Precompiled", "precompiled_charsmap": "BAAAAAAA" + "eHh4" * 10**5}),
    "nested tokenizer": content(TOKENIZER + "tokenizer.json", '{"a": ' * 9999 + "1" + "}" * 9999),
}  # fmt: skip
