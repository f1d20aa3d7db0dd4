"""What is kept of prefixes: in memory within a bound, least recently used out, and on disk for the next start."""

from __future__ import annotations

import hashlib
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from sqlfocus.errors import UserError, first_line
from sqlfocus.files import disk_errors

Kept = TypeVar("Kept")
DEFAULT_BYTES = 2 << 30
"""How much memory an engine gives to prefixes unless told: some 130 schemas of 650 tokens for SmolLM2-135M."""


class PrefixCache(Generic[Kept]):
    """Prefixes by their tokens.

    Attributes:
        hits, misses, evictions: how often a prefix was there, was not, and had to go.
        bytes: what the prefixes that are kept take.
    """

    def __init__(
        self, most_bytes: int, *, size: Callable[[Kept], int], on_evict: Callable[[Kept], None] | None = None
    ) -> None:
        self.most_bytes = most_bytes
        self.hits = self.misses = self.evictions = self.bytes = 0
        self._size = size
        self._on_evict = on_evict
        self._kept: OrderedDict[tuple[int, ...], Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, tokens: Sequence[int], make: Callable[[], Kept]) -> Kept:
        """The prefix of these tokens, made if it is not there. One that is larger than the bound alone is not kept."""
        key = tuple(tokens)
        if key in self._kept:
            self.hits += 1
            self._kept.move_to_end(key)
            return self._kept[key]
        self.misses += 1
        made = make()
        size = self._size(made)
        if size <= self.most_bytes:
            while self.bytes + size > self.most_bytes:
                self._drop_oldest()
            self._kept[key] = made
            self.bytes += size
        return made

    def clear(self) -> None:
        """Forget all; it does not count as eviction."""
        self._kept.clear()
        self.bytes = 0

    def counters(self) -> dict[str, int]:
        """For metrics: names and values."""
        return {
            "prefix_hits": self.hits,
            "prefix_misses": self.misses,
            "prefix_evictions": self.evictions,
            "prefix_bytes": self.bytes,
            "prefixes": len(self),
        }

    def _drop_oldest(self) -> None:
        _, dropped = self._kept.popitem(last=False)
        self.bytes -= self._size(dropped)
        self.evictions += 1
        if self._on_evict is not None:
            self._on_evict(dropped)


class PrefixFolder:
    """Prefixes as files, one each, of one model; the least recently used go where the folder grows over its bound.

    A file's name says which model and which tokens it is of, so that another model's, or an older one's, is not taken.
    """

    def __init__(self, folder: Path, model: str, *, most_bytes: int = DEFAULT_BYTES, ending: str) -> None:
        self.folder = folder
        self.model = model
        self.most_bytes = most_bytes
        self.ending = ending
        self._writable = True

    def path(self, tokens: Sequence[int]) -> Path:
        """Where the prefix of these tokens is, or would be."""
        words = f"{self.model} {','.join(map(str, tokens))}"
        return self.folder / f"{hashlib.sha256(words.encode()).hexdigest()[:32]}.{self.ending}"

    def find(self, tokens: Sequence[int]) -> Path | None:
        """The file, if it is there; it counts as used now."""
        path = self.path(tokens)
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    def save(self, tokens: Sequence[int], write: Callable[[Path], object]) -> None:
        """Let ``write`` make the file, under another name until it is whole.

        Where that fails (a full disk), answers do not need it: one line says so, and nothing more is saved.
        """
        if not self._writable:
            return
        path = self.path(tokens)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with disk_errors(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                try:
                    write(temporary)
                    temporary.replace(path)
                finally:
                    temporary.unlink(missing_ok=True)
                self._shrink(keep=path)
        except (OSError, UserError) as error:
            self._writable = False
            sys.stderr.write(f"warning: schemas are not kept for the next start: {first_line(error)}\n")

    def _shrink(self, *, keep: Path) -> None:
        files = sorted(
            ((status.st_mtime, status.st_size, path) for path in self.folder.iterdir() if (status := path.stat())),
            reverse=True,
        )
        left = self.most_bytes
        for _, size, path in files:
            left -= size
            if left < 0 and path != keep:
                path.unlink(missing_ok=True)
