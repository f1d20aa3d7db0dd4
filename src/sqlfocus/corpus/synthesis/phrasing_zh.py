"""Questions in Chinese, worded from the structure of the query."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlfocus.corpus.synthesis.domain import Attribute, Entity, Ref, end
from sqlfocus.corpus.synthesis.query import (
    Combined,
    Days,
    Having,
    Measure,
    Period,
    Product,
    Query,
    Select,
    Test,
)
from sqlfocus.corpus.synthesis.rows_zh import RowsZh
from sqlfocus.corpus.synthesis.words_zh import COMPARE_ZH, COUNTED_ZH, UNITS_ZH

_COMPUTE = ("{}是多少？", "计算{}。", "{}是多少？", "请问{}是多少？", "求{}。", "统计{}。", "{}")


@dataclass(slots=True)
class Chinese(RowsZh):
    """Words any query as a Chinese question; where a name has no Chinese, its English stands in the sentence."""

    def question(self, query: Query) -> str:
        """One question for the query.

        Raises:
            UnspeakableError: a table or column that the question must name has no name at all.
        """
        self.forget()
        text = self._question(query).replace("的的", "的").replace("的之", "的")
        if self.chance(0.35):
            text = re.sub(r"(?<=[\u3400-\u9fff])(?=[A-Za-z])|(?<=[A-Za-z])(?=[\u3400-\u9fff])", " ", text)
        return text

    def _question(self, query: Query) -> str:
        if isinstance(query, Combined):
            return self.combined(query)
        measures = [output for output in query.outputs if isinstance(output, Measure)]
        if query.group or query.group_path is not None:
            return self._grouped_question(query, measures)
        if measures:
            return self._number_question(query, measures)
        if query.shape == "lookup":
            return self.lookup(query)
        if query.limit is not None:
            return self.best(query)
        return self.listing(query)

    def _number_question(self, query: Select, measures: Sequence[Measure]) -> str:
        root, measure = query.root, measures[0]
        phrase = self.phrase(root, query.where)
        if measure.function == "share":
            assert measure.test is not None
            predicate = self.clause(measure.test, root)
            return self.pick(
                f"{predicate}的{self.noun(root)}占全部{self.noun(root)}的百分之多少？",
                f"{predicate}的{self.noun(root)}所占的百分比是多少？",
                f"计算{predicate}的{self.noun(root)}的百分比。",
            )
        if measure.of is None or (
            measure.function == "count_distinct" and isinstance(measure.of, Ref) and measure.of.attribute in root.key
        ):
            counter = self.counter(root)
            return self.pick(
                f"{self.pick('', '一共', '总共')}有多少{self.pick(counter, '')}{phrase}？",
                f"{phrase}{self.pick('一共', '总共', '')}有{self.pick('多少', '几')}{counter}？",
                f"统计{phrase}的{self.pick(self.count_word(root), '总数')}。",
                f"{phrase}的{self.count_word(root)}是多少？",
                f"{phrase}{self.pick(self.count_word(root), '总数')}",
                f"请问有多少{counter}{phrase}？",
                f"有多少{counter}{self.noun(root)}{self.none(query.where) or self.predicate(root, query.where)}？"
                if query.where
                else "",
            )
        if measure.function == "count_distinct":
            assert isinstance(measure.of, Ref)
            name = self.attr(measure.of.attribute)
            return self.pick(
                f"{phrase}有多少{self.pick('种', '个')}不同的{name}？",
                f"统计{phrase}中不同{name}的数量。",
                f"{phrase}一共涉及多少个不同的{name}？",
            )
        if isinstance(measure.of, Days):
            return self._days(measure, phrase)
        if len(measures) > 1 and isinstance(measure.of, Ref):
            names = self.joined_names([self.function(m, measure.of.attribute) for m in measures])
            return self.pick("{}分别是多少？", "计算{}。", "查询{}。").format(f"{phrase}的{names}")
        return self.pick(*_COMPUTE).format(
            self.pick("", "所有" if not query.where else "")
            + f"{phrase}的{self.measure_name(measure)}{self._unit(measure)}"
        )

    @staticmethod
    def count_word(entity: Entity) -> str:
        """数量, unless the entity has a quantity of its own that this could mean."""
        own = any(name.endswith("数量") for attribute in entity.attributes for name in attribute.chinese)
        return "记录数" if own else "数量"

    def _days(self, measure: Measure, phrase: str, each: str = "") -> str:
        assert isinstance(measure.of, Days)
        start, finish = self.attr(measure.of.start.attribute), self.attr(measure.of.end.attribute)
        kind = {"avg": "平均", "max": "最多", "min": "最少"}[measure.function]
        return self.pick(
            f"{each}{phrase}从{start}到{finish}{kind}{self.pick('相隔', '间隔', '')}多少天？",
            f"计算{each}{phrase}的{start}与{finish}之间{kind}相差的天数。",
        )

    def function(self, measure: Measure, attribute: Attribute) -> str:
        name = self.attr(attribute)
        if attribute.dated:
            return f"{'最晚' if measure.function == 'max' else '最早'}的{name}"
        if measure.function == "avg":
            return (
                self.pick(f"平均{name}", f"平均{name}", f"{name}平均值")
                if not name.startswith("平均")
                else f"{name}的平均值"
            )
        if measure.function == "sum":
            return self.pick(f"总{name}" if not name.startswith("总") else f"{name}之和", f"{name}总和", f"{name}合计")
        return (
            self.pick(f"最高{name}", f"最大{name}", f"{name}最大值")
            if measure.function == "max"
            else self.pick(f"最低{name}", f"最小{name}", f"{name}最小值")
        )

    def measure_name(self, measure: Measure) -> str:
        if isinstance(measure.of, Product):
            left, right = self.attr(measure.of.left.attribute), self.attr(measure.of.right.attribute)
            return self.pick(f"{left}乘以{right}的总和", f"总额（{left}×{right}）", f"{left}与{right}乘积之和")
        assert isinstance(measure.of, Ref)
        return self.function(measure, measure.of.attribute)

    def _unit(self, measure: Measure) -> str:
        return (
            ""
            if measure.divisor == 1
            else f"（以{UNITS_ZH[measure.unit] if measure.unit != 'dollar' or self._dollars(measure) else '元'}为单位）"
        )

    @staticmethod
    def _dollars(measure: Measure) -> bool:
        of = measure.of.right if isinstance(measure.of, Product) else measure.of
        return isinstance(of, Ref) and of.attribute.currency == "dollar"

    def _grouped_question(self, query: Select, measures: Sequence[Measure]) -> str:
        measure = measures[-1] if measures else query.having.measure if query.having else None
        if measure is None:
            by = query.order[0].by
            assert isinstance(by, Measure)
            measure = by
        root, shown = query.root, bool(measures)
        if query.outer:
            assert isinstance(measure.of, Ref)
            kids, noun = self.noun(measure.of.path[-1].target), self.noun(root)
            label = self.names([ref.attribute for ref in root.label])
            return self.pick(
                f"列出每{self.counter(root)}{noun}的{label}和{kids}数量，包括没有{kids}的{noun}。",
                f"每{self.counter(root)}{noun}各有多少{kids}？没有{kids}的也要算上。",
                f"统计所有{noun}的{kids}数量，没有{kids}的{noun}也要列出。",
            )
        first = query.group[0] if query.group else None
        if isinstance(first, Period):
            return self._period(query, first, measure)
        group = self._group_name(query)
        phrase = self.phrase(root, query.where)
        counter = self._group_counter(query)
        if root.tie and not query.having and (said := self._ties_counted(query, group, counter, shown=shown)):
            return said
        if measure.function == "share":
            assert measure.test is not None
            return self.pick(
                f"每个{group}中，{self.clause(measure.test, root)}的{self.noun(root)}占百分之多少？",
                f"按{group}统计{self.clause(measure.test, root)}的{self.noun(root)}所占的百分比。",
            )
        if isinstance(measure.of, Days):
            return self._days(measure, phrase, f"每个{group}的")
        amount = (
            f"{phrase}{self.count_word(root)}"
            if measure.of is None
            else f"{phrase}的{self.measure_name(measure)}{self._unit(measure)}"
        )
        if query.having:
            return self._having(query, query.having, group, phrase, amount, shown)
        if query.limit is not None:
            return self._most(query, measure, group, counter, phrase, amount, shown)
        order = f"，{self.order(query.order, root)}" if query.order else ""
        then = f"{order[1:]}。" if order else ""
        of_entity = query.group_path is not None
        label = self.names([ref.attribute for ref in end(root, query.group_path).label]) if query.group_path else ""
        return self.pick(
            f"每{counter}{group}的{amount}是多少？" if not order else "",
            f"统计每{counter}{group}的{amount}{order}。",
            f"按{group}统计{amount}{order}。",
            f"各{group}的{amount}{order}",
            f"每{counter}{group}{self.pick('', '各')}有多少{phrase}？" if measure.of is None and not order else "",
            f"各{group}{self.pick('各', '分别')}有{self.pick('多少', '几' + self.counter(root))}{phrase}？{then}"
            if measure.of is None
            else f"各{group}的{amount}分别是多少？{then}",
            f"列出每{counter}{group}的{label}和{amount}{order}。"
            if of_entity
            else f"列出每{counter}{group}及其{amount}{order}。",
        )

    def _ties_counted(self, query: Select, group: str, counter: str, *, shown: bool) -> str:
        """How many things people are tied to, or people a thing, with a verb; at times nothing."""
        root, tied = end(query.root, query.group_path or ()), query.root
        person = root.person
        verb = self.tie_verb(root, tied, tied) if person else self.tie_verb(tied, tied, root)
        if not verb or query.told or self.chance(0.5):
            return ""
        noun, own = self.noun(tied), self.counter(tied)
        if query.limit == 1 and not shown:
            most = "最多" if query.order[0].descending else "最少"
            who = "谁" if person else f"哪{counter}"
            return self.pick(f"{verb}的{noun}{most}的{group}是{who}？", f"哪{counter}{group}{verb}的{noun}{most}？")
        if query.limit is not None or query.order:
            return ""
        if person:
            return self.pick(f"每{counter}{group}{verb}了多少{own}{noun}？", f"各{group}分别{verb}了几{own}{noun}？")
        return self.pick(f"每{counter}{group}有多少{own}{noun}{verb}？", f"统计{verb}每{counter}{group}的{noun}数量。")

    def _group_counter(self, query: Select) -> str:
        return self.counter(end(query.root, query.group_path)) if query.group_path is not None else "个"

    def _group_name(self, query: Select) -> str:
        if query.group_path is not None:
            return self.role(query.group_path[-1].link) if query.group_path else self.noun(query.root)
        ref = query.group[0]
        assert isinstance(ref, Ref)
        name = self.attr(ref.attribute)
        if not ref.path:
            return (
                f"{self.noun(query.root)}{name}"
                if name in ("名称", "类型", "状态", "类别", "等级") and self.chance(0.5)
                else name
            )
        role = self.role(ref.path[-1].link)
        return name if name.startswith(role) else f"{role}{name}"

    def _most(
        self, query: Select, measure: Measure, group: str, counter: str, phrase: str, amount: str, shown: bool
    ) -> str:
        descending, limit = query.order[0].descending, query.limit or 1
        if measure.of is None:
            most = self.pick(
                f"{phrase}{'最多' if descending else '最少'}" if self.count_word(query.root) == "数量" else "",
                f"{phrase}{self.count_word(query.root)}{'最多' if descending else '最少'}",
            )
        else:
            most = f"{amount}{'最高' if descending else '最低'}"
        plus = self.pick("，并给出对应的数值", "，同时显示该数值") if shown else ""
        if shown and measure.of is None:
            plus = self.pick(
                plus, f"，{'各' if limit > 1 else ''}有{self.pick('多少', '几' + self.counter(query.root))}"
            )
        # A question asks how many there are, a request has it given.
        given = "，并给出数量" if "有" in plus else plus
        number = self.count(limit)
        if query.told:
            told = self.names(query.told)
            which = group if limit == 1 else f"前{number}{counter}{group}"
            return self.pick(
                f"{most}的{which}的{told}是什么{plus}？",
                f"列出{most}的{which}的{told}{given}。",
                f"查询{most}的{which}的{told}{given}。",
                f"{most}的是哪{'些' if limit > 1 else counter}{group}？{self.pick('给出', '列出', '要')}{told}{plus}。"
                if "有" not in plus
                else "",
            )
        if limit == 1:
            return self.pick(
                f"哪{counter}{group}的{most}{plus}？",
                f"{most}的{group}是{'谁' if self._is_person(query) else '哪' + counter}{plus}？",
                f"{most}的是哪{counter}{group}{plus}？",
                f"找出{most}的{group}{given}。",
            )
        return self.pick(
            f"{most}的{number}{counter}{group}是哪些{plus}？",
            f"列出{most}的前{number}{counter}{group}{given}。",
            f"哪{number}{counter}{group}的{most}{plus}？",
        )

    def _is_person(self, query: Select) -> bool:
        return query.group_path is not None and end(query.root, query.group_path).person

    def _having(self, query: Select, having: Having, group: str, phrase: str, amount: str, shown: bool) -> str:
        measure = having.measure
        attribute = measure.of.attribute if isinstance(measure.of, Ref) else None
        counter = self.counter(query.root)
        if measure.of is not None:
            compared = self.pick(*COMPARE_ZH[having.op][:2]).format(self.number(having.value, attribute))
        elif having.op in COUNTED_ZH and having.value == int(having.value):
            number = int(having.value)
            counted = self.pick(*COUNTED_ZH[having.op])
            compared = counted.format(self.pick(str(number), self.count(number) + counter))
            if (having.op, number) == ("gt", 1) and self.chance(0.5):
                counted, compared = "不止{}", f"不止一{counter}"
            if not query.told and self.chance(0.3):
                said = f"有{counted.removesuffix('{}').removesuffix('有')}{self.count(number)}{counter}{phrase}"
                plus = self.pick("，并给出数量", "，各有多少") if shown else ""
                given = "，并给出数量" if shown else ""
                return self.pick(
                    f"哪些{group}{said}{plus}？", f"{said}的{group}有哪些{plus}？", f"列出{said}的{group}{given}。"
                )
        else:
            compared = self.pick(*COMPARE_ZH[having.op][:2]).format(f"{having.value}{self.pick('', counter)}")
        what = "数量" if measure.of is None else "数值"
        plus = self.pick(f"，并给出{what}", f"，同时显示该{what}") if shown else ""
        if measure.of is None:
            word = self.count_word(query.root)
            amount = self.pick(f"{phrase}{word}", f"{phrase}{'数' if word == '数量' else word}")
        if query.told:
            told = self.names(query.told)
            return self.pick(
                f"列出{amount}{compared}的{group}的{told}{plus}。",
                f"{amount}{compared}的{group}的{told}是什么{plus}？",
            )
        return self.pick(
            f"哪些{group}的{amount}{compared}{plus}？",
            f"列出{amount}{compared}的{group}{plus}。",
            f"{amount}{compared}的{group}有哪些{plus}？",
        )

    def _period(self, query: Select, period: Period, measure: Measure) -> str:
        root, unit = query.root, "年" if period.unit == "year" else "月"
        verb, name = self.event(period.ref.attribute), self.attr(period.ref.attribute)
        years = [c.values[0] for c in query.where if isinstance(c, Test) and c.ref == period.ref and c.op == "year"]
        query = replace(
            query,
            where=tuple(c for c in query.where if not (isinstance(c, Test) and c.ref == period.ref and c.op == "year")),
        )
        said_year = f"{years[0]}年" if years else ""
        phrase = self.phrase(root, query.where)
        said = f"{verb}的{phrase}" if verb else phrase
        by = f"按{name}的{'年份' if unit == '年' else '月份'}" if not verb or measure.of is not None else ""
        word = self.count_word(root)
        amount = f"{said}{word}"
        if measure.of is not None:
            amount = f"{phrase}的{self.measure_name(measure)}{self._unit(measure)}"
        if query.limit is not None:
            best = (
                ("最多" if measure.of is None else "最高")
                if query.order[0].descending
                else ("最少" if measure.of is None else "最低")
            )
            which = "哪一年" if unit == "年" else self.pick("哪个月", "哪个月份")
            counted = amount if measure.of is not None else said + self.pick("" if word == "数量" else word, word)
            middle = "的" if by or not verb else ""
            return f"{by + '统计，' if by else ''}{said_year}{which}{middle}{counted}{best}？"
        order = (
            self.pick("，按时间先后排列", f"，按{'年份' if unit == '年' else '月份'}升序排列") if query.order else ""
        )
        if by:
            by = f"按{name}统计{said_year}各月" if years else by
            return self.pick(
                f"{by}{'' if years else '统计'}{amount}{order}。",
                f"{by}，{amount}分别是多少{order}？" if not years else "",
                f"请{by}{'' if years else '统计'}{amount}{order}。",
            )
        each = said_year + self.pick(f"每{'个' if unit == '月' else ''}{unit}", f"各{'年' if unit == '年' else '月'}")
        return self.pick(
            f"{each}{amount}是多少{order}？",
            f"统计{each}{amount}{order}。",
            f"{each}{said.replace('的', '了多少' + self.counter(root), 1)}{order}？"
            if verb and not query.where
            else "",
        )
