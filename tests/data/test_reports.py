"""Report text: cleaning, words and sentences."""

import time

import pytest
from commands import run_python

from reclf.data.reports import clean, sentence_numbers, split_words

REPORTS = [
    "Small left pleural effusion. No pneumothorax.",
    "The heart is enlarged. A 1.2 cm nodule in the right upper lobe is stable.",
    "No focal consolidation, pleural effusion or pneumothorax.",
]


def test_words_of_a_report():
    assert split_words("1.2 cm Left-sided, patient’s_x!") == [
        "1.2",
        "cm",
        "left-sided",
        "patient’s",
        "x",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3.5x2.1 cm", ["3.5", "x", "2.1", "cm"]),
        ("2x3x4 and 10 × 12, 4×5", ["2", "x", "3", "x", "4", "and", "10", "12", "4", "×", "5"]),
        ("T2x3, 2x, 10mm", ["t2x3", "2x", "10mm"]),  # no size
        ("Herd von 1,2 cm", ["herd", "von", "1,2", "cm"]),
        ("左侧胸腔积液", ["左", "侧", "胸", "腔", "积", "液"]),
        ("右肺3.5x2.1cm结节。", ["右", "肺", "3.5", "x", "2.1", "cm", "结", "节"]),
        ("ปกติ", ["ป", "ก", "ติ"]),  # a vowel sign stays with its letter
        ("胸水あり", ["胸", "水", "あ", "り"]),
        ("안녕 심장", ["안녕", "심장"]),  # has spaces
        ("हृदय का", ["हृदय", "का"]),
        ("épanchement Größe", ["épanchement", "größe"]),
    ],
)  # fmt: skip
def test_words_of_other_scripts_and_sizes(text, words):
    assert split_words(text) == words
    assert len(sentence_numbers(text)) == len(words)


def test_letters_are_composed_before_anything_reads_them():
    typed = "Impresio\u0301n: pequen\u0303o"
    assert split_words(typed) == ["impresión", "pequeño"]
    assert clean(typed) == "Impresión: pequeño"


@pytest.mark.parametrize(
    "part", ["[**", "\n", "1. ", " \n", "[** ", "_", ". ", "3x", "XXX ", "\u0301", "a"]
)
def test_time_grows_with_the_length_and_not_its_square(part):
    def seconds(count):
        text, best = part * count, 1e9
        for _ in range(3):
            start = time.process_time()
            clean(text)
            sentence_numbers(text)
            best = min(best, time.process_time() - start)
        return best

    short, long = 4_000, 32_000
    assert seconds(long) < 30 * seconds(short) + 0.05  # 8 times is linear, 64 times the square


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", []),
        ("... !", []),
        ("No effusion. Small nodule", [0, 0, 1, 1]),
        ("Nodule of 1.2 cm, left; clear?! Stable...", [0, 0, 0, 0, 0, 1, 2]),
        (". Effusion", [0]),  # nothing before the stop
        ("right\nlower lobe\n\nheart normal", [0, 0, 0, 1, 1]),
    ],
)
def test_sentences_end_at_stops_and_empty_lines(text, numbers):
    assert sentence_numbers(text) == numbers
    assert len(numbers) == len(split_words(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pulmonary XXXX normal.", "Pulmonary normal."),
        ("XXXX-year-old with ___ , [**Known\nlastname 12**] cough", "-year-old with, cough"),
        ("Dr. XXXX's opinion; T-XXX", "Dr. opinion; T-"),
        ("No change. 1. Left mass. 2) Normal heart.", "No change. Left mass. Normal heart."),
        ("1. 1.2 cm nodule.\n2.Stable.", "1.2 cm nodule. Stable."),
        ("Nodule of 0.5. Stable at T 8. Seen.", "Nodule of 0.5. Stable at T 8. Seen."),
        ("  Clear  lungs .\n", "Clear lungs."),
        ("size 3 .5 cm", "size 3 .5 cm"),
        ("XXXX", ""),
    ],
)
def test_clean(text, expected):
    assert clean(text) == expected


@pytest.mark.parametrize("text", [*REPORTS, "Lungs are XL , x-ray 3 . 12 ribs;x", "A\n\nb\tc - d"])
def test_clean_keeps_the_words_of_a_text_without_marks(text):
    assert split_words(clean(text)) == split_words(text)


def test_import_is_light():
    program = "import sys, reclf.data.reports; print({'torch', 'transformers'} & set(sys.modules))"
    assert run_python(program).strip() == "set()"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (r"Effusion.\nNo pneumothorax.\r\nNormal", "effusion no pneumothorax normal"),
        (r"Right.\tLung\n", "right lung"),
        (
            r"Left\right lung, basal\retrocardiac and\nodule",
            "left right lung basal retrocardiac and nodule",
        ),
        ("Heart&#39;s&nbsp;normal &lt; 2<br>No mass", "heart's normal 2 no mass"),
        ("<p>Left effusion &gt; 5&nbsp;mm.</p><div class='a'>Clear", "left effusion 5 mm clear"),
        ("pneumo\u00adthorax e\ufb00usion", "pneumothorax effusion"),
        ("Clear._x000D_No edema", "clear no edema"),
        ("A <b>mass</b> &amp; nodule, 3 < 4, A&B; R\\O", "a mass nodule 3 4 a b r o"),
        ("Plain, 5 < 6; A&B", "plain 5 6 a b"),
    ],
)
def test_what_programs_leave_in_a_text_is_read_as_it_is_meant(text, words):
    assert split_words(clean(text)) == words.split()
    assert clean(clean(text)) == clean(text)


def test_a_list_in_html_has_its_sentences():
    assert sentence_numbers(clean("No edema&#59; clear.<br>Mass")) == [0, 0, 1, 2]
