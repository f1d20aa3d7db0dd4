"""A model that is to be served: what its GGUF file or folder says that a server has to be told."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlfocus.errors import UserError
from sqlfocus.files import parse_json
from sqlfocus.models.chat_template import render
from sqlfocus.models.gguf_file import GgufFile, read_gguf
from sqlfocus.models.record import ModelRecord, read_record

MOST_CONTEXT = 8192
"""Tokens of context where nothing else is said, if the model reads as many.

A prompt here has 3,500 tokens of schema at most as a rule, a correction comes with the same schema, and an answer has
256. Models read 32 thousand tokens and more, but a server reserves memory for the whole context of each question.
"""
LEAST_CONTEXT = 512
_CONTROL = (3, 4)
"""Types of tokens that no text is split into: control tokens, and those that users add."""


@dataclass(frozen=True, slots=True)
class Served:
    """A model and how it is to be served.

    Attributes:
        path: the GGUF file, or the folder.
        record: how it was made.
        own_context: how many tokens it reads.
        bytes_a_token: of keys and values in 16 bits, which a server keeps for each token of context; 0 if unknown.
    """

    path: Path
    record: ModelRecord
    own_context: int
    bytes_a_token: int

    @property
    def dialect(self) -> str:
        """The first of the dialects that it was trained in."""
        return next(iter(self.record.dialects), "sqlite")

    def context(self, asked: int | None) -> int:
        """How many tokens of context to serve with.

        Raises:
            UserError: more are asked for than the model reads, or too few for a question.
        """
        most = self.own_context or asked or MOST_CONTEXT
        if asked is None:
            return min(most, MOST_CONTEXT)
        if asked > most:
            raise UserError(f"--context {asked}: {self.path.name} reads {most} tokens at most")
        if asked < LEAST_CONTEXT:
            raise UserError(f"--context {asked}: a schema and its question take more; {LEAST_CONTEXT} are the least")
        return asked

    def name(self, asked: str | None) -> str:
        """What the server is to call it: ``asked``, or the file's or folder's name in letters that servers take.

        Raises:
            UserError: the name asked for has other characters, or none is left of the file's.
        """
        stem = self.path.stem if self.path.suffix == ".gguf" else self.path.resolve().name
        name = asked if asked is not None else re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", name):
            return name
        if asked is None:
            raise UserError(
                f"{self.path}: servers take no such name (too long, or no letter of a to z); give it one with --name"
            )
        raise UserError(f"--name {asked}: letters of a to z, digits, '.', '_' and '-' make a name, 80 at most")


@dataclass(frozen=True, slots=True)
class ServedGguf(Served):
    """A GGUF file, with its chat template.

    Attributes:
        gguf: the file's header.
        chat_template: its Jinja text.
        bos: the token that begins a text; empty where there is none.
        eos: the token that ends an answer.
        writes_bos: whether the chat template begins a prompt with ``bos``, as training saw it.
        adds_bos: whether llama.cpp puts it before each prompt.
    """

    gguf: GgufFile
    chat_template: str
    bos: str
    eos: str
    writes_bos: bool
    adds_bos: bool

    def control_token(self, text: str) -> str:
        """The control token that ``text`` begins with; empty where it begins with none."""
        tokens, kinds = (self.gguf.metadata.get(f"tokenizer.ggml.{key}") or () for key in ("tokens", "token_type"))
        known = (token for token, kind in zip(tokens, kinds, strict=False) if kind in _CONTROL)
        return max((token for token in known if token and text.startswith(token)), key=len, default="")


def served_gguf(path: Path) -> ServedGguf:
    """A GGUF file that was fine-tuned here.

    Raises:
        UserError: there is no such file, it is a folder, is broken, has no record, or no chat template that takes a
            system message and a question.
    """
    if path.is_dir():
        files = ", ".join(sorted(file.name for file in path.glob("*.gguf")))
        remedy = (
            f"name one of its GGUF files: {files}"
            if files
            else f"it serves a GGUF file: {shlex.join(['sqlfocus', 'quantize', '--model', str(path)])}"
        )
        raise UserError(f"{path}: a folder; {remedy}")
    if not path.exists():
        raise UserError(f"{path}: no such GGUF file; make one with `sqlfocus quantize`")
    gguf = read_gguf(path)
    record = gguf.record
    if record is None:
        raise UserError(_NO_RECORD.format(path=path, command="sqlfocus quantize"))
    chat_template = gguf.text("tokenizer.chat_template")
    if not chat_template:
        raise UserError(f"{path}: the file has no chat template; quantize a model whose tokenizer has one")
    about, architecture = gguf.metadata, gguf.architecture
    layers, heads, shared, width = (
        about.get(f"{architecture}.{key}")
        for key in ("block_count", "attention.head_count", "attention.head_count_kv", "embedding_length")
    )
    size = about.get(f"{architecture}.attention.key_length") or _quotient(width, heads)
    adds = about.get("tokenizer.ggml.add_bos_token")
    if adds is None:  # what llama.cpp takes then
        adds = gguf.text("tokenizer.ggml.model") == "llama" or gguf.text("tokenizer.ggml.pre") == "llama-bpe"
    bos = gguf.token("bos")
    messages = [{"role": role, "content": "?"} for role in ("system", "user")]
    text = render(chat_template, messages, bos=bos, eos=gguf.end_token)
    return ServedGguf(
        *(path, record, gguf.context, _bytes_a_token(layers, shared or heads, size)),
        gguf=gguf,
        chat_template=chat_template,
        bos=bos,
        eos=gguf.end_token,
        writes_bos=bool(bos) and text.startswith(bos),
        adds_bos=bool(adds),
    )


def served_folder(path: Path) -> Served:
    """A merged model's folder.

    Raises:
        UserError: it is no such folder, an adapter's, a GGUF file, or has no record or no chat template.
    """
    if path.suffix == ".gguf" or (path.is_dir() and not (path / "config.json").is_file() and any(path.glob("*.gguf"))):
        raise UserError(
            f"{path}: vLLM serves the merged model that a GGUF file is made from: name its folder, new-model/…"
        )
    if not path.is_dir():
        raise UserError(f"{path}: no such folder; name a merged model's, new-model/…")
    if (path / "adapter_config.json").is_file():
        merge = shlex.join(["sqlfocus", "merge", "--adapter", str(path)])
        raise UserError(f"{path}: an adapter; merge it first: {merge}")
    if not (path / "config.json").is_file():
        raise UserError(f"{path}: the folder holds no model (no config.json); name a merged model's, new-model/…")
    record = read_record(path)
    if record is None:
        raise UserError(_NO_RECORD.format(path=path, command="sqlfocus merge"))
    config, tokenizer = (_json(path / name) for name in ("config.json", "tokenizer_config.json"))
    if not (path / "chat_template.jinja").is_file() and not tokenizer.get("chat_template"):
        raise UserError(f"{path}: its tokenizer has no chat template; merge an adapter of an instruct model")
    heads = config.get("num_attention_heads")
    size = config.get("head_dim") or _quotient(config.get("hidden_size"), heads)
    context = config.get("max_position_embeddings")
    needed = _bytes_a_token(config.get("num_hidden_layers"), config.get("num_key_value_heads") or heads, size)
    return Served(path, record, context if isinstance(context, int) else 0, needed)


_NO_RECORD = (
    "{path}: it was not fine-tuned here, so nothing says which prompts it answers; deploy what `{command}` makes of a "
    "fine-tuned model"
)


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); merge again") from error
    return found if isinstance(found, dict) else {}


def _quotient(whole: Any, parts: Any) -> int:
    return whole // parts if isinstance(whole, int) and isinstance(parts, int) and parts else 0


def _bytes_a_token(layers: Any, heads: Any, size: Any) -> int:
    """Keys and values of a token in 16 bits; 0 where layers differ, or something is not known."""
    return 4 * layers * heads * size if all(isinstance(one, int) for one in (layers, heads, size)) else 0
