"""Report text: sections, cleaning, words, and word pieces."""

import re

# A decimal number is one word; letters and digits joined by an apostrophe or a hyphen are one word.
_WORD = re.compile(r"\d+(?:\.\d+)+|[^\W_]+(?:['’-][^\W_]+)*")


def split_words(text: str) -> list[str]:
    """Lower-case words of a text; punctuation separates words and is not one."""
    return _WORD.findall(text.lower())
