"""What business people call things that no column is called: revenue, units sold, the date of an event."""

from __future__ import annotations

from sqlfocus.corpus.synthesis.domain import Attribute, Domain, Entity, Ref
from sqlfocus.corpus.synthesis.query import Measure, Product
from sqlfocus.corpus.synthesis.shapes_nested import products_of
from sqlfocus.corpus.synthesis.wordlist import word_set

_SALES = word_set("order sale purchase invoice transaction receipt bill")
_TOTALS = frozenset(["amount", "total"])
_PARTS = frozenset(["item", "line", "detail", "entry"])


def words(entity: Entity) -> list[str]:
    """The words of the entity's usual English noun."""
    return entity.english[0].lower().split() if entity.english else []


def is_total_of_sale(entity: Entity, attribute: Attribute) -> bool:
    """Whether the attribute is what one sale came to, as ``orders.total_amount``."""
    said = attribute.english[0].lower().split() if attribute.english else []
    return (
        bool(said)
        and attribute.kind == "money"
        and said[-1] in _TOTALS
        and not set(said) & {"discount", "tax", "refund", "shipping", "unit"}
        and words(entity)[-1:] != []
        and words(entity)[-1] in _SALES
    )


def is_sold_unit(entity: Entity, attribute: Attribute) -> bool:
    """Whether the attribute counts the units of a sale's line, as ``order_items.quantity``."""
    said = attribute.english[0].lower().split() if attribute.english else []
    noun = words(entity)
    return (
        said in (["quantity"], ["qty"], ["number", "of", "units"])
        and bool(noun)
        and (noun[-1] in _PARTS or noun[-1] == "sale")
    )


def revenue(domain: Domain) -> Attribute | tuple[Attribute, Attribute] | None:
    """The one thing that "revenue" can mean in the database: a sale's total, or quantity times price of its lines.

    ``None`` where there is none or more than one, so that the word would not determine the SQL.
    """
    found: list[Attribute | tuple[Attribute, Attribute]] = []
    for entity in domain.entities:
        found += [attribute for attribute in entity.attributes if is_total_of_sale(entity, attribute)]
        noun = words(entity)
        if noun and (noun[-1] in _PARTS or noun[-1] in _SALES):
            found += [(product.left.attribute, product.right.attribute) for product in products_of(entity)]
    return found[0] if len(found) == 1 else None


def is_revenue(domain: Domain, measure: Measure) -> bool:
    """Whether the measure is the sum that "revenue" means."""
    if measure.function != "sum":
        return False
    meant = revenue(domain)
    if isinstance(measure.of, Product):
        return meant == (measure.of.left.attribute, measure.of.right.attribute)
    return isinstance(measure.of, Ref) and meant is measure.of.attribute


def main_date(entity: Entity) -> Attribute | None:
    """The date that "latest" and "per month" mean without saying it: the only one, or the event's own."""
    dated = [attribute for attribute in entity.attributes if attribute.dated and attribute.english]
    if len(dated) == 1:
        return dated[0]
    noun = words(entity)[-1:]
    own = [a for a in dated if a.english[0].lower().split()[:-1] == noun or a.english[0].lower() in ("date", "time")]
    return own[0] if len(own) == 1 else None
