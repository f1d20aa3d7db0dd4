"""The training examples with their schemas in another order each epoch.

A model that goes over the same schema texts several times learns their order by heart. Where tables and columns come in
another order each time, it has to read them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, overload

from sqlfocus.errors import UserError
from sqlfocus.schema.parse import parse_mschema
from sqlfocus.training.packing import TokenizedExample


def reordered(schema: str, source: random.Random) -> str:
    """The M-Schema text with its tables, and the columns of each, in a random order; another text as it is.

    >>> text = "【DB_ID】 shop\\n【Schema】\\n# Table: t\\n[\\n(id:INTEGER, Primary Key),\\n(town:TEXT)\\n]"
    >>> print(reordered(text, random.Random(0)))
    【DB_ID】 shop
    【Schema】
    # Table: t
    [
    (town:TEXT),
    (id:INTEGER, Primary Key)
    ]
    """
    try:
        database = parse_mschema(schema.strip())
    except UserError:
        return schema
    tables = [
        replace(table, columns=tuple(source.sample(table.columns, len(table.columns)))) for table in database.tables
    ]
    source.shuffle(tables)
    return replace(database, tables=tuple(tables)).mschema()


class EpochExamples(Sequence[TokenizedExample]):
    """Examples that differ from epoch to epoch: ``first`` in the first, what ``again`` gives for its number in others.

    Processes of a data loader have those of the epoch in which they were started.
    """

    def __init__(self, first: list[TokenizedExample], again: Callable[[int], list[TokenizedExample]]) -> None:
        self._first = self._now = first
        self._again = again
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Take the examples of this epoch."""
        if epoch != self._epoch:
            self._now = self._again(epoch) if epoch else self._first
            self._epoch = epoch

    def __len__(self) -> int:
        return len(self._now)

    @overload
    def __getitem__(self, index: int) -> TokenizedExample: ...

    @overload
    def __getitem__(self, index: slice) -> list[TokenizedExample]: ...

    def __getitem__(self, index: Any) -> Any:
        return self._now[index]
