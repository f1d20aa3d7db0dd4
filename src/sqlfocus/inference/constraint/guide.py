"""The constraint at work: which token comes next, given what the model thinks of each."""

from __future__ import annotations

import functools
import re
from bisect import bisect_left
from typing import Any

import llguidance
import llguidance.numpy
import numpy as np
from llguidance.hf import from_tokenizer
from transformers import PreTrainedTokenizerBase

from sqlfocus.inference.constraint.grammar import sql_grammar
from sqlfocus.inference.constraint.names import Names
from sqlfocus.schema.mschema import Database

_WORD = re.compile(r"\s*\w+")
# What closes a code fence that the prompt opened, and so the answer.
_FENCE = re.compile(r"\n```\s*$")


class Vocabulary:
    """A model's tokens as llguidance needs them; made once a model (a third of a second)."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, end: int, size: int) -> None:
        self.end = end
        self.tokens: Any = from_tokenizer(tokenizer, n_vocab=size, eos_token=end)
        self.size = size

    @functools.cached_property
    def first_words(self) -> list[str]:
        """Of each token that goes on with a word, or begins one behind spaces, that word in lower case; else ""."""
        texts = (self.tokens.decode_bytes([token]).decode(errors="ignore") for token in range(self.size))
        return [found[0].lower() if (found := _WORD.match(text)) else "" for text in texts]


class Constraint:
    """The SQL that one database's schema allows, for one model; serves any number of answers."""

    def __init__(self, vocabulary: Vocabulary, database: Database) -> None:
        """Make the grammar's automaton, some 10 ms for a schema of a hundred columns.

        Raises:
            ValueError: llguidance refuses the grammar.
        """
        self.vocabulary = vocabulary
        self.names = Names(database)
        self.words = self.names.words()
        grammar = llguidance.LLMatcher.grammar_from_lark(sql_grammar(database))
        self.start = llguidance.LLMatcher(vocabulary.tokens, grammar)
        if self.start.is_error():
            raise ValueError(f"the grammar for {database.name} is refused: {self.start.get_error()}")

    def guide(self) -> Guide:
        """A guide for one answer."""
        return Guide(self)


class Guide:
    """Chooses an answer's tokens one after the other.

    Attributes:
        text: the answer so far, its end token left out.
        stuck: no token could follow, and the answer was cut; it may not be valid.
    """

    def __init__(self, constraint: Constraint) -> None:
        self._constraint = constraint
        self._matcher = constraint.start.deep_copy()
        self._bytes = b""
        self.stuck = False

    @property
    def text(self) -> str:
        return self._bytes.decode(errors="ignore")

    def choose(self, scores: np.ndarray) -> int:
        """The token of the highest score (V,) among those that may come next; it becomes part of the answer."""
        best = int(scores.argmax())
        return best if self.take(best) else self.search(scores)

    def take(self, token: int) -> bool:
        """Make a token part of the answer, if it may come next."""
        if not self._allowed(token) or not self._may_follow(token):
            return False
        self._add(token)
        return True

    def search(self, scores: np.ndarray) -> int:
        """As :meth:`choose`, for when the best may not come next."""
        token = self._search(scores)
        self._add(token)
        return token

    def forced(self) -> list[int]:
        """Tokens that the grammar has come next, whatever the scores; they become part of the answer."""
        found: list[int] = []
        for token in self._matcher.compute_ff_tokens():
            if not self.take(token):
                break
            found.append(token)
        return found

    def _add(self, token: int) -> None:
        if token != self._constraint.vocabulary.end:
            self._matcher.consume_token(token)
            self._bytes += self._constraint.vocabulary.tokens.decode_bytes([token])

    def _allowed(self, token: int) -> bool:
        """Whether the grammar takes the token."""
        if token == self._constraint.vocabulary.end:
            return bool(self._matcher.is_accepting())
        return self._matcher.validate_tokens([token]) == 1

    def _search(self, scores: np.ndarray) -> int:
        """The best of the tokens that the grammar takes whose names hold."""
        mask = llguidance.numpy.allocate_token_bitmask(1, len(scores))
        llguidance.numpy.fill_next_token_bitmask(self._matcher, mask)
        allowed = np.unpackbits(mask.view(np.uint8), bitorder="little")[: len(scores)].astype(bool)
        tokens = np.flatnonzero(allowed)
        # Mostly one of the first few will do. Else only those that go on to a known word: where the grammar lets any
        # name stand, it takes most of the vocabulary, and looking at each would take seconds.
        few = min(32, len(tokens))
        first = tokens[np.argpartition(-scores[tokens], few - 1)[:few]] if few else tokens
        for candidates in (first, self._known(tokens)):
            for token in candidates[np.argsort(-scores[candidates], kind="stable")]:
                if self._may_follow(int(token)):
                    return int(token)
        self.stuck = True
        return self._constraint.vocabulary.end

    def _known(self, tokens: np.ndarray) -> np.ndarray:
        """Those of the tokens that begin no word, or go on with one that is the schema's, SQL's or the answer's."""
        text = self.text.lower()
        begun = re.search(r"\w*$", text)
        words = sorted({*self._constraint.words, *re.findall(r"\w+", text)})

        def known(token: int) -> bool:
            first = self._constraint.vocabulary.first_words[token]
            if not first:
                return True
            word = first.strip() if first[0].isspace() or begun is None else begun[0] + first
            place = bisect_left(words, word)
            return place < len(words) and words[place].startswith(word)

        return np.array([token for token in tokens.tolist() if known(token)], dtype=tokens.dtype)

    def _may_follow(self, token: int) -> bool:
        """Whether the names hold with the token at the answer's end."""
        if token == self._constraint.vocabulary.end:
            return not self._constraint.names.wrong(_FENCE.sub("", self.text), whole=True)
        more: bytes = self._constraint.vocabulary.tokens.decode_bytes([token])
        text = (self._bytes + more).decode(errors="ignore")
        fence = _FENCE.search(text)
        if fence is not None and not _in_quotes(text[: fence.start()]):
            return not self._constraint.names.wrong(text[: fence.start()], whole=True)
        return not self._constraint.names.wrong(text)


def _in_quotes(text: str) -> bool:
    """Whether a quote is open at the text's end."""
    return re.search(r"['\"`\[]", re.sub(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\[[^\]]*\]", "", text)) is not None
