"""Word pieces: the way from words to pieces and back, and tokenizers trained here."""

import json

import pytest
import torch
from commands import run_python
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import RobertaProcessing
from transformers import AutoTokenizer, BertTokenizerFast, PreTrainedTokenizerFast

import reclf.data.tokenization
from reclf.data.reports import split_words
from reclf.data.tokenization import encode_reports, train_tokenizer

REPORTS = [
    "Small left pleural effusion. No pneumothorax.",
    "The heart is enlarged. A 1.2 cm nodule in the right upper lobe is stable.",
    "No focal consolidation, pleural effusion or pneumothorax.",
]


def wordpiece(tmp_path):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, "left", "effusion", "effu", "##sion", "pleural", "##s", "1", "2", "."]
    return BertTokenizerFast(vocab={piece: i for i, piece in enumerate(pieces)})


def byte_level(tmp_path):
    """Like RoBERTa's: case-sensitive, a word behind a space has its own pieces (Ġ)."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(REPORTS * 3, trainer)
    tokenizer.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", bos_token="<s>",
        eos_token="</s>",
    )  # fmt: skip


def trained(tmp_path):
    train_tokenizer(REPORTS * 2, 90).save_pretrained(tmp_path)
    return AutoTokenizer.from_pretrained(tmp_path)


@pytest.fixture(params=[wordpiece, byte_level, trained])
def tokenizer(request, tmp_path):
    return request.param(tmp_path)


def test_pieces_by_hand(tmp_path):
    tokenizer = wordpiece(tmp_path)
    encoded = encode_reports(tokenizer, ["Left pleurals, 1.2 .", "heart", ""])
    # left | pleural ##s | 1 . 2; heart is not in the vocabulary
    assert encoded.input_ids.tolist() == [
        [2, 5, 9, 10, 11, 13, 12, 3],
        [2, 1, 3, 0, 0, 0, 0, 0],
        [2, 3, 0, 0, 0, 0, 0, 0],
    ]
    assert encoded.attention_mask.tolist() == [[1] * 8, [1] * 3 + [0] * 5, [1] * 2 + [0] * 6]
    assert encoded.word_ids.tolist() == [
        [-1, 0, 1, 1, 2, 2, 2, -1],
        [-1, 0, -1, -1, -1, -1, -1, -1],
        [-1] * 8,
    ]
    assert encoded.word_mask.tolist() == [[True] * 3, [True, False, False], [False] * 3]
    assert encoded.words == [["left", "pleurals", "1.2"], ["heart"], []]
    assert encoded.truncated == 0


def test_words_and_pieces_agree_for_any_tokenizer(tokenizer):
    encoded = encode_reports(tokenizer, [*REPORTS, "XXXX", "effusion"])
    assert [tensor.dtype for tensor in encoded[:4]] == [torch.int64] * 3 + [torch.bool]
    assert encoded.words == [split_words(report) for report in [*REPORTS, "", "effusion"]]
    for row, words in enumerate(encoded.words):
        word_ids = encoded.word_ids[row][encoded.word_ids[row] >= 0]
        assert word_ids.unique().tolist() == list(range(len(words)))  # every word has a piece
        assert (word_ids.diff() >= 0).all()
        assert encoded.word_mask[row].sum() == len(words)
        assert encoded.attention_mask[row].sum() == len(word_ids) + 2


def test_bytes_read_back_as_the_words(tmp_path):
    tokenizer = byte_level(tmp_path)
    encoded = encode_reports(tokenizer, REPORTS)
    for row, words in enumerate(encoded.words):
        ids = encoded.input_ids[row][encoded.word_ids[row] >= 0]
        assert tokenizer.decode(ids) == " " + " ".join(words)


def test_same_pieces_as_the_tokenizer_gives_a_sentence(tmp_path):
    tokenizer = trained(tmp_path)
    encoded = encode_reports(tokenizer, ["no pleural effusion"])
    assert encoded.input_ids[0].tolist() == tokenizer("No pleural effusion")["input_ids"]


def test_padding_does_not_change_a_report(tokenizer):
    alone = encode_reports(tokenizer, REPORTS[:1])
    together = encode_reports(tokenizer, REPORTS)
    length = alone.input_ids.shape[1]
    assert torch.equal(together.input_ids[:1, :length], alone.input_ids)
    assert torch.equal(together.word_ids[:1, :length], alone.word_ids)


def test_words_are_remembered_as_long_as_the_tokenizer_is_the_same(tmp_path, monkeypatch):
    tokenizer, again = trained(tmp_path), trained(tmp_path)
    first = encode_reports(tokenizer, ["Small effusion.", "No pneumothorax."])
    monkeypatch.setattr(
        reclf.data.tokenization, "_MOST_WORDS", 1
    )  # forgets, and asks for known words again
    for texts in (["No effusion."], ["Small effusion.", "No pneumothorax."]):
        fresh = encode_reports(again, texts)
        warm = encode_reports(tokenizer, texts)
        assert torch.equal(warm.input_ids, fresh.input_ids)
    assert torch.equal(warm.input_ids, first.input_ids)
    before = encode_reports(tokenizer, ["zyxw"]).input_ids
    tokenizer.add_tokens(["zyxw"])
    after = encode_reports(tokenizer, ["zyxw"]).input_ids
    assert not torch.equal(after, before)  # it was unknown


def test_a_word_is_kept_whole_or_dropped_whole(tmp_path):
    tokenizer, reports = wordpiece(tmp_path), ["left effusions left", "left effusions", "left"]
    assert encode_reports(tokenizer, reports, max_words=2).words[0] == ["left", "effusions"]
    encoded = encode_reports(tokenizer, reports, max_tokens=4)  # left effusion ##s: 3 + 2 special
    assert encoded.words == [["left"], ["left"], ["left"]]
    assert encoded.input_ids.shape == (3, 3)
    assert encoded.truncated == 2
    assert encode_reports(tokenizer, reports, max_tokens=5).truncated == 1


def test_every_word_has_its_sentence(tmp_path):
    tokenizer = wordpiece(tmp_path)
    # An enumeration and a de-identification mark are cleaned away before sentences are counted.
    reports = ["1. left heart. left. XXXX effusion", "left"]
    encoded = encode_reports(tokenizer, reports)
    assert encoded.words[0] == ["left", "heart", "left", "effusion"]
    assert encoded.sentences.tolist() == [[0, 0, 1, 2], [0, 0, 0, 0]]
    assert encode_reports(tokenizer, reports, max_words=3).sentences.tolist()[0] == [0, 0, 1]


def test_lengths_are_a_multiple_within_the_limits(tmp_path):
    tokenizer, reports = wordpiece(tmp_path), ["left effusions left"]  # 3 words, 6 pieces
    plain = encode_reports(tokenizer, reports)
    wide = encode_reports(tokenizer, reports, multiple=4)
    assert (plain.input_ids.shape, plain.word_mask.shape) == ((1, 6), (1, 3))
    assert (wide.input_ids.shape, wide.word_mask.shape) == ((1, 8), (1, 4))
    assert torch.equal(wide.input_ids[:, :6], plain.input_ids)
    assert wide.attention_mask.sum() == 6
    assert (wide.word_ids[:, 6:] == -1).all()
    assert wide.word_mask.tolist() == [[True, True, True, False]]
    limited = encode_reports(tokenizer, reports, max_words=3, max_tokens=7, multiple=4)
    assert (limited.input_ids.shape, limited.word_mask.shape) == ((1, 7), (1, 3))
    for length in (4, 8):  # a multiple already
        text = " ".join(["left"] * length)
        assert encode_reports(tokenizer, [text], multiple=4).word_mask.shape == (1, length)


def test_no_words_at_all(tokenizer):
    encoded = encode_reports(tokenizer, ["", "___ ..."])
    assert encoded.input_ids.shape == (2, 2)
    assert encoded.word_mask.tolist() == [[False], [False]]
    assert (encoded.word_ids == -1).all()


def test_a_word_of_which_the_tokenizer_makes_nothing_is_unknown(tmp_path):
    tokenizer = wordpiece(tmp_path)
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace("heart", "")
    encoded = encode_reports(tokenizer, ["left heart effusion"])
    assert encoded.input_ids.tolist() == [[2, 5, 1, 6, 3]]
    assert encoded.word_ids.tolist() == [[-1, 0, 1, 2, -1]]


def test_same_corpus_same_vocabulary_in_any_order_and_process():
    program = (
        "import json, sys; from reclf.data.tokenization import train_tokenizer;"
        "orders = json.loads(sys.argv[1]);"
        "print(json.dumps([train_tokenizer(order, 80).get_vocab() for order in orders]))"
    )
    orders = [REPORTS * 2, REPORTS[::-1] * 2]
    first, second = json.loads(run_python(program, json.dumps(orders)))
    here = train_tokenizer(REPORTS * 2, 80).get_vocab()
    assert first == second == here
    assert len(here) == 80


def test_trained_tokenizer_is_kept_and_read_back(tmp_path):
    tokenizer = train_tokenizer([report.upper() for report in REPORTS] * 2, 90)
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again.get_vocab() == tokenizer.get_vocab()
    assert again("No Pneumothorax")["input_ids"] == tokenizer("no pneumothorax")["input_ids"]
    assert [again.pad_token_id, again.unk_token_id, again.cls_token_id, again.mask_token_id] == [
        0,
        1,
        2,
        4,
    ]
    assert sorted(again.all_special_ids) == [0, 1, 2, 3, 4]
    assert again.decode(again("effusion")["input_ids"], skip_special_tokens=True) == "effusion"


def test_errors_say_what_to_do(tmp_path):
    tokenizer = wordpiece(tmp_path)
    with pytest.raises(ValueError, match="reports must be a list of texts, got one string"):
        encode_reports(tokenizer, "left effusion")
    with pytest.raises(ValueError, match=r"max_tokens > 2 .* max_tokens=2"):
        encode_reports(tokenizer, ["left"], max_tokens=2)
    with pytest.raises(ValueError, match="got 0 reports"):
        encode_reports(tokenizer, [])
    with pytest.raises(ValueError, match="corpus has no words"):
        train_tokenizer(["XXXX", " "], 100)
    with pytest.raises(ValueError, match=r"vocab_size 20 cannot hold the \d+ characters"):
        train_tokenizer(REPORTS, 20)
    unpadded = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer)
    with pytest.raises(ValueError, match="no pad token; set one"):
        encode_reports(unpadded, ["left"])
