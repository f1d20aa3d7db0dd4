"""An index of a database's text values, and the search in it for those that a question names.

What is shown to a model comes from the database, and whoever may write there could try to write instructions. So values
are short and of one line, and one is shown only if the question has all of its words, in their order. Signs that spell
or hide a text without being words, such as circled letters and tags, are in none.
"""

from __future__ import annotations

import functools
import heapq
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlfocus.schema.words import STOP_WORDS, fold, folded_words, stem, terms, tokens

LONGEST_VALUE = 60
"""Characters; longer values are not indexed."""
MOST_FOUND = 6
"""Values shown of a question where nothing else is said."""
MOST_NAMED = 20
"""So many values are expected in an answer's SQL at most."""
# Of a question so many characters are looked at, of a value so many words.
_LONGEST_QUESTION = 2_000
_MOST_TOKENS = 16
# Of the values that one place of a question names so many are compared, those of columns that it speaks of first.
_MOST_ENTRIES = 100
# General categories of Unicode that no value shown has: controls, what is not seen (tags, zero-width characters,
# changes of direction), private use, what has no meaning yet, halves of characters, breaks of lines.
_REFUSED = frozenset(("Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"))
# Categories of signs and marks, which are no words of a question, but may spell some.
_SIGNS = frozenset(("So", "No", "Mn"))
# Of those that have no decomposition into letters the names say it: 🅰, 🇦, ⠁, letters above letters. Marks that a
# script's own words have, such as Tibetan's subjoined letters, are not meant.
_SPELLING_SIGN = re.compile("LETTER|BRAILLE")
_SPELLING_MARK = re.compile("COMBINING .*LETTER|VARIATION SELECTOR")
# These stand for letters too, but are common, and there is little that they could spell.
_COMMON_SIGNS = frozenset("™№℃℉㎡")
_QUOTED = re.compile(
    r"\"([^\"]+)\"|(?<!\w)'((?:[^']|(?<=\w)'(?=\w))+)'(?!\w)|“([^”]+)”|‘([^’]+)’|「([^」]+)」|『([^』]+)』|《([^》]+)》|``([^'`]+)''"
)

Place = tuple[str, str, str]
"""A column: its table's schema ("" where none is named), its table, its name."""


@dataclass(frozen=True, slots=True)
class Found:
    """``value``, as it is stored in a column, and ``words``, those of the question that name it."""

    table: str
    column: str
    value: str
    words: str
    schema: str = ""


@dataclass(frozen=True, slots=True)
class _Match:
    found: Found
    start: int
    end: int
    quoted: bool
    order: tuple[int, int]


_Entry = tuple[int, str]
"""The number of a column, and a value of it."""


class ValueIndex:
    """The text values of a database's columns, by their words.

    It takes about 300 bytes a value. ``names`` are those of tables and columns besides the ones in ``values``: their
    words are not taken for values. ``partial`` names the columns (``table.column``) of which only some values are
    known, ``notes`` say in one line each what was not read and why.

    >>> index = ValueIndex({("", "country", "Name"): ["Kenya", "South Africa"]})
    >>> [found.value for found in index.find("How many towns does south africa have?")]
    ['South Africa']
    """

    def __init__(
        self,
        values: Mapping[Place, Iterable[str]],
        *,
        names: Iterable[str] = (),
        partial: Sequence[str] = (),
        notes: Sequence[str] = (),
    ) -> None:
        self.partial = tuple(partial)
        self.notes = tuple(notes)
        self._places = list(values)
        self._entries: dict[str, list[_Entry]] = {}
        # The most words of a value that begins with a word, so that few sequences of a question are looked up.
        self._longest: dict[str, int] = {}
        for number, place in enumerate(self._places):
            for value in values[place]:
                self._add(number, value)
        named = [*names, *(name for place in self._places for name in place[1:])]
        self._names = {word for name in named for word in terms(name)}
        self._numbers = {
            (table.lower(), column.lower()): number
            for number, (schema, table, column) in enumerate(self._places)
            if ".".join(name for name in (schema, table, column) if name) not in self.partial
        }
        self._place_words = [(frozenset(terms(column)), frozenset(terms(table))) for _, table, column in self._places]

    def __len__(self) -> int:
        return sum(map(len, self._entries.values()))

    def _add(self, place: int, value: str) -> None:
        words = [word for word, _, _ in tokens(value)] if usable(value) else []
        if words and len(words) <= _MOST_TOKENS:
            self._entries.setdefault(" ".join(words), []).append((place, value))
            self._longest[words[0]] = max(self._longest.get(words[0], 0), len(words))

    def misplaces(self, table: str, column: str, value: str, *, spelling: bool = True) -> bool:
        """Whether a column's values are known, ``value`` is none of them, and yet it is in the database.

        That is: in another column or, where ``spelling`` counts, in this one in another case. Names of tables and
        columns are compared without case.

        >>> index = ValueIndex({("", "country", "Name"): ["Kenya"], ("", "town", "Name"): ["Nairobi"]})
        >>> [index.misplaces("country", "name", value) for value in ("Kenya", "kenya", "Nairobi", "Oslo")]
        [False, True, True, False]
        """
        number = self._numbers.get((table.lower(), column.lower()))
        if number is None:
            return False
        entries = self._entries.get(" ".join(word for word, _, _ in tokens(value)), ())
        return bool(entries) and not any(
            place == number and (stored == value or not spelling) for place, stored in entries
        )

    def named(self, question: str) -> tuple[tuple[str, ...], ...]:
        """Of each place where a question names a value, the words of the values that may be meant, folded.

        >>> index = ValueIndex({("", "country", "Name"): ["Kenya", "South Africa"], ("", "airport", "Code"): ["TOP"]})
        >>> index.named("Is south africa at the top, or Kenya?")
        (('south africa',), ('kenya',))
        """
        places: dict[str, list[str]] = {}
        for found in self.find(question, most=MOST_NAMED):
            # "the top ten" does not mean the airport TOP.
            if found.value.isupper() and found.words.islower() and " " not in found.words:
                continue
            places.setdefault(found.words, []).append(folded_words(found.value))
        return tuple(tuple(dict.fromkeys(words)) for words in places.values())

    def find(self, question: str, *, most: int = MOST_FOUND) -> list[Found]:
        """The values that ``question`` names, in its order, ``most`` at most.

        A value is found where the question has its words one behind the other, whatever their case, accents and plural
        endings; Chinese is found without spaces around it. The longest that fits is taken, what stands in quotation
        marks first. A stop word, a number of up to four digits (a year is mostly compared with) or a word of a
        table's or column's name counts only there.
        """
        question = question[:_LONGEST_QUESTION]
        words = tokens(question)
        asked = frozenset(terms(question))
        taken = bytearray(len(words))
        matches: list[_Match] = []
        for start, end, quoted in self._spans(question, words):
            if any(taken[start:end]):
                continue
            entries = self._entries.get(" ".join(word for word, _, _ in words[start:end]))
            if not entries or not (quoted or self._telling(words[start:end])):
                continue
            taken[start:end] = b"\1" * (end - start)
            said = question[words[start][1] : words[end - 1][2]]
            matches += self._matches(entries, said, start, end, quoted, asked)
        return _best(matches, most)

    def _spans(self, question: str, words: Sequence[tuple[str, int, int]]) -> Iterable[tuple[int, int, bool]]:
        """Sequences of words that may be values: those in quotation marks, then all others, the longest first."""
        for match in _QUOTED.finditer(question):
            inside = [i for i, (_, begin, end) in enumerate(words) if match.start() < begin and end < match.end()]
            if inside:
                yield inside[0], inside[-1] + 1, True
        spans = [
            (start, end, False)
            for start, (word, _, _) in enumerate(words)
            for end in range(start + 1, min(start + self._longest.get(word, 0), len(words)) + 1)
        ]
        yield from sorted(spans, key=lambda span: (span[0] - span[1], span[0]))

    def _telling(self, words: Sequence[tuple[str, int, int]]) -> bool:
        """Whether words outside quotation marks are likely to mean a value."""
        texts = [word for word, _, _ in words]
        if all(text in STOP_WORDS or text in self._names for text in texts):
            return False
        if len(texts) > 1:
            return True
        return len(texts[0]) > 4 if texts[0].isdigit() else len(texts[0]) > 1

    def _matches(
        self, entries: Sequence[_Entry], said: str, start: int, end: int, quoted: bool, asked: frozenset[str]
    ) -> Iterable[_Match]:
        def named(entry: _Entry) -> int:
            column, table = self._place_words[entry[0]]
            return len(asked & column) * 2 + len(asked & table)

        # The same value stands in several columns: first those that the question speaks of, then those written so.
        entries = heapq.nlargest(_MOST_ENTRIES, entries, key=named)
        ranks = [_likeness(value, said) for _, value in entries]
        # "B" is not "B+" where there is "B".
        worst = 1 if min(ranks) < 2 else 2
        for entry, rank in zip(entries, ranks, strict=True):
            place, value = entry
            if rank > worst or (end - start == 1 and not quoted and not _safe(value, said)):
                continue
            schema, table, column = self._places[place]
            yield _Match(Found(table, column, value, said, schema), start, end, quoted, (-named(entry), rank))


def _best(matches: Sequence[_Match], most: int) -> list[Found]:
    """``most`` of the matches: of each place in the question the best first, then the second best."""
    once: dict[tuple[str, str, str, str], _Match] = {}
    for match in sorted(matches, key=lambda match: match.start):
        one = match.found
        once.setdefault((one.schema, one.table, one.column, one.value), match)
    spans: dict[tuple[int, int], list[_Match]] = {}
    for match in once.values():
        spans.setdefault((match.start, match.end), []).append(match)
    ranked: list[tuple[tuple[int, bool, int, int], _Match]] = []
    for matched in spans.values():
        here = sorted(matched, key=lambda one: one.order)[:most]
        ranked += [((turn, not one.quoted, one.start - one.end, one.start), one) for turn, one in enumerate(here)]
    chosen = [match for _, match in sorted(ranked, key=lambda pair: pair[0])[:most]]
    return [match.found for match in sorted(chosen, key=lambda match: match.start)]


def _likeness(value: str, said: str) -> int:
    """0 for a value as it is said, 1 where only case and accents differ, 2 where more does."""
    return 0 if value.strip() == said else 1 if fold(value.strip()) == fold(said) else 2


def _safe(value: str, said: str) -> bool:
    """Whether a single word may mean the value: "males" means Male, but "number" does not mean NUMBERS."""
    word = fold(value.strip())
    return word == fold(said) or word == stem(word)


def usable(value: str) -> bool:
    """Whether a value may be shown: not empty, not long, of one line, without what hides or spells words beside them.

    >>> usable("Kenya"), usable("Kenya \\u24b9\\u24c7\\u24c4\\u24c5"), usable("Kenya\\u200b")
    (True, False, False)
    """
    if not value.strip() or len(value) > LONGEST_VALUE:
        return False
    return value.isprintable() if value.isascii() else all(map(_harmless, value))


@functools.lru_cache(maxsize=4096)
def _harmless(character: str) -> bool:
    category = unicodedata.category(character)
    if category in _REFUSED:
        return False
    if category not in _SIGNS or character in _COMMON_SIGNS or tokens(character):
        return True
    if any(map(str.isalpha, unicodedata.normalize("NFKC", character))):
        return False
    spelling = _SPELLING_MARK if category == "Mn" else _SPELLING_SIGN
    return not spelling.search(unicodedata.name(character, ""))


def hint(found: Iterable[Found]) -> str:
    """How found values are shown to a model, as evidence; "" where there are none.

    >>> hint([Found("country", "Name", "Côte d'Ivoire", "Cote d'Ivoire")])
    "country.Name = 'Côte d''Ivoire'"
    """
    parts = []
    for one in found:
        column = ".".join(name for name in (one.schema, one.table, one.column) if name)
        value = one.value.replace("'", "''")
        parts.append(f"{column} = '{value}'")
    return "; ".join(dict.fromkeys(parts))
