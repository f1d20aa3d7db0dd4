"""The llama.cpp engine: quantized GGUF files, on CPU or GPU, through llama-cpp-python's bindings.

Branches and prefixes are llama.cpp's sequences in one memory of a fixed number of tokens: a branch begins as a copy of
its prefix's sequence, which copies no data, and all branches are decoded in one batch. A prefix that has to leave that
memory for another is kept as a saved state, a sixth of the time of computing it anew or less.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sqlfocus.errors import UserError
from sqlfocus.files import sha256
from sqlfocus.inference.llamacpp_tokenizer import LlamaCppTokenizer
from sqlfocus.inference.local import LocalEngine
from sqlfocus.inference.prefixes import DEFAULT_BYTES, PrefixCache, PrefixFolder
from sqlfocus.inference.scheduler import Feed, NoRoom
from sqlfocus.inference.threads import threads
from sqlfocus.models.gguf_file import read_gguf

CONTEXT = 16384
"""Tokens of prefixes and branches together that are held at a time, unless told."""
PREFIXES_HELD = 32
"""How many prefixes at most are in the context at a time."""
PASS_TOKENS = 2048
"""Tokens of a pass at most; longer ones are split."""
DRAFT_COST = 1 / 8
"""What a token more costs in a pass of a few, over a pass of one, on a CPU."""
NOT_INSTALLED = "a GGUF file is run by llama-cpp-python: pip install 'sql-focus-finetune[gguf]'"


def available() -> bool:
    """Whether llama-cpp-python is installed."""
    return importlib.util.find_spec("llama_cpp") is not None


@dataclass(eq=False, slots=True)
class _Held:
    """A prefix in the context: its sequence, how many tokens, and how many branches stand behind it."""

    sequence: int
    length: int
    branches: int = 0


class LlamaCppNetwork:
    """A :class:`sqlfocus.inference.scheduler.Network` of a GGUF file.

    Attributes:
        prefixes: the saved states in memory.
        folder: where they are saved for the next start, if anywhere.
        on_gpu: whether the model's layers lie on a GPU.
        vocabulary: how many tokens the model knows.
        vocabulary_handle: llama.cpp's own of them, good until :meth:`close`.
    """

    def __init__(
        self,
        path: Path,
        *,
        slots: int,
        context: int = CONTEXT,
        prefix_bytes: int = DEFAULT_BYTES,
        folder: PrefixFolder | None = None,
    ) -> None:
        """Load the file.

        Raises:
            UserError: llama.cpp cannot load it.
        """
        import llama_cpp

        self._library: Any = llama_cpp
        self.slots = slots
        self.draft_cost = DRAFT_COST
        self.folder = folder
        self.prefixes = PrefixCache[bytes](prefix_bytes, size=len)
        _quiet(llama_cpp)
        llama_cpp.llama_backend_init()
        model = llama_cpp.llama_model_default_params()
        self.on_gpu = bool(llama_cpp.llama_supports_gpu_offload())
        model.n_gpu_layers = 999 if self.on_gpu else 0
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), model)
        if not self._model:
            raise UserError(f"{path}: llama.cpp cannot load this file; it may be broken, or of an unknown architecture")
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx = context
        settings.n_batch = PASS_TOKENS
        settings.n_seq_max = slots + PREFIXES_HELD
        settings.kv_unified = True  # so that branches share their prefix's cells
        settings.n_threads = settings.n_threads_batch = threads()
        settings.no_perf = True
        if not self.on_gpu:
            # On a CPU the kernel for flash attention takes each token by itself: 16 tokens behind 700 took 73 ms in
            # place of 36 (SmolLM2 in Q4_0).
            settings.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self._context = llama_cpp.llama_init_from_model(self._model, settings)
        if not self._context:
            raise UserError(f"{path}: there is no memory for a context of {context} tokens")
        self._cells = context
        self.context = min(context, int(llama_cpp.llama_model_n_ctx_train(self._model)))
        self._memory = llama_cpp.llama_get_memory(self._context)
        self.vocabulary_handle: Any = llama_cpp.llama_model_get_vocab(self._model)
        self.vocabulary = int(llama_cpp.llama_vocab_n_tokens(self.vocabulary_handle))
        self._batch = llama_cpp.llama_batch_init(PASS_TOKENS, 0, 1)
        self._held: dict[tuple[int, ...], _Held] = {}  # the least recently used first
        self._free = list(range(slots, slots + PREFIXES_HELD))
        self._behind: list[_Held | None] = [None] * slots
        self._own, self._room = [0] * slots, [0] * slots
        self._computed = 0  # tokens of prefixes so far

    def close(self) -> None:
        """Free the model and its memory."""
        if self._context:
            self._library.llama_batch_free(self._batch)
            self._library.llama_free(self._context)
            self._library.llama_model_free(self._model)
            self._context = self._model = None

    def forget(self) -> None:
        """Let all prefixes go that no branch stands behind, saved states too; files stay."""
        self.forget_held()
        self.prefixes.clear()

    def forget_held(self) -> None:
        """Let all prefixes in the context go that no branch stands behind; their saved states stay."""
        for tokens in [tokens for tokens, held in self._held.items() if not held.branches]:
            self._release(self._held.pop(tokens))

    def open(self, slot: int, prefix: Sequence[int], room: int) -> int:
        """See :class:`sqlfocus.inference.scheduler.Network`."""
        before = self._computed
        self.leave(slot)
        held = self._hold(tuple(prefix), room) if prefix else None
        if held is None:
            self._make_room(room)
        self._room[slot] = room
        self._behind[slot] = held
        if held is not None:
            held.branches += 1
            self._library.llama_memory_seq_cp(self._memory, held.sequence, slot, 0, held.length)
        return self._computed - before

    def leave(self, slot: int) -> None:
        """See :class:`sqlfocus.inference.scheduler.Network`."""
        self._library.llama_memory_seq_rm(self._memory, slot, -1, -1)
        self._own[slot] = self._room[slot] = 0
        if (held := self._behind[slot]) is not None:
            held.branches -= 1
            self._behind[slot] = None

    def _hold(self, tokens: tuple[int, ...], room: int) -> _Held:
        """The prefix in the context, with ``room`` tokens to go on: there already, read, or computed."""
        if tokens in self._held:
            self._held[tokens] = held = self._held.pop(tokens)
            held.branches += 1  # so that it does not go to make room for its own branch
            try:
                self._make_room(room)
            finally:
                held.branches -= 1
            self.prefixes.hits += 1
            return held
        self._make_room(len(tokens) + room)
        held = _Held(self._free.pop(), len(tokens))
        try:
            state = self.prefixes.get(tokens, functools.partial(self._state, tokens, held.sequence))
            if self._library.llama_memory_seq_pos_max(self._memory, held.sequence) != len(tokens) - 1:
                self._restore(state, held.sequence)
        except BaseException:
            self._release(held)
            raise
        self._held[tokens] = held
        return held

    def _release(self, held: _Held) -> None:
        self._library.llama_memory_seq_rm(self._memory, held.sequence, -1, -1)
        self._free.append(held.sequence)

    def _make_room(self, length: int) -> None:
        """Let prefixes that no branch stands behind go until ``length`` tokens more have room.

        Raises:
            NoRoom: there is not enough, as long as the branches under way are.
        """
        while not self._free or self._used() + length > self._cells:
            idle = next((tokens for tokens, held in self._held.items() if not held.branches), None)
            if idle is None:
                raise NoRoom(f"{length} tokens more have no room in a context of {self._cells}")
            self._release(self._held.pop(idle))

    def _used(self) -> int:
        return sum(held.length for held in self._held.values()) + sum(self._room)

    def _state(self, tokens: tuple[int, ...], sequence: int) -> bytes:
        """The state of a prefix, read from the folder or computed into ``sequence``, and then saved."""
        if self.folder is not None and (path := self.folder.find(tokens)) is not None:
            state = path.read_bytes()
            if self._restore(state, sequence):
                return state
            path.unlink(missing_ok=True)  # not whole: it is made anew
        self._computed += len(tokens)
        self._decode([(sequence, place, token, False) for place, token in enumerate(tokens)])
        size = self._library.llama_state_seq_get_size(self._context, sequence)
        buffer = (ctypes.c_uint8 * size)()
        self._library.llama_state_seq_get_data(self._context, buffer, size, sequence)
        state = bytes(buffer)
        if self.folder is not None:
            self.folder.save(tokens, lambda path: path.write_bytes(state))
        return state

    def _restore(self, state: bytes, sequence: int) -> bool:
        buffer = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        return bool(self._library.llama_state_seq_set_data(self._context, buffer, len(state), sequence))

    def cut(self, slot: int, length: int) -> None:
        """See :class:`sqlfocus.inference.scheduler.Network`."""
        if length < self._own[slot]:
            self._library.llama_memory_seq_rm(self._memory, slot, self._begin(slot) + length, -1)
            self._own[slot] = length

    def _begin(self, slot: int) -> int:
        """The position of a branch's own first token."""
        held = self._behind[slot]
        return 0 if held is None else held.length

    def forward(self, feeds: Sequence[Feed]) -> ArrayScores:
        """See :class:`sqlfocus.inference.scheduler.Network`."""
        entries = []
        for feed in feeds:
            start = self._begin(feed.slot) + self._own[feed.slot]
            silent = len(feed.tokens) - feed.wanted
            entries += [(feed.slot, start + place, token, place >= silent) for place, token in enumerate(feed.tokens)]
            self._own[feed.slot] += len(feed.tokens)
        found = self._decode(entries)
        return ArrayScores(np.concatenate(found) if found else np.empty((0, self.vocabulary), np.float32))

    def _decode(self, entries: Sequence[tuple[int, int, int, bool]]) -> list[np.ndarray]:
        """Run tokens, each with its sequence, position, and whether its scores are wanted; those (1, V) in order."""
        found = []
        for begin in range(0, len(entries), PASS_TOKENS):
            part = entries[begin : begin + PASS_TOKENS]
            batch = self._batch
            batch.n_tokens = len(part)
            for place, (sequence, position, token, wanted) in enumerate(part):
                batch.token[place] = token
                batch.pos[place] = position
                batch.n_seq_id[place] = 1
                batch.seq_id[place][0] = sequence
                batch.logits[place] = wanted
            if status := self._library.llama_decode(self._context, batch):
                raise UserError(f"llama.cpp failed on a pass of {len(part)} tokens (status {status})")
            for place, (*_, wanted) in enumerate(part):
                if wanted:
                    scores = self._library.llama_get_logits_ith(self._context, place)
                    found.append(np.ctypeslib.as_array(scores, (self.vocabulary,))[None].copy())
        return found


class ArrayScores:
    """A :class:`sqlfocus.inference.search.Scores` of an array (places, V)."""

    def __init__(self, scores: np.ndarray) -> None:
        self._scores = scores
        self.best: list[int] = scores.argmax(axis=-1).tolist()

    def at(self, place: int) -> np.ndarray:
        """All scores at a place, (V,) float32."""
        row: np.ndarray = self._scores[place]
        return row


def llamacpp_engine(
    path: Path, *, batch_size: int = 16, context: int = CONTEXT, drafts: bool = True, folder: Path | None = None
) -> LocalEngine:
    """An engine of a GGUF file; prefixes are saved in ``folder`` for the next start.

    Raises:
        UserError: llama-cpp-python is not installed, or the file cannot be loaded or holds no chat template.
    """
    if not available():
        raise UserError(f"{path}: {NOT_INSTALLED}")
    file = read_gguf(path)
    saved = None if folder is None else PrefixFolder(folder, f"llama.cpp {sha256(path)}", ending="state")
    network = LlamaCppNetwork(path, slots=batch_size, context=context, folder=saved)
    try:
        tokenizer = LlamaCppTokenizer(network.vocabulary_handle, file)
        return LocalEngine(network, tokenizer, name=path.name, vocabulary=network.vocabulary, drafts=drafts)
    except UserError:
        network.close()
        raise


@functools.cache
def _quiet(library: Any) -> Any:
    """Turn off llama.cpp's log, which goes to stderr; returns the callback, which has to outlive it."""

    @library.llama_log_callback
    def silent(level: int, text: bytes, user_data: Any) -> None:
        pass

    library.llama_log_set(silent, ctypes.c_void_p(0))
    return silent
