"""A column as an attribute: what it is called in each language, its unit, what its codes mean, its values."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlfocus.corpus.synthesis.comments import Note, read_comment
from sqlfocus.corpus.synthesis.dictionary import has_chinese, to_chinese, to_english
from sqlfocus.corpus.synthesis.domain import Attribute
from sqlfocus.corpus.synthesis.english import is_plural, plural
from sqlfocus.corpus.synthesis.kinds import classify
from sqlfocus.corpus.synthesis.names import column_words, event_words, is_word, spoken
from sqlfocus.corpus.synthesis.profile import ColumnProfile
from sqlfocus.corpus.synthesis.wordlist import word_set
from sqlfocus.schema.mschema import Column, Table

# A column of such a name alone cannot be spoken of: "the lowest average" means something else.
_BARE_FUNCTIONS = word_set("highest lowest average minimum maximum sum count mean best worst most least")


def once(words: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in words if word))


def attribute_of(
    table: Table, column: Column, profile: ColumnProfile, own: list[list[str]], own_zh: Sequence[str], foreign: bool
) -> Attribute:
    note = read_comment(column.comment, money=True)
    words = column_words(column.name, own[0] if own else [])
    unit, words = _unit_of_name(words)
    verb = words[0] if words[0] in ("is", "has") and len(words) > 1 else ""
    words = words[1:] if verb else words
    words = words[:-1] if words[-1] in ("flag", "yn") and len(words) > 1 else words
    if words[0] == "number" and len(words) > (2 if words[1:2] == ["of"] else 1):
        words = ["number", "of", *plural(" ".join(words[2 if words[1] == "of" else 1 :])).split()]
    if _dated(profile):
        words = event_words(words)
    english, chinese = _attribute_words(words, note, own, own_zh)
    values = {str(value) for value in profile.values}
    codes_en, codes_zh = _codes(note, values)
    single = sum(c.primary_key for c in table.columns) == 1
    key = (
        foreign
        or (column.primary_key and ((single and words[-1] in ("id", "code", "number", "key")) or not profile.unique))
        or words[-1] == "id"
        or (column.primary_key and single and all(isinstance(v, int) for v in profile.values))
    )
    judged = english[0].split() if english else ["?"]
    kind = classify(
        column,
        [verb, *judged] if verb else judged,
        profile,
        key=key,
        chinese=chinese[0] if chinese else "",
        codes=codes_en or codes_zh,
        counted=note.currency != "" or unit == "cent",
    )
    if len(judged) == 1 and judged[0].lower() in _BARE_FUNCTIONS and not note.english and not note.chinese:
        english, chinese = (), ()
    if (
        kind.kind in ("quantity", "score")
        and english
        and is_plural(english[0].split()[-1])
        and not english[0].startswith("number of ")
    ):
        english = tuple(
            f"number of {name}" if is_plural(name.split()[-1]) and " of " not in name else name for name in english
        )
    money = kind.kind == "money"
    note = read_comment(column.comment, money=money)
    numbers = tuple(float(value) for value in profile.values if isinstance(value, (int, float)))
    weighted = (
        [n for n, count in zip(numbers, profile.counts, strict=False) for _ in range(count)]
        if len(numbers) == len(profile.values)
        else []
    )
    return Attribute(
        table.name,
        column.name,
        kind.kind,
        kind.textual,
        english,
        chinese,
        unit=note.unit or unit,
        currency=note.currency,
        codes_en=codes_en,
        codes_zh=codes_zh,
        values=tuple(value for value in profile.values if not str(value).startswith("0000-00-00")),
        numbers=tuple(sorted(weighted)),
        nulls=profile.nulls,
        unique=profile.unique,
        additive=kind.additive,
        truths=kind.truths,
        verb=verb,
    )


def _dated(profile: ColumnProfile) -> bool:
    return bool(profile.values) and all(re.match(r"\d{4}-\d\d-\d\d", str(value)) for value in profile.values[:20])


_NAME_UNITS = {
    "cents": "cent", "usd": "dollar", "eur": "euro", "cny": "yuan", "rmb": "yuan", "kg": "kilogram", "grams": "gram",
    "cm": "centimetre", "mm": "millimetre", "km": "kilometre", "ms": "millisecond", "seconds": "second",
    "secs": "second",
    "minutes": "minute", "mins": "minute", "min": "minute", "hours": "hour", "percent": "percent",
}  # fmt: skip


def _unit_of_name(words: list[str]) -> tuple[str, list[str]]:
    """The unit that a name ends in (``weight_kg``, ``duration_in_minutes``), and the name without it."""
    unit = _NAME_UNITS.get(words[-1], "")
    if len(words) > 1 and words[-2] in ("weight", "mass") and words[-1] == "g":
        unit = "gram"
    if (
        len(words) > 1
        and words[-2] in ("height", "length", "width", "depth", "distance", "elevation")
        and words[-1] == "m"
    ):
        unit = "metre"
    if not unit or len(words) == 1:
        return "", words
    rest = words[:-1]
    return unit, rest[:-1] if rest[-1] == "in" and len(rest) > 1 else rest


def _attribute_words(
    words: Sequence[str], note: Note, own: list[list[str]], own_zh: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    name = spoken(words)
    english: list[str] = []
    commented = note.english
    for owner in own:
        prefix = " ".join(owner).lower() + " "
        commented = commented.removeprefix(prefix)
    commented = re.sub(r"\s+(flag|column|field)$", "", re.sub(r"\bno$", "number", commented))
    if has_chinese(name):
        english += [commented, to_english(_short_zh(name, own_zh)) or to_english(name) or ""]
    elif commented and any(
        not is_word(word) and not word.isdigit() and word not in ("of", "in", "per") for word in words
    ):
        english += [commented]
    else:
        english += [name]
        if commented and len(commented.split()) <= len(words) + 1:
            english.append(commented)
    if not english[0] and note.chinese and not english[-1]:
        english.append(to_english(_short_zh(note.chinese, own_zh)) or "")
    chinese = [_short_zh(note.chinese, own_zh)]
    if has_chinese(name):
        chinese += [_short_zh(name, own_zh)]
    elif english and not note.chinese:
        name = next((word for word in english if word), "")
        chinese.append(to_chinese(name) or "")
    return once(english), once(chinese)


def _short_zh(label: str, own: Sequence[str]) -> str:
    """The Chinese name without the table's own in front: 客户姓名 of 客户 is 姓名."""
    for owner in own:
        rest = label.removeprefix(owner)
        if rest != label and len(rest) > 1:
            return rest
    return label


def _codes(note: Note, values: set[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The comment's codes, if any of them is a value; a language that has none is translated from the other."""
    if not any(code in values for code in (*note.codes_en, *note.codes_zh)):
        return {}, {}
    english, chinese = dict(note.codes_en), dict(note.codes_zh)
    for code, word in note.codes_zh.items():
        translated = to_english(word)
        if code not in english and translated:
            english[code] = translated
    for code, word in note.codes_en.items():
        translated = to_chinese(word)
        if code not in chinese and translated:
            chinese[code] = translated
    return english, chinese
