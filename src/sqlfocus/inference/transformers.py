"""The transformers engine: any model that transformers loads, on CPU or GPU."""

from __future__ import annotations

import functools
import hashlib
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from sqlfocus.inference.local import LocalEngine
from sqlfocus.inference.prefixes import DEFAULT_BYTES, PrefixCache, PrefixFolder
from sqlfocus.inference.scheduler import Feed
from sqlfocus.inference.tokenizer import Tokenizer
from sqlfocus.inference.transformers_tokenizer import TransformersTokenizer
from sqlfocus.models.branches import Branches
from sqlfocus.models.decoder import Decoder, PlainDecoder, can_decode
from sqlfocus.models.loading import load_model
from sqlfocus.models.prefix import NO_PREFIX, Prefix
from sqlfocus.models.record import ModelRecord

DRAFT_COSTS = {"cpu": 1 / 16, "cuda": 1 / 256}
"""What a token more costs in a pass of a few, over a pass of one."""

LONGEST_CONTEXT = 32_768
"""How many tokens a model reads whose configuration does not say."""

IDLE_TOKENS = 1024
"""Room for longer answers and questions is given back when nothing is under way."""

BLOCK = 128
"""Scores whose highest is found together."""


class TransformersNetwork:
    """A :class:`sqlfocus.inference.scheduler.Network` of a transformers model.

    Whichever thread drives changes tensors that others made, which PyTorch allows in inference mode alone.

    Attributes:
        prefixes: the prefixes' keys and values in memory.
        folder: where they are saved, if anywhere.
    """

    def __init__(
        self,
        decoder: Decoder | PlainDecoder,
        *,
        slots: int,
        prefix_bytes: int = DEFAULT_BYTES,
        folder: PrefixFolder | None = None,
    ) -> None:
        self.decoder = decoder
        self.slots = slots
        self.context = int(getattr(decoder.config, "max_position_embeddings", None) or LONGEST_CONTEXT)
        self.draft_cost = DRAFT_COSTS.get(decoder.device.type, DRAFT_COSTS["cuda"])
        self.folder = folder
        self.prefixes = PrefixCache[Prefix](prefix_bytes, size=lambda prefix: prefix.bytes)
        self._branches = Branches(slots, decoder.device)
        self._used: set[int] = set()
        self._computed = 0  # tokens of prefixes so far

    @torch.inference_mode()
    def open(self, slot: int, prefix: Sequence[int], room: int) -> int:
        """See :class:`sqlfocus.inference.scheduler.Network`."""
        before = self._computed
        kept = self.prefixes.get(prefix, functools.partial(self._prefix, prefix)) if prefix else NO_PREFIX
        self._branches.open(slot, kept)
        self._used.add(slot)
        return self._computed - before

    @torch.inference_mode()
    def leave(self, slot: int) -> None:
        """See :class:`sqlfocus.inference.scheduler.Network`."""
        self._branches.open(slot, NO_PREFIX)
        self._used.discard(slot)
        if not self._used and self._branches.room > IDLE_TOKENS:
            self._branches = Branches(self.slots, self.decoder.device)

    @torch.inference_mode()
    def cut(self, slot: int, length: int) -> None:
        """See :class:`sqlfocus.inference.scheduler.Network`."""
        self._branches.cut(slot, length)

    @torch.inference_mode()
    def forward(self, feeds: Sequence[Feed]) -> TorchScores:
        """See :class:`sqlfocus.inference.scheduler.Network`."""
        by_slot = {feed.slot: feed for feed in feeds}
        ordered = [by_slot[slot] for slot in self._branches.order(list(by_slot))]
        tokens, wanted, end = list[int](), dict[int, list[int]](), 0
        for feed in ordered:
            tokens += feed.tokens
            end += len(feed.tokens)
            wanted[feed.slot] = list(range(end - feed.wanted, end))
        positions = self._branches.begin([(feed.slot, len(feed.tokens)) for feed in ordered])
        tensor = functools.partial(torch.tensor, device=self.decoder.device, dtype=torch.long)
        places = tensor([place for feed in feeds for place in wanted[feed.slot]])
        logits = self.decoder.logits(tensor(tokens), positions, self._branches, places)
        return TorchScores(logits)

    def _prefix(self, tokens: Sequence[int]) -> Prefix:
        """The prefix of these tokens: read, where it was saved, or computed, and saved where there is a folder."""
        if self.folder is not None and (path := self.folder.find(tokens)) is not None:
            try:
                saved = load_file(path, device=str(self.decoder.device))
                return Prefix(tuple((saved[f"{layer}.k"], saved[f"{layer}.v"]) for layer in range(len(saved) // 2)))
            except (SafetensorError, KeyError, OSError):
                path.unlink(missing_ok=True)  # not whole: it is made anew
        self._computed += len(tokens)
        made = self.decoder.prefix(torch.tensor(tokens, device=self.decoder.device))
        if self.folder is not None:
            tensors = {
                f"{layer}.{kind}": tensor.contiguous()
                for layer, pair in enumerate(made.layers)
                for kind, tensor in zip("kv", pair, strict=True)
            }
            self.folder.save(tokens, functools.partial(save_file, tensors))
        return made


class TorchScores:
    """A :class:`sqlfocus.inference.search.Scores` of logits (places, V)."""

    def __init__(self, logits: torch.Tensor) -> None:
        self._logits = logits
        self.best = best(logits)

    def at(self, place: int) -> np.ndarray:
        """All scores at a place, (V,) float32."""
        scores: np.ndarray = self._logits[place].float().cpu().numpy()
        return scores


def best(logits: torch.Tensor) -> list[int]:
    """The first of the highest scores in each row of logits (places, V).

    PyTorch's argmax of bfloat16 looks at one score after the other on a CPU: 3.5 ms for 46 rows of SmolLM2's. Its amax
    looks at many at a time; with that of each block first, it is 0.5 ms.

    >>> best(torch.tensor([[0.0, 2.0, 2.0], [-1.0, -2.0, -3.0]]))
    [1, 0]
    """
    if rest := -logits.shape[1] % BLOCK:
        logits = torch.nn.functional.pad(logits, (0, rest), value=-math.inf)
    blocks = logits.unflatten(1, (-1, BLOCK))
    block = blocks.amax(dim=-1).argmax(dim=-1)
    within = blocks[torch.arange(len(blocks), device=blocks.device), block].argmax(dim=-1)
    found: list[int] = (block * BLOCK + within).tolist()
    return found


class TransformersEngine(LocalEngine):
    """A :class:`LocalEngine` of a transformers model; ``batch_size`` questions at most are decoded at a time.

    Given a model, it computes as transformers does, with what the model's weights are at the time; given a
    :class:`~sqlfocus.models.decoder.Decoder`, faster.
    """

    network: TransformersNetwork

    def __init__(
        self,
        model: PreTrainedModel | Decoder,
        tokenizer: Tokenizer,
        *,
        name: str,
        batch_size: int = 16,
        drafts: bool = True,
        folder: PrefixFolder | None = None,
    ) -> None:
        decoder = model if isinstance(model, Decoder) else PlainDecoder(model)
        network = TransformersNetwork(decoder, slots=batch_size, folder=folder)
        super().__init__(network, tokenizer, name=name, vocabulary=model.config.vocab_size, drafts=drafts)
        self.model = model


def transformers_engine(
    model: str, *, hub: str = "huggingface", batch_size: int = 16, folder: Path | None = None
) -> tuple[TransformersEngine, ModelRecord | None]:
    """An engine of a model's folder, hub name or GGUF file, and its record; prefixes are saved in ``folder``.

    Raises:
        UserError: the model is not to be had or cannot be loaded.
    """
    loaded, tokenizer, record = load_model(model, hub=hub)
    saved = None if folder is None else PrefixFolder(folder, _fingerprint(model, loaded), ending="safetensors")
    if can_decode(loaded):
        loaded = Decoder(loaded)
    else:
        sys.stderr.write(
            f"note: {model}'s layers are computed as transformers has them, more slowly: it is no plain Llama, Qwen2 "
            "or Qwen3\n"
        )
    own = TransformersTokenizer(tokenizer)
    return TransformersEngine(loaded, own, name=model, batch_size=batch_size, folder=saved), record


def _fingerprint(name: str, model: torch.nn.Module) -> str:
    """What tells a model from another, and from itself before it was trained on: a hash over a part of each weight."""
    digest = hashlib.sha256(f"{torch.__version__} {transformers.__version__}".encode())
    for key, weight in model.named_parameters():
        part = weight.detach().flatten()[:: max(1, weight.numel() // 64)].float().cpu().numpy().tobytes()
        digest.update(f"{key} {tuple(weight.shape)} {weight.dtype}".encode() + part)
    return f"{Path(name).name} {digest.hexdigest()}"
