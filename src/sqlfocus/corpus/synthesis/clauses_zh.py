"""Conditions in Chinese: each is one string that stands before 的 and as a predicate alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlfocus.corpus.synthesis.dictionary import has_chinese, to_chinese
from sqlfocus.corpus.synthesis.domain import Attribute, Entity
from sqlfocus.corpus.synthesis.query import Test
from sqlfocus.corpus.synthesis.voice import UnspeakableError, Voice
from sqlfocus.corpus.synthesis.words_en import ANTONYMS, UNITS
from sqlfocus.corpus.synthesis.words_zh import (
    COMPARE_ZH,
    COUNTERS,
    COUNTS_ZH,
    EVENTS_ZH,
    PLACES_ZH,
    STATES_ZH,
    UNITS_ZH,
)


@dataclass(slots=True)
class ClausesZh(Voice):
    """Words names, values and single conditions."""

    def noun(self, entity: Entity) -> str:
        """What the entity is called: in Chinese, or by its English name where there is no Chinese."""
        return self._called(entity, entity.chinese or entity.english)

    def attr(self, attribute: Attribute) -> str:
        """What the attribute is called."""
        names = attribute.chinese or attribute.english
        if attribute.kind == "flag":
            names = tuple(name.removeprefix("是否") for name in names)
        return self._called(attribute, names)

    def _called(self, thing: object, names: Sequence[str]) -> str:
        if not names:
            raise UnspeakableError("no Chinese and no English name")
        if thing not in self.chosen:
            self.chosen[thing] = names[0] if len(names) == 1 or self.chance(0.75) else self.rng.choice(names[1:])
        return self.chosen[thing]

    def counter(self, entity: Entity) -> str:
        """The measure word: 位 for customers, 笔 for orders, 个 for most."""
        noun = self.noun(entity)
        return next((word for name, word in COUNTERS.items() if noun.endswith(name)), "位" if entity.person else "个")

    def number(self, value: float, attribute: Attribute | None = None) -> str:
        """A number with the unit that the attribute's comment names."""
        unit = attribute.unit if attribute else ""
        if attribute is not None and attribute.kind == "money" and unit == "cent":
            return self._digits(value / 100) + UNITS_ZH[attribute.currency or "yuan"]
        if attribute is not None and unit in UNITS_ZH and unit in UNITS:
            spec = UNITS[unit]
            bigger = value / spec.factor
            if spec.bigger and value >= spec.factor and bigger * 2 == int(bigger * 2) and self.chance(0.5):
                return self._digits(bigger) + UNITS_ZH[spec.bigger]
            return self._digits(value) + UNITS_ZH[unit]
        if attribute is not None and attribute.kind == "age":
            return self._digits(value) + self.pick("岁", "岁", "")
        return self._digits(value)

    def count(self, number: int) -> str:
        """How many, before a measure word: 两 as well as 2."""
        return COUNTS_ZH.get(number, str(number)) if self.chance(0.5) else str(number)

    def _digits(self, value: float) -> str:
        if value == int(value) and value >= 10_000 and value % 1000 == 0 and self.chance(0.4):
            return f"{value / 10_000:.10g}万"
        return str(int(value)) if value == int(value) else f"{value:.10g}"

    def text(self, value: Any) -> str:
        text = str(value)
        if not has_chinese(text) and text.istitle() and self.chance(0.06):
            text = text.lower()
        return f"“{text}”" if self.chance(0.15) or any(c in text for c in "，、的和或,") else text

    def word_of(self, attribute: Attribute, value: Any) -> str:
        """What a value is called: what the comment says of a code, else the value."""
        if attribute.kind == "code":
            word = attribute.codes_zh.get(str(value)) or attribute.codes_en.get(str(value))
            if not word:
                raise UnspeakableError(f"no word for the code {value} of {attribute.table}.{attribute.column}")
            return word
        return self.text(value) if attribute.textual else str(value)

    def day(self, iso: str) -> str:
        year, month, day = int(iso[:4]), int(iso[5:7]), int(iso[8:10])
        return self.pick(f"{year}年{month}月{day}日", f"{year}年{month}月{day}日", f"{year}年{month}月{day}号", iso)

    def when(self, test: Test) -> str:
        """The period of a date's condition."""
        value = test.values[0]
        if test.op == "year":
            return f"{value}年"
        if test.op == "month":
            return f"{value}年{test.values[1]}月"
        if test.op in ("day", "eq"):
            return self.day(value)
        if test.op == "days":
            return f"{self.day(value)}{self.pick('到', '至')}{self.day(test.values[1])}之间"
        point = self.day(value)
        if test.op in ("before", "since") and value.endswith("-01"):
            point = f"{value[:4]}年" if value[5:7] == "01" and self.chance(0.8) else f"{value[:4]}年{int(value[5:7])}月"
        return (
            point
            + {
                "before": self.pick("之前", "以前", "前"),
                "after": self.pick("之后", "以后"),
                "since": self.pick("以来", "及以后"),
            }[test.op]
        )

    def clause(self, test: Test, entity: Entity) -> str:
        """The condition as it stands before 的 and behind a noun."""
        attribute = test.ref.attribute
        name = self.attr(attribute)
        if test.op in ("null", "filled"):
            return self._missing(test, attribute, name)
        if test.op == "flag":
            return self._flag(attribute, name, bool(test.values[0]))
        if test.op in ("above", "below"):
            side = self.pick("高于", "大于", "超过") if test.op == "above" else self.pick("低于", "小于")
            average = self.pick("平均值", f"平均{name}", f"所有{self.noun(entity)}的平均{name}", "平均水平")
            return self.pick(
                f"{name}{side}{average}",
                f"{name}{side}{average}",
                f"{name}比{average}{'高' if test.op == 'above' else '低'}",
            )
        if test.op in ("later", "earlier"):
            return f"{name}{'晚于' if test.op == 'later' else '早于'}{self.attr(test.values[0])}"
        if attribute.dated:
            when = self.when(test)
            verb = self.event(attribute)
            if verb:
                return f"{self.pick('', '在') if test.op != 'since' else ''}{when}{verb}"
            return f"{name}在{when}" if test.op != "day" else f"{name}为{when}"
        if attribute.kind == "year":
            return self._year(test, attribute, name)
        if attribute.numeric and test.op != "in":
            values = self.numbers(test.values, attribute)
            return name + self.pick(*COMPARE_ZH[test.op]).format(*values)
        if test.op == "contains":
            said = self.pick("“{}”", "{}", "“{}”").format(test.values[0])
            return f"{name}{self.pick('包含', '中包含', '里含有', '中带有')}{said}"
        if test.op == "ends":
            return f"{name}以{test.values[0]}结尾"
        if test.op == "starts":
            latin = test.values[0].isascii()
            said = self.pick("“{}”", "{}" if latin else "", "字母{}" if latin else "").format(test.values[0])
            return f"{name}以{said}开头"
        return self._value(test, attribute, name, entity)

    def _missing(self, test: Test, attribute: Attribute, name: str) -> str:
        verb = self.event(attribute)
        if verb and self.chance(0.6):
            return f"{self.pick('尚未', '还没有', '未')}{verb}" if test.op == "null" else f"已{verb}"
        if test.op == "null":
            return self.pick(f"没有{name}", f"{name}为空", f"未填写{name}", f"{name}缺失")
        return self.pick(f"有{name}", f"{name}不为空", f"填写了{name}")

    def _flag(self, attribute: Attribute, name: str, true: bool) -> str:
        if attribute.verb == "has":
            return f"{'有' if true else '没有'}{name}"
        if true:
            return name if has_chinese(name) else f"{name}为是"
        if not has_chinese(name):
            return f"{name}为否"
        english = attribute.english[0] if attribute.english else ""
        opposite = (
            to_chinese(ANTONYMS.get(english, ""))
            if english in ANTONYMS and not attribute.chinese[0].startswith("是否")
            else None
        )
        if opposite:
            return opposite
        if name.startswith("已"):
            return "未" + name[1:]
        return (
            self.pick("不", "未" if name[0] not in "在有" else "不") + name
            if len(name) <= 3 and name[0] != "有"
            else (f"没{name}" if name[0] == "有" else f"非{name}")
        )

    def event(self, attribute: Attribute) -> str:
        """The verb of a date's event; empty where the name tells none."""
        for name in attribute.chinese:
            stem = re.sub(r"(日期|时间|日|年月|年份)$", "", name)
            if stem != name and stem[-2:] in EVENTS_ZH:
                return EVENTS_ZH[stem[-2:]]
            if stem != name and stem in EVENTS_ZH:
                return EVENTS_ZH[stem]
        return ""

    def _year(self, test: Test, attribute: Attribute, name: str) -> str:
        years = [f"{value}年" for value in test.values]
        stem = re.sub(r"(年份|年)$", "", name)
        verb = EVENTS_ZH.get(stem[-2:], "") if stem and stem != name else ""
        if test.op == "between":
            when = f"{years[0]}到{years[1]}之间"
        elif test.op == "in":
            when = "或".join(years)
        else:
            when = (
                years[0]
                + {
                    "eq": "",
                    "gt": self.pick("之后", "以后"),
                    "lt": self.pick("之前", "以前"),
                    "ge": "及以后",
                    "le": "及以前",
                    "ne": "",
                }[test.op]
            )
        if verb and test.op != "ne":
            return f"{self.pick('', '在', '于')}{when}{verb}"
        return f"{name}{'不是' if test.op == 'ne' else '为' if test.op in ('eq', 'in') else '在'}{when}"

    def _value(self, test: Test, attribute: Attribute, name: str, entity: Entity) -> str:
        values = [self.word_of(attribute, value) for value in test.values]
        value = "或".join(values) if len(values) < 3 else "、".join(values[:-1]) + "或" + values[-1]
        if test.op == "ne":
            return f"{name}{self.pick('不是', '不为')}{value}"
        if attribute.kind == "code" and test.op == "eq" and STATES_ZH.match(values[0]) and self.chance(0.65):
            gender = values[0].removesuffix("性")
            return gender + "性" if gender in ("男", "女") and entity.person else values[0]
        if any(name.endswith(place) for place in PLACES_ZH) and self.chance(0.6):
            if entity.person:
                return f"来自{value}"
            if name in ("城市", "国家", "省份", "所在城市", "地区"):
                return self.pick(f"位于{value}", f"在{value}")
        return f"{name}{self.pick('为', '是', '为')}{value}"
