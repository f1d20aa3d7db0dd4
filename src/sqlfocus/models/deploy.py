"""What Ollama, LM Studio, llama-server and vLLM need to serve a model, and how the service is pointed at them.

Flags, ports and formats are those of each program's documentation: https://docs.ollama.com, https://lmstudio.ai/docs,
https://github.com/ggml-org/llama.cpp/tree/master/tools/server and https://docs.vllm.ai.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlfocus.errors import UserError
from sqlfocus.files import atomic_write, disk_errors
from sqlfocus.models import lmstudio
from sqlfocus.models.modelfile import modelfile
from sqlfocus.models.served import Served, ServedGguf
from sqlfocus.models.turns import turns_of

PORTS = {"ollama": 11434, "lmstudio": 1234, "llama-server": 8080, "vllm": 8000}
"""The servers, and where they listen by default."""
PARALLEL = 4
"""Questions that llama-server answers at a time, each with a context of its own."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What was written and what comes next.

    Attributes:
        written: the file.
        context: tokens of prompt and answer together.
        context_bytes: memory for one question's context; 0 where it is not known.
        commands: what starts the server, in order.
        address: the URL of its ``/v1`` with the model's name there, as :class:`sqlfocus.inference.remote.RemoteEngine`
            takes it.
        notes: what else is to be known, a line each.
    """

    written: Path
    context: int
    context_bytes: int
    commands: Sequence[str]
    address: str
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a model is to be served, where it is not to be as usual.

    Attributes:
        output: the folder to write into: the model's own, and for LM Studio its models folder, unless given.
        context: tokens of prompt and answer; what the model reads, 8192 at most, unless given.
        name: what the server is to call the model; as its file or folder, unless given.
        force: replace files that are there.
    """

    output: Path | None = None
    context: int | None = None
    name: str | None = None
    force: bool = False


def deploy(server: str, model: Served, system: str, wishes: Wishes) -> Deployment:
    """Write what ``server``, one of :data:`PORTS`, needs for ``model``: a folder for vLLM, a GGUF file for the others.

    ``system`` is the system message of the model's prompts, for whoever asks without one.

    Raises:
        UserError: the server cannot serve the model so, or the files cannot be written.
    """
    if server == "vllm":
        return _vllm(model, wishes)
    assert isinstance(model, ServedGguf)
    if server == "ollama":
        return _ollama(model, system, wishes)
    return _lmstudio(model, wishes) if server == "lmstudio" else _llama_server(model, wishes)


def _ollama(model: ServedGguf, system: str, wishes: Wishes) -> Deployment:
    path, called, tokens = model.path, model.name(wishes.name).lower(), model.context(wishes.context)
    turns = turns_of(model.chat_template, bos=model.bos, eos=model.eos)
    if model.adds_bos:  # which it is to do once
        turns = replace(turns, before={**turns.before, "system": turns.before["system"].removeprefix(model.bos)})
    ends = model.control_token(turns.after["assistant"])
    if not ends:
        raise UserError(f"{path}: its chat template ends an answer with no special token; take another instruct model")
    folder = wishes.output or path.parent
    text = modelfile(
        weights=f"./{path.name}" if _same(folder, path.parent) else str(path.resolve()),
        turns=turns,
        system=system,
        stops=list(dict.fromkeys(one for one in (ends, model.eos, model.control_token(turns.before["user"])) if one)),
        context=tokens,
        license_name=model.gguf.text("general.license"),
    )
    _write(folder / "Modelfile", text, wishes.force)
    # Ollama's /v1 names a model with its tag.
    commands = [_line(["ollama", "create", called, "-f", str(folder / "Modelfile")])]
    return _deployment("ollama", model, folder / "Modelfile", tokens, f"{called}:latest", commands, _bos_notes(model))


def _lmstudio(model: ServedGguf, wishes: Wishes) -> Deployment:
    path, called, tokens = model.path, model.name(wishes.name), model.context(wishes.context)
    notes = _bos_notes(model)
    there = lmstudio.models_folder()
    models = wishes.output or there or lmstudio.FOLDER_HERE
    parent = path.resolve().parent.name
    repository = parent if parent.endswith("-GGUF") else f"{called}-GGUF"
    written = lmstudio.place(path, models, repository=repository, force=wishes.force)
    if there is None or not _same(models, there):
        notes.append(
            f"move {models / lmstudio.PUBLISHER} into LM Studio's models folder, {there or lmstudio.USUAL_FOLDER} "
            "unless its settings name another"
        )
    key = f"{lmstudio.PUBLISHER}/{repository}/{path.name}"
    load = _line(["lms", "load", key, "--identifier", called, "--context-length", str(tokens)])
    start = _line(["lms", "server", "start", "--port", str(PORTS["lmstudio"])])
    return _deployment("lmstudio", model, written, tokens, called, [load, start], notes)


def _llama_server(model: ServedGguf, wishes: Wishes) -> Deployment:
    path, called, tokens = model.path, model.name(wishes.name), model.context(wishes.context)
    words = ["--alias", called, "--host", "127.0.0.1", "--port", str(PORTS["llama-server"])]
    words += ["--ctx-size", str(tokens * PARALLEL), "--parallel", str(PARALLEL)]
    # The model's own chat template; all that it writes is its answer, whatever the template says of thinking.
    words += ["--jinja", "--reasoning-format", "none", "--temp", "0"]
    if model.adds_bos and not model.writes_bos:
        words += ["--override-kv", "tokenizer.ggml.add_bos_token=bool:false"]
    script = (wishes.output or path.parent) / "start-llama-server.sh"
    _write_script(script, ["llama-server", "--model"], path, words, wishes.force)
    notes = [f"without the script: {_line(['llama-server', '--model', str(path), *words])}"]
    return _deployment("llama-server", model, script, tokens, called, [_line(["sh", str(script)])], notes)


def _vllm(model: Served, wishes: Wishes) -> Deployment:
    path, called, tokens = model.path, model.name(wishes.name), model.context(wishes.context)
    words = ["--served-model-name", called, "--host", "127.0.0.1", "--port", str(PORTS["vllm"])]
    words += ["--max-model-len", str(tokens), "--enable-prefix-caching"]
    # Else the model's generation_config.json applies, and with it a penalty on repeated tokens (Qwen2.5's is 1.05).
    words += ["--generation-config", "vllm"]
    script = (wishes.output or path) / "start-vllm.sh"
    _write_script(script, ["vllm", "serve"], path, words, wishes.force)
    notes = [f"without the script: {_line(['vllm', 'serve', str(path), *words])}"]
    return _deployment("vllm", model, script, tokens, called, [_line(["sh", str(script)])], notes)


def _deployment(
    server: str,
    model: Served,
    written: Path,
    context: int,
    called: str,
    commands: Sequence[str],
    notes: Sequence[str],
) -> Deployment:
    address = f"http://127.0.0.1:{PORTS[server]}/v1#{called}"
    return Deployment(written, context, context * model.bytes_a_token, commands, address, notes)


def _bos_notes(model: ServedGguf) -> list[str]:
    if not model.adds_bos or model.writes_bos:
        return []
    return [
        f"the server begins each prompt with {model.bos}, which fine-tuning did not; llama-server can be told not to"
    ]


def _write_script(script: Path, command: Sequence[str], model: Path, words: Sequence[str], force: bool) -> None:
    """A POSIX script that names the model by its place beside it, so that a folder may be moved, or absolutely."""
    if _same(script.parent, model):
        named = '"$(dirname "$0")"'
    elif _same(script.parent, model.parent):
        named = f'"$(dirname "$0")"/{shlex.quote(model.name)}'
    else:
        named = shlex.quote(str(model.resolve()))
    pairs = [f"{shlex.join(command)} {named}"]
    for word in words:
        if word.startswith("--"):
            pairs.append(word)
        else:
            pairs[-1] += f" {shlex.quote(word)}"
    text = "#!/bin/sh\n# Flags given to this script are passed on; the last one wins.\n"
    _write(script, text + "exec " + " \\\n  ".join([*pairs, '"$@"']) + "\n", force)
    mode = script.stat().st_mode
    script.chmod(mode | (mode & 0o444) >> 2)  # whoever may read it may run it


def _write(path: Path, text: str, force: bool) -> None:
    """Write a file, unless it is there and says the same.

    Raises:
        UserError: it says something else and ``force`` is false, or it cannot be written.
    """
    with disk_errors(path):
        if path.is_file() and path.read_bytes() == text.encode():
            return
        if path.exists() and not force:
            raise UserError(
                f"{path}: the file exists and says something else; name another folder with --output, or pass --force "
                "to replace it"
            )
        with atomic_write(path) as file:
            file.write(text)


def _line(words: Sequence[str]) -> str:
    """A command as this machine's shell takes it."""
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
