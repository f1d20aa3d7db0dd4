"""Noun phrases in Chinese: an entity with its conditions before it, and what a row is called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlfocus.corpus.synthesis.clauses_zh import ClausesZh
from sqlfocus.corpus.synthesis.dictionary import has_chinese
from sqlfocus.corpus.synthesis.domain import Attribute, Entity, Link, Ref
from sqlfocus.corpus.synthesis.names import table_verb
from sqlfocus.corpus.synthesis.query import AnyOf, Condition, Extreme, Related, Test
from sqlfocus.corpus.synthesis.voice import Grouped
from sqlfocus.corpus.synthesis.words_zh import SUPERLATIVES_ZH, TABLE_VERBS_ZH, TIES_ZH


@dataclass(slots=True)
class NounsZh(ClausesZh):
    """Words entities with conditions."""

    def role(self, link: Link) -> str:
        return link.role_zh or self.noun(link.parent)

    def called(self, entity: Entity, tests: Sequence[Test], role: str = "", *, bare: bool = True) -> str:
        """A row by what it is called: 客户张三, 编号为5的订单."""
        noun = role or self.noun(entity)
        value = self._name_only(entity, tests)
        if not entity.named:
            name = self.attr(entity.label[0].attribute)
            return self.pick(f"{name}为{value}的{noun}", f"{name}是{value}的{noun}", f"{noun}{value}")
        if value.strip("“”").endswith(noun):
            return value
        return self.pick(
            f"{noun}{value}",
            value if bare else "",
            f"{noun}“{value.strip('“”')}”",
            f"名为{value}的{noun}" if not entity.person else f"{value}",
        )

    def _name_only(self, entity: Entity, tests: Sequence[Test]) -> str:
        by_attribute = {test.ref.attribute: test.values[0] for test in tests}
        values = [by_attribute[ref.attribute] for ref in entity.label]
        if len(values) > 1:
            joint = "" if all(has_chinese(str(value)) for value in values) else " "
            return joint.join(str(value) for value in values)
        return self.word_of(entity.label[0].attribute, values[0]) if entity.named else str(values[0])

    def related(self, condition: Related, *, brief: bool = False) -> str:
        """有…, 没有…, 下过…: that a child, or something beyond it, exists or does not.

        With ``brief`` it always begins with 有 or 没有.
        """
        first, rest = condition.path[0], condition.path[1:]
        child = first.target
        noun = self.noun(child) if child.chinese or not child.unnameable else ""
        if rest and rest[0].forward:
            target = rest[0].target
            tests = [Test(Ref((*rest[1:], *t.ref.path), t.ref.attribute), t.op, t.values) for t in condition.tests]
            what = (
                self.called(target, tests, bare=False) if self.names_row(target, tests) else self.phrase(target, tests)
            )
            root = first.link.parent
            part = any(noun.endswith(end) for end in ("明细", "详情", "条目", "项", "行"))
            if part and self.noun(root)[-2:] in noun:
                return f"{'不' if condition.negated else ''}包含{what}"
            if part and self.noun(target)[-2:] in noun:
                return f"{'没有出现' if condition.negated else '出现'}在{what}中"
            if child.unnameable and (verb := self.tie_verb(root, child, target)) and not brief:
                if condition.negated:
                    some = "" if tests else "任何"
                    return self.pick(f"没有{verb}{some}{what}", f"没{verb}过{some}{what}", f"未{verb}{some}{what}")
                return f"{verb}{self.pick('过', '了')}{what}"
            if child.unnameable:
                if (
                    target.person
                    and self.noun(target) in ("作者", "导演", "演员", "歌手")
                    and self.names_row(target, tests)
                ):
                    return f"{self.noun(target)}{'不是' if condition.negated else '是'}{self._name_only(target, tests)}"
                has = "写过" if self.noun(root) == "作者" else "有"
                return (
                    f"{'没有' if condition.negated else ''}{has if has != '有' or not condition.negated else ''}{what}"
                )
        if rest and not rest[0].forward:
            inner: list[Condition] = [Related(rest, condition.tests)]
        else:
            inner = [Test(Ref((*rest, *t.ref.path), t.ref.attribute), t.op, t.values) for t in condition.tests]
        what = self.phrase(child, inner)
        brief = brief or any(isinstance(condition, Related) for condition in inner)
        doing = (
            {"订单": "下", "评论": "写", "书评": "写", "评价": "写"}.get(noun[-2:], "")
            if first.link.parent.person
            else ""
        )
        if condition.negated and what.startswith("有"):
            what = "任何" + what
        elif what.startswith("有"):
            return f"至少有一{self.counter(child)}{what}"
        if brief:
            return f"{'没有' if condition.negated else '有'}{what}"
        if condition.negated:
            return self.pick(
                f"没有{what}", f"没有任何{what.removeprefix('任何')}", f"从未{doing}过{what}" if doing else ""
            )
        return self.pick(f"有{what}", f"{doing}过{what}" if doing else "", f"至少有一{self.counter(child)}{what}")

    @staticmethod
    def tie_verb(root: Entity, child: Entity, target: Entity) -> str:
        """What a person does with what a table ties her to; empty where nothing tells."""
        nouns = (root.english[0], target.english[0]) if root.english and target.english else ("", "")
        by_table = table_verb(child.table, TABLE_VERBS_ZH) if root.person and not target.person else None
        return TIES_ZH.get(nouns, "") or by_table or ""

    def none_of(self, condition: Related) -> str:
        """一笔订单都没有, or nothing where it cannot be said so."""
        if not condition.negated or condition.tests:
            return ""
        first, *rest = condition.path
        child = rest[0].target if first.target.unnameable and len(rest) == 1 and rest[0].forward else first.target
        if child.unnameable or (rest and child is first.target):
            return ""
        verb = self.tie_verb(first.link.parent, first.target, child) if rest else ""
        return f"一{self.counter(child)}{self.noun(child)}{self.pick('都', '也')}没{verb + '过' if verb else '有'}"

    def of_parent(self, link: Link, tests: Sequence[Test]) -> tuple[str, str]:
        """A condition on the parent: as what stands before 的, and as a clause."""
        parent, role = link.parent, self.role(link)
        if self.names_row(parent, tests):
            return self.called(
                parent, tests, role, bare=parent.person
            ), f"{role}{self.pick('是', '为')}{self._name_only(parent, tests)}"
        said = [self._said(condition, parent) for condition in self.grouped(tests)]
        joined = self.joined(said)
        own = self.attr(tests[0].ref.attribute) if not tests[0].ref.path and tests[0].op != "flag" else ""
        middle = "的" if own and joined.startswith(own) else ""
        noun = link.role_zh
        return self.phrase(parent, tests, noun=noun), f"{role}{middle}{joined}"

    def _said(self, condition: Grouped, entity: Entity) -> str:
        if isinstance(condition, tuple):
            return self.of_parent(*condition)[1]
        if isinstance(condition, Test):
            return self.clause(condition, entity)
        if isinstance(condition, AnyOf):
            return self.pick("或者", "或").join(self.clause(test, entity) for test in condition.tests)
        if isinstance(condition, Related):
            return self.related(condition)
        link = condition.path[0].link
        return f"{self.role(link)}是{self.superlative(link.parent, (), condition.ref, condition.greatest)}"

    def joined(self, clauses: Sequence[str]) -> str:
        """Clauses that all hold."""
        if any("或" in clause for clause in clauses) and len(clauses) > 1:
            return "，并且".join(clauses)
        return self.pick("且", "并且", "、", "，").join(clauses)

    def predicate(self, entity: Entity, conditions: Sequence[Condition]) -> str:
        """All conditions as one predicate."""
        return self.joined([self._said(condition, entity) for condition in self.grouped(conditions)])

    def phrase(self, entity: Entity, conditions: Sequence[Condition], *, noun: str = "") -> str:
        """The entity's noun with its conditions before it."""
        noun = noun or self.noun(entity)
        grouped = self.grouped(conditions)
        if not grouped:
            return noun
        beyond = [c for c in grouped if isinstance(c, (tuple, Extreme))]
        own = [c for c in grouped if not isinstance(c, (tuple, Extreme))]
        before: list[str] = []
        clauses: list[str] = []
        for place, condition in enumerate(beyond):
            if not isinstance(condition, Extreme) and (place or self.chance(0.3) or (own and self.chance(0.6))):
                clauses.append(self._said(condition, entity))
            elif isinstance(condition, tuple):
                before.append(self.of_parent(*condition)[0])
            elif isinstance(condition, Extreme):
                before.append(self.superlative(condition.path[0].link.parent, (), condition.ref, condition.greatest))
        clauses = [self._said(condition, entity) for condition in own] + clauses
        text = "".join(f"{part}的" for part in before)
        return f"{text}{self.joined(clauses)}的{noun}" if clauses else f"{text}{noun}"

    def superlative(
        self, entity: Entity, conditions: Sequence[Condition], ref: Ref, greatest: bool, limit: int = 1
    ) -> str:
        """年龄最大的客户, 最贵的3件商品."""
        conditions = [c for c in conditions if not (isinstance(c, Test) and c.op == "filled" and c.ref == ref)]
        phrase = self.phrase(entity, conditions)
        best = self.most(entity, ref.attribute, greatest)
        number = f"{self.count(limit)}{self.counter(entity)}" if limit > 1 else ""
        if conditions:
            return f"{phrase}中{best}的{number or self.pick('那' + self.counter(entity), '一' + self.counter(entity))}"
        return f"{best}的{number}{phrase}"

    def most(self, entity: Entity, attribute: Attribute, greatest: bool) -> str:
        """最贵, 库存最多, 下单日期最晚."""
        name = self.attr(attribute)
        for pattern, most, least in SUPERLATIVES_ZH:
            alike = [
                a
                for a in entity.attributes
                if a.chinese and re.search(pattern, a.chinese[0]) and (a.numeric or a.dated)
            ]
            if (
                re.search(pattern, name)
                and len(alike) == 1
                and self.chance(0.6)
                and ("年" not in most or entity.person)
            ):
                return most if greatest else least
        if attribute.dated or attribute.kind == "year":
            return f"{name}{self.pick('最晚', '最近') if greatest else '最早'}"
        if attribute.kind == "quantity" and re.search(r"(数|数量|库存|量)$", name):
            return f"{name}{'最多' if greatest else '最少'}"
        return f"{name}{self.pick('最高', '最大') if greatest else self.pick('最低', '最小')}"
