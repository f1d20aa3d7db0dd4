"""From a model's name to an engine that runs it, and the prompt template that it is to be asked in."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import torch
import transformers

from sqlfocus.corpus.prompt import DEFAULT_TEMPLATE, PromptTemplate, template_named
from sqlfocus.errors import UserError
from sqlfocus.inference import llamacpp
from sqlfocus.inference.engine import Engine
from sqlfocus.inference.prefixes import PrefixFolder
from sqlfocus.inference.remote import RemoteEngine
from sqlfocus.inference.transformers import TransformersEngine
from sqlfocus.models.decoder import Decoder, can_decode
from sqlfocus.models.dequantize import cache_folder
from sqlfocus.models.loading import load_model

ENGINES = ("auto", "transformers", "llamacpp")


def load_engine(
    model: str,
    *,
    engine: str = "auto",
    prompt_template: str | None = None,
    hub: str = "huggingface",
    batch_size: int = 16,
    save_prefixes: bool = False,
) -> tuple[Engine, PromptTemplate]:
    """Load a model to answer with, and the prompt template that it is to be asked in.

    A URL is asked as a server. A GGUF file is run by llama.cpp where that is installed, else, as all others, by
    transformers; ``engine`` says otherwise. With ``save_prefixes`` what was computed of schemas is kept for the next
    start, in the cache's folder.

    A fine-tuned model is asked in the template that it was trained in. A base model is asked in ``prompt_template``,
    ``schema-first`` unless said.

    Raises:
        UserError: the model is not to be had, or ``prompt_template`` is not the one that it was trained in.
    """
    template = template_named(prompt_template or DEFAULT_TEMPLATE)
    folder = cache_folder() / "prefixes" if save_prefixes else None
    if model.startswith(("http://", "https://")):
        return RemoteEngine(model, batch_size=batch_size), template
    gguf = Path(model).suffix == ".gguf"
    if engine == "llamacpp" or (engine == "auto" and gguf and llamacpp.available()):
        if not gguf:
            raise UserError(f"{model}: llama.cpp runs GGUF files; --engine transformers runs this one")
        path = Path(model).expanduser()
        if not path.is_file():
            raise UserError(f"{model}: no such GGUF file")
        return llamacpp.llamacpp_engine(path, batch_size=batch_size, folder=folder), template
    if gguf and engine == "auto":
        sys.stderr.write(
            f"note: {model} is dequantized and run by transformers; pip install 'sql-focus-finetune[gguf]' runs it "
            "as it is, in less memory\n"
        )
    loaded, tokenizer, record = load_model(model, hub=hub)
    if record is not None and prompt_template not in (None, record.prompt_template):
        raise UserError(
            f"{model}: the model was trained in the prompt template {record.prompt_template} and answers badly in "
            f"another; leave out --prompt_template {prompt_template}"
        )
    if record is not None:
        template = template_named(record.prompt_template)
    saved = None if folder is None else PrefixFolder(folder, _fingerprint(model, loaded), ending="safetensors")
    if can_decode(loaded):
        loaded = Decoder(loaded)
    else:
        sys.stderr.write(
            f"note: {model}'s layers are computed as transformers has them, more slowly: it is no plain Llama, Qwen2 "
            "or Qwen3\n"
        )
    return TransformersEngine(loaded, tokenizer, name=model, batch_size=batch_size, folder=saved), template


def _fingerprint(name: str, model: torch.nn.Module) -> str:
    """What tells a model from another, and from itself before it was trained on: a hash over a part of each weight."""
    digest = hashlib.sha256(f"{torch.__version__} {transformers.__version__}".encode())
    for key, weight in model.named_parameters():
        part = weight.detach().flatten()[:: max(1, weight.numel() // 64)].float().cpu().numpy().tobytes()
        digest.update(f"{key} {tuple(weight.shape)} {weight.dtype}".encode() + part)
    return f"{Path(name).name} {digest.hexdigest()}"
