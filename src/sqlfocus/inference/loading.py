"""From a model's name to an engine that runs it, and the prompt template that it is to be asked in."""

from __future__ import annotations

import sys
from pathlib import Path

from sqlfocus.corpus.prompt import DEFAULT_TEMPLATE, PromptTemplate, template_named
from sqlfocus.errors import UserError
from sqlfocus.inference import llamacpp
from sqlfocus.inference.engine import Engine
from sqlfocus.inference.remote import RemoteEngine
from sqlfocus.models.cache import cache_folder
from sqlfocus.models.installed import missing_for_weights
from sqlfocus.models.named import record_of
from sqlfocus.models.record import ModelRecord

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

    A fine-tuned model is asked in the template that it was trained in, a GGUF file of one too. A base model is asked in
    ``prompt_template``, ``schema-first`` unless said.

    Raises:
        UserError: the model is not to be had, what runs it is not installed, or ``prompt_template`` is not the one that
            it was trained in.
    """
    template = template_named(prompt_template or DEFAULT_TEMPLATE)
    folder = cache_folder() / "prefixes" if save_prefixes else None
    if model.startswith(("http://", "https://")):
        return RemoteEngine(model, batch_size=batch_size), template
    path = Path(model).expanduser()
    gguf = path.suffix == ".gguf"
    if gguf and not path.is_file():
        raise UserError(f"{model}: no such GGUF file")
    if engine == "llamacpp" and not gguf:
        raise UserError(f"{model}: llama.cpp runs GGUF files; --engine transformers runs this one")
    template = _template(model, record_of(model), prompt_template)
    if engine == "llamacpp" or (engine == "auto" and gguf and llamacpp.available()):
        return llamacpp.llamacpp_engine(path, batch_size=batch_size, folder=folder), template
    if missing := missing_for_weights():
        if gguf and engine == "auto":
            raise UserError(f"{model}: {llamacpp.NOT_INSTALLED}")
        raise UserError(
            f"{model}: {missing} is not installed, which runs it: pip install 'sql-focus-finetune[train]', or name a "
            "GGUF file, which llama.cpp runs"
        )
    if gguf and engine == "auto":
        sys.stderr.write(
            f"note: {model} is dequantized and run by transformers; pip install 'sql-focus-finetune[gguf]' runs it "
            "as it is, in less memory\n"
        )
    from sqlfocus.inference.transformers import transformers_engine

    made, record = transformers_engine(model, hub=hub, batch_size=batch_size, folder=folder)
    # A model on a hub has its record there.
    return made, template if record is None else _template(model, record, prompt_template)


def _template(model: str, record: ModelRecord | None, asked: str | None) -> PromptTemplate:
    """The template of a model with this record, or none.

    Raises:
        UserError: the model was trained in another than the one that is asked for.
    """
    if record is None:
        return template_named(asked or DEFAULT_TEMPLATE)
    if asked not in (None, record.prompt_template):
        raise UserError(
            f"{model}: the model was trained in the prompt template {record.prompt_template} and answers badly in "
            f"another; leave out --prompt_template {asked}"
        )
    return template_named(record.prompt_template)
