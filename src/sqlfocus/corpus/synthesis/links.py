"""Foreign keys as links between entities, with roles; and links that names and values show where none is declared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlfocus.corpus.synthesis.dictionary import has_chinese, to_chinese
from sqlfocus.corpus.synthesis.domain import Attribute, Entity, Link
from sqlfocus.corpus.synthesis.english import is_cryptic, singular
from sqlfocus.corpus.synthesis.names import column_words, split_identifier, spoken
from sqlfocus.corpus.synthesis.profile import Connection
from sqlfocus.corpus.synthesis.quoting import literal, qualified, quoted
from sqlfocus.schema.mschema import Database, ForeignKey, Table


def connect(database: Database, entities: Sequence[Entity], connection: Connection) -> list[str]:
    """Give the entities their parents and children; return one line for each link that no foreign key declares."""
    by_table = {(entity.schema, entity.table): entity for entity in entities}
    by_name = {entity.table.lower(): entity for entity in entities}
    notes: list[str] = []
    for table in database.tables:
        child = by_table.get((table.schema, table.name))
        if child is None:
            continue
        declared: set[str] = set()
        for key in _whole(table, database):
            parent = by_table.get((key.referenced_schema, key.referenced_table)) or by_name.get(
                key.referenced_table.lower()
            )
            declared.update(key.columns)
            if parent is not None:
                _link(child, parent, key)
        for attribute in child.attributes:
            if attribute.column in declared:
                continue
            for parent in entities:
                if parent is not child and _refers(attribute, child, parent, connection, database.dialect):
                    _link(child, parent, ForeignKey((attribute.column,), parent.table, (parent.key[0].column,)))
                    notes.append(
                        f"no foreign key is declared, but {child.table}.{attribute.column} is taken to refer to "
                        f"{parent.table}.{parent.key[0].column}"
                    )
                    break
    for entity in entities:
        _find_owner(entity)
    for entity in entities:
        parents = [link.parent for link in entity.parents if not link.subtype and link.parent is not entity]
        nouns = {word for parent in parents for noun in parent.english for word in noun.lower().split()}
        own = {word for noun in entity.english[:1] for word in noun.lower().split()}
        tied = {column for link in entity.parents for column in link.columns}
        owned = any(link.owner for link in entity.parents)
        if (
            len(entity.parents) > 1
            and not owned
            and all(attribute.column in tied or attribute.kind in ("key", "other") for attribute in entity.attributes)
        ):
            entity.unnameable = True
        heads = {noun.split()[-1].lower() for parent in parents for noun in parent.english[:1]}
        if len(own & heads) > 1 and own <= nouns | {"detail", "record"}:
            entity.unnameable = True
    return notes


def _find_owner(child: Entity) -> None:
    """Of two keys to one table, tell the one that says who the child is from the one that says whose."""
    for parent in {id(link.parent): link.parent for link in child.parents}.values():
        links = [link for link in child.parents if link.parent is parent]
        if len(links) != 2 or parent is child or not child.english or any(len(link.columns) > 1 for link in links):
            continue
        who = [link for link in links if _names(link.columns[0], child)]
        if len(who) != 1:
            continue
        for link in links:
            told = replace(link, subtype=True) if link is who[0] else replace(link, owner=True)
            for end in (child.parents, parent.children):
                end[end.index(link)] = told


def _names(column: str, child: Entity) -> bool:
    """Whether a foreign key is called as its table: ``friend_id`` of ``friend``, ``liked_id`` of ``likes``."""
    word = [word for word in split_identifier(column) if word not in ("id", "code", "number", "key", "fk")][-1:]
    noun = child.english[0].split()[-1].lower()
    return bool(word) and word[0].startswith(noun) and len(word[0]) - len(noun) <= 2


def _whole(table: Table, database: Database) -> list[ForeignKey]:
    """The table's foreign keys, those that are declared column by column but refer to one composite key joined."""
    keys = {
        other.name.lower(): tuple(column.name for column in other.columns if column.primary_key)
        for other in database.tables
    }
    result: list[ForeignKey] = []
    parts: dict[str, list[ForeignKey]] = {}
    for key in table.foreign_keys:
        target = keys.get(key.referenced_table.lower(), ())
        if len(key.columns) == 1 and len(target) > 1 and key.referenced_columns[0] in target:
            parts.setdefault(key.referenced_table.lower(), []).append(key)
        else:
            result.append(key)
    for name, some in parts.items():
        by_target = {key.referenced_columns[0]: key for key in some}
        if set(by_target) == set(keys[name]) and len(some) == len(by_target):
            ordered = [by_target[column] for column in keys[name]]
            result.append(
                ForeignKey(
                    tuple(key.columns[0] for key in ordered),
                    some[0].referenced_table,
                    keys[name],
                    some[0].referenced_schema,
                )
            )
        else:
            result += some
    return result


def _link(child: Entity, parent: Entity, key: ForeignKey) -> None:
    by_column = {attribute.column.lower(): attribute for attribute in child.attributes}
    own = [by_column.get(column.lower()) for column in key.columns]
    target = {attribute.column.lower(): attribute.column for attribute in parent.attributes}
    referenced = [target.get(column.lower(), "") for column in key.referenced_columns]
    if not all(own) or not all(referenced) or len(own) != len(referenced):
        return
    attributes = [attribute for attribute in own if attribute is not None]
    # A gymnast is a person; a hiring that has its employee's key is not an employee.
    subtype = set(attributes) == set(child.key) and child is not parent and child.person and parent.person
    role_en, role_zh = ("", "") if subtype else _role(attributes[0], child, parent)
    link = Link(
        child,
        parent,
        tuple(attribute.column for attribute in attributes),
        tuple(referenced),
        role_en,
        role_zh,
        subtype,
        not any(attribute.nulls for attribute in attributes),
    )
    child.parents.append(link)
    parent.children.append(link)


def _role(attribute: Attribute, child: Entity, parent: Entity) -> tuple[str, str]:
    """What the parent is to the child by the column's name; empty where it is only the parent's noun."""
    chinese = attribute.chinese[0] if attribute.chinese else ""
    for ending in ("编号", "编码", "ID", "id", "号", "代码", "标识", "主键", "外键"):
        if chinese.endswith(ending) and len(chinese) > len(ending):
            chinese = chinese.removesuffix(ending)
            break
    if chinese in parent.chinese or chinese in child.chinese or "所属" in chinese or not has_chinese(chinese):
        chinese = ""
    if has_chinese(attribute.column):
        return "", chinese
    words = column_words(attribute.column, child.english[0].split() if child.english else [])
    full = split_identifier(attribute.column)
    ended = full[-1] in ("id", "code", "number", "key", "fk", "uuid")
    words = words[:-1] if len(words) > 1 and words[-1] in ("id", "code", "number", "key", "fk", "uuid") else words
    if len(words) > 1 and parent.english and [words[-1]] == [attribute.column.lower() for attribute in parent.key]:
        words = [*words[:-1], *parent.english[0].split()]
    role = singular(spoken(words))
    parents = {noun.lower() for noun in parent.english} | {parent.table.lower(), singular(parent.table.lower())}
    plain = (
        role.lower() in parents
        or role.lower() in ("id", "code", "key", "number")
        or any(role.lower() == noun.split()[-1] for noun in parents)
    )
    same = (
        child is not parent
        and any(attribute.column.lower() == target.column.lower() for target in parent.attributes)
        and not ended
    )
    verbal = set(words) & {"by", "to", "from", "of", "in", "at", "with"}
    readable = len(role) > 2 and not any(is_cryptic(word.lower()) for word in words)
    if not readable or plain or same or (verbal and words[-1] not in ("by",)) or not words:
        return "", chinese
    if words[-1] == "by" and len(words) > 1:
        return "", chinese
    if child is not parent and any(attribute.column.lower() == target.column.lower() for target in parent.attributes):
        return "", chinese
    if (
        child is parent
        and child.english
        and role.lower() in ("parent", "super", "main", "root", "upper", "previous", "next")
    ):
        role = f"{role} {child.english[0]}"
    return role, chinese or (to_chinese(role) or "")


def _refers(attribute: Attribute, child: Entity, parent: Entity, connection: Connection, dialect: str) -> bool:
    """Whether a column without a foreign key refers to the parent: called ``<parent>_id``, all its values there."""
    if (
        len(parent.key) != 1
        or not attribute.values
        or attribute.dated
        or (attribute in child.key and len(child.key) == 1)
    ):
        return False
    key = parent.key[0]
    words = split_identifier(attribute.column)
    noun = [word.lower() for word in (parent.english[0].split() if parent.english else [])]
    table = [singular(word) for word in split_identifier(parent.table)]
    suffixed = len(words) > 1 and words[-1] in ("id", "code", "number", "key") and (words[:-1] in (noun, table))
    alike = (
        attribute.column.lower() == key.column.lower()
        and split_identifier(key.column) != ["id"]
        and words[-1] in ("id", "code", "number", "key")
    )
    chinese = has_chinese(attribute.column) and attribute.column == key.column
    right_key = split_identifier(key.column)[-1] == words[-1] or key.column == attribute.column
    if not ((suffixed and right_key) or alike or chinese):
        return False
    if alike and not suffixed and not chinese and not key.unique:
        return False
    if isinstance(attribute.values[0], str) != isinstance(key.values[0] if key.values else 0, str):
        return False
    sample = attribute.values[:50]
    listed = ", ".join(literal(value, dialect) for value in sample)
    table_name = qualified(parent.schema, parent.table, dialect)
    found = connection.run(f"SELECT count(*) FROM {table_name} WHERE {quoted(key.column, dialect)} IN ({listed})")
    return not found.error and int(found.rows[0][0]) == len(sample)
