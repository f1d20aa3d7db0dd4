"""Which models a ladder has: what belongs to a merged model is found beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from sqlfocus.errors import UserError
from sqlfocus.evaluation.ladder import Rung
from sqlfocus.inference import llamacpp
from sqlfocus.models.gguf_file import SOURCE_KEY, GgufFile, read_gguf
from sqlfocus.models.installed import missing_for_weights
from sqlfocus.models.newest import ADAPTERS
from sqlfocus.models.record import ModelRecord, read_record


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
        UserError: nothing is named, something named is not there, files are not of one model, or nothing is left.
    """
    if model is None and not gguf:
        raise UserError("nothing to compare; name a merged model with --model, or GGUF files with --gguf")
    if base is not None and base.startswith(("http://", "https://")):
        raise UserError(f"--base {base}: a server's; name a folder, a hub name or a GGUF file, to be measured here")
    merged = Path(model).expanduser() if model is not None else None
    if merged is not None:
        _check_merged(merged)
    files = _gguf_files(gguf, merged, say)
    read = _readable(files)
    record = _shared_record(merged, read)
    rungs: list[Rung] = []
    if with_base:
        base = base or (record.base_model if record is not None and merged is not None else None)
        if base is not None:
            rungs.append(Rung("base", "base", base))
        elif merged is not None:
            say(f"base: left out, {merged} has no record that names it; --base names one")
    if adapter is None and merged is not None:
        place = merged.resolve()
        beside = _shown(place.parent.parent / ADAPTERS / f"{place.name.removesuffix('-R1')}-lora")
        adapter = beside if beside.is_dir() else None
        if adapter is None:
            say(f"adapter: left out, there is no {beside}; --adapter names one")
    if adapter is not None:
        if not (adapter / "adapter_config.json").is_file():
            raise UserError(f"{adapter}: no adapter there (no adapter_config.json); check --adapter")
        rungs.append(Rung("adapter", "adapter", str(adapter)))
    if merged is not None:
        rungs.append(Rung("merged", "merged", str(merged)))
    rungs += _gguf_rungs(files, read)
    _check_names(rungs)
    rungs = _runnable(rungs, say)
    _check_sources(merged if any(rung.kind == "merged" for rung in rungs) else None, read)
    return rungs, record


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
        found = sorted(path.glob("*.gguf")) if path.is_dir() else [path] if path.is_file() else []
        if not found:
            raise UserError(f"{path}: no GGUF file there; check --gguf")
        files += found
    if not named and merged is not None:
        place = merged.resolve()
        beside = _shown(place.with_name(f"{place.name}-GGUF"))
        files = sorted(beside.glob("*.gguf"))
        if not files:
            say(f"no GGUF files in {beside}; make them with `sqlfocus quantize --model {merged}`")
    return list({file.resolve(): file for file in files}.values())


def _shown(path: Path) -> Path:
    """The path as people say it: from here, where it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _readable(files: Sequence[Path]) -> dict[Path, GgufFile]:
    """Their headers; a file that has none stays a rung, whose process will say what is wrong with it."""
    read = {}
    for file in files:
        with suppress(UserError):
            read[file] = read_gguf(file)
    return read


def _shared_record(merged: Path | None, read: Mapping[Path, GgufFile]) -> ModelRecord | None:
    """The record of the merged model, else of the first file that has one.

    Raises:
        UserError: the model's cannot be read, or one names another prompt template.
    """
    found = [] if merged is None else [(merged, read_record(merged))]
    for path, file in read.items():
        with suppress(UserError):  # its process will say so
            found.append((path, file.record))
    records = [(path, record) for path, record in found if record is not None]
    for path, record in records[1:]:
        place, first = records[0]
        if record.prompt_template != first.prompt_template:
            raise UserError(
                f"{place} was trained in the prompt template {first.prompt_template}, {path} in "
                f"{record.prompt_template}; only files of one model are compared"
            )
    return records[0][1] if records else None


def _gguf_rungs(files: Sequence[Path], read: Mapping[Path, GgufFile]) -> list[Rung]:
    """A rung a file, the largest first: called by its type where that is its alone, else by its name."""
    sized = sorted(files, key=lambda file: -file.stat().st_size if file.is_file() else 0)
    types = [read[file].file_type if file in read else "" for file in sized]
    names = [kind if kind and types.count(kind) == 1 else file.stem for file, kind in zip(sized, types, strict=True)]
    return [Rung(name, "gguf", str(file), kind) for name, file, kind in zip(names, sized, types, strict=True)]


def _check_names(rungs: Sequence[Rung]) -> None:
    """Refuse two whose results would have one name, in a file system that takes capitals for small letters too."""
    seen: dict[str, Rung] = {}
    for rung in rungs:
        other = seen.setdefault(rung.file_name.casefold(), rung)
        if other is not rung:
            raise UserError(
                f"{other.model} and {rung.model} would both be called {rung.name}; give a file another name"
            )


def _check_sources(merged: Path | None, read: Mapping[Path, GgufFile]) -> None:
    """Refuse files that were made from other weights than the others, or than the merged model's, if any.

    Raises:
        UserError: it names the two.
    """
    made = [(path, digest) for path, file in read.items() if (digest := file.text(SOURCE_KEY))]
    if merged is not None and made:
        from sqlfocus.models.gguf import source_digest  # needs safetensors, which came with what runs a merged model

        made.insert(0, (merged, source_digest(merged)))
    for path, digest in made[1:]:
        place, first = made[0]
        if digest != first:
            raise UserError(
                f"{path}: not made from the same weights as {place}; quantize again, or name files of one model alone"
            )


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
