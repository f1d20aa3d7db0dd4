"""What a table's or column's comment says: its name in two languages, what codes mean, the unit, soft deletion.

Understood are the forms that people write: ``order status: P = paid, S = shipped / 订单状态：P 已付款，S 已发货``,
``0=no, 1=yes``, ``1: 男``, ``性别(0女1男)``, ``price in cents / 价格（分）``, ``soft delete flag``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sqlfocus.corpus.synthesis.dictionary import has_chinese

# What a unit is called: the pattern that finds it in English and in Chinese, then its name.
_UNITS = (
    ("cent", r"\b(?:us |euro )?cents?\b", r"美分|(?<![积评得满高低总])分(?!钟|数|类|店|行|支|组|期|值|部|子)"),
    ("dollar", r"\b(?:us )?dollars?\b|\busd\b|\$", r"美元"),
    ("yuan", r"\byuan\b|\bcny\b|\brmb\b|¥|￥", r"(?<![美欧日单])元|人民币"),
    ("euro", r"\beuros?\b|\beur\b|€", r"欧元"),
    ("pound", r"\bgbp\b|£", r"英镑"),
    ("kilogram", r"\bkilograms?\b|\bkgs?\b|\bkilos?\b", r"千克|公斤|\bkg\b"),
    ("gram", r"\bgram(?:me)?s?\b|\(g\)", r"(?<!千)克"),
    ("kilometre", r"\bkilomet(?:re|er)s?\b|\bkm\b", r"公里|千米"),
    ("centimetre", r"\bcentimet(?:re|er)s?\b|\bcm\b", r"厘米"),
    ("millimetre", r"\bmillimet(?:re|er)s?\b|\bmm\b", r"毫米"),
    ("square metre", r"\bsquare met(?:re|er)s?\b|\bm2\b|\bsqm\b|m²", r"平方米|平米"),
    ("metre", r"\bmet(?:re|er)s?\b|\(m\)", r"(?<![平方厘毫千])米"),
    ("millisecond", r"\bmilliseconds?\b|\bms\b", r"毫秒"),
    ("second", r"\bseconds?\b|\bsecs?\b", r"(?<!毫)秒"),
    ("minute", r"\bminutes?\b|\bmins?\b", r"分钟"),
    ("hour", r"\bhours?\b|\bhrs?\b", r"小时"),
    ("day", r"\bdays\b", r"天数|（天）|\(天\)|单位[:：]?天"),
    ("percent", r"\bper ?cent\b|%", r"百分比|%|％"),
    ("litre", r"\blit(?:re|er)s?\b", r"(?<!毫)升"),
)
_MONEY_UNITS = ("cent", "dollar", "yuan", "euro", "pound")
_SOFT_DELETE = re.compile(r"(?i)soft[- ]?delet|logical(?:ly)?[- ]delet|软删除|逻辑删除|删除标[志记识]|是否已?删除")
_LABEL_END = re.compile(r"[:：(（\[【,，;；。.\n=–—]| - |\s-\s")
_ENGLISH_CODE = re.compile(
    r"(?:^|[\s,;:(\[|/])['\"]?(?P<code>[A-Za-z0-9_+]{1,20}|-\d+)['\"]?\s*(?:=|:|->|→|=>|–|—| - | is | means )\s*"
    r"['\"]?(?P<word>[A-Za-z][A-Za-z' -]{0,40}?)['\"]?"
    r"(?=\s*(?:[,;|/)\].\n]|$| and | or |\s['\"]?[A-Za-z0-9]{1,3}['\"]?\s*=))"
)
_BARE_CODE = re.compile(
    r"(?:^|[\s,;:(|/])['\"]?(?P<code>[A-Z]{1,2}|\d{1,2})['\"]?\s+(?P<word>[a-z][a-z -]{1,30}?)(?=\s*(?:[,;|/).]|$))"
)
_CHINESE_CODE = re.compile(
    r"(?<!\d)(?<!\d-)['\"“]?(?P<code>-?[A-Za-z0-9_]{1,20})['\"”]?\s*(?:=|:|：|-+>?|→|=>|、|\.|为|是|表示|代表)?\s*"
    r"['\"“]?(?P<word>[\u3400-\u9fff][\u3400-\u9fffA-Za-z]{0,11}?)['\"”]?(?=\s*(?:[,，;；、。|/)）\]】\n.]|$|['\"“]?-?[A-Za-z0-9_]{1,20}['\"”]?\s*(?:=|:|：|-|→)?\s*[\u3400-\u9fff]))"
)


@dataclass(frozen=True, slots=True)
class Note:
    """What a comment says. ``english`` and ``chinese`` are short names or empty; ``unit`` is a unit's name or empty."""

    english: str = ""
    chinese: str = ""
    codes_en: dict[str, str] = field(default_factory=dict)
    codes_zh: dict[str, str] = field(default_factory=dict)
    unit: str = ""
    currency: str = ""
    soft_delete: bool = False


def read_comment(comment: str, *, money: bool = False) -> Note:
    """Read a comment; ``money`` says that the column holds amounts of money, where ``分`` means cents, not points.

    >>> note = read_comment("order status: P = paid, S = shipped / 订单状态：P 已付款，S 已发货")
    >>> note.english, note.chinese, note.codes_en, note.codes_zh
    ('order status', '订单状态', {'P': 'paid', 'S': 'shipped'}, {'P': '已付款', 'S': '已发货'})
    """
    english, chinese = _languages(comment.strip())
    codes_en = _english_codes(english)
    codes_zh = {
        match["code"]: match["word"] for match in _CHINESE_CODE.finditer(re.sub(r"^[\u3400-\u9fff]+", "", chinese))
    }
    units = [
        name
        for name, pattern_en, pattern_zh in _UNITS
        if re.search(pattern_en, english, re.I) or re.search(pattern_zh, chinese)
    ]
    units = [name for name in units if money or name != "cent"]
    currencies = [name for name in units if name in _MONEY_UNITS and name != "cent"]
    if money and "cent" in units:
        unit = "cent"
    else:
        unit = units[0] if units else ""
    return Note(
        english=_english_label(english, codes_en),
        chinese=_chinese_label(chinese),
        codes_en=codes_en,
        codes_zh=codes_zh,
        unit=unit,
        currency=currencies[0] if currencies else "",
        soft_delete=bool(_SOFT_DELETE.search(comment)),
    )


def _languages(comment: str) -> tuple[str, str]:
    """The English part and the Chinese part. A slash, a bar, a newline or brackets stand between."""
    if not has_chinese(comment):
        return comment, ""
    for match in re.finditer(r"\s*[/|／\n]\s*|\s+-+\s+", comment):
        before, after = comment[: match.start()], comment[match.end() :]
        more_english = re.search(r"[\u3400-\u9fff].*\s/\s*[A-Za-z ]{3,}$", after)
        if not has_chinese(before) and has_chinese(after) and re.search(r"[A-Za-z]{2}", before) and not more_english:
            return before, after
        if has_chinese(before) and not has_chinese(after) and re.search(r"[A-Za-z]{2}", after):
            return after, before
    bracket = re.fullmatch(r"([A-Za-z][A-Za-z ]+)[(（]([^()（）]*[\u3400-\u9fff][^()（）]*)[)）]", comment)
    if bracket:
        return bracket[1].strip(), bracket[2].strip()
    bracket = re.fullmatch(
        r"([^()（）A-Za-z]*[\u3400-\u9fff][^()（）A-Za-z]*)[(（]([A-Za-z][A-Za-z ]{2,})[)）]", comment
    )
    if bracket:
        return bracket[2].strip(), bracket[1].strip()
    return "", comment


def _english_codes(text: str) -> dict[str, str]:
    """Codes and their words; what stands before the first colon or bracket is a name unless it is a code itself."""
    label = re.match(r"[A-Za-z][A-Za-z ]{2,}\s*[:(]", text)
    if label and ":" not in text[label.end() :]:
        text = text[label.end() :]
    codes = {match["code"]: _tidy(match["word"]) for match in _ENGLISH_CODE.finditer(text)}
    if not codes:
        codes = {match["code"]: _tidy(match["word"]) for match in _BARE_CODE.finditer(text)}
        return codes if len(codes) > 1 else {}
    return codes


def _tidy(word: str) -> str:
    word = re.sub(r"\s+", " ", word).strip(" -'")
    return word if word.isupper() else word[:1].lower() + word[1:]


def _english_label(text: str, codes: dict[str, str]) -> str:
    label = _LABEL_END.split(text, maxsplit=1)[0].strip()
    label = re.sub(r"(?i)^(the|an?) ", "", label)
    label = re.sub(
        r"(?i)\s+(in|as) (us |euro )?(cents?|dollars?|yuan|euros?|grams?|kg|kilograms?|cm|met(re|er)s?|minutes?"
        r"|seconds?|hours?|days|percent|usd|km)$",
        "",
        label,
    )
    words = label.split()
    if label in codes:
        return ""
    if not 1 <= len(words) <= 4 or not re.fullmatch(r"[A-Za-z][A-Za-z' -]*", label):
        return ""
    if words[0].lower() in ("in", "at", "of", "as", "on", "all", "only", "always", "may"):
        return ""
    if any(
        word.lower()
        in (
            "is",
            "are",
            "was",
            "where",
            "when",
            "which",
            "that",
            "whether",
            "if",
            "who",
            "how",
            "per",
            "and",
            "or",
            "not",
            "to",
            "for",
            "with",
            "each",
            "one",
            "by",
            "from",
            "see",
            "used",
            "this",
        )
        for word in words
    ):
        return ""
    return " ".join(word if word.isupper() and len(word) < 5 else word.lower() for word in words)


def _chinese_label(text: str) -> str:
    label = _LABEL_END.split(text, maxsplit=1)[0].strip()
    label = re.split(
        r"(?<=[\u3400-\u9fff])\s*['\"“]?[A-Za-z0-9]+['\"”]?\s*[-=：:、]?\s*(?=[\u3400-\u9fff])|\s|、|/",
        label,
        maxsplit=1,
    )[0]
    label = label.removeprefix("该").removesuffix("的")
    return label if has_chinese(label) and 1 <= len(label) <= 10 else ""
