"""Entries of a review file, as the service writes them."""

from sqlfocus.corpus.review import add_line

SCHEMA = (
    "【DB_ID】 music\n【Schema】\n# Table: singer\n[\n(id:INTEGER, Primary Key),\n(name:TEXT, Examples: [Ann, 花花])\n]"
)


def entry(number, **fields):
    """An entry that waits for its review."""
    return {
        "id": f"id-{number}",
        "question": f"Which singer is number {number}?",
        "evidence": "",
        "database": "music",
        "dialect": "sqlite",
        "schema": SCHEMA,
        "sql_query": f"SELECT name FROM singer WHERE id = {number}",
        "verdict": "right",
        "corrected_sql": "",
        "model": "tiny",
        "at": "2026-11-26T01:00:00+00:00",
        "review": "",
        **fields,
    }


def write(path, *lines):
    """A review file of these lines."""
    for line in lines:
        add_line(path, line)
    return path


def decision(number, word):
    """A reviewer's decision on an entry."""
    return {"reviews": f"id-{number}", "review": word, "at": "2026-11-26T02:00:00+00:00"}
