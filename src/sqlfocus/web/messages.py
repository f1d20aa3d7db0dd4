"""What goes over the wire: the API's requests and responses, from which the OpenAPI document is made.

Fields' descriptions are the API's documentation; docs/service.md shows them in use.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Dialect = Literal["sqlite", "mysql", "postgres"]
Question = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
Cell = str | int | float | bool | None
"""A value of a row. What JSON has no form for comes as text: see :mod:`sqlfocus.web.cells`."""


class Message(BaseModel):
    """A body. A field that is not known is an error: it is a misspelt one."""

    model_config = ConfigDict(extra="forbid")


class Text2SqlRequest(Message):
    """A question, and on what."""

    question: Question = Field(description="The question, in English, Chinese or whatever the model was trained for.")
    db_schema: str | None = Field(
        None,
        max_length=1_000_000,
        description="The schema as M-Schema text or DDL, which is told by itself; not used where a database is.",
    )
    evidence: str = Field("", max_length=4_000, description="A hint that the question needs: what a word means.")
    dialect: Dialect | None = Field(
        None, description="The dialect of `db_schema`; where it is left out, DDL's is guessed and M-Schema's is SQLite."
    )
    database: str | None = Field(
        None, max_length=200, description="Which of the connected databases; the first, where it is left out."
    )
    id: str | None = Field(
        None, pattern=r"^[\w-]{8,64}$", description="A name of the caller's for this call, to stop it by."
    )


class AskRequest(Message):
    """A question to a connected database, whose answer is run."""

    question: Question = Field(description="The question, in English, Chinese or whatever the model was trained for.")
    evidence: str = Field("", max_length=4_000, description="A hint that the question needs: what a word means.")
    database: str | None = Field(
        None, max_length=200, description="Which of the connected databases; the first, where it is left out."
    )
    id: str | None = Field(
        None, pattern=r"^[\w-]{8,64}$", description="A name of the caller's for this call, to stop it by."
    )


class ExecuteRequest(Message):
    """A query to run."""

    sql: str = Field(min_length=1, max_length=20_000, description="One query in the database's dialect.")
    database: str | None = Field(
        None, max_length=200, description="Which of the connected databases; the first, where it is left out."
    )
    id: str | None = Field(
        None, pattern=r"^[\w-]{8,64}$", description="A name of the caller's for this call, to stop it by."
    )


class Attempt(Message):
    """One answer of the model, and what is wrong with it."""

    sql_query: str
    error: str = Field(description="What is wrong with it; empty where nothing is.")


class FoundValue(Message):
    """A value that the question names and the database holds."""

    table: str
    column: str
    value: str


class Timing(Message):
    """Where the time went, in milliseconds."""

    queue: float = Field(description="Waiting for a place.")
    schema_: float = Field(alias="schema", description="Reading the schema, choosing tables, looking values up.")
    model: float = Field(description="The model's, waiting for others' answers beside it included.")
    check: float = Field(description="Parsing and judging the SQL.")
    run: float = Field(description="Running it.")
    total: float


class Tokens(Message):
    """What an answer cost the model, in tokens."""

    prompt: int = Field(description="The prompt's.")
    cached: int = Field(description="Those of them that were kept from an earlier question.")
    evaluated: int = Field(description="Those that had to be computed.")
    completion: int = Field(description="Those that were written.")


class Answered(Message):
    """What the model answered."""

    sql_query: str = Field(description="The SQL; empty where the model wrote none.")
    parses: bool = Field(description="Whether it is SQL of the dialect.")
    allowed: bool = Field(description="Whether it may run: one query that reads tables of the schema, nothing else.")
    reason: str = Field(description="Why it may not; empty where it may.")
    tables: list[str] = Field(description="The tables that it reads.")
    dialect: Dialect
    database: str | None = Field(description="The connected database it is for, if it is for one.")
    model: str
    attempts: list[Attempt] = Field(
        description="All answers in their order, where the first was faulty and went back to the model."
    )
    left_out: list[str] = Field(description="Tables and columns that the model was not shown, for want of room.")
    values: list[FoundValue] = Field(description="Values of the database that the question names.")
    notes: list[str] = Field(description="What else the caller should know, a sentence each.")
    tokens: Tokens
    milliseconds: Timing


class ResultColumn(Message):
    """A column of a result; ``kind`` is what most of its values are."""

    name: str
    kind: Literal["number", "text", "time", "boolean", "binary", "empty"]


class Chart(Message):
    """A chart that suits a result: columns by their places, to be drawn by whoever shows it."""

    kind: Literal["bar", "line", "scatter"]
    x: int
    y: list[int]


class Executed(Message):
    """A query's result."""

    sql: str = Field(description="What was run: the query, written anew by the guard.")
    database: str
    columns: list[ResultColumn]
    rows: list[list[Cell]]
    truncated: bool = Field(description="Whether the rows stop at a limit.")
    milliseconds: float
    tables: list[str]
    chart: Chart | None = Field(description="A chart that suits the result, if one does.")


class Asked(Answered):
    """What the model answered, and what came of running it."""

    result: Executed | None = Field(description="Null where it was not run or failed.")
    error: str = Field(description="Why there is no result; empty where there is one.")


class ColumnInfo(Message):
    """A column of a table."""

    name: str
    type: str
    comment: str
    primary_key: bool
    examples: list[str]


class ForeignKeyInfo(Message):
    """A foreign key."""

    columns: list[str]
    referenced_table: str
    referenced_columns: list[str]
    referenced_schema: str


class TableInfo(Message):
    """A table or view."""

    name: str
    schema_: str = Field(alias="schema")
    comment: str
    columns: list[ColumnInfo]
    foreign_keys: list[ForeignKeyInfo]


class DatabaseInfo(Message):
    """A connected database."""

    name: str
    dialect: Dialect
    tables: int
    read_at: str = Field(description="When its schema was read (ISO 8601, UTC).")
    linked: bool = Field(description="Whether it is too large for the prompt, so that tables are chosen a question.")


class Databases(Message):
    """The connected databases, the default first."""

    databases: list[DatabaseInfo]


class SchemaInfo(DatabaseInfo):
    """A database's schema."""

    schema_: list[TableInfo] = Field(alias="schema")
    mschema: str = Field(description="The M-Schema text.")
    warnings: list[str] = Field(description="What could not be read, a line each.")


class Refreshed(SchemaInfo):
    """A schema, read again."""

    changed: bool = Field(description="Whether it differs from what was known.")


class Feedback(Message):
    """What a person says of an answer."""

    question: Question
    sql_query: str = Field("", max_length=20_000, description="The SQL that the model answered.")
    verdict: Literal["right", "wrong"]
    corrected_sql: str = Field("", max_length=20_000, description="The SQL that would have been right.")
    evidence: str = Field("", max_length=4_000)
    database: str | None = Field(None, max_length=200)


class Kept(Message):
    """Feedback is kept."""

    entries: int = Field(description="How many entries the review file has now.")


class Problem(BaseModel):
    """An error, as RFC 9457 has it; ``application/problem+json``."""

    type: str = Field(description="Which error: a path that docs/service.md explains.")
    title: str
    status: int
    detail: str = Field(description="What is wrong with this call and what to do.")
    errors: list[dict[str, Any]] | None = Field(None, description="Of a body that does not fit: where, and why.")
