"""Which models a ladder has: what belongs to a merged model is found beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from sqlfocus.errors import UserError
from sqlfocus.evaluation.ladder import Rung
from sqlfocus.inference import llamacpp
from sqlfocus.models.gguf_file import read_gguf
from sqlfocus.models.installed import missing_for_weights
from sqlfocus.models.named import record_of
from sqlfocus.models.newest import ADAPTERS
from sqlfocus.models.record import ModelRecord


def find_rungs(
    model: str | None,
    gguf: Sequence[Path],
    *,
    base: str | None,
    adapter: Path | None,
    with_base: bool = True,
    say: Callable[[str], None],
) -> tuple[list[Rung], ModelRecord | None]:
    """The rungs from the largest to the smallest, and the record that the models share, if any.

    Of a merged model ``new-model/NAME-R1``, the base is in its record, the adapter ``save-model/NAME-lora``, and the
    GGUF files are in ``new-model/NAME-R1-GGUF``. What is not there, or cannot run here, is left out, and ``say`` is
    told.

    Raises:
        UserError: nothing is named, something named is not there, or nothing is left.
    """
    if model is None and not gguf:
        raise UserError("nothing to compare; name a merged model with --model, or GGUF files with --gguf")
    merged = Path(model).expanduser() if model is not None else None
    if merged is not None:
        _check_merged(merged)
    files = _gguf_files(gguf, merged, say)
    record = record_of(model) if model is not None else record_of(str(files[0])) if files else None
    rungs: list[Rung] = []
    if with_base:
        base = base or (record.base_model if record is not None and merged is not None else None)
        if base is not None:
            rungs.append(Rung("base", "base", base))
        elif merged is not None:
            say(f"base: left out, {merged} has no record that names it; --base names one")
    if adapter is None and merged is not None:
        beside = merged.parent.parent / ADAPTERS / f"{merged.name.removesuffix('-R1')}-lora"
        adapter = beside if beside.is_dir() else None
        if adapter is None:
            say(f"adapter: left out, there is no {beside}; --adapter names one")
    if adapter is not None:
        if not (adapter / "adapter_config.json").is_file():
            raise UserError(f"{adapter}: no adapter there (no adapter_config.json); check --adapter")
        rungs.append(Rung("adapter", "adapter", str(adapter)))
    if merged is not None:
        rungs.append(Rung("merged", "merged", str(merged)))
    return _runnable([*rungs, *_gguf_rungs(files)], say), record


def reference_of(rungs: Sequence[Rung]) -> Rung:
    """What quantized models are held against: the GGUF file in F16, else in BF16 or F32, else the merged model.

    Where there is none of them, the first rung is: of quantized files alone, the largest.
    """
    for kind in ("F16", "BF16", "F32"):
        for rung in rungs:
            if rung.kind == "gguf" and rung.type == kind:
                return rung
    return next((rung for rung in rungs if rung.kind == "merged"), None) or next(
        (rung for rung in rungs if rung.kind == "gguf"), rungs[0]
    )


def _check_merged(folder: Path) -> None:
    if folder.suffix == ".gguf":
        raise UserError(f"{folder}: a GGUF file is named with --gguf; --model is the merged model's folder")
    if (folder / "adapter_config.json").is_file():
        raise UserError(f"{folder}: an adapter is named with --adapter; --model is the merged model's folder")
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder}: no model there (no config.json); merge one first: sqlfocus merge")


def _gguf_files(named: Sequence[Path], merged: Path | None, say: Callable[[str], None]) -> list[Path]:
    """The GGUF files that are named, or lie in named folders, or beside the merged model; each once."""
    files: list[Path] = []
    for path in (path.expanduser() for path in named):
        found = sorted(path.glob("*.gguf")) if path.is_dir() else [path]
        if not found or not found[0].is_file():
            raise UserError(f"{path}: no GGUF file there; check --gguf")
        files += found
    if not named and merged is not None:
        beside = merged.with_name(f"{merged.name}-GGUF")
        files = sorted(beside.glob("*.gguf"))
        if not files:
            say(f"no GGUF files in {beside}; make them with `sqlfocus quantize --model {merged}`")
    return list({file.resolve(): file for file in files}.values())


def _gguf_rungs(files: Sequence[Path]) -> list[Rung]:
    """A rung a file, the largest first: called by its type where that is its alone, else by its name."""
    sized = sorted(files, key=lambda file: -file.stat().st_size)
    types = [read_gguf(file).file_type for file in sized]
    stems = Counter(file.stem for file in sized)
    names = [kind if kind and types.count(kind) == 1 else file.stem for file, kind in zip(sized, types, strict=True)]
    if twice := next((stem for stem, count in stems.items() if count > 1 and names.count(stem) > 1), None):
        raise UserError(f"two GGUF files are called {twice}; give one of them another name")
    return [Rung(name, "gguf", str(file), kind) for name, file, kind in zip(names, sized, types, strict=True)]


def _runnable(rungs: Sequence[Rung], say: Callable[[str], None]) -> list[Rung]:
    """Those for which the library is installed.

    Raises:
        UserError: there is none.
    """
    kept = list(rungs)
    for missing, ours, extra in (
        (missing_for_weights(), ("base", "adapter", "merged"), "train"),
        ("" if llamacpp.available() else "llama-cpp-python", ("gguf",), "gguf"),
    ):
        lost = [rung for rung in kept if rung.kind in ours]
        if lost and missing:
            names = ", ".join(rung.name for rung in lost)
            say(f"left out: {names}; {missing} is not installed: pip install 'sql-focus-finetune[{extra}]'")
            kept = [rung for rung in kept if rung not in lost]
    if not kept:
        raise UserError("nothing is left to compare; install what runs the models, or name others")
    return kept
