"""Conditions on real values, chosen as people choose them: common values, round thresholds, whole months and years."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from sqlfocus.corpus.synthesis.dice import Dice
from sqlfocus.corpus.synthesis.domain import Attribute, Entity, Path, Ref
from sqlfocus.corpus.synthesis.query import Test

_FILTERED = {
    "code": 6.0,
    "category": 6.0,
    "flag": 5.0,
    "date": 5.0,
    "datetime": 4.0,
    "year": 4.0,
    "money": 5.0,
    "quantity": 4.0,
    "age": 5.0,
    "score": 4.0,
    "percent": 3.0,
    "measure": 3.0,
    "name": 1.5,
    "text": 1.0,
    "contact": 0.7,
}


def sayable(value: Any) -> bool:
    """Whether a text value can stand in a question: short, one line, printable, not a number in disguise of markup."""
    text = str(value)
    return (
        0 < len(text) <= 40
        and text == text.strip()
        and text.isprintable()
        and not re.search(r"[\"%_\\{}<>]|https?:", text)
    )


def filterable(entity: Entity, *, avoid: Sequence[Attribute] = ()) -> list[Attribute]:
    """The attributes of an entity that a condition can be put on."""
    return [a for a in entity.attributes if a.kind in _FILTERED and a not in avoid and (a.english or a.chinese)]


def sample_test(entity: Entity, rng: Dice, *, path: Path = (), avoid: Sequence[Attribute] = ()) -> Test | None:
    """A condition on one of the entity's own attributes, reached by ``path``."""
    candidates = filterable(entity, avoid=avoid)
    if entity.live:
        candidates = [a for a in candidates if entity.live and a is not entity.live[0]]
    if not candidates:
        return None
    dates = [a for a in candidates if a.dated and not _of_birth(a)]
    if len(dates) > 1 and rng.random() < 0.06:
        one, two = rng.sample(dates, 2)
        return Test(Ref(path, one), rng.choice(("later", "earlier")), (two,))
    attribute = rng.fresh(candidates, [_FILTERED[a.kind] for a in candidates], of="tested")
    test = test_of(Ref(path, attribute), rng)
    if (
        test
        and test.op == "eq"
        and attribute in [ref.attribute for ref in entity.label]
        and attribute.kind in ("name", "text", "category")
    ):
        return None  # to single out one row by its name is a look-up
    return test


def _of_birth(attribute: Attribute) -> bool:
    return "birth" in " ".join(attribute.english) or "生" in "".join(attribute.chinese)


def test_of(ref: Ref, rng: Dice) -> Test | None:
    """A condition on the attribute; ``None`` where it has no suitable value."""
    attribute = ref.attribute
    if attribute.nulls > 0.02 and rng.random() < (
        0.25 if attribute.kind in ("contact", "date", "datetime", "text") else 0.08
    ):
        return Test(ref, "null" if rng.random() < 0.65 else "filled")
    if attribute.kind == "contact":
        domains = sorted({str(value).rpartition("@")[2] for value in attribute.values if "@" in str(value)})
        return Test(ref, "ends", ("@" + rng.choice(domains),)) if 1 < len(domains) <= 10 else None
    if attribute.kind == "flag":
        return Test(ref, "flag", (rng.fresh((True, False), (2.0, 1.0), of=attribute),))
    if attribute.dated:
        return _dated(ref, rng)
    if attribute.kind == "year":
        return _year(ref, rng)
    if attribute.numeric:
        return _number(ref, rng)
    return _text(ref, rng)


test_of.__test__ = False  # type: ignore[attr-defined]
sample_test.__test__ = False  # type: ignore[attr-defined]


def _text(ref: Ref, rng: Dice) -> Test | None:
    attribute = ref.attribute
    if attribute.kind == "code":
        values = [v for v in attribute.values if str(v) in attribute.codes_en or str(v) in attribute.codes_zh]
    else:
        values = [value for value in attribute.values if sayable(value)]
    if not values:
        return None
    draw = rng.random()
    if attribute.kind in ("name", "text") or (attribute.unique and attribute.kind == "category"):
        if draw < 0.6 or attribute.kind == "text" or attribute.unique:
            return _like(ref, [str(value) for value in values], rng)
        return Test(ref, "eq", (rng.choice(values),))
    likely = values if attribute.kind == "code" else values[: max(8, len(values) * 2 // 3)]
    if draw < 0.14 and len(values) > 2:
        pair = rng.sample(likely, 3 if len(likely) > 4 and rng.random() < 0.2 else 2)
        return Test(ref, "in", tuple(pair))
    if draw < 0.24 and len(values) > 1 and not attribute.nulls:
        return Test(ref, "ne", (rng.fresh(likely, of=("ne", attribute)),))
    if draw < 0.29 and attribute.kind == "category" and len(values) > 4:
        return _like(ref, [str(value) for value in values], rng)
    return Test(ref, "eq", (rng.fresh(likely, of=attribute),))


def _like(ref: Ref, values: Sequence[str], rng: Dice) -> Test | None:
    text = rng.choice(values)
    if re.search(r"[\u3400-\u9fff]", text):
        if rng.random() < 0.4:
            return Test(ref, "starts", (text[0],))
        pairs = [pair for pair in re.findall(r"..", text) if re.fullmatch(r"[\u3400-\u9fff]{2}", pair)]
        return Test(ref, "contains", (rng.choice(pairs),)) if pairs else None
    if rng.random() < 0.4 and text[0].isalpha():
        return Test(ref, "starts", (text[0].upper(),))
    words = [word for word in re.findall(r"[A-Za-z]{3,}", text) if word.lower() not in ("the", "and", "for", "with")]
    return Test(ref, "contains", (rng.choice(words),)) if words else None


def _dated(ref: Ref, rng: Dice) -> Test | None:
    days = sorted(str(value)[:10] for value in ref.attribute.values)
    if len(days) < 3:
        return None
    years = sorted({int(day[:4]) for day in days})
    day = days[rng.randrange(len(days))]
    year, month = int(day[:4]), int(day[5:7])
    draw = rng.random()
    if draw < 0.3 and (len(years) > 1):
        return Test(ref, "year", (year,))
    if draw < 0.55:
        return Test(ref, "month", (year, month))
    middle = days[int(len(days) * rng.uniform(0.2, 0.8))]
    if draw < 0.66 and len(years) > 2:
        return Test(ref, rng.choice(("before", "since")), (f"{rng.choice(years[1:-1])}-01-01",))
    if draw < 0.76:
        return Test(ref, rng.choice(("before", "since")), (f"{middle[:7]}-01",))
    if draw < 0.88:
        return Test(ref, rng.choice(("before", "after", "after")), (middle,))
    if draw < 0.95:
        first, last = sorted(
            (days[int(len(days) * rng.uniform(0, 0.5))], days[int((len(days) - 1) * rng.uniform(0.5, 1))])
        )
        return Test(ref, "days", (first, last)) if first < last else None
    return Test(ref, "day", (day,))


def _year(ref: Ref, rng: Dice) -> Test | None:
    attribute = ref.attribute
    years = sorted({int(value) for value in attribute.values})
    if len(years) < 2:
        return None

    def value(year: int) -> Any:
        return str(year) if attribute.textual else year

    draw = rng.random()
    if draw < 0.45 or len(years) < 4:
        return Test(ref, "eq", (value(rng.choice(years)),))
    middle = years[int(len(years) * rng.uniform(0.2, 0.8))]
    if draw < 0.85:
        return Test(ref, rng.choice(("gt", "lt", "gt", "lt", "ge")), (value(middle),))
    low, high = sorted(rng.sample(years, 2))
    return Test(ref, "between", (value(low), value(high)))


def _number(ref: Ref, rng: Dice) -> Test | None:
    numbers = ref.attribute.numbers
    distinct = len(ref.attribute.values)
    if len(numbers) < 3 or distinct < 2:
        return None
    whole = all(number == int(number) for number in numbers)
    draw = rng.random()
    if 0 in ref.attribute.values and any("stock" in name for name in ref.attribute.english) and draw < 0.3:
        return Test(ref, "eq", (0,))
    if whole and distinct <= 12 and max(numbers) <= 1000 and draw < 0.3:
        return Test(ref, "eq", (_as_number(rng.choice(ref.attribute.values)),))
    low = threshold(ref.attribute, rng.uniform(0.15, 0.55 if draw > 0.88 else 0.85))
    if low == 0:
        return None
    if draw <= 0.88:
        return Test(ref, rng.choices(("gt", "lt", "ge", "le"), (45, 27, 18, 10))[0], (low,))
    high = threshold(ref.attribute, rng.uniform(0.6, 0.95))
    return Test(ref, "between", (low, high)) if low < high else None


def _as_number(value: Any) -> int | float:
    number = float(value)
    return int(number) if number == int(number) else number


def threshold(attribute: Attribute, share: float) -> int | float:
    """A round number near the quantile ``share`` of the attribute's values, in its stored unit."""
    numbers = attribute.numbers
    value = numbers[min(len(numbers) - 1, int(len(numbers) * share))]
    scale = 100 if attribute.unit == "cent" and attribute.kind == "money" else 1
    whole = all(number == int(number) for number in numbers) or scale == 100
    rounded = _round(value / scale, whole and max(numbers) / scale > 5)
    return _as_number(round(rounded * scale, 6))


def _round(value: float, whole: bool) -> float:
    size = abs(value)
    if (size < 10 and whole) or (size < 30 and whole):
        return float(round(value))
    if size == 0:
        return 0.0
    digits = 1 - math.floor(math.log10(size))
    rounded = round(value, digits)
    step = 10.0**-digits * 5
    half = round(value / step) * step
    if size >= 30 and half:
        rounded = half
    return round(rounded, 6)
