"""``sqlfocus prepare feedback --review``: a person goes through feedback in the terminal, entry by entry.

Each decision is in the file as soon as it is made. The file may grow meanwhile: it is read again before each entry.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from sqlfocus.corpus.feedback import contradictions
from sqlfocus.corpus.review import Entry, add_decision, read_reviews
from sqlfocus.errors import UserError, printable
from sqlfocus.execution.guard import check
from sqlfocus.schema.text import read_schema_text

_WIDTH = 11
_KEYS = {"a": "accept", "r": "reject", "s": "skip", "q": "quit"}


def review(path: Path) -> int:
    """Show each entry that is not reviewed, or contradicts another that was accepted, and ask what it is worth.

    Raises:
        UserError: the file is missing, or cannot be read or written.
    """
    made: Counter[str] = Counter()
    seen: set[str] = set()
    first = True
    while True:
        reviews = read_reviews(path)
        against = contradictions(reviews.entries)
        left = [
            entry
            for entry in reviews.entries
            if entry.id not in seen and not entry.lack and (not entry.review or entry.id in against)
        ]
        if first:
            _say_what_is_not_shown(reviews.entries, reviews.unreadable)
            first = False
        if not left:
            break
        entry = left[0]
        seen.add(entry.id)
        sys.stdout.write(_shown(entry, against.get(entry.id, []), len(left)) + "\n")
        decision = _ask()
        if decision == "quit":
            made["left"] = len(left)
            break
        if decision != "skip":
            add_decision(path, entry.id, decision)
        made[decision] += 1
    said = [f"{made['accept']} accepted", f"{made['reject']} rejected", f"{made['skip']} skipped"]
    said += [f"{made['left']} left"] if made["left"] else []
    sys.stdout.write(f"{', '.join(said)}. `sqlfocus prepare feedback` makes training rows of the accepted.\n")
    return 0


def _ask() -> str:
    while True:
        try:
            key = input("accept, reject, skip, quit [a/r/s/q]? ").strip().lower()
        except EOFError:
            sys.stdout.write("\n")
            return "quit"
        if found := [word for letter, word in _KEYS.items() if key in (letter, word)]:
            return found[0]


def _shown(entry: Entry, against: list[Entry], left: int) -> str:
    """An entry as it is shown: who asked what, the answer, and what a reviewer should know of it."""
    try:
        database = read_schema_text(entry.schema, dialect=entry.dialect)
    except UserError:
        database = None
    permit = check(entry.sql, dialect=entry.dialect, database=database)
    head = f"{left} left · {entry.database} ({entry.dialect}) · {entry.at} · judged {entry.verdict}"
    parts = [
        ("Question", entry.question),
        ("Hint", entry.evidence),
        ("Answer", entry.sql_query),
        ("Corrected", entry.corrected_sql if entry.verdict == "wrong" else ""),
        ("Refused", permit.reason),
        *(("Accepted", f"{other.sql}\n(for the same question, {other.where})") for other in against),
    ]
    return "\n".join(["", printable(head), *(_part(name, text) for name, text in parts if text.strip())])


def _part(name: str, text: str) -> str:
    indent = "\n" + " " * _WIDTH
    return name.ljust(_WIDTH) + indent.join(printable(line) for line in text.strip().splitlines())


def _say_what_is_not_shown(entries: list[Entry], unreadable: list[str]) -> None:
    for reason, count in sorted(Counter(entry.lack for entry in entries if entry.lack).items()):
        sys.stdout.write(f"not shown {count}: {reason}\n")
    for line in unreadable:
        sys.stderr.write(f"warning: {printable(line)}\n")
