"""A GGUF file as a model folder that can be trained, saved and loaded quickly.

What transformers returns for a GGUF file counts as quantized (it can be neither trained nor saved), and reading one
takes 20 s for 135 M parameters, most of it the metadata. So a file is dequantized once and the folder is kept.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from sqlfocus.errors import UserError, first_line
from sqlfocus.files import atomic_folder


def cache_folder() -> Path:
    """Where fetched and dequantized models are kept: ``$SQLFOCUS_CACHE``, else ``~/.cache/sqlfocus-models``."""
    return Path(os.environ.get("SQLFOCUS_CACHE") or Path.home() / ".cache" / "sqlfocus-models")


def dequantized(path: Path, digest: str) -> Path:
    """The folder with the weights (float16) and tokenizer of the GGUF file whose SHA-256 is ``digest``.

    float16 keeps 11 bits of a value that was stored in 8 or fewer.

    Raises:
        UserError: the file is broken or of an architecture that transformers does not read, or the disk is full.
    """
    folder = cache_folder() / f"{path.stem}-{digest[:12]}"
    if folder.is_dir():
        return folder
    with _reading(path), atomic_folder(folder) as part:
        model = _read(path)
        _tokenizer(path, model.config.max_position_embeddings).save_pretrained(part)
        model.save_pretrained(part)
    return folder


def gguf_tokenizer(path: Path, digest: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a GGUF file, without its weights; it is kept as :func:`dequantized` keeps both.

    Raises:
        UserError: the file is broken, or holds no chat template.
    """
    folder = cache_folder() / f"{path.stem}-{digest[:12]}"
    if not folder.is_dir():
        folder = folder.with_name(f"{folder.name}-tokenizer")
    if not folder.is_dir():
        with _reading(path), atomic_folder(folder) as part:
            config = AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
            _tokenizer(path, config.max_position_embeddings).save_pretrained(part)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if not tokenizer.chat_template:
        raise UserError(f"{path}: the file holds no chat template; take an instruct model")
    return tokenizer


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Errors of the readers of GGUF, which are of every kind, in one line; their log is turned off."""
    logger = logging.getLogger("transformers.modeling_gguf_pytorch_utils")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path}: the GGUF file cannot be read ({first_line(error)})") from error
    finally:
        logger.setLevel(level)


def _tokenizer(path: Path, longest: int) -> PreTrainedTokenizerBase:
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    # A GGUF file does not say how long the tokenizer may go; transformers then takes 1e30.
    tokenizer.model_max_length = longest
    return tokenizer


def _read(path: Path) -> PreTrainedModel:
    """The dequantized weights in a fresh model of the same configuration.

    Where the file holds the output matrix apart from the embedding and both are the same but for rounding, the model
    had them tied, and they are tied again, to the output matrix: llama.cpp's mixes store it in more bits.
    """
    config = AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
    state = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, config=config, dtype=torch.float32
    ).state_dict()
    embedding = state["model.embed_tokens.weight"]
    output = state.get("lm_head.weight", embedding)
    if output.data_ptr() != embedding.data_ptr():
        similarity = torch.nn.functional.cosine_similarity(output[:4096].float(), embedding[:4096].float()).mean()
        config.tie_word_embeddings = bool(similarity > 0.98)
        if config.tie_word_embeddings:
            state["model.embed_tokens.weight"] = output
    config.dtype = torch.float16
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float16)
    missing = model.load_state_dict(state, strict=False).missing_keys
    if set(missing) - {"lm_head.weight"}:
        raise UserError(f"{path}: the file lacks {len(missing)} tensors, {missing[0]} the first")
    model.tie_weights()
    return model.eval()
