"""Schema linking: which tables and columns of a big database a question needs.

A database whose schema text fits the prompt stays whole. Of a bigger one the tables are ranked for the question with
BM25 (Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009). Those that stand out are taken whole, then
their neighbours over foreign keys, in an order that does not depend on the question: so picks are few, and an engine's
cached prefix serves many questions. docs/linking.md has the figures.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import bm25s
import numpy as np

from sqlfocus.schema.key_graph import key_columns, key_sizes, neighbours, table_key
from sqlfocus.schema.mschema import FOREIGN_KEYS, Database, Table, without_keys_to
from sqlfocus.schema.value_index import Found
from sqlfocus.schema.words import STOP_WORDS, terms

# It asks for its debug messages, which would come out wherever a program logs anything.
logging.getLogger("bm25s").setLevel(logging.WARNING)

MOST_CHARACTERS = 8_000
"""The longest schema text where nothing else is said: some 2,900 tokens of Qwen's, at most 3,500 as a rule."""
HIGH = 0.4
"""A table is taken for its rank if its score is at least this part of the best one's."""
NEAR = 0.3
"""This part of its best neighbour's score is added to a table's."""
HOLDS = 0.5
"""This part of the best score is added to that of a table that alone holds a value found."""
# Tables in the longest way over foreign keys that is kept, both ends included.
_LONGEST_WAY = 4


@dataclass(frozen=True, slots=True)
class Linked:
    """``database`` holds what was kept for a question, in the order of the whole one.

    ``left_out`` names the tables that were not, and as ``table.column`` the columns left out of those that were.
    """

    database: Database
    left_out: tuple[str, ...] = ()

    def shown(self, found: Sequence[Found]) -> list[Found]:
        """Those of the values found whose column was kept; a hint on others would name what the model does not see."""
        kept = {(*table_key(table), column.name) for table in self.database.tables for column in table.columns}
        return [one for one in found if (one.schema, one.table, one.column) in kept]


class Linker:
    """Picks the part of a database that a question needs; built once a database, for threads to share.

    >>> from sqlfocus.schema.mschema import Column
    >>> orders = Table("orders", (Column("id", "INTEGER"), Column("town", "TEXT")))
    >>> staff = Table("employees", (Column("id", "INTEGER"), Column("salary", "INTEGER")))
    >>> linker = Linker(Database("shop", (orders, staff)))
    >>> linked = linker.link("How many orders came from each town?", most_characters=100)
    >>> [table.name for table in linked.database.tables], linked.left_out
    (['orders'], ('employees',))
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.characters = len(database.mschema())
        self._tables = database.tables
        self._head = len(replace(database, tables=()).mschema())
        self._whole = self.characters - self._head
        self._sizes = [_size(table) for table in database.tables]
        self._keys = key_columns(database.tables)
        self._least = [
            _size(replace(table, columns=tuple(column for column in table.columns if column.name.lower() in keys)))
            for table, keys in zip(database.tables, self._keys, strict=True)
        ]
        self._key_sizes = key_sizes(database.tables)
        self._index = _Index([_table_terms(table) for table in database.tables])
        self._neighbours = neighbours(database.tables)

    def link(self, question: str, *, most_characters: int = MOST_CHARACTERS, found: Sequence[Found] = ()) -> Linked:
        """What ``question`` needs of the database, in a schema text of ``most_characters``.

        Args:
            found: values of the database that the question names; their tables rank higher.

        A database that fits is returned as it is, the same object. One table is kept at least, with its keys, even if
        it is longer than that.
        """
        if self.characters <= most_characters:
            return Linked(self.database)
        room = most_characters - self._head
        asked = [word for word in dict.fromkeys(terms(question)) if word not in STOP_WORDS]
        chosen = self._choose(asked, room, found)
        kept = [self._cut(place, asked, room, found) for place in sorted(chosen)]
        return self._linked(kept)

    def _choose(self, asked: list[str], room: int, found: Sequence[Found]) -> set[int]:
        """The places of the tables to keep: those of a high rank with what joins them, and their neighbours."""
        scores = self._scores(asked, found)
        ranked = sorted(range(len(self._tables)), key=lambda place: (-scores[place], place))
        chosen: set[int] = set()

        def add(places: set[int]) -> bool:
            fits = not chosen or self._characters(chosen | places, room) <= room
            if fits:
                chosen.update(places)
            return fits

        for place in ranked:
            if scores[place] < HIGH * scores[ranked[0]]:
                break
            if not add(self._joined(place, chosen)):
                add({place})
        queue = deque(sorted(chosen))
        while queue:
            queue += [place for place in self._neighbours[queue.popleft()] if place not in chosen and add({place})]
        return chosen

    def _scores(self, asked: list[str], found: Sequence[Found]) -> np.ndarray:
        scores = self._index.scores(asked)
        holding: dict[str, set[tuple[str, str]]] = {}
        for one in found:
            holding.setdefault(one.words.lower(), set()).add((one.schema, one.table))
        best = max(float(scores.max(initial=0.0)), 1.0)
        for place, table in enumerate(self._tables):
            shares = [1 / len(tables) for tables in holding.values() if table_key(table) in tables]
            scores[place] += HOLDS * best * max(shares, default=0.0)
        near = np.array(
            [max((scores[one] for one in self._neighbours[place]), default=0.0) for place in range(len(scores))]
        )
        return scores + NEAR * near

    def _joined(self, place: int, chosen: set[int]) -> set[int]:
        """The table and those on the shortest way over foreign keys from it to a chosen one."""
        before = {place: place}
        queue = deque([place])
        while queue:
            here = queue.popleft()
            if here in chosen:
                way = {here}
                while here != place:
                    here = before[here]
                    way.add(here)
                return way if len(way) <= _LONGEST_WAY else {place}
            for other in self._neighbours[here]:
                if other not in before:
                    before[other] = here
                    queue.append(other)
        return {place}

    def _characters(self, chosen: set[int], room: int) -> int:
        """How long the text of the chosen tables is, with the foreign keys between them."""
        keys = sum(size for place in chosen for other, size in self._key_sizes[place] if other in chosen)
        tables = sum(min(self._sizes[place], self._widest(place, room)) for place in chosen)
        return tables + keys + (len(FOREIGN_KEYS) + 1 if keys else 0)

    def _widest(self, place: int, room: int) -> int:
        """How long a table's text may be: a longer one gets half of the room, what the others leave, or its keys."""
        if self._sizes[place] <= room:
            return room
        return max(room // 2, room - (self._whole - self._sizes[place]), self._least[place])

    def _cut(self, place: int, asked: list[str], room: int, found: Sequence[Found]) -> Table:
        """The table, with its keys and the best of its columns only where it is too wide."""
        table, room = self._tables[place], self._widest(place, room)
        if self._sizes[place] <= room:
            return table
        named = {one.column.lower() for one in found if (one.schema, one.table) == table_key(table)}
        names = [column.name.lower() for column in table.columns]
        scores = _Index([terms(f"{column.name} {column.comment}") for column in table.columns]).scores(asked)
        keys = self._keys[place]
        ranked = sorted(range(len(names)), key=lambda i: (names[i] not in keys, names[i] not in named, -scores[i], i))
        bare = _size(replace(table, columns=()))
        left = room - bare
        kept: set[int] = set()
        for number in ranked:
            # A comma and a line break stand between two columns.
            size = _size(replace(table, columns=(table.columns[number],))) - bare + (2 if kept else 0)
            if size <= left or not kept or names[number] in keys:
                kept.add(number)
                left -= size
        return replace(table, columns=tuple(column for i, column in enumerate(table.columns) if i in kept))

    def _linked(self, kept: Sequence[Table]) -> Linked:
        there = {table_key(table): {column.name for column in table.columns} for table in kept}
        gone = [(table.schema, table.name) for table in self._tables if table_key(table) not in there]
        left_out = []
        for table in self._tables:
            label = f"{table.schema}.{table.name}" if table.schema else table.name
            columns = there.get(table_key(table))
            if columns is None:
                left_out.append(label)
            else:
                left_out += [f"{label}.{column.name}" for column in table.columns if column.name not in columns]
        return Linked(replace(self.database, tables=without_keys_to(kept, gone)), tuple(left_out))


class _Index:
    """BM25 over a few short texts, each a list of terms."""

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        self._count = len(texts)
        self._bm25 = bm25s.BM25()
        if texts:
            self._bm25.index([list(text) or [""] for text in texts], show_progress=False)

    def scores(self, asked: list[str]) -> np.ndarray:
        return self._bm25.get_scores(asked) if asked and self._count else np.zeros(self._count)


def _table_terms(table: Table) -> list[str]:
    found = terms(table.name) * 3 + terms(table.comment)
    for column in table.columns:
        found += [*terms(column.name), *terms(column.comment), *(t for v in column.examples for t in terms(v))]
    return [one for one in found if one not in STOP_WORDS]


def _size(table: Table) -> int:
    """How many characters a table adds to the schema text, without its foreign keys."""
    table = replace(table, foreign_keys=())
    return len(Database("", (table,)).mschema()) - len(Database("", ()).mschema())
