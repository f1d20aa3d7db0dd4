"""What kind of thing a column holds, judged by its name, its type, its comment and its values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlfocus.corpus.synthesis.english import is_adjective, is_plural
from sqlfocus.corpus.synthesis.profile import ColumnProfile
from sqlfocus.corpus.synthesis.wordlist import word_set
from sqlfocus.schema.mschema import Column

_MONEY = word_set(
    "price cost fee amount total salary wage pay budget revenue income profit balance payment charge tax rent "
    "rental bonus refund subtotal expense expenditure spending debt deposit value gdp earnings commission funding "
    "prize money premium gross turnover cash costs sales fees wages taxes prices purse msrp fare tuition loss "
    "credit"
)
_QUANTITY = word_set(
    "quantity stock count inventory capacity population attendance enrollment votes points headcount volume "
    "horsepower number cylinders credits hours minutes seconds days size"
)
_SCORE = word_set("score rating grade gpa stars rank ranking level priority mark quality points")
_PERCENT = frozenset(["percent", "percentage", "rate", "ratio", "share"])
_IDENTIFIER = word_set(
    "id uuid guid code number zip phone fax isbn sku latitude longitude key sequence order index version postcode"
)
_CONTACT = word_set(
    "email mail phone mobile fax website url homepage address street link image photo picture avatar path"
)
_SECRET = word_set("password passwd hash token secret salt uuid guid md5 checksum json payload metadata")
_YEARLY = word_set("year founded built opened established released founding debut")
_ADDITIVE_MONEY = word_set(
    "amount total revenue income profit payment refund subtotal expense expenditure spending deposit budget bonus "
    "tax fee cost sales gross turnover loss balance debt charge fees costs earnings commission prize"
)
_CHINESE_MONEY = re.compile(r"(价|金额|费用?|工资|薪资?|收入|成本|预算|余额|总额|奖金|租金|营收|利润|售价)$")
_CHINESE_UNIT_PRICE = re.compile(r"(单价|售价|价格|标价|价)$")
PERSONS = word_set(
    "person people customer client user member employee staff worker student teacher instructor professor doctor "
    "physician nurse patient author writer editor actor actress director singer artist musician player coach driver "
    "pilot captain passenger guest visitor host manager supervisor boss owner candidate voter "
    "representative president mayor governor scientist researcher engineer technician swimmer gymnast wrestler "
    "athlete friend child parent man woman officer agent seller buyer reader borrower tenant landlord lawyer judge "
    "chef waiter conductor trainer reviewer investor resident citizen volunteer participant entrepreneur "
    "perpetrator rider jockey climber journalist advisor tutor lecturer salesperson contact operator"
)
"""Who a table's rows are, or whose number a column holds."""
_PAIRS = (("y", "n"), ("yes", "no"), ("t", "f"), ("true", "false"), ("1", "0"), ("是", "否"))
_ISO_DATE = re.compile(r"[12]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")
_ISO_TIME = re.compile(
    r"[12]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?$"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind and what comes with it, in the words of ``domain.Attribute``."""

    kind: str
    textual: bool = True
    additive: bool = False
    truths: tuple[Any, Any] = (1, 0)


def classify(
    column: Column,
    words: Sequence[str],
    profile: ColumnProfile,
    *,
    key: bool,
    chinese: str,
    codes: dict[str, str],
    counted: bool,
) -> Kind:
    """The kind of a column. ``words`` are its English words, ``codes`` what its comment says of its values,
    ``counted`` whether its unit is money."""
    # MySQL's date of nothing is no date to ask about, and makes the others none the less dates.
    values = [value for value in profile.values if not str(value).startswith("0000-00-00")]
    last = words[-1] if words else ""
    textual = not all(isinstance(value, (int, float)) for value in values)
    if not values or _SECRET & set(words) or re.search(r"(?i)blob|binary|bytea|json|xml|array", column.type):
        return Kind("other", textual)
    if key:
        return Kind("key", textual)
    flag = _flag(column, words, values, codes, chinese)
    if flag:
        return flag
    if codes:
        return Kind("code", textual)
    if all(isinstance(value, str) and _ISO_DATE.match(value) for value in values) and textual:
        return Kind("date")
    if all(isinstance(value, str) and _ISO_TIME.match(value) for value in values) and textual:
        # Midnight in every row is a date that its type gives a time.
        return Kind(
            "date"
            if all(re.search(r"[ T]00:00:00", str(value)) for value in values) and "sqlite" in column.type
            else "datetime"
        )
    if all(re.fullmatch(r"1[5-9]\d\d|20\d\d", str(value)) for value in values) and (
        set(words) & _YEARLY or "年" in chinese
    ):
        return Kind("year", textual)
    if textual:
        return _text(column, words, profile)
    return _number(words, values, last, chinese, counted, profile.unique)


def _flag(
    column: Column, words: Sequence[str], values: Sequence[Any], codes: dict[str, str], chinese: str
) -> Kind | None:
    lowered = {str(value).lower(): value for value in values}
    meanings = {word.lower(): code for code, word in codes.items()}
    for yes, no in (("yes", "no"), ("true", "false"), ("是", "否"), ("有", "无")):
        if set(meanings) == {yes, no} and set(lowered) <= {meanings[yes].lower(), meanings[no].lower()}:
            sample = values[0]
            number = isinstance(sample, int) and not isinstance(sample, bool)
            truths = tuple(
                int(meanings[w]) if number else lowered.get(meanings[w].lower(), meanings[w]) for w in (yes, no)
            )
            return Kind("flag", not number, truths=(truths[0], truths[1]))
    if codes:
        return None
    if all(isinstance(value, bool) for value in values):
        return Kind("flag", False, truths=(True, False))
    if set(lowered) <= {"0", "1"} and all(isinstance(value, int) for value in values):
        named = bool(words) and (
            words[0] in ("is", "has", "can", "allow") or words[-1] == "flag" or is_adjective(words[-1])
        )
        if (
            named
            or "bool" in column.type.lower()
            or column.type.lower() == "tinyint(1)"
            or "是否" in column.comment + chinese
        ):
            return Kind("flag", False)
        return None
    named = bool(words) and (words[0] in ("is", "has") or is_adjective(words[-1]))
    if set(lowered) == {"0", "1"} and named:
        return Kind("flag", truths=(lowered["1"], lowered["0"]))
    for yes, no in _PAIRS[:4]:
        if set(lowered) <= {yes, no} and len(lowered) == 2:
            return Kind("flag", truths=(lowered[yes], lowered[no]))
    return None


def _text(column: Column, words: Sequence[str], profile: ColumnProfile) -> Kind:
    last = words[-1] if words else ""
    texts = [str(value) for value in profile.values]
    length = sum(map(len, texts)) / len(texts)
    if set(words) & _CONTACT and last not in ("name", "type", "status"):
        return Kind("contact")
    if all(re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?(\.\d+)?", text) for text in texts):
        return Kind("text")
    if last in ("name", "title", "label", "nickname"):
        return Kind("name")
    few = len(texts) <= 40 and len(texts) < 0.75 * profile.filled
    if few and length <= 40:
        return Kind("category")
    if last in (
        "city",
        "country",
        "state",
        "province",
        "nationality",
        "language",
        "gender",
        "type",
        "category",
        "status",
        "color",
        "genre",
        "hometown",
        "region",
        "location",
    ):
        return Kind("category")
    return Kind("text")


def _number(words: Sequence[str], values: Sequence[Any], last: str, chinese: str, money: bool, unique: bool) -> Kind:
    first = words[0] if words else ""
    if (last in _IDENTIFIER and first != "total") or (not words and re.search(r"(编号|编码|号码|代码|号)$", chinese)):
        return Kind("key" if last in ("id", "uuid", "guid") else "other", False)
    lengths = {len(str(value)) for value in values}
    whole = all(isinstance(value, int) for value in values)
    if last in ("ssn", "tin", "iban", "barcode") or (
        whole and unique and len(lengths) == 1 and min(lengths) >= 6 and not money and last not in _MONEY | _QUANTITY
    ):
        return Kind("contact", False)  # a number that names: it is asked for, but not compared or summed up
    if whole and last in PERSONS:
        return Kind("contact", False)  # an advisor is one, by a number
    if first in ("number", "total", "count") and len(words) > 1 and last not in _MONEY:
        return Kind("quantity", False, additive=True)
    if money or last in _MONEY or _CHINESE_MONEY.search(chinese):
        additive = last in _ADDITIVE_MONEY or bool(
            _CHINESE_MONEY.search(chinese) and not _CHINESE_UNIT_PRICE.search(chinese)
        )
        return Kind("money", False, additive=additive and not (set(words) & {"unit", "average"}))
    if last == "age" or chinese.endswith("年龄"):
        return Kind("age", False)
    if last in _SCORE:
        return Kind("score", False, additive=last == "points")
    if set(words) & _PERCENT:
        return Kind("percent", False)
    if last in _QUANTITY or is_plural(last) or re.search(r"(数量?|库存|人口|销量)$", chinese):
        return Kind("quantity", False, additive=last not in ("size", "horsepower", "cylinders", "capacity"))
    if last in ("duration", "distance", "area"):
        return Kind("measure", False, additive=True)
    return Kind("measure", False)
