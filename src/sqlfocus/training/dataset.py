"""From a training file to token ids, and what was left out on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from sqlfocus.corpus.example import Example
from sqlfocus.corpus.prompt import Prompt, PromptTemplate
from sqlfocus.corpus.readers import Conversation, read_training_rows
from sqlfocus.errors import UserError
from sqlfocus.inference.chat import end_token, prompt_ids
from sqlfocus.inference.transformers_tokenizer import TransformersTokenizer
from sqlfocus.schema.folder import read_schema
from sqlfocus.schema.parse import parse_mschema
from sqlfocus.training.packing import TokenizedExample


@dataclass(frozen=True, slots=True)
class Dataset:
    """Tokenized examples and the rows they came from, in the file's order.

    ``too_long`` counts, for each database, the examples that have more tokens than allowed; they are not in
    ``examples``. ``schemas`` are the schema texts of the databases that rows name.
    """

    examples: list[TokenizedExample]
    rows: list[Example | Conversation]
    too_long: Counter[str]
    longest: int
    schemas: dict[str, str]

    @property
    def max_values(self) -> int | None:
        """How many sample values a column has at most in the schema texts, None where no row names a database."""
        return _max_values(self.schemas.values())


def load_dataset(
    path: Path,
    tokenizer: PreTrainedTokenizerBase,
    template: PromptTemplate,
    *,
    schema_dir: Path | None,
    max_length: int,
) -> Dataset:
    """Read a training file in any of the accepted forms and tokenize it.

    An example longer than ``max_length`` tokens is left out whole: cutting it would take away its SQL or its end.

    Raises:
        UserError: the file or a schema text is missing or malformed, or no example fits.
    """
    rows = read_training_rows(path)
    folder = schema_dir or path.parent / "schemas"
    schemas = {
        db_id: read_schema(folder, db_id)
        for db_id in dict.fromkeys(row.db_id for row in rows if isinstance(row, Example))
    }
    dataset = Dataset([], [], Counter(), 0, schemas)
    longest = 0
    for row, example in zip(rows, tokenized(rows, tokenizer, template, schemas), strict=True):
        longest = max(longest, len(example))
        if len(example) > max_length:
            dataset.too_long[row.db_id if isinstance(row, Example) else "conversations"] += 1
        else:
            dataset.examples.append(example)
            dataset.rows.append(row)
    if not dataset.examples:
        raise UserError(
            f"{path}: none of its {len(rows)} examples fits in {max_length} tokens (the shortest schema is too long); "
            f"raise --max_seq_length to {longest}"
        )
    return Dataset(dataset.examples, dataset.rows, dataset.too_long, longest, schemas)


def tokenized(
    rows: Iterable[Example | Conversation],
    tokenizer: PreTrainedTokenizerBase,
    template: PromptTemplate,
    schemas: Mapping[str, str],
) -> Iterator[TokenizedExample]:
    """The rows' token ids, in their order; ``schemas`` are the databases' schema texts by name."""
    own = TransformersTokenizer(tokenizer)
    end = end_token(own)
    for row in rows:
        if isinstance(row, Example):
            prompt = template.prompt(
                schema=schemas[row.db_id], question=row.question, evidence=row.evidence, dialect=row.dialect
            )
            answer, wrong = template.answer(row.sql), template.answer(row.rejected) if row.rejected else ""
        else:
            prompt, answer, wrong = Prompt(row.system, row.user), row.assistant, ""
        yield TokenizedExample(
            prompt_ids(own, prompt), [*own.ids(answer), end], [*own.ids(wrong), end] if wrong else []
        )


def _max_values(schemas: Iterable[str]) -> int | None:
    """The most sample values that a column has in the texts; a text of the user's own that is no M-Schema has none."""
    counts: list[int] = []
    for schema in schemas:
        with suppress(UserError):
            counts += [len(column.examples) for table in parse_mschema(schema).tables for column in table.columns]
    return max(counts, default=None)


def dialects(rows: Sequence[Example | Conversation]) -> list[str]:
    """The dialects of the rows, sorted; conversations do not say theirs."""
    return sorted({row.dialect for row in rows if isinstance(row, Example)})
