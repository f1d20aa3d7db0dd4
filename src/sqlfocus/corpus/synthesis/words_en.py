"""What English says of nouns: superlatives, verbs of dates and of ownership, prepositions, synonyms."""

from __future__ import annotations

from dataclasses import dataclass

from sqlfocus.corpus.synthesis.wordlist import word_set

# The last word of an attribute's name: the adjective for its greatest and its smallest value.
SUPERLATIVES = {
    "price": ("most expensive", "cheapest"),
    "cost": ("most expensive", "cheapest"),
    "age": ("oldest", "youngest"),
    "weight": ("heaviest", "lightest"),
    "height": ("tallest", "shortest"),
    "length": ("longest", "shortest"),
    "duration": ("longest", "shortest"),
    "runtime": ("longest", "shortest"),
    "size": ("largest", "smallest"),
    "area": ("largest", "smallest"),
    "population": ("most populous", "least populous"),
    "rating": ("highest-rated", "lowest-rated"),
    "speed": ("fastest", "slowest"),
    "salary": ("highest-paid", "lowest-paid"),
    "wage": ("highest-paid", "lowest-paid"),
    "birth date": ("youngest", "oldest"),
    "date of birth": ("youngest", "oldest"),
    "birthday": ("youngest", "oldest"),
}

# The last word of an attribute's name: the verb, third person and plural, of "costs more than", and its participle.
MEASURING_VERBS = {
    "price": ("costs", "cost", "costing"),
    "weight": ("weighs", "weigh", "weighing"),
    "salary": ("earns", "earn", "earning"),
    "wage": ("earns", "earn", "earning"),
    "duration": ("lasts", "last", "lasting"),
}

# The last word of an attribute's name: comparatives, as in "older than 30".
COMPARATIVES = {
    "age": ("older than", "younger than"),
    "weight": ("heavier than", "lighter than"),
    "height": ("taller than", "shorter than"),
    "length": ("longer than", "shorter than"),
    "duration": ("longer than", "shorter than"),
    "price": ("more expensive than", "cheaper than"),
    "area": ("larger than", "smaller than"),
}

# What a date is the date of: the participle, and whether it is passive ("was hired") or active ("started").
EVENTS = {
    "creation": ("created", True),
    "create": ("created", True),
    "update": ("updated", True),
    "modification": ("modified", True),
    "order": ("placed", True),
    "hire": ("hired", True),
    "hiring": ("hired", True),
    "birth": ("born", True),
    "birthday": ("born", True),
    "of birth": ("born", True),
    "release": ("released", True),
    "publication": ("published", True),
    "publish": ("published", True),
    "shipping": ("shipped", True),
    "shipment": ("shipped", True),
    "ship": ("shipped", True),
    "delivery": ("delivered", True),
    "payment": ("paid", True),
    "registration": ("registered", True),
    "founding": ("founded", True),
    "foundation": ("founded", True),
    "opening": ("opened", True),
    "closing": ("closed", True),
    "start": ("started", False),
    "begin": ("began", False),
    "end": ("ended", False),
    "finish": ("finished", False),
    "join": ("joined", False),
    "joining": ("joined", False),
    "sign-up": ("signed up", False),
    "signup": ("signed up", False),
    "return": ("returned", True),
    "borrow": ("borrowed", True),
    "borrowing": ("borrowed", True),
    "loan": ("lent", True),
    "purchase": ("purchased", True),
    "booking": ("booked", True),
    "issue": ("issued", True),
    "approval": ("approved", True),
    "cancellation": ("cancelled", True),
    "completion": ("completed", True),
    "submission": ("submitted", True),
    "expiry": ("expired", False),
    "expiration": ("expired", False),
    "arrival": ("arrived", False),
    "departure": ("departed", False),
    "sale": ("sold", True),
    "manufacture": ("manufactured", True),
    "invoice": ("issued", True),
    "enrollment": ("enrolled", False),
    "admission": ("admitted", True),
    "discharge": ("discharged", True),
    "graduation": ("graduated", False),
    "review": ("written", True),
    "comment": ("written", True),
    "visit": ("made", True),
    "adoption": ("adopted", True),
    "acquisition": ("acquired", True),
    "leaving": ("left", False),
}
# Events whose participle fits only a thing of that kind: an order is placed, a product with an order date is not.
EVENT_NOUNS = {"order": "order", "invoice": "invoice", "booking": "booking"}

# Parents that something is "in" or "at", and those that made it.
IN = word_set(
    "city country state region province county district continent category department warehouse room building "
    "section class group genre series team division district town village league area zone album collection order "
    "invoice course"
)
AT = word_set(
    "school university college company store shop hotel bank branch hospital station airport stadium restaurant "
    "museum clinic library venue office campus location address"
)
BY = word_set(
    "author writer artist singer director creator composer publisher manufacturer producer maker brand reviewer "
    "teacher instructor photographer designer developer customer client user buyer donor"
)
FROM = word_set("supplier vendor seller sender manufacturer publisher brand")
FOR = word_set(
    "product item book film movie song project order invoice event service film policy property apartment vehicle car"
)
MADE_BY_PERSONS = word_set(
    "order purchase payment review comment booking reservation rental post message complaint claim donation vote "
    "bid transaction loan visit request rating sale"
)

# The noun of a child: the participle of "customers who have placed an order".
DOING = {
    "order": "placed",
    "purchase": "made",
    "payment": "made",
    "review": "written",
    "comment": "written",
    "post": "written",
    "booking": "made",
    "reservation": "made",
    "visit": "made",
    "vote": "cast",
    "donation": "made",
    "complaint": "filed",
    "claim": "filed",
    "message": "sent",
    "application": "submitted",
    "bid": "placed",
    "transaction": "made",
    "rental": "made",
    "loan": "taken out",
    "borrowing": "made",
    "book": "written",
    "article": "written",
    "paper": "written",
    "song": "written",
    "film": "made",
    "movie": "made",
    "ticket": "bought",
    "request": "made",
    "rating": "given",
    "deposit": "made",
}
# Who places orders, makes payments and writes reviews; others (employees, sellers) only have to do with them.
BUYERS = word_set(
    "customer client user member buyer guest patient passenger person visitor student reader donor tenant "
    "subscriber shopper consumer borrower traveler participant author writer"
)
PAST = {"written": "wrote", "taken out": "took out", "given": "gave"}

# A parent that does something to the child: what it did, for "which supplier supplies the product".
AGENTS = {
    "supplier": "supplies",
    "vendor": "supplies",
    "manufacturer": "makes",
    "maker": "makes",
    "author": "wrote",
    "writer": "wrote",
    "publisher": "published",
    "teacher": "teaches",
    "instructor": "teaches",
    "professor": "teaches",
    "director": "directed",
    "owner": "owns",
    "seller": "sells",
    "manager": "manages",
    "supervisor": "supervises",
}
# Two entities that a table without a noun of its own ties: what the first does to the second, singular and plural.
TIES = {
    ("actor", "film"): ("appears in", "appear in"),
    ("actor", "movie"): ("appears in", "appear in"),
    ("actress", "film"): ("appears in", "appear in"),
    ("singer", "concert"): ("performs in", "perform in"),
    ("artist", "concert"): ("performs in", "perform in"),
    ("student", "course"): ("takes", "take"),
    ("student", "class"): ("takes", "take"),
    ("student", "club"): ("belongs to", "belong to"),
    ("member", "club"): ("belongs to", "belong to"),
    ("teacher", "course"): ("teaches", "teach"),
    ("instructor", "course"): ("teaches", "teach"),
    ("instructor", "section"): ("teaches", "teach"),
    ("employee", "project"): ("works on", "work on"),
    ("staff member", "project"): ("works on", "work on"),
    ("scientist", "project"): ("works on", "work on"),
    ("driver", "bus"): ("drives", "drive"),
    ("user", "role"): ("has", "have"),
}
TABLE_VERBS = {
    "participates": ("participates in", "participate in"),
    "participation": ("participates in", "participate in"),
    "participants": ("participates in", "participate in"),
    "attends": ("attends", "attend"),
    "attendance": ("attends", "attend"),
    "enrolled": ("is enrolled in", "are enrolled in"),
    "takes": ("takes", "take"),
    "teaches": ("teaches", "teach"),
    "plays": ("plays", "play"),
    "performs": ("performs in", "perform in"),
    "owns": ("owns", "own"),
    "drives": ("drives", "drive"),
    "likes": ("likes", "like"),
}
"""What a person does with what a table of such a name ties her to."""
PLACED = {
    "order": "placed",
    "review": "wrote",
    "comment": "wrote",
    "booking": "made",
    "reservation": "made",
    "payment": "made",
    "purchase": "made",
}

SYNONYMS = {
    "customer": ("client",),
    "employee": ("staff member", "worker"),
    "film": ("movie",),
    "movie": ("film",),
    "department": ("dept",),
    "store": ("shop",),
    "shop": ("store",),
    "vendor": ("supplier",),
    "supplier": ("vendor",),
    "car": ("automobile",),
    "teacher": ("instructor",),
    "doctor": ("physician",),
    "physician": ("doctor",),
    "reservation": ("booking",),
    "booking": ("reservation",),
    "nation": ("country",),
    "telephone": ("phone number",),
    "phone": ("phone number", "telephone number"),
    "email": ("email address", "e-mail"),
    "birth date": ("date of birth", "birthday"),
    "date of birth": ("birth date", "birthday"),
    "sex": ("gender",),
    "cost": ("expense",),
}
"""Other words for a table or column, used where nothing else in the database is called so."""

ANTONYMS = {
    "active": "inactive",
    "available": "unavailable",
    "paid": "unpaid",
    "published": "unpublished",
    "verified": "unverified",
    "complete": "incomplete",
    "completed": "uncompleted",
    "enabled": "disabled",
    "read": "unread",
    "used": "unused",
    "valid": "invalid",
    "married": "unmarried",
    "public": "private",
    "open": "closed",
    "official": "unofficial",
}


@dataclass(frozen=True, slots=True)
class Units:
    """How amounts in a unit are said: ``words`` singular and plural, ``sign`` before or after the number, and a bigger
    unit with how many of this one it holds."""

    words: tuple[str, str]
    sign: str = ""
    before: bool = False
    bigger: str = ""
    factor: int = 1


UNITS = {
    "dollar": Units(("dollar", "dollars"), "$", True),
    "yuan": Units(("yuan", "yuan"), "¥", True),
    "euro": Units(("euro", "euros"), "€", True),
    "pound": Units(("pound", "pounds"), "£", True),
    "gram": Units(("gram", "grams"), " g", bigger="kilogram", factor=1000),
    "kilogram": Units(("kilogram", "kilograms"), " kg"),
    "millimetre": Units(("millimetre", "millimetres"), " mm", bigger="centimetre", factor=10),
    "centimetre": Units(("centimetre", "centimetres"), " cm", bigger="metre", factor=100),
    "metre": Units(("metre", "metres"), " m", bigger="kilometre", factor=1000),
    "kilometre": Units(("kilometre", "kilometres"), " km"),
    "square metre": Units(("square metre", "square metres"), " m²"),
    "millisecond": Units(("millisecond", "milliseconds"), " ms", bigger="second", factor=1000),
    "second": Units(("second", "seconds"), " s", bigger="minute", factor=60),
    "minute": Units(("minute", "minutes"), " min", bigger="hour", factor=60),
    "hour": Units(("hour", "hours"), " h"),
    "day": Units(("day", "days")),
    "percent": Units(("percent", "percent"), "%"),
    "litre": Units(("litre", "litres"), " l"),
}
