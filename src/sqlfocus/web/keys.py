"""API keys: who may ask, and how often.

A key is 32 random bytes in text. The file of keys has its SHA-256 alone: a key of so many bytes cannot be guessed, so
a slow hash, which passwords need, would add nothing. A line is ``NAME SHA256 REQUESTS``, the last being how many
requests it may make a minute, ``-`` for any number; what begins with ``#`` is a comment.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import os
import re
import secrets
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlfocus.errors import UserError
from sqlfocus.files import atomic_path

PREFIX = "sqlfocus-"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_LINE = re.compile(rf"({_NAME.pattern})\s+([0-9a-f]{{64}})\s+(-|[1-9][0-9]{{0,8}})")


class Allowance:
    """Requests that may be made: at most ``per_minute`` at once, and as many again each minute (a token bucket).

    Its clock is one that nobody sets.
    """

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._left = float(per_minute)
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> int:
        """Take one: 0 where there is one, else in how many seconds there will be."""
        with self._lock:
            now = time.monotonic()
            self._left = min(self.per_minute, self._left + (now - self._at) * self.per_minute / 60)
            self._at = now
            if self._left < 1:
                return math.ceil((1 - self._left) * 60 / self.per_minute)
            self._left -= 1
            return 0


@dataclass(frozen=True, slots=True)
class Key:
    """A key's name and hash; ``allowance`` is None where it may ask any number of times."""

    name: str
    sha256: str = field(repr=False)
    allowance: Allowance | None = field(compare=False)


class Keys:
    """The keys of a file, which is read again where it changed, so that a key that was removed opens nothing more.

    Raises:
        UserError: there is no such file, no key in it, or a line is not one of a key.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._keys = read_keys(path)
        if not self._keys:
            raise UserError(f"{path}: there is no key in it; make one with `sqlfocus key NAME --keys {path}`")

    def owner(self, presented: str) -> Key | None:
        """The key that was presented, if it is one.

        All are compared, each in constant time, so that how long it takes tells nothing of them.
        """
        digest = hashlib.sha256(presented.encode("utf-8", "surrogateescape")).hexdigest()
        found = None
        for key in self._now():
            if hmac.compare_digest(digest, key.sha256):
                found = key
        return found

    def _now(self) -> Sequence[Key]:
        with self._lock:
            stamp = self._stamp()
            if stamp != self._seen:
                self._seen = stamp
                try:
                    fresh = read_keys(self._path)
                except UserError as error:
                    # A file that is half written, say: those who may ask are as before, until it can be read.
                    sys.stderr.write(f"warning: the keys stay as they were: {error}\n")
                else:
                    before = {(one.name, one.sha256, _limit(one)): one for one in self._keys}
                    self._keys = [before.get((one.name, one.sha256, _limit(one)), one) for one in fresh]
            return self._keys

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _limit(key: Key) -> int | None:
    return key.allowance.per_minute if key.allowance else None


def read_keys(path: Path) -> list[Key]:
    """The keys in a file.

    Raises:
        UserError: there is no such file, or a line is not one of a key.
    """
    found: list[Key] = []
    for number, line in enumerate(_lines(path), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parts = _LINE.fullmatch(line.strip())
        if parts is None:
            # Without the line itself: someone may have put a key there.
            raise UserError(f"{path}:{number}: not a key's line; one is NAME SHA256 REQUESTS-A-MINUTE")
        name, digest, limit = parts.groups()
        if any(name == one.name for one in found):
            raise UserError(f"{path}:{number}: a second key is called {name}")
        found.append(Key(name, digest, None if limit == "-" else Allowance(int(limit))))
    return found


def add_key(path: Path, name: str, per_minute: int | None) -> str:
    """Make a key and add it to a file, which is made where it is missing, readable by its owner alone; return the key.

    Raises:
        UserError: the name is taken or no name, or the file cannot be read or written.
    """
    if not _NAME.fullmatch(name):
        raise UserError(f"{name}: a key's name has letters, digits and . _ @ - only, and 64 of them at most")
    if path.exists() and any(name == one.name for one in read_keys(path)):
        raise UserError(f"{path}: there is a key called {name}; remove it first, or choose another name")
    key = PREFIX + secrets.token_urlsafe(32)
    digest = hashlib.sha256(key.encode()).hexdigest()
    lines = _lines(path) if path.exists() else []
    _write(path, [*lines, f"{name} {digest} {per_minute or '-'}"])
    return key


def remove_key(path: Path, name: str) -> None:
    """Take a key out of a file.

    Raises:
        UserError: there is none of that name.
    """
    if not any(name == one.name for one in read_keys(path)):
        raise UserError(f"{path}: there is no key called {name}")
    _write(path, [line for line in _lines(path) if line.split()[:1] != [name]])


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; make a key with `sqlfocus key NAME --keys {path}`") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8 text'})") from error


def _write(path: Path, lines: Sequence[str]) -> None:
    with atomic_path(path) as part:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write("".join(f"{line}\n" for line in lines))
