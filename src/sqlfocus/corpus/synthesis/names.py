"""Identifiers to words: ``order_items`` is "order items", ``custNm`` "customer name", ``t_bi_sales`` "sales"."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

from sqlfocus.corpus.synthesis.dictionary import has_chinese, known
from sqlfocus.corpus.synthesis.english import is_adjective
from sqlfocus.corpus.synthesis.wordlist import word_set

_Verb = TypeVar("_Verb")
_ABBREVIATIONS = dict(
    pair.split("=")
    for pair in word_set(
        "cust=customer custs=customers nm=name qty=quantity amt=amount addr=address desc=description "
        "descr=description dept=department depts=departments emp=employee emps=employees num=number nbr=number "
        "tel=phone mob=mobile prod=product prods=products acct=account accts=accounts acc=account mgr=manager dt=date "
        "ts=time tm=time cd=code inv=invoice pct=percentage perc=percentage yr=year mth=month fname=first_name "
        "lname=last_name dob=date_of_birth org=organization orgs=organizations cnt=count avg=average min=minimum "
        "max=maximum mfr=manufacturer mfg=manufacturing loc=location msg=message img=image usr=user grp=group "
        "pwd=password ord=order ords=orders stu=student crs=course sect=section bldg=building apt=apartment "
        "ctry=country cntry=country lang=language prof=professor instr=instructor sem=semester info=information "
        "temp=temperature lat=latitude lon=longitude lng=longitude zip=zip_code zipcode=zip_code postcode=postcode "
        "stat=status sts=status typ=type ref=reference src=source dst=destination dest=destination pmt=payment "
        "wt=weight ht=height hgt=height len=length vol=volume sz=size cat=category catg=category subcat=subcategory "
        "supp=supplier vend=vendor whs=warehouse wh=warehouse bal=balance disc=discount sal=salary txn=transaction "
        "trans=transaction trx=transaction reg=registration upd=update del=deleted flg=flag firstname=first_name "
        "lastname=last_name fullname=full_name username=user_name birthdate=birth_date birthday=birthday "
        "hiredate=hire_date startdate=start_date enddate=end_date phoneno=phone_number tot=total ttl=total val=value "
        "seq=sequence attr=attribute prc=price lvl=level"
    )
)
_PREFIXES = word_set("t tbl tb tab dim fact fct ods dwd dws ads stg vw v ref sys bi dw mst mstr m d f")
_KEPT_SHORT = word_set("id no of in on at to by is as up tv pc qa it us uk vip gdp url iso sku ip dna")
_UPPER = word_set("id tv pc gdp gnp url iso sku ip dna vip isbn gpa uk usa nba nfl cpu ram gps vat mpg issn dj pin atm")


def split_identifier(identifier: str) -> list[str]:
    """The lower-case words of an identifier, abbreviations expanded; Chinese stays one word.

    >>> split_identifier("OrderItems"), split_identifier("cust_nm"), split_identifier("StuID")
    (['order', 'items'], ['customer', 'name'], ['student', 'id'])
    >>> split_identifier("no_of_loans"), split_identifier("order_no"), split_identifier("LName")
    (['number', 'of', 'loans'], ['order', 'number'], ['last', 'name'])
    """
    if has_chinese(identifier):
        return [part for part in re.split(r"[_\s\-]+", identifier) if part]
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z]{2})(?=\d)", "_", identifier)
    words: list[str] = []
    if identifier.isalnum() and (identifier.lower() in _ABBREVIATIONS or known(identifier.lower())):
        spaced = identifier  # LName, PHone
    for part in re.split(r"[^A-Za-z0-9]+", spaced):
        if part:
            words.extend(_expand(part.lower()))
    words = [word for place, word in enumerate(words) if place == 0 or word != words[place - 1]]
    if words[-3:] == ["zip", "code", "postcode"]:
        words[-3:] = ["postcode"]
    if len(words) > 1 and words[0] == "pub" and words[-1] in ("year", "date"):
        words[0] = "publication"
    if (
        len(words) > 1
        and words[0] == "pay"
        and words[1] in ("method", "date", "time", "type", "status", "amount", "channel")
    ):
        words[0] = "payment"
    if len(words) > 1 and words[-1] == "no":
        words[-1] = "number"
    if words[:2] == ["no", "of"]:
        words[0] = "number"
    return words


def _expand(word: str) -> list[str]:
    if word in _ABBREVIATIONS:
        return _ABBREVIATIONS[word].split("_")
    if is_word(word) or len(word) < 6:
        return [word]
    return _segmented(word) or [word]


def is_word(word: str) -> bool:
    return (
        known(word)
        or is_adjective(word)
        or (word.endswith("s") and known(word[:-1]))
        or known(word.replace("ies", "y"))
    )


def _segmented(word: str) -> list[str] | None:
    """``customername`` as two known words of which the second closes a name, else ``None``."""
    for tail in ("name", "id", "date", "code", "type", "number", "no", "price", "status", "time", "address", "title"):
        head = word.removesuffix(tail)
        if head and head != word:
            if is_word(head) or head in _ABBREVIATIONS:
                return [*_expand(head), tail]
            if tail in ("id", "no"):
                continue
    for place in range(4, len(word) - 3):
        head, tail = word[:place], word[place:]
        if is_word(head) and is_word(tail):
            return [*_expand(head), *_expand(tail)]
    return None


def spoken(words: Sequence[str]) -> str:
    """Words joined to a phrase, ``id`` and the like in capitals."""
    return " ".join(word.upper() if word in _UPPER else word for word in words)


def common_prefixes(identifiers: Sequence[str]) -> frozenset[str]:
    """The first words that are not part of a table's name: ``t`` and ``tbl``, and one that most tables carry."""
    firsts = [words[0] for words in map(split_identifier, identifiers) if len(words) > 1]
    prefixes = {word for word in firsts if word in _PREFIXES}
    for word, count in Counter(firsts).items():
        if (
            count >= 3
            and count >= 0.6 * len(identifiers)
            and not any(split_identifier(i) == [word] for i in identifiers)
        ):
            prefixes.add(word)
    return frozenset(prefixes)


def table_words(identifier: str, prefixes: frozenset[str]) -> list[str]:
    """The words of a table's name without its prefixes and without ``table``, ``info``, ``tbl`` at the end."""
    words = split_identifier(identifier)
    while len(words) > 1 and words[0] in prefixes:
        words = words[1:]
    while len(words) > 1 and words[-1] in ("table", "tbl", "tab", "information", "master", "mst", "data", "list"):
        words = words[:-1]
    if len(words) == 1 and has_chinese(words[0]) and len(words[0]) > 2:
        words = [re.sub(r"(信息|数据)?表$", "", words[0]) or words[0]]
    return words


def table_verb(table: str, verbs: Mapping[str, _Verb]) -> _Verb | None:
    """What one of the words of a table's name says of its rows, the first that ``verbs`` has.

    >>> table_verb("Faculty_Participates_in", {"participates": "participates in"})
    'participates in'
    """
    return next((verbs[word] for word in split_identifier(table) if word in verbs), None)


def column_words(identifier: str, entity: Sequence[str]) -> list[str]:
    """The words of a column's name without the table's own in front (``customer_name`` of customers is "name")."""
    words = split_identifier(identifier)
    for length in range(len(entity), 0, -1):
        own = list(entity[-length:])
        if len(words) > length and words[:length] == own:
            # "Date" alone would be any of the table's dates.
            return words if words[length:] in (["date"], ["time"], ["day"], ["year"], ["number"]) else words[length:]
    return words


_EVENT_NOUNS = {
    "created": "creation", "create": "creation", "updated": "update", "modified": "modification", "ordered": "order",
    "placed": "order", "shipped": "shipping", "delivered": "delivery", "paid": "payment", "registered": "registration",
    "published": "publication", "hired": "hire", "born": "birth", "joined": "joining", "closed": "closing",
    "opened": "opening",
    "started": "start", "begins": "start", "starts": "start", "ended": "end", "ends": "end", "finished": "end",
    "expires": "expiry", "expired": "expiry", "cancelled": "cancellation", "canceled": "cancellation",
    "completed": "completion", "returned": "return", "borrowed": "borrowing", "released": "release", "sent": "sending",
    "issued": "issue", "approved": "approval", "submitted": "submission", "enrolled": "enrollment",
    "admitted": "admission",
    "discharged": "discharge", "booked": "booking", "purchased": "purchase",
    "bought": "purchase", "sold": "sale", "founded": "founding",
    "resolved": "resolution", "received": "receipt", "visited": "visit", "scheduled": "schedule", "logged": "log",
    "adopted": "adoption", "arrived": "arrival", "departed": "departure", "left": "leaving", "acquired": "acquisition",
}  # fmt: skip


def event_words(words: Sequence[str]) -> list[str]:
    """A date's name as a noun: ``created_at`` is "creation date", ``shipped`` "shipping date"; others as they are.

    >>> event_words(["created", "at"]), event_words(["order", "date"]), event_words(["paid", "time"])
    (['creation', 'date'], ['order', 'date'], ['payment', 'time'])
    """
    words = list(words)
    if words == ["signed", "up", "at"] or words == ["signup", "at"]:
        return ["sign-up", "date"]
    if len(words) > 1 and words[0] == "date" and words[-1] in _EVENT_NOUNS:
        return [_EVENT_NOUNS[words[-1]], "date"]
    at = words[-1] in ("at", "on", "date", "time") and len(words) > 1
    head = words[:-1] if at else words
    noun = _EVENT_NOUNS.get(head[-1])
    if noun is None and not (at and words[-1] in ("at", "on")):
        return words
    tail = words[-1] if at and words[-1] in ("date", "time") else "date"
    return [*head[:-1], noun or head[-1], tail]
