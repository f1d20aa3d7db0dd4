"""Files that are either whole or not there, and JSON lines that name the line at fault."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from sqlfocus.errors import UserError

if sys.platform != "win32":
    import fcntl

_PREFIX = ".sqlfocus-"
_NEW, _OLD = "new", "old"
_LONGEST_NAME = 200
"""Bytes of UTF-8, with which an ending and a temporary name still fit into the 255 of file systems."""
_FULL = (errno.ENOSPC, errno.EDQUOT)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_IN_THE_WAY = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a place for a file or folder, which takes ``path``'s name, and the place of what is there, if all goes well.

    A reader, a crash or Ctrl-C never meets half of it. The place is in a hidden folder beside ``path``. What killed
    runs left beside ``path`` is removed, whichever process, machine or container they were on: a folder is locked while
    its run goes on. (Windows has no such locks, and what is left stays.)

    Raises:
        UserError: the folder cannot be written, or the disk is full.
    """
    try:
        with _scratch(path.parent) as scratch, disk_errors(path):  # while a disk that is full is still so
            part = scratch / _NEW / path.name
            part.parent.mkdir()
            yield part
            _flush(part.parent)
            _put(part, path, scratch / _OLD)
    except OSError as error:
        raise writing_failed(path, error) from error


@contextmanager
def atomic_write(path: Path, *, force: bool = True) -> Iterator[IO[str]]:
    """Open a UTF-8 text file for writing that appears under its name only when the block ends without an error.

    With ``force=False`` a file that is already there is refused.

    Raises:
        UserError: the file exists and ``force`` is false, the folder cannot be written, or the disk is full.
    """
    with disk_errors(path):
        if not force and path.exists():
            raise UserError(f"{path}: the file exists; name another, or pass --force to replace it")
    with atomic_path(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        yield file


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give a new folder to fill, which takes ``path``'s name, and the place of what is there, if the block succeeds.

    Its files are readable by whoever may read the folder: safetensors writes them for their owner alone.

    Raises:
        UserError: the folder cannot be written, or the disk is full.
    """
    with atomic_path(path) as part:
        part.mkdir()
        yield part
        mode = part.stat().st_mode & 0o666
        for file in part.rglob("*"):
            if file.is_file():
                file.chmod(file.stat().st_mode | mode)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A locked folder in ``folder`` for the block, removed at its end."""
    folder.mkdir(parents=True, exist_ok=True)
    remove_left_overs(folder)
    scratch = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=folder))
    try:
        with _locked(scratch):
            # Only now others look at it: before, it was not locked.
            scratch = scratch.rename(scratch.with_name(f"{scratch.name}.part"))
            yield scratch
    finally:
        _bring_back(scratch / _OLD, folder)  # where an error, or Ctrl-C, came between two renamings
        shutil.rmtree(scratch, ignore_errors=True)


def _put(part: Path, path: Path, old: Path) -> None:
    """Rename ``part`` to ``path``; a folder's place has to be free for that, so what is there goes to ``old`` first."""
    if not part.is_dir() or not path.exists():
        part.replace(path)
        return
    old.mkdir()
    path.rename(old / path.name)
    part.rename(path)


def _bring_back(old: Path, folder: Path) -> None:
    """Give what was put into ``old`` its name again, unless something new has it."""
    for path in old.glob("*"):
        if not (folder / path.name).exists():
            path.rename(folder / path.name)


def remove_left_overs(folder: Path) -> None:
    """Remove what killed runs left in ``folder``; a folder of theirs that was to be replaced gets its name back."""
    for scratch in folder.glob(f"{_PREFIX}*.part"):
        with suppress(OSError), _locked(scratch) as locked:
            if locked:
                _bring_back(scratch / _OLD, folder)
                shutil.rmtree(scratch)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Lock a folder for the block; false where another process has it locked, or its file system knows no locks."""
    if sys.platform == "win32":
        yield False
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = True
        except OSError:
            locked = False
        yield locked
    finally:
        os.close(descriptor)


def _flush(folder: Path) -> None:
    """Have the files on the disk before they are renamed, else a power cut leaves empty ones under the new name."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb" if sys.platform != "win32" else "r+b") as file:
                os.fsync(file.fileno())


def writing_failed(path: Path, error: OSError) -> UserError:
    """The one line for an ``OSError`` met in writing ``path``; the remedy depends on its cause."""
    if error.errno in _FULL:
        return UserError(f"{path}: the disk is full, nothing was written; free some space and run the command again")
    if error.errno in _DENIED:
        return UserError(f"{path}: no permission to write there; choose another place")
    return UserError(f"{path}: cannot be written ({error.strerror or error}); choose another place")


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk, a missing permission or a place that is taken, met in the block, into the one line for it.

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
        if isinstance(error, OSError) and error.errno in _IN_THE_WAY:
            raise writing_failed(path, error) from error
        link: BaseException | None = error
        while link is not None:
            if isinstance(link, OSError) and link.errno in (*_FULL, *_DENIED):
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


def parse_json(text: str) -> Any:
    """The value of a JSON text that comes from outside.

    Raises:
        json.JSONDecodeError: it is not JSON, or nested deeper than Python reads.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise json.JSONDecodeError("nested too deep", text, 0) from None


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
                    yield number, parse_json(line)
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


def is_file_name(name: str) -> bool:
    """Whether a name out of somebody's data, as a ``db_id``, can name a file on any system, in the folder meant."""
    allowed = not re.search(r'[/\\:*?"<>|\x00-\x1f]', name) and not name.startswith(".")
    return allowed and len(name.encode("utf-8", "surrogatepass")) <= _LONGEST_NAME


def check_file_name(db_id: str) -> None:
    """Let nothing pass that would lead out of the folder of schemas or databases.

    Raises:
        UserError: the ``db_id`` cannot be a file's name.
    """
    if not is_file_name(db_id):
        raise UserError(f"{db_id}: a db_id names the file of its schema, and this one cannot; rename it")


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
