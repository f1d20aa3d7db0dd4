"""A process that reads SQLite files, one query after another; the runner starts it as a script and kills it at will.

It imports the standard library alone, so that it starts in milliseconds. On its standard input and output it speaks
frames: four bytes of length, little-endian, then a marshalled value. A request is ``(database, sql, seconds, rows,
bytes)``, the last three its limits; a reply is ``(columns, rows, truncated, seconds, error)``.

What a query can do here is read. The file is opened read-only; SQLite's authorizer allows selecting, reading, functions
and recursion, and with that neither ATTACH nor PRAGMA nor VACUUM INTO, which a read-only connection would let write
elsewhere; views and virtual tables may not call what is not safe (``trusted_schema``).
"""

from __future__ import annotations

import contextlib
import marshal
import os
import signal
import sqlite3
import sys
import time
from typing import IO
from urllib.parse import quote

# A longer text or blob would be built in memory before any row limit sees it.
LONGEST_VALUE = 16 << 20
OPERATIONS_BETWEEN_LOOKS = 10_000
OUT_OF_MEMORY = 3
"""The exit status of a worker that could not even send its reply."""
_ALLOWED = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
_FORBIDDEN_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"})

Reply = tuple[tuple[str, ...], list[tuple[object, ...]], bool, float, str]


def read_frame(stream: IO[bytes]) -> bytes | None:
    """One frame's bytes, or None where the stream ends."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    size = int.from_bytes(head, "little")
    body = stream.read(size)
    return body if len(body) == size else None


def write_frame(stream: IO[bytes], body: bytes) -> None:
    """Write one frame and flush."""
    stream.write(len(body).to_bytes(4, "little"))
    stream.write(body)
    stream.flush()


def address(database: str) -> str:
    """The URI that opens ``database`` read-only and leaves no file beside it.

    A file in write-ahead mode that nobody has open would get a ``-wal`` and a ``-shm`` file from its reader; as
    immutable it gets none. Any other file is opened with its locks respected, since another process may write to it.
    """
    uri = f"file:{quote(os.path.abspath(database))}?mode=ro"  # noqa: PTH100 - pathlib costs a third of the start
    with open(database, "rb") as file:  # noqa: PTH123
        head = file.read(20)
    if head[18:20] == b"\x02\x02" and not os.path.exists(database + "-wal"):  # noqa: PTH110
        uri += "&immutable=1"
    return uri


def connect(database: str) -> sqlite3.Connection:
    """Open a database that can only be read."""
    connection = sqlite3.connect(address(database), uri=True, isolation_level=None, cached_statements=0)
    # Text that is not UTF-8 is shown with marks, not refused: real files hold it.
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    connection.execute("PRAGMA query_only = 1")
    connection.execute("PRAGMA trusted_schema = 0")
    if sys.version_info >= (3, 11):
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.set_authorizer(_authorize)
    return connection


def _authorize(action: int, first: str | None, second: str | None, database: str | None, inner: str | None) -> int:
    if action not in _ALLOWED:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def answer(database: str, sql: str, seconds: float, most_rows: int, most_bytes: int) -> Reply:
    """Run one query; an error is part of the reply."""
    start = time.monotonic()
    stop = start + seconds
    columns: tuple[str, ...] = ()
    rows: list[tuple[object, ...]] = []
    truncated, error = False, ""
    try:
        with contextlib.closing(connect(database)) as connection:
            connection.set_progress_handler(lambda: time.monotonic() > stop, OPERATIONS_BETWEEN_LOOKS)
            cursor = connection.execute(sql)
            if cursor.description is None:
                error = "refused: a query returns rows, this does not"
            columns = tuple(column[0] for column in cursor.description or ())
            weight = 0
            for row in cursor:
                weight += 8 * len(row) + sum(len(value) for value in row if isinstance(value, (str, bytes)))
                if len(rows) == most_rows or weight > most_bytes:
                    truncated = True
                    break
                rows.append(row)
    except MemoryError:
        error = "memory: the query needs more memory than it may have"
    except (sqlite3.Error, sqlite3.Warning) as failure:  # Python 3.10 warns of a second statement
        error = _explain(failure, seconds)
    except (ValueError, OverflowError, OSError) as failure:
        error = str(failure)
    if error:
        columns, rows = (), []
    return columns, rows, truncated, time.monotonic() - start, error


def _explain(failure: sqlite3.Error | sqlite3.Warning, seconds: float) -> str:
    text = str(failure)
    if text == "interrupted":
        return f"timeout: stopped after {seconds:g} s"
    if any(words in text for words in ("not authorized", "authorization denied", "prohibited", "readonly database")):
        return f"refused: a query may only read ({text})"
    return text


def limit_memory(size: int) -> None:
    """Let this process have no more than ``size`` bytes of address space, where the system can enforce it."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (size, size))


def serve(requests: IO[bytes], replies: IO[bytes]) -> None:
    """Answer requests until their stream ends."""
    while (frame := read_frame(requests)) is not None:
        database, sql, seconds, most_rows, most_bytes = marshal.loads(frame)
        write_frame(replies, marshal.dumps(answer(database, sql, seconds, most_rows, most_bytes)))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    limit_memory(int(sys.argv[1]))
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except BrokenPipeError:
        pass
