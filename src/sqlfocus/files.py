"""Files that are either whole or not there, and JSON lines that name the line at fault."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from sqlfocus.errors import UserError


@contextmanager
def atomic_write(path: Path, *, force: bool = True) -> Iterator[IO[str]]:
    """Open a UTF-8 text file for writing that appears under its name only when the block ends without an error.

    The text goes to a temporary file beside ``path`` and is renamed at the end, so that a reader, a crash or Ctrl-C
    never meets half a file. With ``force=False`` a file that is already there is refused.

    Raises:
        UserError: the file exists and ``force`` is false, the folder cannot be written, or the disk is full.
    """
    if path.exists() and not force:
        raise UserError(f"{path}: the file exists; name another, or pass --force to replace it")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise writing_failed(path, error) from error
    finally:
        with suppress(OSError):  # where the folder could not be made, there is no file either
            part.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a new folder to fill, which takes ``path``'s name, and the place of a folder there, if the block succeeds.

    Its files are readable by whoever may read the folder: safetensors writes them for their owner alone.

    Raises:
        UserError: the folder cannot be written, or the disk is full.
    """
    part, old = (path.with_name(f".{path.name}.{os.getpid()}.{kind}") for kind in ("part", "old"))
    try:
        with disk_errors(path):
            part.mkdir(parents=True)
            yield part
            mode = part.stat().st_mode & 0o666
            for file in part.rglob("*"):
                if file.is_file():
                    file.chmod(file.stat().st_mode | mode)
            if path.exists():
                path.rename(old)
            part.rename(path)
            shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def writing_failed(path: Path, error: OSError) -> UserError:
    """The one line for an ``OSError`` met in writing ``path``; the remedy depends on its cause."""
    if error.errno == errno.ENOSPC:
        return UserError(f"{path}: the disk is full, nothing was written; free some space and run the command again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return UserError(f"{path}: no permission to write there; choose another place")
    return UserError(f"{path}: cannot be written ({error.strerror or error})")


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk or a missing permission, met by whatever library in the block, into the one line for it.

    Libraries wrap the system's error in types of their own: safetensors and tokenizers keep its text, torch nothing of
    it. So it is looked for along the chain of causes and by its text, and a disk without room is asked itself.

    Raises:
        UserError: see :func:`writing_failed`.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        link: BaseException | None = error
        while link is not None:
            if isinstance(link, OSError) and link.errno in (errno.ENOSPC, errno.EACCES, errno.EPERM, errno.EROFS):
                raise writing_failed(path, link) from error
            if "No space left on device" in str(link):
                raise writing_failed(path, OSError(errno.ENOSPC, "")) from error
            link = link.__cause__ or link.__context__
        if _room(path) < 1 << 16:
            raise writing_failed(path, OSError(errno.ENOSPC, "")) from error
        raise


def _room(path: Path) -> int:
    """Bytes free where ``path`` is or would be."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def read_json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield ``(line number, value)`` for each line of a JSON Lines file that is not blank; lines count from 1.

    Raises:
        UserError: the file is missing, is not UTF-8, or a line is not JSON (the message has file, line and column).
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    yield number, json.loads(line)
                except json.JSONDecodeError as error:
                    raise UserError(
                        f"{path}:{number}: not JSON: {error.msg} at column {error.colno}; "
                        "a JSONL file holds one JSON object a line"
                    ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error


def write_json_lines(path: Path, rows: Iterable[Any], *, force: bool = True) -> int:
    """Write one JSON value a line, atomically, Chinese as it is; return the number of lines."""
    count = 0
    with atomic_write(path, force=force) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def readable(size: float) -> str:
    """Bytes as people say them.

    >>> readable(105_454_432), readable(15_237_853_184)
    ('105 MB', '15.2 GB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
