"""A ladder of models measured on the same questions, each rung in a process of its own.

So a rung's peak memory is its own, and one that crashes leaves the others. What a rung gives is kept as JSON, with a
key of what was measured; the next run measures only rungs whose key has changed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlfocus.corpus.example import Example
from sqlfocus.errors import UserError
from sqlfocus.evaluation.evaluate import database_file
from sqlfocus.evaluation.ladder_machine import machine
from sqlfocus.evaluation.ladder_process import run_job
from sqlfocus.files import parse_json, writing_failed
from sqlfocus.models.record import FILE_NAME, read_record

FORMAT = 2
WHOLE = ("F32", "F16", "BF16")
"""Types of GGUF files that are not quantized."""
UNWRITABLE = 2
"""The exit status of a rung's process that could not write what it measured."""


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
    ran: str = ""
    """What ran it: library, device, type of numbers."""
    date: str = ""


def measure_ladder(
    rungs: Sequence[Rung],
    task: Task,
    folder: Path,
    *,
    force: bool = False,
    say: Callable[[str], None],
) -> tuple[list[Measured], dict[str, str]]:
    """Measure the rungs one after the other; return what they gave, and of those that gave nothing, why.

    What an earlier run left in ``folder`` for the same model, task and machine is taken as it is, unless ``force``.

    Raises:
        UserError: what is measured cannot be written to ``folder``.
        KeyboardInterrupt: Ctrl-C; it says what is kept.
    """
    found: list[Measured] = []
    failed: dict[str, str] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_failed(folder, error) from error
    digest, here = task.digest(), machine()
    for rung in rungs:
        path = folder / f"{rung.file_name}.json"
        base = _base_of(Path(rung.model)) if rung.kind == "adapter" else ""
        key = {"model": _fingerprint(rung.model), "base": _fingerprint(base), "task": digest, "machine": here}
        kept = None if force else _read(path, key)
        if kept is not None:
            say(f"{rung.name}: measured before, {kept.date}; --force measures it again")
            found.append(kept)
            continue
        path.unlink(missing_ok=True)
        trace = path.with_suffix(".error.txt")
        trace.unlink(missing_ok=True)
        job = {"rung": asdict(rung), "task": task.to_json(), "key": key, "result": str(path), "trace": str(trace)}
        try:
            status, told = 0, ""
            if rung.kind != "gguf" and (base or rung.model).endswith(".gguf"):
                status, told = run_job({**job, "dequantize": base or rung.model})
            if status == 0:
                status, told = run_job(job)
        except KeyboardInterrupt as stop:
            names = ", ".join(one.rung.name for one in found)
            kept_in = f"{names} kept in {folder}; the same command goes on from there" if found else "nothing was done"
            raise KeyboardInterrupt(f"Stopped in measuring {rung.name}; {kept_in}.") from stop
        given = _read(path, key)
        if given is None:
            if status == UNWRITABLE:
                raise UserError(told)
            failed[rung.name] = told or _reason(status)
            say(f"{rung.name}: not measured: {failed[rung.name]}")
        else:
            found.append(given)
    return found, failed


def _read(path: Path, key: dict[str, Any]) -> Measured | None:
    """What a rung gave, if it is there, whole and of this key."""
    try:
        row = parse_json(path.read_text(encoding="utf-8"))
        if row["format"] != FORMAT or row["key"] != key:
            return None
        names = ("figures", "rows", "gold_failed", "mix", "machine", "ran", "date")
        return Measured(Rung(**row["rung"]), **{name: row[name] for name in names})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _reason(status: int) -> str:
    """Why a rung gave nothing whose process told nothing."""
    if status == -9:
        return "its process was killed, probably since the memory was full"
    return f"its process ended with status {status}"


def _base_of(folder: Path) -> str:
    """The base that an adapter stands on, by its own record, else as PEFT's configuration has it; may be empty."""
    try:
        if (record := read_record(folder)) is not None:
            return record.base_model
        config = parse_json((folder / "adapter_config.json").read_text(encoding="utf-8"))
        return str(config.get("base_model_name_or_path") or "")
    except (OSError, ValueError, AttributeError, UserError):  # which its process will say, and leave the others
        return ""


def _fingerprint(model: str) -> Any:
    """What tells a model from itself before a change: its files' names, sizes and times; of a hub's, the name.

    Its record and card say how it did, which changes nothing of how it does.
    """
    path = Path(model).expanduser()
    if not model or not path.exists():
        return model
    found = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.is_file())
    return [str(path.resolve()), *(_stamp(file) for file in found if file.name not in (FILE_NAME, "README.md"))]


def _stamp(file: Path) -> list[Any]:
    found = file.stat()
    return [file.name, found.st_size, found.st_mtime_ns]
