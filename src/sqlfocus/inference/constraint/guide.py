"""The constraint at work: which token comes next, given what the model thinks of each."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

import llguidance
import llguidance.numpy
import numpy as np

from sqlfocus.inference.constraint.doubts import Doubts
from sqlfocus.inference.constraint.grammar import sql_grammar
from sqlfocus.inference.constraint.names import Names
from sqlfocus.inference.tokenizer import Tokenizer
from sqlfocus.schema.mschema import Database

_WORD = re.compile(r"\s*\w+")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\[[^\]]*\]")
FEW_TABLES = 12
"""On a database of more, no two tables are looked for together to end an answer with."""
RIVALS = 3
"""So many tokens are looked at in place of one that was taken."""
# What closes a code fence that the prompt opened, and so the answer.
_FENCE = re.compile(r"\n```\s*$")


class Vocabulary:
    """A model's tokens as llguidance needs them; made once a model (up to a second)."""

    def __init__(self, tokenizer: Tokenizer, end: int, size: int) -> None:
        self.end = end
        self.tokens: Any = tokenizer.for_constraint(size, end)
        self.size = size

    def prepare(self) -> None:
        """Make at once what would be made when it is first needed (a third of a second)."""
        _ = self.by_first_word

    @functools.cached_property
    def by_first_word(self) -> dict[str, list[int]]:
        """Tokens by the word that they go on with or, behind a space, begin with, in lower case; "" where none is."""
        found: dict[str, list[int]] = {}
        for token in range(self.size):
            first = _WORD.match(self.tokens.decode_bytes([token]).decode(errors="ignore"))
            word = first[0].lower() if first else ""
            found.setdefault(f" {word.strip()}" if word[:1].isspace() else word, []).append(token)
        return found


class Constraint:
    """The SQL that one database's schema allows, for one model; serves any number of answers."""

    def __init__(self, vocabulary: Vocabulary, database: Database) -> None:
        """Make the grammar's automaton, some 10 ms for a schema of a hundred columns.

        Raises:
            ValueError: llguidance refuses the grammar.
        """
        self.vocabulary = vocabulary
        self.names = Names(database)
        self.doubts = Doubts(database)
        self.words = self.names.words()
        grammar = llguidance.LLMatcher.grammar_from_lark(sql_grammar(database))
        # Its limits may be reached in an answer that makes no sense; :meth:`Guide.search` then finds nothing to follow.
        self.start = llguidance.LLMatcher(vocabulary.tokens, grammar, log_level=0)
        if self.start.is_error():
            raise ValueError(f"the grammar for {database.name} is refused: {self.start.get_error()}")

    def guide(self, question: str = "") -> Guide:
        """A guide for one answer to a question."""
        return Guide(self, self.doubts.named(question) if question else ())


class Guide:
    """Chooses an answer's tokens one after the other.

    Attributes:
        text: the answer so far, its end token left out.
        ended: the answer has its end token.
        stuck: no token can follow.
        cut_short: the answer was ended for the model, which would have gone on.
    """

    def __init__(self, constraint: Constraint, named: Sequence[Sequence[str]] = ()) -> None:
        """``named`` are the values that the question names (:meth:`Doubts.named`)."""
        self._constraint = constraint
        self._named = named
        self._matcher = constraint.start.deep_copy()
        self._bytes = b""
        self.stuck = self.cut_short = False
        self._tokens: list[int] = []
        self._closing = self.ended = False

    @property
    def end(self) -> int:
        """The token that ends an answer."""
        return self._constraint.vocabulary.end

    @property
    def text(self) -> str:
        return self._bytes.decode(errors="ignore")

    @property
    def in_quotes(self) -> bool:
        """Whether the answer so far ends within a string or a quoted name."""
        return _in_quotes(self.text)

    def choose(self, scores: np.ndarray) -> int:
        """The token of the highest score (V,) among those that may come next; it becomes part of the answer."""
        best = int(scores.argmax())
        return best if self.take(best) else self.search(scores)

    def take(self, token: int) -> bool:
        """Make a token part of the answer, if it may come next."""
        if self._closing and b"(" in self._constraint.vocabulary.tokens.decode_bytes([token]):
            return False
        if not self._allowed(token) or not self._may_follow(token):
            return False
        self._add(token)
        return True

    def search(self, scores: np.ndarray) -> int:
        """As :meth:`choose`, for when the best may not come next."""
        token = self._search(scores)
        self._add(token)
        return token

    def anew(self) -> Guide:
        """A guide for another answer on the same schema."""
        return Guide(self._constraint, self._named)

    def add(self, token: int) -> None:
        """Make a token part of the answer that was seen to be allowed there."""
        self._add(token)

    def doubts(self, *, whole: bool = False) -> int:
        """How much in the answer so far is hardly ever meant; of a ``whole`` one more is seen."""
        doubts = self._constraint.doubts
        if not whole:
            return doubts.in_beginning(self.text)
        sql = _FENCE.sub("", self.text)
        return len(doubts.of(sql)) + doubts.unnamed(self._named, sql)

    def rivals(self, scores: np.ndarray, token: int | None, *, least: float) -> list[int]:
        """The likeliest tokens besides ``token`` that may come next, whose scores (V,) are over ``least``."""
        likely = np.flatnonzero(scores > least)
        found: list[int] = []
        for other in likely[np.argsort(-scores[likely], kind="stable")][: RIVALS + 4]:
            if len(found) == RIVALS:
                break
            if other != token and self._allowed(int(other)) and self._may_follow(int(other)):
                found.append(int(other))
        return found

    def forced(self) -> list[int]:
        """Tokens that the grammar has come next, whatever the scores; they become part of the answer."""
        found: list[int] = []
        for token in self._matcher.compute_ff_tokens():
            if not self.take(token):
                break
            found.append(token)
        return found

    def close(self, left: int) -> list[int]:
        """What makes a whole query of the answer so far, in up to ``left`` tokens with the end token.

        For an answer that is near its limit, as where a model says the same again and again. Where no such text is
        found, none, and the answer opens parentheses no more if it can. What is found becomes part of the answer.
        """
        self._closing = True
        tokens = self._constraint.vocabulary.tokens
        for ending in self._endings():
            found = tokens.tokenize_str(ending) if ending else []
            if len(found) < left and not self._constraint.names.wrong(self.text + ending, whole=True):
                matcher = self._matcher.deep_copy()
                if matcher.try_consume_tokens(found) == len(found) and matcher.is_accepting():
                    for token in found:
                        self._add(token)
                    self.cut_short = True
                    return [*found, self._constraint.vocabulary.end]
        return []

    def rewind(self, most: int) -> list[int]:
        """An answer of up to ``most`` tokens that begins as this one and is a whole query.

        Where ``most`` has no room for any query (below 4), the beginning is ended as it is.
        """
        self.cut_short = True
        tokens = self._tokens
        longest = min(len(tokens), most - 1)
        # Ever shorter beginnings, since each takes some 10 ms to look at, and what was written late led nowhere.
        for kept in dict.fromkeys(max(0, longest - (1 << power >> 1)) for power in range(most.bit_length() + 2)):
            shorter = Guide(self._constraint)
            for token in tokens[:kept]:
                shorter._add(token)
            if ending := shorter.close(most - kept):
                return [*tokens[:kept], *ending]
        return [*tokens[: most - 1], self._constraint.vocabulary.end]

    def _endings(self) -> Iterator[str]:
        """Texts that may end the answer, the simplest first: a value, tables for the names without one, parentheses."""
        bare = _QUOTED.sub("", self.text)
        quote = re.search(r"['\"`]", bare)
        depth = max(0, bare.count("(") - bare.count(")"))
        tables = self._constraint.names.tables
        called = dict.fromkeys(re.findall(r"\b([^\W\d]\w*)\.", bare))
        sources = [*tables, *(f"{table} AS {name}" for name in called for table in tables)]
        if not bare:
            yield "SELECT 1"
        for value in (quote[0],) if quote else ("", " 1", "1", "(1)", " END", " THEN 1 END"):
            if not self._may_go_on(value):
                continue
            yield value + ")" * depth
            if bare.lstrip()[:4].lower() == "with":
                yield f"{value}{')' * depth} SELECT 1"
            for closed in range(depth + 1):
                for before in ("", " FROM", " JOIN"):
                    start = f"{value}{')' * closed}{before} "
                    if self._may_go_on(start):
                        yield from (f"{start}{source}{')' * (depth - closed)}" for source in sources)
        if len(tables) <= FEW_TABLES and self._may_go_on(" JOIN "):
            for name, another in itertools.permutations(called, 2):
                for table, other in itertools.product(tables, repeat=2):
                    yield f" JOIN {table} AS {name} JOIN {other} AS {another}{')' * depth}"

    def _may_go_on(self, text: str) -> bool:
        """Whether grammar and names take a text next."""
        tokens = self._constraint.vocabulary.tokens.tokenize_str(text) if text else []
        taken = self._matcher.validate_tokens(tokens) == len(tokens)
        return taken and not self._constraint.names.wrong(self.text + text)

    def _add(self, token: int) -> None:
        self.ended = token == self._constraint.vocabulary.end
        if token != self._constraint.vocabulary.end:
            self._matcher.consume_token(token)
            self._tokens.append(token)
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
        for choose in (lambda: first, lambda: self._known(allowed)):
            candidates = choose()
            candidates = candidates[np.argsort(-scores[candidates], kind="stable")]
            if self._closing:  # what opens a parenthesis comes last
                opening = [b"(" in self._constraint.vocabulary.tokens.decode_bytes([int(one)]) for one in candidates]
                candidates = candidates[np.argsort(opening, kind="stable")]
            for token in candidates:
                if self._may_follow(int(token)):
                    return int(token)
        self.stuck = True
        return self._constraint.vocabulary.end

    def _known(self, allowed: np.ndarray) -> np.ndarray:
        """Of the tokens that are ``allowed`` (V,) those that begin no word, or go on to one that is known.

        Known are the schema's words, SQL's, and the answer's own.
        """
        by_word = self._constraint.vocabulary.by_first_word
        text = self.text.lower()
        end = re.search(r"\w*$", text)
        begun = end[0] if end else ""
        found = set(by_word.get("", ()))
        for word in {*self._constraint.words, *re.findall(r"\w+", text)}:
            for length in range(1, len(word) + 1):
                found.update(by_word.get(f" {word[:length]}", ()))
            if word.startswith(begun):
                for length in range(len(begun) + 1, len(word) + 1):
                    found.update(by_word.get(word[len(begun) : length], ()))
        tokens = np.array(sorted(found), dtype=np.int64)
        return tokens[allowed[tokens]]

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
    return re.search(r"['\"`\[]", _QUOTED.sub("", text)) is not None
