"""Queries as SQL text, in one style that a small model can learn.

- A query on one table names columns bare; a query with joins names every column with its whole table name. There are no
  ``T1`` and ``T2`` to be remembered, and an ON condition is the foreign key's line of the schema text, character for
  character but for the spaces. Only a table that is joined twice gets an alias, its role (``employees AS manager``).
- FROM begins with what the question is about, joins follow in the order in which their columns are met.
- Keywords are in capitals, functions in small letters, names quoted only where they must be.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from sqlfocus.corpus.synthesis.domain import Attribute, Entity, Path, Ref, end
from sqlfocus.corpus.synthesis.paths import group_is_joined, nearest, needed, paths, tests
from sqlfocus.corpus.synthesis.profile import BIG
from sqlfocus.corpus.synthesis.query import (
    AnyOf,
    Combined,
    Condition,
    Days,
    Extreme,
    Having,
    Measure,
    Output,
    Period,
    Product,
    Query,
    Related,
    Select,
    Test,
)
from sqlfocus.corpus.synthesis.quoting import literal, qualified, quoted

_OPERATORS = {
    "eq": "=",
    "ne": "!=",
    "gt": ">",
    "ge": ">=",
    "lt": "<",
    "le": "<=",
    "before": "<",
    "after": ">",
    "since": ">=",
}


def render(query: Query, dialect: str, *, cut: Collection[str] = ()) -> str:
    """The SQL of a query. Tables named in ``cut`` are replaced by their first ``BIG`` rows, for trying it out."""
    if isinstance(query, Combined):
        left, right = (render(half, dialect, cut=cut) for half in (query.left, query.right))
        return f"{left} {query.operator} {right}"
    return _Writer(query.root, dialect, cut).select(query)


@dataclass(slots=True)
class _Writer:
    """Writes one SELECT; ``names`` are what its tables are called, by the path that leads to them."""

    root: Entity
    dialect: str
    cut: Collection[str]
    names: dict[Path, str] = field(default_factory=dict)

    def select(self, query: Select) -> str:
        for path in paths(query):
            self._reach(path)
        every = "*" if len(self.names) == 1 else f"{self._name(())}.*"
        outputs = ", ".join(self._output(output) for output in query.outputs) or every
        live_root, live_joined = self._live(query)
        text = f"SELECT {'DISTINCT ' if query.distinct else ''}{outputs} FROM {self._table(self.root, ())}"
        for path in self.names:
            if path:
                text += self._join(path, outer=query.outer, extra=live_joined.get(path, "") if query.outer else "")
        texts = [self._condition(condition) for condition in query.where]
        alone = len(texts) == 1 and not live_root and not live_joined
        conditions = [
            text if alone else self._bracketed(text, condition)
            for text, condition in zip(texts, query.where, strict=True)
            if text  # that something related exists is said by the join alone
        ]
        if not query.outer:
            conditions += live_joined.values()
        if live_root:
            conditions.append(live_root)
        if conditions:
            text += f" WHERE {' AND '.join(conditions)}"
        if query.group_path is not None:
            text += f" GROUP BY {', '.join(self._group_key(query))}"
        elif query.group:
            text += f" GROUP BY {', '.join(self._output(part) for part in query.group)}"
        if query.having:
            text += f" HAVING {self._having(query.having)}"
        if query.order:
            parts = [self._output(order.by) + (" DESC" if order.descending else "") for order in query.order]
            text += f" ORDER BY {', '.join(parts)}"
        if query.limit is not None:
            text += f" LIMIT {query.limit}"
        return text

    def _reach(self, path: Path) -> None:
        """Give every table along the path a name; the first of a table has the table's own."""
        for length in range(len(path) + 1):
            prefix = path[:length]
            if prefix in self.names:
                continue
            table = end(self.root, prefix).table
            name = table
            taken = {taken.lower() for taken in self.names.values()}
            if name.lower() in taken:
                role = prefix[-1].link.role_en.replace(" ", "_").lower() if prefix[-1].forward else ""
                name = role or f"{table}_2"
                while name.lower() in taken:
                    name += "_2"
            self.names[prefix] = name

    def _table(self, entity: Entity, path: Path) -> str:
        name = self.names[path]
        table = qualified(entity.schema, entity.table, self.dialect)
        if entity.table in self.cut:
            return f"(SELECT * FROM {table} LIMIT {BIG}) AS {quoted(name, self.dialect)}"
        return table if name == entity.table else f"{table} AS {quoted(name, self.dialect)}"

    def _join(self, path: Path, *, outer: bool, extra: str) -> str:
        hop, before = path[-1], path[:-1]
        child, parent = (before, path) if hop.forward else (path, before)
        pairs = [
            f"{self._name(child)}.{quoted(column, self.dialect)} = "
            f"{self._name(parent)}.{quoted(referenced, self.dialect)}"
            for column, referenced in zip(hop.link.columns, hop.link.referenced, strict=True)
        ]
        if extra:
            pairs.append(extra)
        return f" {'LEFT ' if outer else ''}JOIN {self._table(hop.target, path)} ON {' AND '.join(pairs)}"

    def _name(self, path: Path) -> str:
        return quoted(self.names[path], self.dialect)

    def _column(self, path: Path, column: str) -> str:
        bare = quoted(column, self.dialect)
        return bare if len(self.names) == 1 else f"{self._name(path)}.{bare}"

    def _ref(self, ref: Ref, base: Path = ()) -> str:
        return self._column(*nearest((*base, *ref.path), ref.attribute.column))

    def _output(self, output: Output) -> str:
        if isinstance(output, Ref):
            return self._ref(output)
        if isinstance(output, Period):
            return self._period(self._ref(output.ref), output.unit)
        return self._measure(output)

    def _measure(self, measure: Measure) -> str:
        if measure.function == "share":
            assert measure.test is not None
            text = f"100.0 * sum(CASE WHEN {self._test(measure.test)} THEN 1 ELSE 0 END) / count(*)"
        elif measure.of is None:
            text = "count(*)"
        elif measure.function == "count_distinct":
            assert isinstance(measure.of, Ref)
            text = f"count(DISTINCT {self._ref(measure.of)})"
        else:
            text = f"{measure.function}({self._operand(measure.of)})"
        return text if measure.divisor == 1 else f"{text} / {measure.divisor}.0"

    def _operand(self, of: Ref | Product | Days) -> str:
        if isinstance(of, Ref):
            return self._ref(of)
        if isinstance(of, Product):
            return f"{self._ref(of.left)} * {self._ref(of.right)}"
        start, finish = self._ref(of.start), self._ref(of.end)
        if self.dialect == "sqlite":
            return f"julianday({finish}) - julianday({start})"
        if self.dialect == "mysql":
            return f"datediff({finish}, {start})"
        return f"date({finish}) - date({start})"

    def _period(self, column: str, unit: str) -> str:
        if self.dialect == "sqlite":
            return f"strftime('{'%Y' if unit == 'year' else '%Y-%m'}', {column})"
        if self.dialect == "mysql":
            return f"year({column})" if unit == "year" else f"date_format({column}, '%Y-%m')"
        return f"extract(year FROM {column})" if unit == "year" else f"to_char({column}, 'YYYY-MM')"

    def _condition(self, condition: Condition, base: Path = ()) -> str:
        if isinstance(condition, Test):
            return self._test(condition, base)
        if isinstance(condition, AnyOf):
            return " OR ".join(self._test(test, base) for test in condition.tests)
        if isinstance(condition, Extreme):
            link = condition.path[-1].link
            inner = _Writer(link.parent, self.dialect, self.cut, {(): link.parent.table})
            direction = " DESC" if condition.greatest else ""
            best = inner._ref(condition.ref)
            live, _ = inner._live(Select("", link.parent, ()))
            kept = [f"{best} IS NOT NULL"] if condition.ref.attribute.nulls else []
            kept += [live] if live else []
            filled = f" WHERE {' AND '.join(kept)}" if kept else ""
            return (
                f"{self._column(condition.path[:-1], link.columns[0])} = "
                f"(SELECT {inner._column((), link.referenced[0])} FROM {inner._table(link.parent, ())}{filled} "
                f"ORDER BY {best}{direction} LIMIT 1)"
            )
        if not condition.negated:
            return " AND ".join(self._test(test, condition.path) for test in condition.tests)
        return self._without(condition)

    def _without(self, condition: Related) -> str:
        first, *rest = needed(condition)
        link = first.link
        inner = Select(
            "",
            link.child,
            (),
            tuple(Test(Ref((*rest, *t.ref.path), t.ref.attribute), t.op, t.values) for t in condition.tests),
        )
        writer = _Writer(link.child, self.dialect, self.cut)
        for path in paths(inner) if inner.where else (*paths(inner), tuple(rest)):
            writer._reach(path)
        column = writer._column((), link.columns[0])
        conditions = [writer._condition(test) for test in inner.where]
        live, joined = writer._live(inner)
        conditions += joined.values()
        if live:
            conditions.append(live)
        if not link.total:
            conditions.append(f"{column} IS NOT NULL")
        text = f"SELECT {column} FROM {writer._table(link.child, ())}"
        text += "".join(writer._join(path, outer=False, extra="") for path in writer.names if path)
        if conditions:
            text += f" WHERE {' AND '.join(conditions)}"
        return f"{self._column((), link.referenced[0])} NOT IN ({text})"

    def _bracketed(self, text: str, condition: Condition) -> str:
        return f"({text})" if isinstance(condition, AnyOf) else text

    def _test(self, test: Test, base: Path = ()) -> str:
        attribute, column = test.ref.attribute, self._ref(test.ref, base)
        if test.op == "null":
            return f"{column} IS NULL"
        if test.op == "filled":
            return f"{column} IS NOT NULL"
        if test.op == "flag":
            return f"{column} = {literal(attribute.truths[0 if test.values[0] else 1], self.dialect)}"
        if test.op in ("later", "earlier"):
            other = self._ref(Ref(test.ref.path, test.values[0]), base)
            mixed = attribute.kind != test.values[0].kind
            one, two = (f"date({column})", f"date({other})") if mixed else (column, other)
            return f"{one} {'>' if test.op == 'later' else '<'} {two}"
        if test.op in ("contains", "starts", "ends"):
            before, after = "%" if test.op != "starts" else "", "%" if test.op != "ends" else ""
            pattern = literal(before + test.values[0] + after, self.dialect)
            return f"{column} {'ILIKE' if self.dialect == 'postgres' else 'LIKE'} {pattern}"
        if test.op in ("above", "below"):
            inner = _Writer(end(self.root, test.ref.path), self.dialect, self.cut, {(): attribute.table})
            source = inner._table(end(self.root, test.ref.path), ())
            average = f"SELECT avg({inner._column((), attribute.column)}) FROM {source}"
            live, _ = inner._live(Select("", inner.root, ()))
            average += f" WHERE {live}" if live else ""
            return f"{column} {'>' if test.op == 'above' else '<'} ({average})"
        if test.op == "in":
            return f"{column} IN ({', '.join(literal(value, self.dialect) for value in test.values)})"
        if attribute.dated:
            return self._dated(test, column)
        if test.op == "between":
            low, high = (literal(value, self.dialect) for value in test.values)
            return f"{column} BETWEEN {low} AND {high}"
        return f"{column} {_OPERATORS[test.op]} {literal(test.values[0], self.dialect)}"

    def _dated(self, test: Test, column: str) -> str:
        if test.op == "year":
            year = f"'{test.values[0]}'" if self.dialect == "sqlite" else str(test.values[0])
            return f"{self._period(column, 'year')} = {year}"
        if test.op == "month":
            return f"{self._period(column, 'month')} = '{test.values[0]:04d}-{test.values[1]:02d}'"
        day = f"date({column})" if test.ref.attribute.kind == "datetime" else column
        if test.op == "days":
            return f"{day} BETWEEN '{test.values[0]}' AND '{test.values[1]}'"
        return f"{day} {_OPERATORS['eq' if test.op == 'day' else test.op]} '{test.values[0]}'"

    def _having(self, having: Having) -> str:
        return f"{self._measure(having.measure)} {_OPERATORS[having.op]} {literal(having.value, self.dialect)}"

    def _group_key(self, query: Select) -> list[str]:
        path = query.group_path
        assert path is not None
        entity = end(self.root, path)
        joined = group_is_joined(query)
        keys = [self._column(*((path, a.column) if joined else nearest(path, a.column))) for a in entity.key]
        if not entity.key_declared or any(ref.path for ref in entity.label):
            # Only a declared primary key lets MySQL and PostgreSQL select what depends on it.
            for ref in entity.label:
                label = self._ref(ref, path)
                if label not in keys:
                    keys.append(label)
        return keys

    def _live(self, query: Select) -> tuple[str, dict[Path, str]]:
        """The conditions that leave out deleted rows: of the root, and of the tables that joins lead to."""
        tested: set[Attribute] = {test.ref.attribute for test in tests(query)}
        joined: dict[Path, str] = {}
        root = ""
        for path in self.names:
            entity = end(self.root, path)
            if entity.live is None or entity.live[0] in tested:
                continue
            column, value = self._column(path, entity.live[0].column), entity.live[1]
            text = f"{column} IS NULL" if value is None else f"{column} = {literal(value, self.dialect)}"
            if path:
                joined[path] = text
            else:
                root = text
        return root, joined
