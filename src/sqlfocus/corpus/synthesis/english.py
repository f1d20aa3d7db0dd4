"""English word forms: plurals, articles, numbers in words, participles, lists."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlfocus.corpus.synthesis.wordlist import word_set

_IRREGULAR = {
    "person": "people",
    "child": "children",
    "man": "men",
    "woman": "women",
    "foot": "feet",
    "tooth": "teeth",
    "mouse": "mice",
    "goose": "geese",
    "leaf": "leaves",
    "life": "lives",
    "wife": "wives",
    "knife": "knives",
    "shelf": "shelves",
    "half": "halves",
    "wolf": "wolves",
    "medium": "media",
    "criterion": "criteria",
    "analysis": "analyses",
    "diagnosis": "diagnoses",
    "thesis": "theses",
    "crisis": "crises",
    "basis": "bases",
    "axis": "axes",
    "matrix": "matrices",
    "index": "indexes",
    "quiz": "quizzes",
    "hero": "heroes",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "curriculum": "curricula",
    "alumnus": "alumni",
    "bus": "buses",
    "gas": "gases",
    "status": "statuses",
    "campus": "campuses",
    "virus": "viruses",
    "bonus": "bonuses",
    "address": "addresses",
    "process": "processes",
    "lens": "lenses",
    "staff member": "staff members",
}
_SINGULAR = {plural: singular for singular, plural in _IRREGULAR.items()}

# A word of these is a mass noun or its own plural: it takes no article and is not counted.
UNCOUNTABLE = word_set(
    "advice aircraft cargo cash clothing data equipment evidence feedback fish food furniture gdp hardware health "
    "homework housing income information inventory knowledge logistics luggage machinery mail management "
    "maintenance media merchandise metadata money music news offspring police population progress research revenue "
    "salary sales series sheep shipping software species staff stock storage traffic training transport "
    "transportation travel weather work capacity status"
)
_COUNTED_AFTER_ALL = word_set("salary capacity status stock income revenue population series species aircraft media")

_PARTICIPLES = word_set(
    "begun born bought broken brought built cast caught chosen cut dealt done drawn driven eaten fallen felt flown "
    "forgotten found frozen given gone grown heard held hidden hit hurt kept known laid led left lent lost made met "
    "paid put read run said seen sent set shipped shot shown shut signed sold spent split spoken stolen stood sung "
    "sunk sworn swum taken taught thrown told torn understood upset won worn written overdue"
)
_ADJECTIVES = word_set(
    "active inactive available unavailable open new old young used male female public private internal external "
    "urgent critical high low medium normal full empty free busy large small big regular premium standard basic "
    "online offline single valid invalid complete incomplete pending processing final temporary permanent part-time "
    "full-time domestic international foreign local national good bad excellent poor fresh frozen vegetarian vegan "
    "ready visible hidden mandatory optional recent early late current former senior junior main primary secondary "
    "manual automatic electric digital physical virtual corporate individual personal sick healthy alive dead red "
    "green blue black white yellow orange brown purple pink grey gray silver gold golden left right on-site remote "
    "unpaid paid due overdue vip partial upcoming ongoing outstanding popular rare common seasonal annual monthly "
    "weekly daily residential commercial"
)

_SMALL = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def plural(noun: str) -> str:
    """The plural of a noun or noun phrase; the head is the last word, or the one before ``of``.

    >>> plural("order item"), plural("city"), plural("date of birth"), plural("person")
    ('order items', 'cities', 'dates of birth', 'people')
    """
    head, of, rest = noun.partition(" of ")
    first, _, word = head.rpartition(" ")
    return f"{first} {_plural_word(word)}".lstrip() + of + rest


def _plural_word(word: str) -> str:
    lower = word.lower()
    if lower in UNCOUNTABLE and lower not in ("salary", "status", "capacity", "population", "income"):
        return word
    if lower in _IRREGULAR:
        return _IRREGULAR[lower]
    if lower in _SINGULAR or is_plural(lower):
        return word
    if re.search(r"[^aeiou]y$", lower):
        return word[:-1] + "ies"
    if re.search(r"(s|x|z|ch|sh)$", lower):
        return word + "es"
    return word + "s"


def singular(noun: str) -> str:
    """The singular of a noun phrase; a word that is not a plural comes back as it is.

    >>> singular("order items"), singular("cities"), singular("addresses"), singular("status"), singular("bus")
    ('order item', 'city', 'address', 'status', 'bus')
    """
    head, of, rest = noun.partition(" of ")
    first, _, word = head.rpartition(" ")
    return f"{first} {_singular_word(word)}".lstrip() + of + rest


def _singular_word(word: str) -> str:
    lower = word.lower()
    if lower in UNCOUNTABLE or lower in _IRREGULAR:
        return word
    if lower in _SINGULAR:
        return _SINGULAR[lower]
    if re.search(r"(ss|us|is|ous|news)$", lower) or len(lower) < 4:
        return word
    if lower.endswith("ies") and len(lower) > 4:
        return word[:-3] + ("ie" if lower in ("movies", "cookies", "calories", "ties", "selfies", "brownies") else "y")
    if re.search(r"(sses|xes|ches|shes|zzes)$", lower):
        return word[:-2]
    if lower.endswith("s"):
        return word[:-1]
    return word


def is_plural(word: str) -> bool:
    """Whether the word looks like a plural that differs from its singular."""
    return _singular_word(word) != word


def countable(noun: str) -> bool:
    """Whether the noun takes ``a`` and a plural."""
    word = noun.partition(" of ")[0].rpartition(" ")[2].lower()
    return (word not in UNCOUNTABLE or word in _COUNTED_AFTER_ALL) and not is_plural(word)


def article(phrase: str) -> str:
    """``a`` or ``an``, by the sound of the first word as its spelling suggests it."""
    first = re.split(r"[\s-]", phrase.strip(" '\"“"), maxsplit=1)[0]
    if re.fullmatch(r"U[A-Z0-9]+", first) or re.match(r"(?i)(uni([^nm]|$)|use|usu|eu|one\b|ut)", first):
        return "a"
    if re.match(r"(?i)(hour|honest|heir|8|11$|18$)", first) or re.fullmatch(r"[AEFHILMNORSX][A-Z0-9]*", first):
        return "an"
    return "an" if first[:1].lower() in "aeiou" else "a"


def a(noun: str) -> str:
    """The noun phrase with its indefinite article, or bare where it takes none."""
    return f"{article(noun)} {noun}" if countable(noun) else noun


def listed(items: Sequence[str], conjunction: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {conjunction} {items[-1]}"


def number_word(number: int) -> str:
    """A number up to twelve in letters, a greater one in digits."""
    return _SMALL[number] if 0 <= number < len(_SMALL) else str(number)


def ordinal(number: int) -> str:
    """``1st``, ``2nd``, ``3rd``, ``11th``."""
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def is_participle(word: str) -> bool:
    """Whether the word is a past participle, as ``paid`` or ``created``."""
    return word in _PARTICIPLES or (
        word.endswith("ed") and len(word) > 4 and word not in ("breed", "speed", "need", "seed", "feed")
    )


def is_adjective(phrase: str) -> bool:
    """Whether a word or phrase can stand before a noun and after ``is``: participles and common adjectives."""
    words = phrase.lower().split()
    if not words:
        return False
    if len(words) > 1 and words[0] in ("not", "partially", "fully", "partly", "newly", "not yet"):
        words = words[1:]
    return len(words) == 1 and (is_participle(words[0]) or words[0] in _ADJECTIVES)


def is_cryptic(word: str) -> bool:
    """Whether the word cannot be read aloud as English: no vowel, a lone letter, or digits."""
    return not re.search(r"[aeiouy]", word) or len(word) < 2 or bool(re.search(r"\d", word))
