"""Which questions are asked, and the schema texts that stand before them."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlfocus.corpus.example import Example, read_examples
from sqlfocus.evaluation.evaluate import database_file
from sqlfocus.schema.database import read_database
from sqlfocus.schema.folder import read_schema


def read_questions(
    data: Path, databases: Path, *, exclude: Sequence[str] = (), limit: int | None = None
) -> tuple[list[Example], int]:
    """The questions to ask, and how many were left out since their databases are excluded.

    Raises:
        UserError: the file cannot be read, or a database is missing.
    """
    read = read_examples(data)
    examples = [one for one in read if one.db_id not in exclude]
    excluded = len(read) - len(examples)
    examples = spread(examples, limit)
    for db_id in {example.db_id for example in examples}:
        database_file(databases, db_id)  # what is missing is said before a model is loaded
    return examples, excluded


def spread(examples: Sequence[Example], limit: int | None) -> list[Example]:
    """So many of the examples, spread evenly over them; all where there are no more, or no ``limit``."""
    if limit is None or limit >= len(examples):
        return list(examples)
    return [examples[place * len(examples) // limit] for place in range(limit)]


def schema_folder(data: Path, given: Path | None) -> Path | None:
    """The folder of schema texts, None where they are read from the databases; which way was taken is said.

    It is the one that is ``given``, else ``schemas/`` beside the data file where there is one.
    """
    beside = data.parent / "schemas"
    folder = given or (beside if beside.is_dir() else None)
    sys.stderr.write(f"Schema texts: {folder or 'read from the databases'}\n")
    return folder


def schema_reader(databases: Path, folder: Path | None, *, max_values: int | None) -> Callable[[str], str]:
    """How to get the schema text of a database by its name: from ``folder``, else from the database's file.

    From the file, ``max_values`` is how many sample values a column shows; None is the reader's own number.
    """

    @functools.cache
    def schema_of(db_id: str) -> str:
        if folder is not None:
            return read_schema(folder, db_id)
        return read_database(str(database_file(databases, db_id)), max_values=max_values).mschema()

    return schema_of
