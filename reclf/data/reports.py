"""Report text: cleaning, words and sentences.

    report -> clean -> split_words -> words        what a person reads

A *word* is what attention, graphs and widgets show; `tokenization.py` makes of it what a text
encoder reads. `sections.py` finds the report in the text of a file. Nothing here needs torch, so
that a widget can have the words alone.

All functions compose characters first (Unicode NFC): "é" is one character, however it was typed.
"""

import html
import re
import unicodedata

# Vowel signs and accents that follow their letter: parts of a word that `\w` leaves out.
_MARKS = "".join(
    c for c in map(chr, range(0x300, 0x1E00)) if unicodedata.category(c).startswith("M")
)
# Scripts that put no space between words: Thai, Lao, Burmese, Khmer, kana, Chinese characters.
_UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_LETTER = rf"(?:[^\W_{_UNSPACED}{_MARKS}][{_MARKS}]*)"
# In this order: the sign of a size ("3.5x2.1", "10×12") and a number before it, a decimal number,
# one character of a script without spaces, letters and digits joined by an apostrophe or a hyphen.
_WORD = re.compile(
    r"(?<=\d)[x×](?=\d)|\d+(?:[.,]\d+)*(?=[x×]\d)|\d+(?:[.,]\d+)+"
    rf"|[{_UNSPACED}][{_MARKS}]*"
    rf"|{_LETTER}+(?:['’-]{_LETTER}+)*"
)


def split_words(text: str) -> list[str]:
    """Lower-case words of a text; punctuation separates words and is not one.

    A decimal number is one word ("1.2", "1,2"), a size is its numbers and the sign between them
    ("3.5x2.1" is 3.5, x, 2.1), and of a script without spaces every character is one.
    """
    return _WORD.findall(_composed(text).lower())


def word_spans(text: str) -> list[tuple[int, int]]:
    """Start and end in a text, such as `clean` gives, of each word that `split_words` finds.

    Raises:
        ValueError: a letter that is two in lower case ("İ"), by which places would shift.
    """
    if len(text.lower()) != len(text):
        raise ValueError("a letter of the text is two in lower case")
    return [word.span() for word in _WORD.finditer(text.lower())]


_END_OF_SENTENCE = re.compile(r"[.!?;。！？；]|\n\s*\n")


def sentence_numbers(text: str) -> list[int]:
    """The sentence of each word that `split_words` finds, counted from 0.

    A full stop, question or exclamation mark, semicolon or empty line between two words ends one.
    """
    text = _composed(text).lower()
    numbers: list[int] = []
    number, end = 0, 0
    for word in _WORD.finditer(text):
        number += bool(numbers and _END_OF_SENTENCE.search(text, end, word.start()))
        numbers.append(number)
        end = word.end()
    return numbers


# In the place of names, dates, ages: XXXX in Open-I, ___ in MIMIC-CXR, [** **] in MIMIC-III. Marks
# are short: without a limit, a text of opening brackets alone takes time as its length squared.
_DEIDENTIFIED = re.compile(r"\[\*\*[^\[\]]{0,200}?\*\*\]|\bX{3,}(?:['’]s)?|_{2,}")
# "1. " or "2) " opening the text or following the end of a sentence. "Seen at T 8. Stable" has no
# sentence end before its 8, and "of 0.5. Stable" no space before its 5: both stay.
_ENUMERATION = re.compile(
    r"(^|[.:;!?]\s|\n)[^\S\n]*\(?\d{1,2}[.)](?:[^\S\n]+(?=[^\W_])|(?=[^\W\d_]))"
)
_SPACE_BEFORE_STOP = re.compile(r"\s+([.,;:])(?!\d)")


# What programs leave in a text: "\\n" as two characters, entities and tags of HTML, Excel's mark of
# a line's end, soft hyphens and marks without width, the ligatures of PDF files.
_LEFT = re.compile(r"[\\&<\u00ad\u200b\u2060\ufeff\ufb00-\ufb06]|_x000[dDaA]_")
# Not between a letter and a small one, where the stroke may stand for a slash: "left\\right lung".
_ESCAPE = r"(?:(?<![A-Za-z])\\[{0}]|\\[{0}](?![a-z]))"
_LINE_ENDS = re.compile(
    rf"\\r\\n|{_ESCAPE.format('nr')}|_x000[dDaA]_|</?(?:[bB][rR]|[pP]|div|DIV|li|LI)\b[^<>]{{0,99}}>"
)
_TAB = re.compile(_ESCAPE.format("t"))
_TAGS = re.compile(r"</?(?:b|i|u|em|strong|span|font|ul|ol)\b[^<>]{0,99}>", re.I)
_ENTITY = re.compile(r"&(?:#\d{1,6}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,10});")
_NO_WIDTH = re.compile("[\u00ad\u200b\u2060\ufeff]")
_LIGATURE = re.compile("[\ufb00-\ufb06]")


def plain_text(text: str) -> str:
    """A report as it is meant: what programs left of their own notation becomes the characters that
    it stands for, else "\\nNo pneumothorax" would be read as the word "nno"."""
    if not _LEFT.search(text):
        return text
    text = _TAB.sub("\t", _TAGS.sub(" ", _LINE_ENDS.sub("\n", text)))
    text = _ENTITY.sub(lambda found: html.unescape(found[0]), text)
    text = _NO_WIDTH.sub("", text)
    return _LIGATURE.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)


def clean(text: str) -> str:
    """Take out de-identification marks and enumeration, and make white space single; see
    `plain_text` for what programs leave.

    Letter case, decimals ("1.2 cm") and the order of words stay. In a text without any of these
    the words stay as they are: `split_words(clean(text)) == split_words(text)`.
    """
    text = _DEIDENTIFIED.sub(" ", _composed(plain_text(text)))
    text = _ENUMERATION.sub(r"\1 ", text)
    return _SPACE_BEFORE_STOP.sub(r"\1", " ".join(text.split()))


# Cells that stand for no value, in lower case: what programs write where there is none.
NO_VALUE = frozenset({"", "nan", "none", "null", "<na>", "nat", "na", "n/a"})
_PLAIN_WORD = re.compile(r"[a-z]{4}")


def has_words(text: str) -> bool:
    """Whether a text says anything: it has words after `clean`, and is no sign of a missing one."""
    if text.strip().lower() in NO_VALUE:
        return False
    # Of four small letters, `clean` takes out only those between brackets.
    plain = "[" not in text and _PLAIN_WORD.search(text)
    return bool(plain or _WORD.search(clean(text)))


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)
