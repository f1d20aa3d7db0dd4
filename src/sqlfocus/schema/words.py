"""Words of questions, names, comments and values, in a form in which they can be compared."""

from __future__ import annotations

import re
import unicodedata

# Scripts that are written without spaces between words: Chinese characters, kana, Hangul.
_UNSPACED = (
    "[\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
_SPACED = rf"(?:(?!{_UNSPACED})[^\W_])+"
_WORD = rf"{_SPACED}(?:['’]{_SPACED})*"
_TOKEN = re.compile(f"{_UNSPACED}|{_WORD}")
_RUN = re.compile(f"({_UNSPACED}+)|{_WORD}")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_MARKS = re.compile("[\u0300-\u036f]+")

# Words that say nothing about which table or value is meant.
STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    a about all also am an and any are as at average be been being between both but by can could count did different
    distinct do does doing each eight either every find first five for four from get give greatest had has have having
    he her hers highest him his how i if in into is it its itself just largest last least list lowest many max maximum
    may me min minimum more most much must my new nine number of off oldest on one only or other our out over own per
    please return same seven shall she should show six smallest so some such sum tell ten than that the their them
    then there these they this those three through to too total two under until up us very was we were what when where
    which while who whom whose why will with without would you youngest your
    """,
    )
)


def fold(text: str) -> str:
    """``text`` without case, accents and differences of width.

    >>> fold("CAFÉ Ａ")
    'cafe a'
    """
    if text.isascii():
        return text.lower()
    # Decomposing would take Hangul and voiced kana apart too; composing puts them together again.
    parts = _MARKS.sub("", unicodedata.normalize("NFKD", text.casefold()))
    return unicodedata.normalize("NFC", parts)


def stem(word: str) -> str:
    """A folded word without the plural's ending.

    >>> [stem(word) for word in ("countries", "boxes", "houses", "singers", "class", "status", "kenya's", "movies")]
    ['country', 'box', 'house', 'singer', 'class', 'status', 'kenya', 'movie']
    """
    word = word.replace("’", "'")
    if word.endswith(("'s", "s'")):
        word = word[:-2] if word.endswith("'s") else word[:-1]
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 5 and word != "movies" and word != "series":
        return word[:-3] + "y"
    if word.endswith(("xes", "ches", "shes", "sses", "zes")):
        return word[:-2]
    return word[:-1]


def tokens(text: str) -> list[tuple[str, int, int]]:
    """The words of ``text`` as they can be compared, with start and end; of Chinese, each character is one.

    >>> tokens("Kenya's 华东")
    [('kenya', 0, 7), ('华', 8, 9), ('东', 9, 10)]
    """
    return [(stem(fold(found[0])), found.start(), found.end()) for found in _TOKEN.finditer(text)]


def folded_words(text: str) -> str:
    """The words of ``text`` as they can be compared, with single spaces between.

    >>> folded_words("WHERE name = 'South  Africa'")
    'where name south africa'
    """
    return " ".join(word for word, _, _ in tokens(text))


def terms(text: str) -> list[str]:
    """What a search compares: the words in ``text``, names taken apart, and of Chinese each pair of characters.

    >>> terms("orderLines_2")
    ['order', 'line', '2']
    >>> terms("the 订单表")
    ['the', '订单', '单表']
    """
    found: list[str] = []
    for run in _RUN.finditer(text):
        if run[1]:
            found += [run[1][i : i + 2] for i in range(max(len(run[1]) - 1, 1))]
        else:
            found += [stem(fold(part)) for part in _CAMEL.split(run[0])]
    return found
