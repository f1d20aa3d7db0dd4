"""A GGUF file as a model folder that can be trained, saved and loaded quickly.

What transformers returns for a GGUF file counts as quantized (it can be neither trained nor saved), and reading one
takes 20 s for 135 M parameters, most of it the metadata. So a file is dequantized once and the folder is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from tokenizers.pre_tokenizers import Digits, Sequence
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from sqlfocus.errors import UserError, first_line
from sqlfocus.files import atomic_folder
from sqlfocus.models.cache import cache_folder
from sqlfocus.models.card import CARD, dequantized_card
from sqlfocus.models.gguf_file import read_gguf

FORM = 2
"""Raised when another folder is made of the same file than before."""


def dequantized(path: Path, digest: str) -> Path:
    """The folder with the weights (float16) and tokenizer of the GGUF file whose SHA-256 is ``digest``.

    float16 keeps 11 bits of a value that was stored in 8 or fewer.

    Raises:
        UserError: the file is broken or of an architecture that transformers does not read, or the disk is full.
    """
    folder = cache_folder() / f"{path.stem}-{digest[:12]}-{FORM}"
    if folder.is_dir():
        return folder
    with _reading(path), atomic_folder(folder) as part:
        model = _read(path)
        _tokenizer(path, model.config.max_position_embeddings).save_pretrained(part)
        model.save_pretrained(part)
        (part / CARD).write_text(dequantized_card(read_gguf(path), digest), encoding="utf-8")
    return folder


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
    if read_gguf(path).text("tokenizer.ggml.pre") == "smollm":
        # SmolLM's tokenizer takes digits one by one before all else. transformers leaves that out, so that a blank
        # before a digit would become another token in training than in llama.cpp.
        backend = tokenizer.backend_tokenizer
        backend.pre_tokenizer = Sequence([Digits(individual_digits=True), backend.pre_tokenizer])
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
