"""From a schema and its sampled values to the domain that queries are sampled from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from sqlfocus.corpus.synthesis.attributes import attribute_of, once
from sqlfocus.corpus.synthesis.comments import Note, read_comment
from sqlfocus.corpus.synthesis.dictionary import has_chinese, to_chinese, to_english
from sqlfocus.corpus.synthesis.domain import Attribute, Domain, Entity, Hop, Ref
from sqlfocus.corpus.synthesis.english import is_cryptic, singular
from sqlfocus.corpus.synthesis.kinds import PERSONS
from sqlfocus.corpus.synthesis.links import connect
from sqlfocus.corpus.synthesis.names import common_prefixes, spoken, table_words
from sqlfocus.corpus.synthesis.profile import Connection, TableProfile, read_profile
from sqlfocus.corpus.synthesis.wordlist import word_set
from sqlfocus.errors import UserError
from sqlfocus.schema.mschema import Database, Table

_VERBS = word_set(
    "has have is of at in on by takes take and to for link map mapping rel relation relationship xref assoc "
    "association junction works belongs likes trained lives tagged teaches teach attends owns uses with from between "
    "undergoes prescribes affiliated assigned treats performs plays directs writes supervises manages drives serves"
)
_DELETED = word_set("is_deleted deleted del del_flag delete_flag is_delete isdeleted is_del")
_CODE_WORDS = word_set("code number serial sku isbn no")


def read_domain(database: Database, connection: Connection) -> Domain:
    """Sample every table of the database and say what its tables and columns are.

    Raises:
        UserError: there is no table, or none has rows.
    """
    prefixes = common_prefixes([table.name for table in database.tables])
    entities: list[Entity] = []
    notes: list[str] = []
    for table in database.tables:
        profile = read_profile(table, connection, database.dialect)
        if isinstance(profile, str):
            notes.append(f"left out {table.name}: it cannot be read ({profile})")
        elif not profile.rows:
            notes.append(f"left out {table.name}: it has no rows")
        else:
            entities.append(_entity(table, profile, prefixes, database.dialect))
    if not entities:
        raise UserError(f"{database.name}: no table has rows to ask about; load some data first, or name other tables")
    notes += connect(database, entities, connection)
    # What is called as its supertype is, after that.
    for entity in sorted(entities, key=lambda entity: any(link.subtype for link in entity.parents)):
        _label(entity)
        _rename_label(entity)
        if entity.live:
            column, value = entity.live
            said = "IS NULL" if value is None else f"= {value}"
            notes.append(f"{entity.table}: every query leaves out deleted rows ({column.column} {said})")
    return Domain(database.name, database.dialect, tuple(entities), tuple(notes))


def _entity(table: Table, profile: TableProfile, prefixes: frozenset[str], dialect: str) -> Entity:
    note = read_comment(table.comment)
    words = table_words(table.name, prefixes)
    english, chinese = _entity_words(words, note)
    own = [english[0].split()] if english else []
    foreign = {column for key in table.foreign_keys for column in key.columns}
    attributes = tuple(
        attribute_of(table, column, profile.columns[column.name], own, chinese, column.name in foreign)
        for column in table.columns
    )
    keys = tuple(a for a, column in zip(attributes, table.columns, strict=True) if column.primary_key)
    declared = bool(keys)
    if not keys:
        keys = tuple(a for a in attributes if a.unique and a.kind == "key")[:1]
    names = {word for attribute in attributes for word in attribute.english[:1]}
    person = (bool(english) and english[0].split()[-1].lower() in PERSONS) or bool(
        names & {"first name", "last name", "gender", "sex", "birth date", "hire date"}
    )
    return Entity(
        table.name,
        table.schema,
        english,
        chinese,
        attributes,
        keys,
        declared,
        person,
        profile.rows,
        sample=profile.sample,
        unnameable=bool(_VERBS & set(words)),
        live=_live(table, attributes),
    )


def _entity_words(words: Sequence[str], note: Note) -> tuple[tuple[str, ...], tuple[str, ...]]:
    name = " ".join(words)
    english: list[str] = []
    commented = singular(re.sub(r"\s*(table|list|records?|info(rmation)?|master data|data|master)$", "", note.english))
    if has_chinese(name):
        english += [commented] if commented else []
        english += [to_english(name) or ""]
    else:
        said = singular(spoken(words))
        cryptic = any(is_cryptic(word) and word.upper() not in said for word in words) or (
            len(words) > 1 and len(words[0]) == 1
        )
        english += [commented, said] if cryptic else [said]
        if commented and not cryptic and _close(commented, said):
            english.append(commented)
    english = [f"{noun} member" if noun.split()[-1:] == ["staff"] else noun for noun in english]
    chinese = [_without_table(note.chinese)] if note.chinese else []
    chinese += [name] if has_chinese(name) else [] if chinese else [to_chinese(singular(name)) or ""]
    return once(english), once(chinese)


def _close(one: str, other: str) -> bool:
    """Whether a comment's noun is another word for the name rather than a remark: no longer than it by two words."""
    return len(one.split()) <= len(other.split()) + 1


def _without_table(text: str) -> str:
    return re.sub(r"(信息|数据|基本信息|主数据)?表?$", "", text) or text


def _live(table: Table, attributes: Sequence[Attribute]) -> tuple[Attribute, object] | None:
    for column, attribute in zip(table.columns, attributes, strict=True):
        if not (
            read_comment(column.comment).soft_delete
            or column.name.lower() in _DELETED
            or column.name.lower() == "deleted_at"
        ):
            continue
        if attribute.kind in ("date", "datetime") or (attribute.kind == "other" and not attribute.values):
            return (attribute, None) if column.name.lower() != "del" else None
        if {str(value) for value in attribute.values} <= {"0", "1", "True", "False"}:
            return attribute, (False if isinstance(attribute.values[0], bool) else 0)
        no = [value for value in attribute.values if str(value).upper() in ("N", "F", "NO", "FALSE")]
        if no:
            return attribute, no[0]
    return None


def _label(entity: Entity) -> None:
    """Choose what a row is called by: its name (or a supertype's), its number or code, its key."""
    own = [a for a in entity.attributes if a.kind not in ("other", "flag")]
    by_word = {attribute.english[0].lower(): attribute for attribute in reversed(own) if attribute.english}
    for name in ("name", "full name", "title"):
        if name in by_word and not by_word[name].numeric:
            entity.label, entity.named = (Ref((), by_word[name]),), True
            return
    pair = [
        (f, last)
        for f, last in (("first name", "last name"), ("forename", "surname"), ("given name", "family name"))
        if f in by_word and last in by_word
    ]
    if pair:
        entity.label, entity.named = tuple(Ref((), by_word[word]) for word in pair[0]), True
        return
    names = [
        a
        for a in own
        if a.kind == "name" or (a.textual and a.chinese and re.search(r"(名称|姓名|名字|名|标题)$", a.chinese[0]))
    ]
    noun = entity.english[0].split()[-1].lower() if entity.english else ""
    names = [
        a
        for a in names
        if a.english and a.english[0].split()[0].lower() not in ("first", "last", "middle", "user", "file")
    ] or names
    names.sort(key=lambda a: not (a.english and ((noun and noun in a.english[0]) or len(a.english[0].split()) == 1)))
    same = [a for a in own if a.english and a.english[0].lower() == noun and a.textual]
    if same or names:
        entity.label, entity.named = (Ref((), (same or names)[0]),), True
        return
    for link in entity.parents:
        if (
            link.subtype
            and link.parent is not entity
            and link.parent.named
            and not any(ref.path for ref in link.parent.label)
        ):
            entity.label = tuple(Ref((Hop(link, True),), ref.attribute) for ref in link.parent.label)
            entity.named = True
            return
    coded = [
        a
        for a in own
        if a.unique
        and a.english
        and set(a.english[0].lower().split()) & _CODE_WORDS
        and a.textual
        and not a.english[0].lower().startswith(("postal", "zip", "post"))
    ]
    unique = [
        a
        for a in own
        if a.unique
        and a.textual
        and a.kind in ("category", "text")
        and max(len(str(v)) for v in a.values) <= 40
        and not any(str(v)[:1].isdigit() for v in a.values)
    ]
    chosen = coded[:1] or unique[:1] or list(entity.key) or own[:1]
    entity.named = bool(unique[:1]) and not coded
    entity.label = tuple(Ref((), attribute) for attribute in chosen)


def _rename_label(entity: Entity) -> None:
    """A label that is called like its table (``continents.continent``) is its "name"."""
    if len(entity.label) != 1 or entity.label[0].path or not entity.english:
        return
    label = entity.label[0].attribute
    if label.english and label.english[0].lower() == entity.english[0].lower():
        named = replace(label, english=("name",), chinese=tuple(dict.fromkeys((*label.chinese, "名称"))))
        entity.attributes = tuple(named if attribute is label else attribute for attribute in entity.attributes)
        entity.key = tuple(named if attribute is label else attribute for attribute in entity.key)
        entity.label = (Ref((), named),)
