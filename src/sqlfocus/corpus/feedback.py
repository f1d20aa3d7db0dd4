"""From reviewed feedback to training rows: what people said of answers, as far as a reviewer accepted it.

An accepted entry of the review file (:mod:`sqlfocus.corpus.review`) becomes an example: its question with the SQL that
was judged right, or with the SQL that a person wrote in place of a wrong one, which is then the rejected one.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sqlglot import exp

from sqlfocus.corpus.example import Example
from sqlfocus.corpus.preparation import Prepared, even_spacing, schema_file
from sqlfocus.corpus.review import Entry, Reviews
from sqlfocus.errors import UserError, printable
from sqlfocus.execution.guard import check
from sqlfocus.files import atomic_write, is_file_name, write_json_lines
from sqlfocus.schema.mschema import Database
from sqlfocus.schema.text import read_schema_text
from sqlfocus.sql import NOT_SQL, parse_one

MOST_NOTES = 20


def contradictions(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Accepted entries that give one question on one database different SQL: for each's ``id`` those it contradicts.

    SQL that differs in spacing or the case of its words only is the same.
    """
    asked: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        if entry.review == "accept" and not entry.lack:
            asked.setdefault(_question(entry), []).append(entry)
    return {
        entry.id: others
        for group in asked.values()
        for entry in group
        if (others := [other for other in group if _form(other) != _form(entry)])
    }


def prepare_feedback(reviews: Reviews, folder: Path) -> Prepared:
    """The training rows of the accepted entries, all in ``train``, and the schema texts to write.

    The schema text of a database that lies in ``folder/schemas`` is that of other rows too, and stays; where there is
    none, that of the last accepted entry is taken. SQL is judged on it. Left out, and counted, is what was not reviewed
    or not accepted, what lacks SQL or schema, what does not parse or is refused by the guard, what contradicts another
    accepted entry (both of them), and what says the same as an entry before it.

    Raises:
        UserError: a database's name cannot be a file's, a schema text cannot be read, or no row is left.
    """
    prepared = Prepared({"train": []})
    left_out = prepared.left_out["train"]
    if reviews.unreadable:
        left_out["lines that cannot be read"] += len(reviews.unreadable)
        prepared.notes += _some(reviews.unreadable)
    accepted = []
    for entry in reviews.entries:
        if reason := entry.lack or {"": "not reviewed yet", "reject": "rejected"}.get(entry.review, ""):
            left_out[reason] += 1
        else:
            accepted.append(entry)
    names = dict.fromkeys(entry.database for entry in accepted)
    known = {name: _schema(name, accepted, folder, prepared) for name in names}
    fit = _fit(accepted, known, prepared)
    against = contradictions(fit)
    seen = set()
    for entry in fit:
        same = (*_question(entry), _form(entry))
        if entry.id in against:
            left_out["contradict each other: one question, accepted with different SQL"] += 1
        elif same in seen:
            left_out["says the same as a row before it"] += 1
        else:
            rejected = entry.rejected if _sql_form(entry.rejected, entry.dialect) != _form(entry) else ""
            sqls = even_spacing(entry.sql), even_spacing(rejected)
            row = (entry.question, sqls[0], entry.database, entry.evidence, entry.dialect, sqls[1])
            prepared.rows["train"].append(Example(*(text.strip() for text in row)))
        seen.add(same)
    prepared.notes += _some(
        [f"{entry.where} contradicts {against[entry.id][0].where}" for entry in fit if entry.id in against]
    )
    _keep_used(prepared)
    if not prepared.rows["train"]:
        raise UserError(
            f"no training row is left ({_reasons(left_out)}); nothing was written. "
            "`sqlfocus prepare feedback --review` goes through what is not reviewed"
        )
    return prepared


def write_feedback(prepared: Prepared, output: Path) -> None:
    """Write the schema texts, then the rows to ``output``, each file whole or not at all."""
    for name, text in prepared.schemas.items():
        with atomic_write(schema_file(output.parent, name)) as file:
            file.write(text + "\n")
    write_json_lines(output, (row.to_json() for row in prepared.rows["train"]))


def _schema(name: str, accepted: Sequence[Entry], folder: Path, prepared: Prepared) -> Database | None:
    """Choose the schema text that a database's rows are to have; returns what it says, None where that is not known."""
    if not is_file_name(name):
        raise UserError(f"{name}: a database's name names the file of its schema, and this one cannot; rename it")
    last = [entry for entry in accepted if entry.database == name][-1]
    text, path = last.schema.rstrip("\n"), schema_file(folder, name)
    if not path.is_file():
        prepared.schemas[name] = text
        try:
            return read_schema_text(text, dialect=last.dialect)
        except UserError as error:
            raise UserError(f"{last.where}: its schema cannot be read: {error}") from error
    there = path.read_text(encoding="utf-8").rstrip("\n")
    prepared.known[name] = there
    if there != text:
        prepared.notes.append(f"{path} differs from the schema that feedback was given on; the rows go with the file")
    try:
        return read_schema_text(there, dialect=last.dialect)
    except UserError:
        prepared.notes.append(f"{path} is neither M-Schema nor DDL, so which tables the SQL reads was not checked")
        return None


def _fit(accepted: Sequence[Entry], known: dict[str, Database | None], prepared: Prepared) -> list[Entry]:
    """The entries whose SQL may run on their database."""
    fit, refused = [], []
    for entry in accepted:
        permit = check(entry.sql, dialect=entry.dialect, database=known[entry.database])
        if permit.allowed:
            fit.append(entry)
            continue
        reason = "SQL that the guard refuses" if permit.parsed else "SQL that cannot be parsed"
        prepared.left_out["train"][reason] += 1
        refused.append(printable(f"{entry.where}: {permit.reason}"))
    prepared.notes += _some(refused)
    return fit


def _keep_used(prepared: Prepared) -> None:
    """Forget the schema texts that no row needs."""
    used = {row.db_id for row in prepared.rows["train"] if isinstance(row, Example)}
    for texts in (prepared.schemas, prepared.known):
        for name in [name for name in texts if name not in used]:
            del texts[name]


def _question(entry: Entry) -> tuple[str, ...]:
    """What is asked, less differences in spacing and case."""
    return (entry.database, *(" ".join(text.split()).casefold() for text in (entry.question, entry.evidence)))


def _form(entry: Entry) -> str:
    return _sql_form(entry.sql, entry.dialect)


@functools.lru_cache(maxsize=10_000)
def _sql_form(sql: str, dialect: str) -> str:
    """The SQL as sqlglot writes it, with names in small letters."""
    try:
        tree = parse_one(sql, dialect)
        for name in tree.find_all(exp.Identifier):
            name.set("this", name.name.lower())
        return tree.sql(dialect)
    except NOT_SQL:
        return even_spacing(sql)


def _reasons(left_out: Counter[str]) -> str:
    return "; ".join(f"{reason}: {count}" for reason, count in left_out.items()) or "there were no entries"


def _some(lines: list[str]) -> list[str]:
    """The first of many lines, and how many more there are."""
    return lines[:MOST_NOTES] + ([f"… and {len(lines) - MOST_NOTES} more such lines"] if lines[MOST_NOTES:] else [])
