"""Questions in English, worded from the structure of the query."""

from __future__ import annotations

from dataclasses import dataclass

from sqlfocus.corpus.synthesis.groups_en import GroupsEn
from sqlfocus.corpus.synthesis.query import (
    Combined,
    Measure,
    Query,
)
from sqlfocus.corpus.synthesis.wordlist import word_set

_FIRST_WORDS = word_set(
    "What Which Who How List Show Give Find Display Return Get Count For In Tell Please Can Could When"
)


@dataclass(slots=True)
class English(GroupsEn):
    """Words any query as an English question. ``rng`` decides which wording."""

    def question(self, query: Query) -> str:
        """One question for the query.

        Raises:
            UnspeakableError: a table, column or code that the question must name has no English.
        """
        self.forget()
        text = self._question(query)
        text = " ".join(text.split())
        if self.chance(0.05):
            # As typed into a search box.
            first = text.split()[0]
            return (text[:1].lower() + text[1:] if first in _FIRST_WORDS else text).rstrip("?.")
        return text if text[:1].isupper() or self.chance(0.7) else text[:1].upper() + text[1:]

    def _question(self, query: Query) -> str:
        if isinstance(query, Combined):
            return self.combined(query)
        measures = [output for output in query.outputs if isinstance(output, Measure)]
        if query.group or query.group_path is not None:
            return self.grouped_question(query, measures)
        if measures:
            return self._number_question(query, measures)
        if query.distinct and query.shape == "distinct":
            return self.distinct(query)
        if query.shape == "lookup":
            return self.lookup(query)
        if query.limit is not None:
            return self.best(query)
        return self.listing(query)
