"""A ladder of models measured on the same questions, each rung in a process of its own.

So a rung's peak memory is its own, and one that crashes leaves the others. What a rung gives is kept as JSON, with a
key of what was measured; the next run measures only rungs whose key has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from sqlfocus import __version__
from sqlfocus.corpus.example import Example
from sqlfocus.evaluation.evaluate import database_file
from sqlfocus.models.record import ModelRecord

FORMAT = 1
WHOLE = ("F32", "F16", "BF16")
"""Types of GGUF files that are not quantized."""
_WEIGHTS = ("*.safetensors", "*.bin", "config.json", "adapter_config.json", "tokenizer*")
_LIBRARIES = ("llama-cpp-python", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class Rung:
    """One model of a ladder."""

    name: str
    """What tables and keys call it: ``base``, ``adapter``, ``merged``, or a GGUF file's type."""
    kind: str
    """``base``, ``adapter``, ``merged`` or ``gguf``: the last is run by llama.cpp, the others by transformers."""
    model: str
    """Folder, hub name or GGUF file."""
    type: str = ""
    """A GGUF file's type, ``Q4_K_M`` for instance."""

    @property
    def quantized(self) -> bool:
        """Whether it is one of those to choose among."""
        return self.kind == "gguf" and self.type not in WHOLE

    @property
    def file_name(self) -> str:
        """Its name as part of a file's."""
        return re.sub(r"[^\w.-]+", "_", self.name)


@dataclass(frozen=True, slots=True)
class Task:
    """What all rungs are asked, and how: the same questions behind the same schema texts."""

    examples: Sequence[Example]
    schemas: dict[str, str]
    databases: Path
    rule: str = "spider"
    free: bool = False
    batch_size: int = 16
    max_new_tokens: int = 256
    prompt_template: str | None = None
    hub: str = "huggingface"

    def to_json(self) -> dict[str, Any]:
        """The task as JSON, for the process of a rung."""
        examples = [example.to_json() for example in self.examples]
        settings = {name: getattr(self, name) for name in self.__slots__ if name not in ("examples", "databases")}
        return {"examples": examples, "databases": str(self.databases.resolve()), **settings}

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Task:
        """The task of such JSON."""
        examples = [Example.from_json(each, "task") for each in row["examples"]]
        return cls(**{**row, "examples": examples, "databases": Path(row["databases"])})

    def digest(self) -> str:
        """A hash over all of it, the databases' sizes and times included."""
        files = [database_file(self.databases, db_id) for db_id in sorted(self.schemas)]
        whole = json.dumps([self.to_json(), [_stamp(file) for file in files]], sort_keys=True)
        return hashlib.sha256(whole.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Measured:
    """What one rung gave.

    ``figures`` are numbers by their name: ``size`` and ``memory`` in bytes, times in seconds
    (:func:`sqlfocus.evaluation.rung.measure` lists them). ``rows`` are the predictions, as a predictions file has them.
    """

    rung: Rung
    figures: dict[str, float]
    rows: list[dict[str, Any]]
    gold_failed: int = 0
    mix: dict[str, int] = field(default_factory=dict)
    """Of a GGUF file, how many weights have each type."""
    machine: dict[str, str] = field(default_factory=dict)
    date: str = ""


def machine() -> dict[str, str]:
    """What the speeds depend on: processor, cores, memory, system and versions."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": f"{psutil.cpu_count(logical=False) or psutil.cpu_count()} ({psutil.cpu_count()} threads)",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "not set"),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "sqlfocus": __version__,
        **versions,
    }


def _processor() -> str:
    """The processor's name; Linux tells it in a file, others through Python."""
    listed = Path("/proc/cpuinfo")
    if listed.is_file():
        found = re.search(r"^model name\s*:\s*(.+)$", listed.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            return found.group(1).strip()
    return platform.processor() or platform.machine()


def measure_ladder(
    rungs: Sequence[Rung],
    task: Task,
    folder: Path,
    *,
    base_of: ModelRecord | None = None,
    force: bool = False,
    say: Callable[[str], None],
) -> tuple[list[Measured], dict[str, str]]:
    """Measure the rungs one after the other; return what they gave, and of those that gave nothing, why.

    What an earlier run left in ``folder`` for the same model, task and machine is taken as it is, unless ``force``.
    ``base_of`` is the record that names the base which an adapter stands on.

    Raises:
        KeyboardInterrupt: Ctrl-C; it says what is kept.
    """
    found: list[Measured] = []
    failed: dict[str, str] = {}
    folder.mkdir(parents=True, exist_ok=True)
    digest, here = task.digest(), machine()
    for rung in rungs:
        path = folder / f"{rung.file_name}.json"
        base = base_of.base_model if base_of is not None and rung.kind == "adapter" else ""
        key = {"model": _fingerprint(rung.model), "base": _fingerprint(base), "task": digest, "machine": here}
        kept = None if force else _read(path, key)
        if kept is not None:
            say(f"{rung.name}: measured before, {kept.date}; --force measures it again")
            found.append(kept)
            continue
        path.unlink(missing_ok=True)
        try:
            status = _run({"rung": asdict(rung), "task": task.to_json(), "key": key, "result": str(path)})
        except KeyboardInterrupt as stop:
            names = ", ".join(one.rung.name for one in found)
            kept_in = f"{names} kept in {folder}; the same command goes on from there" if found else "nothing was done"
            raise KeyboardInterrupt(f"Stopped in measuring {rung.name}; {kept_in}.") from stop
        given = _read(path, key)
        if given is None:
            failed[rung.name] = _reason(path, status)
            say(f"{rung.name}: not measured: {failed[rung.name]}")
        else:
            found.append(given)
    return found, failed


def _run(job: dict[str, Any]) -> int:
    """Run one rung's process to its end; return its exit status.

    Raises:
        KeyboardInterrupt: here or there.
    """
    command = [sys.executable, "-m", "sqlfocus.evaluation.rung"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        process.communicate(json.dumps(job).encode())
    except BaseException:
        process.terminate()  # Ctrl-C in a terminal has reached it too, a signal to this process alone has not
        process.wait()
        raise
    if process.returncode == 130:
        raise KeyboardInterrupt
    return process.returncode


def _read(path: Path, key: dict[str, Any]) -> Measured | None:
    """What a rung gave, if it is there, whole and of this key."""
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        if row["format"] != FORMAT or row["key"] != key or "error" in row:
            return None
        names = ("figures", "rows", "gold_failed", "mix", "machine", "date")
        return Measured(Rung(**row["rung"]), **{name: row[name] for name in names})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _reason(path: Path, status: int) -> str:
    """Why a rung gave nothing: what its process wrote before it ended, else how that ended."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["error"])
    except (OSError, ValueError, KeyError, TypeError):
        if status == -9:
            return "its process was killed, probably since the memory was full"
        return f"its process ended with status {status}"


def _fingerprint(model: str) -> Any:
    """What tells a model from itself before a change: its files' names, sizes and times; of a hub's, the name."""
    path = Path(model).expanduser()
    if not model or not path.exists():
        return model
    files = [path] if path.is_file() else sorted({file for pattern in _WEIGHTS for file in path.glob(pattern)})
    return [str(path.resolve()), *(_stamp(file) for file in files)]


def _stamp(file: Path) -> list[Any]:
    found = file.stat()
    return [file.name, found.st_size, found.st_mtime_ns]
