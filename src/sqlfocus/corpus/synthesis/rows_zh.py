"""Chinese questions that ask for rows: lists, look-ups, superlatives, set operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlfocus.corpus.synthesis.domain import Attribute, Entity, Path, Ref
from sqlfocus.corpus.synthesis.nouns_zh import NounsZh
from sqlfocus.corpus.synthesis.query import (
    Combined,
    Condition,
    Measure,
    Order,
    Related,
    Select,
    Test,
)
from sqlfocus.corpus.synthesis.words_zh import PLACES_ZH

_LIST = (
    "列出{}。",
    "查询{}。",
    "显示{}。",
    "请列出{}。",
    "找出{}。",
    "给出{}。",
    "帮我查一下{}。",
    "我想看看{}。",
    "{}有哪些？",
    "{}有哪些？",
    "请查询{}。",
    "{}",
)
_ONE = ("{}是多少？", "查询{}。", "{}是多少？", "请问{}是多少？", "帮我查一下{}。", "给出{}。", "我想知道{}。", "{}")
_WHAT = ("{}是什么？", "查询{}。", "{}是什么？", "请问{}是什么？", "帮我查一下{}。", "给出{}。", "我想知道{}。", "{}")


@dataclass(slots=True)
class RowsZh(NounsZh):
    """Words the queries whose result is rows of an entity."""

    def names(self, attributes: Sequence[Attribute]) -> str:
        words = [self.attr(attribute) for attribute in attributes]
        if words[:2] in (["名", "姓"], ["名字", "姓氏"]):
            words = ["姓名", *words[2:]]
        return self.joined_names(words)

    def joined_names(self, words: Sequence[str]) -> str:
        return words[0] if len(words) == 1 else "、".join(words[:-1]) + self.pick("和", "和", "及", "以及") + words[-1]

    def _outputs(self, query: Select) -> str:
        """What is shown of each row: 名称和价格, 客户姓名."""
        own: list[Attribute] = []
        beyond: dict[Path, list[Attribute]] = {}
        for output in query.outputs:
            if isinstance(output, Ref):
                if output.path and not output.path[0].link.subtype:
                    beyond.setdefault(output.path, []).append(output.attribute)
                else:
                    own.append(output.attribute)
        parts = [self.names(own)] if own else []
        for path, attributes in beyond.items():
            role = self.role(path[-1].link)
            names = self.names(attributes)
            parts.append(
                names
                if names.startswith(role)
                else f"{self.pick('所属', '对应', '') if own else ''}{role}的{names}"
                if self.chance(0.5)
                else f"{role}{names}"
            )
        return self.pick("以及", "和").join(parts)

    def listing(self, query: Select) -> str:
        root = query.root
        label = [ref.attribute for ref in root.label]
        own = [output.attribute for output in query.outputs if isinstance(output, Ref)]
        every = self.pick("所有", "全部", "") if not query.where else self.pick("所有", "", "")
        order = self.order(query.order, root) if query.order else ""
        if query.distinct and query.shape == "distinct":
            names = self.names(own)
            return self.pick(
                f"{self.phrase(root, query.where)}有哪些不同的{names}？",
                f"列出{self.phrase(root, query.where)}的所有不同{names}。",
                f"查询{self.phrase(root, query.where)}中不重复的{names}。",
                f"{self.phrase(root, query.where)}都有哪些{names}？{self.pick('不要重复', '去掉重复的')}。",
            )
        if not query.outputs:
            what = self.pick("全部信息", "所有信息", "详细信息", "全部字段")
            return self.pick("列出{}的{}。", "查询{}的{}。", "显示{}的{}。", "请给出{}的{}。").format(
                f"{every}{self.phrase(root, query.where)}", what
            )
        if own == label and root.named and query.where and not order and self.chance(0.4):
            return self._who(root, query.where)
        if own != label and own and query.where and self.chance(0.25):
            shown = self._outputs(query)
            tail = self.pick("给出{}", "列出{}", "要{}", "请给出{}").format(shown)
            said = self.none(query.where) or self.predicate(root, query.where)
            return f"哪些{self.noun(root)}{said}？{tail}{'，' + order if order else ''}。"
        phrase = self.phrase(root, query.where)
        if own == label and root.named and self.chance(0.45):
            what = f"{every}{phrase}"
        else:
            each = (
                self.pick("每" + self.counter(root), "各")
                if not query.where and len(own) > 1 and self.chance(0.3)
                else every
            )
            what = f"{each}{phrase}的{self._outputs(query)}"
        if order:
            return self.pick(
                f"列出{what}，{order}。",
                f"查询{what}，并{order}。",
                f"{order[:0]}显示{what}，{order}。",
                f"请{order}，列出{what}。" if order.startswith("按") else "",
            )
        repeated = own and not any(a.unique or a.kind in ("name", "text", "contact") or a in label for a in own)
        if repeated:
            return self.pick("列出{}。", "查询{}。", "显示{}。").format(
                what.replace(every, "每" + self.counter(root), 1) if every and what.startswith(every) else what
            )
        return self.pick(*_LIST).format(what)

    def none(self, conditions: Sequence[Condition]) -> str:
        """一笔订单都没有, where that is the only condition."""
        only = conditions[0] if len(conditions) == 1 else None
        return self.none_of(only) if isinstance(only, Related) and self.chance(0.5) else ""

    def _who(self, root: Entity, conditions: Sequence[Condition]) -> str:
        """Which rows fulfil the conditions, where their names are what is asked for."""
        none, noun = self.none(conditions), self.noun(root)
        if none:
            return self.pick(f"{self.pick('哪些', '有哪些')}{noun}{none}？", f"{none}的{noun}{self._named(root)}？")
        if self.chance(0.3):
            return f"{self.phrase(root, conditions)}{self._named(root)}？"
        return f"{self.pick('哪些', '有哪些')}{noun}{self.predicate(root, conditions)}？"

    def _named(self, root: Entity) -> str:
        return self.pick("有哪些", "都叫什么", "叫什么名字", *(("都有谁", "是谁") if root.person else ("是哪些",)))

    def order(self, order: Sequence[Order], root: Entity) -> str:
        first = order[0]
        if not isinstance(first.by, Ref):
            counts = isinstance(first.by, Measure) and first.by.of is None
            return (
                self.pick(
                    "按该数值从高到低排列",
                    "按该数值降序排列",
                    "从多到少排列" if counts else "从高到低排列",
                    "多的排在前面" if counts else "",
                )
                if first.descending
                else self.pick("按该数值从低到高排列", "按该数值升序排列", "从少到多排列" if counts else "从低到高排列")
            )
        name = self.attr(first.by.attribute)
        if first.by.attribute.dated or first.by.attribute.kind == "year":
            return (
                self.pick(f"按{name}从晚到早排列", f"按{name}降序排列", f"按{name}从新到旧排序")
                if first.descending
                else self.pick(f"按{name}从早到晚排列", f"按{name}升序排列", f"按{name}先后排序")
            )
        if first.by.attribute.kind == "name":
            return (
                f"按{name}降序排列"
                if first.descending
                else self.pick(
                    f"按{name}排序", f"按{name}升序排列", f"按{name}字母顺序排列" if self.chance(0.3) else ""
                )
            )
        return (
            self.pick(f"按{name}从高到低排列", f"按{name}降序排列", f"按{name}由高到低排序")
            if first.descending
            else self.pick(f"按{name}从低到高排列", f"按{name}升序排列", f"按{name}由低到高排序")
        )

    def lookup(self, query: Select) -> str:
        root = query.root
        tests = [condition for condition in query.where if isinstance(condition, Test)]
        thing = self.called(root, tests, bare=not self.shared(query))
        beyond = [output for output in query.outputs if isinstance(output, Ref) and output.path]
        if beyond:
            link = beyond[0].path[0].link
            role = self.role(link)
            whole = [ref.attribute for ref in beyond] == [ref.attribute for ref in link.parent.label]
            if whole and self.chance(0.7):
                return (
                    self.pick(f"{thing}的{role}是谁？", f"谁是{thing}的{role}？")
                    if link.parent.person
                    else self.pick(
                        f"{thing}属于哪个{role}？", f"{thing}的{role}是什么？", f"{thing}对应的{role}是哪个？"
                    )
                )
            return self.pick(*_WHAT).format(f"{thing}的{role}的{self.names([ref.attribute for ref in beyond])}")
        own = [output.attribute for output in query.outputs if isinstance(output, Ref)]
        if len(own) == 1 and self.attr(own[0]).endswith(PLACES_ZH) and self.chance(0.5):
            return f"{thing}{'来自' if root.person else self.pick('在', '位于')}哪个{self.attr(own[0])}？"
        verb = self.event(own[0]) if len(own) == 1 else ""
        if verb and self.chance(0.5):
            return self.pick(f"{thing}是什么时候{verb}的？", f"{thing}何时{verb}？")
        if len(own) == 1 and own[0].kind == "money" and self.chance(0.3) and "价" in self.attr(own[0]):
            return self.pick(f"{thing}多少钱？", f"{thing}的{self.attr(own[0])}是多少？")
        ask = _ONE if all(a.numeric or a.dated or a.kind in ("year", "contact") for a in own) else _WHAT
        return self.pick(*ask).format(f"{thing}的{self.names(own)}")

    def best(self, query: Select) -> str:
        root, order, limit = query.root, query.order[0], query.limit or 1
        assert isinstance(order.by, Ref)
        ref = order.by
        where = [c for c in query.where if not (isinstance(c, Test) and c.op == "filled" and c.ref == ref)]
        own = [output.attribute for output in query.outputs if isinstance(output, Ref)]
        label = [r.attribute for r in root.label]
        counter = self.counter(root)
        if limit > 1 and order.descending and self.chance(0.3):
            ahead = self.count(limit) if limit > 2 else str(limit)
            best = f"{self.attr(ref.attribute)}排名前{ahead}的{self.phrase(root, where)}"
        else:
            best = self.superlative(root, where, ref, order.descending, limit)
        if own == label and (root.named or self.chance(0.3)):
            most = self.most(root, ref.attribute, order.descending)
            if limit == 1:
                return self.pick(
                    f"哪{counter}{self.phrase(root, where)}{most}？",
                    f"{best}是{'谁' if root.person else '哪' + counter}？",
                    f"{best}叫什么？" if root.named else "",
                    f"找出{best}。",
                    f"查询{best}的{self._outputs(query)}。",
                    f"{best}",
                )
            return self.pick(
                f"{best}是哪些？",
                f"列出{best}。",
                f"查询{best}的{self._outputs(query)}。",
                f"哪{self.count(limit)}{counter}{self.phrase(root, where)}{most}？",
            )
        shown = self._outputs(query)
        if own[:1] == label and root.named and self.chance(0.4):
            which = self.pick("是谁", "叫什么") if root.person else f"是哪{'些' if limit > 1 else counter}"
            return f"{best}{which}？{self.pick('给出', '列出', '要')}{shown}。"
        return self.pick("{}是什么？", "查询{}。", "给出{}。", "列出{}。", "请问{}是什么？").format(f"{best}的{shown}")

    def combined(self, query: Combined) -> str:
        left, right = query.left, query.right
        output = left.outputs[0]
        assert isinstance(output, Ref)
        if left.root is not right.root:
            other = right.outputs[0]
            assert isinstance(other, Ref)
            name, one, two = self.attr(output.attribute), self.noun(left.root), self.noun(right.root)
            if query.operator == "UNION":
                return self.pick(
                    f"列出{one}和{two}的所有{name}，去掉重复。", f"{one}和{two}合在一起有哪些{name}（去重）？"
                )
            if query.operator == "INTERSECT":
                return self.pick(f"哪些{name}同时出现在{one}和{two}中？", f"{one}和{two}有哪些共同的{name}？")
            return self.pick(f"哪些{name}出现在{one}中但没有出现在{two}中？", f"{one}有而{two}没有的{name}有哪些？")
        one_, two_ = left.where[0], right.where[0]
        root = left.root
        if isinstance(one_, Related) and isinstance(two_, Related):
            if query.operator == "INTERSECT":
                also = self.pick("又", "，同时也", "，也")
                both = f"{self.pick('既', '')}{self.related(one_, brief=True)}{also}{self.related(two_, brief=True)}"
            else:
                missing = self.related(Related(two_.path, two_.tests, True), brief=True)
                both = f"{self.related(one_, brief=True)}但{missing}"
            return self.pick(
                f"哪些{self.noun(root)}{both}？",
                f"列出{both}的{self.noun(root)}。",
                f"{both}的{self.noun(root)}有哪些？",
            )
        name = self.attr(output.attribute)
        one, two = self.phrase(root, left.where), self.phrase(root, right.where)
        if query.operator == "INTERSECT":
            return self.pick(f"哪些{name}既有{one}，又有{two}？", f"列出同时有{one}和{two}的{name}。")
        return self.pick(f"哪些{name}有{one}，但没有{two}？", f"列出有{one}但没有{two}的{name}。")
