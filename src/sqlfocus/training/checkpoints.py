"""Checkpoints: the mark that one is whole and whose it is, and the one to go on from.

transformers writes a checkpoint file by file. The mark, ``checkpoint.json``, is written last, and at once: it has the
size and SHA-256 of every file, and what has to be the same for a run to go on as if it had not been stopped. A folder
without it, or whose files are not as it says, is not taken for a checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import sys
from array import array
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch

from sqlfocus.errors import UserError
from sqlfocus.files import atomic_write, parse_json, sha256
from sqlfocus.training.packing import TokenizedExample

FILE_NAME = "checkpoint.json"
FORMAT = 1
_SAMPLE = 16
"""Values of each of a base's weights that are looked at."""


@dataclass(frozen=True, slots=True)
class Run:
    """What makes a run's steps. A field that is empty is not known, and the same as any."""

    data: str
    base: str
    lora: str
    steps: str
    dtype: str

    def differences(self, other: Run) -> list[str]:
        """What is not the same in two runs, in words."""
        said = {
            "data": "the training rows, the schema texts, or how they become tokens",
            "base": "the base model",
            "lora": "LoRA's rank, alpha or layers",
            "steps": "which examples come in which step (packing, batch size, prefixes a step, seed, processes)",
            "dtype": "the numbers' type",
        }
        pairs = [(said[one.name], getattr(self, one.name), getattr(other, one.name)) for one in fields(self)]
        return [what for what, mine, its in pairs if mine and its and mine != its]


def fingerprint_of_data(examples: Iterable[TokenizedExample]) -> str:
    """A hash of all token ids, in their order."""
    digest = hashlib.sha256()
    for example in examples:
        for ids in (example.prompt, example.answer, example.rejected):
            digest.update(len(ids).to_bytes(4, "little"))
            digest.update(array("I", ids).tobytes())
    return digest.hexdigest()


def fingerprint_of_weights(weights: Iterable[tuple[str, torch.Tensor]]) -> str:
    """A hash of names, shapes and some values of each weight: a hash of all would take a 7B's loading time again.

    ``weights`` that are elsewhere (DeepSpeed's third stage) count by their names.
    """
    digest = hashlib.sha256()
    for name, weight in weights:
        flat = weight.detach().reshape(-1)
        digest.update(f"{name} {tuple(weight.shape)} ".encode())
        if flat.numel():
            some = flat[:: max(1, flat.numel() // _SAMPLE)][:_SAMPLE]
            digest.update(some.float().cpu().numpy().tobytes())
    return digest.hexdigest()


def mark(checkpoint: Path, run: Run) -> None:
    """Say of a checkpoint whose files are all written that it is whole, and of which run."""
    files = {
        path.relative_to(checkpoint).as_posix(): [path.stat().st_size, sha256(path)]
        for path in sorted(checkpoint.rglob("*"))
        if path.is_file() and path.name != FILE_NAME
    }
    with atomic_write(checkpoint / FILE_NAME) as file:
        json.dump({"format": FORMAT, "run": asdict(run), "files": files}, file, indent=1)
        file.write("\n")


def fault(checkpoint: Path, run: Run) -> str:
    """Why a run cannot go on from a folder, in one line; "" where it can."""
    path = checkpoint / FILE_NAME
    if not path.is_file():
        return f"it was not written to its end, or by another version: it has no {FILE_NAME}"
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            return f"it was written by another version (format {found['format']}, this one has {FORMAT})"
        differences = Run(**found["run"]).differences(run)
        files = {str(name): (int(size), str(digest)) for name, (size, digest) in found["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"its {FILE_NAME} cannot be read"
    if differences:
        return f"it is of another run, in which were other than here: {'; '.join(differences)}"
    for name, (size, digest) in files.items():
        part = checkpoint / name
        if not part.is_file():
            return f"its {name} is missing"
        if part.stat().st_size != size or sha256(part) != digest:
            return f"its {name} is not as it was written"
    return ""


def candidates(output_dir: Path) -> list[Path]:
    """The folders of checkpoints, the newest step first, whole or not."""
    numbered = [
        (int(number), path)
        for path in output_dir.glob("checkpoint-*")
        if (number := path.name.removeprefix("checkpoint-")).isascii() and number.isdigit()
    ]
    return [path for _, path in sorted(numbered, reverse=True)]


def there_is_one(wanted: str, output_dir: Path) -> None:
    """Refuse before a model is loaded what cannot be there: :func:`to_resume` looks at it.

    Raises:
        UserError: there is no folder of that name, or none of checkpoints.
    """
    if _is_newest(wanted) and not candidates(output_dir):
        raise UserError(f"{output_dir}: no checkpoint to resume from; leave out --resume_from_checkpoint")
    if not _is_newest(wanted) and not Path(wanted).is_dir():
        raise UserError(f"{wanted}: no checkpoint there; name a folder like {output_dir}/checkpoint-500, or `last`")


def _is_newest(wanted: str) -> bool:
    return wanted.lower() in ("last", "true")


def to_resume(wanted: str, output_dir: Path, run: Run) -> Path:
    """The checkpoint that ``--resume_from_checkpoint`` means; ``last`` (or ``true``) is the newest that is whole.

    One that is passed over is named on standard error, and why.

    Raises:
        UserError: there is none, or it is not of ``run``.
    """
    faults: list[tuple[Path, str]] = []
    for path in candidates(output_dir) if _is_newest(wanted) else [Path(wanted)]:
        why = fault(path, run)
        if not why:
            for other, its in faults:
                sys.stderr.write(f"{other}: passed over: {its}\n")
            return path
        faults.append((path, why))
    path, why = faults[0]
    raise UserError(f"{path}: not to go on from: {why}; begin anew without --resume_from_checkpoint")


def step_of(checkpoint: Path) -> int:
    """How many steps were made when it was written."""
    state = parse_json((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    return int(state["global_step"])
