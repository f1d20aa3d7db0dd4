"""The sample database: an online shop in SQLite, eight related tables, a few thousand rows, the same for a seed.

``shop.sql`` holds the schema, this module the rows, ``questions.jsonl`` the questions that a business user of the shop
would ask, written by hand, each with its SQL and a language (``en`` or ``zh``).
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import TypeVar

from sqlfocus.corpus.example import Example
from sqlfocus.errors import UserError
from sqlfocus.files import atomic_path, read_json_lines

DB_ID = "shop"
Row = tuple[object, ...]
T = TypeVar("T")

CITIES = {
    "USA": ("New York", "Chicago", "Boston", "Seattle", "Austin"),
    "UK": ("London", "Manchester"),
    "France": ("Paris", "Lyon"),
    "Germany": ("Berlin", "Hamburg", "Munich"),
    "Spain": ("Madrid",),
    "Canada": ("Toronto", "Vancouver"),
    "Australia": ("Sydney",),
    "China": ("北京", "上海", "广州", "成都", "杭州"),
    "Japan": ("Tokyo", "Osaka"),
    "Brazil": ("Recife",),
}
SUPPLIERS = {
    "USA": ("Acme Goods", "Liberty Wholesale", "Blue Ridge Supply", "Harbor Trading"),
    "Germany": ("Rhein Handel", "Nordwerk", "Elbe Import"),
    "China": ("Pearl River Export", "Golden Lotus", "华东贸易", "深圳百货"),
    "Italy": ("Casa Milano", "Roma Merci"),
    "Japan": ("Sakura Trading", "Fuji Shoji"),
    "Vietnam": ("Mekong Export",),
    "UK": ("Thames Supply", "Highland Trade"),
    "India": ("Ganges Cargo", "Deccan Goods"),
}
# Name and list price in cents.
PRODUCTS = {
    "Kitchen": "Chef Knife 4590, Cutting Board 1890, Cast Iron Pan 5490, Kettle 3990, Toaster 4490, Blender 7990, "
    "Coffee Grinder 5990, Mixing Bowl 1490, Rice Cooker 8990, Wok 3690, Measuring Spoons 790, Salad Spinner 2490",
    "Furniture": "Oak Desk 32900, Office Chair 18900, Bookshelf 12900, Floor Lamp 7490, Coffee Table 15900, "
    "Bar Stool 6900, Wardrobe 45900, Nightstand 8900, Dining Table 39900, Bench 9900",
    "Electronics": "Wireless Mouse 2490, Mechanical Keyboard 8990, Headphones 12900, USB Cable 890, Webcam 5490, "
    "Power Bank 3490, Smart Watch 19900, Monitor 24900, Bluetooth Speaker 6490, Tablet 34900, Router 7990, "
    "Laptop Stand 3990, E-Reader 12900",
    "Toys": "Building Blocks 2990, Puzzle 1590, Teddy Bear 1990, Toy Train 4990, Yo-Yo 590, Board Game 3490, "
    "Doll House 8990, Kite 1290, Marbles 690, Chess Set 2990",
    "Clothing": "Cotton T-Shirt 1590, Wool Sweater 5990, Rain Jacket 8990, Jeans 4990, Scarf 1990, Socks 690, "
    "Leather Belt 2990, Baseball Cap 1490, Silk Tie 3490, Winter Coat 14900, Gloves 1890",
    "Sports": "Yoga Mat 2490, Dumbbells 3990, Tennis Racket 8990, Football 2490, Jump Rope 990, Bicycle Helmet 4990, "
    "Tent 15900, Sleeping Bag 7990, Water Bottle 1490, Backpack 6490, Skateboard 5990",
    "Stationery": "Notebook 690, Fountain Pen 3490, Pencil Set 890, Stapler 1190, Desk Organizer 2290, Planner 1790, "
    "Sticky Notes 390, Watercolors 2190, Envelopes 490, Ruler 290",
    "Garden": "Watering Can 1990, Garden Hose 3490, Flower Pot 1290, Pruning Shears 2490, Lawn Mower 29900, "
    "Bird Feeder 1890, Garden Gloves 990, Compost Bin 6990, Hammock 7490",
    "Beauty": "Face Cream 2490, Shampoo 990, Lipstick 1690, Perfume 6990, Hair Dryer 4490, Nail Polish 790, "
    "Hand Soap 590, Sunscreen 1490, Bath Towel 1990",
    "Tea": "Green Tea 1290, Earl Grey 1190, Jasmine Tea 1390, Chamomile Tea 990, 龙井茶 4590, 普洱茶 5990, "
    "Matcha 2490, Tea Pot 3490, Tea Cup 1290",
}
FIRST_NAMES = (
    "Emma Oliver Ava Liam Sophia Noah Mia Lucas Amelia Ethan Julia Henry Clara Daniel Nora Samuel Alice Victor Laura "
    "Thomas Grace Martin Elena Peter Hannah Oscar Maria David Irene Felix"
)
LAST_NAMES = (
    "Smith Johnson Brown Miller Davis Garcia Wilson Moore Taylor Martin Lee Clark Lewis Walker Hall Young King Wright "
    "Scott Green Baker Adams Nelson Carter Parker Evans Turner Schmidt Weber Dubois"
)
CHINESE_NAMES = (
    "王伟 李娜 张敏 刘洋 陈静 杨帆 赵磊 黄丽 周杰 吴涛 徐晶 孙悦 "
    "马超 朱琳 胡军 林峰 何雨 郭晨 罗兰 梁宇 宋佳 郑凯 谢婷 韩雪"
)
STAFF = (  # name, title, salary, manager
    ("Ruth Coleman", "Director", 9800, None),
    ("Frank Osborne", "Sales Manager", 6900, 1),
    ("Linda Pratt", "Sales Manager", 6700, 1),
    ("George Hanson", "Warehouse Manager", 6100, 1),
    ("Teresa Nolan", "Support Manager", 5900, 1),
    ("Adam Burke", "Sales Representative", 4300, 2),
    ("Carol Sharp", "Sales Representative", 4550, 2),
    ("Dennis Webb", "Sales Representative", 4100, 2),
    ("陈晓", "Sales Representative", 4400, 2),
    ("Eva Lindholm", "Sales Representative", 3900, 3),
    ("Gavin Reyes", "Sales Representative", 4050, 3),
    ("Holly Barnes", "Sales Representative", 3750, 3),
    ("李强", "Sales Representative", 4200, 3),
    ("Ivan Petrov", "Warehouse Clerk", 3100, 4),
    ("Janet Flynn", "Warehouse Clerk", 3050, 4),
    ("Kevin Doyle", "Warehouse Clerk", 2950, 4),
    ("Monica Hart", "Support Agent", 3300, 5),
    ("Neil Grant", "Support Agent", 3250, 5),
    ("Paula Stone", "Support Agent", 3150, 5),
)
SELLERS = [number for number, staff in enumerate(STAFF, 1) if staff[1] == "Sales Representative"]
FIRST_DAY, LAST_DAY = date(2022, 1, 3), date(2025, 6, 30)
CUSTOMERS, ORDERS, REVIEWS = 320, 1100, 600


def build_shop(path: Path, seed: int = 42) -> Path:
    """Build the sample database at ``path``, in place of what is there, and return ``path``.

    The rows depend on ``seed`` alone. The file appears under its name only when it is whole.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        with atomic_path(path) as part, closing(sqlite3.connect(part)) as connection:
            connection.executescript("PRAGMA foreign_keys = ON; PRAGMA synchronous = OFF;")
            connection.executescript(Path(__file__).with_name("shop.sql").read_text(encoding="utf-8"))
            for table, rows in _rows(_Dice(seed)).items():
                places = ", ".join("?" * len(rows[0]))
                connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)
            connection.commit()
    except sqlite3.OperationalError as error:  # a full disk or a folder without permission is one of these
        raise UserError(f"{path}: the sample database cannot be written there ({error})") from error
    return path


def read_questions(language: str | None = None) -> list[Example]:
    """The hand-written questions of the sample database: English (``en``), Chinese (``zh``), or all of them."""
    path = Path(__file__).with_name("questions.jsonl")
    return [
        Example.from_json(row, f"{path}:{number}")
        for number, row in read_json_lines(path)
        if language is None or row["language"] == language
    ]


class _Dice:
    """Chance that is the same under every Python version: only ``Random.random`` is promised to be."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed).random

    def number(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return low + int(self.random() * (high - low + 1))

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self.random() * len(choices))]

    def skewed(self, choices: Sequence[T]) -> T:
        """One of ``choices``, those at the front oftener."""
        return choices[int(self.random() ** 1.7 * len(choices))]

    def shuffled(self, choices: Iterable[T]) -> list[T]:
        return sorted(choices, key=lambda _: self.random())

    def day(self, first: date, last: date) -> date:
        return first + timedelta(days=self.number(0, (last - first).days))


def _rows(dice: _Dice) -> dict[str, list[Row]]:
    """The rows of every table, referenced tables first."""
    joined = {number: dice.day(FIRST_DAY, LAST_DAY) for number in range(1, CUSTOMERS + 1)}
    customers = _customers(dice, joined)
    products: list[Row] = []
    prices: dict[int, int] = {}
    for category, listed in PRODUCTS.items():
        for item in listed.split(", "):
            name, _, price = item.rpartition(" ")
            prices[len(prices) + 1] = int(price)
            stock = 0 if dice.random() < 0.07 else dice.number(1, 240)
            products.append((len(prices), name, category, int(price), stock, int(dice.random() < 0.12)))
    suppliers: list[Row] = [(number, *supplier) for number, supplier in enumerate(_flat(SUPPLIERS), 1)]
    supplies: list[Row] = []
    for product, list_price in prices.items():
        with_goods = dice.shuffled(range(1, len(suppliers)))  # the last one supplies nothing
        for supplier in sorted(with_goods[: dice.pick((1, 1, 2, 2, 3))]):
            supplies.append((product, supplier, int(list_price * (0.45 + 0.3 * dice.random()))))
    orders, items, bought = _orders(dice, joined, prices)
    reviews: list[Row] = []
    first_bought = {(product, buyer): day for product, buyer, day in reversed(bought)}
    for product, buyer in dice.shuffled(first_bought)[:REVIEWS]:
        written_on = first_bought[product, buyer] + timedelta(days=dice.number(3, 60))
        reviews.append((product, buyer, dice.pick((1, 2, 3, 4, 4, 4, 5, 5, 5)), written_on.isoformat()))
    return {
        "customers": customers,
        "employees": [(number, *staff) for number, staff in enumerate(STAFF, 1)],
        "products": products,
        "suppliers": suppliers,
        "supplies": supplies,
        "orders": orders,
        "order_items": items,
        "reviews": reviews,
    }


def _customers(dice: _Dice, joined: dict[int, date]) -> list[Row]:
    chinese = CHINESE_NAMES.split()
    english = dice.shuffled([f"{first} {last}" for first in FIRST_NAMES.split() for last in LAST_NAMES.split()])
    in_china = [city for city in _flat(CITIES) if city[1] == "China"]
    anywhere = [*dice.shuffled([city for city in _flat(CITIES) if city[1] != "China"]), *in_china[:2]]
    rows: list[Row] = []
    for number, name in enumerate(dice.shuffled([*chinese, *english[: len(joined) - len(chinese)]]), 1):
        city = dice.pick(in_china) if name in chinese else dice.skewed(anywhere)
        rows.append((number, name, *city, dice.pick("GSSBBBBB"), joined[number].isoformat()))
    return rows


def _orders(
    dice: _Dice, joined: dict[int, date], prices: dict[int, int]
) -> tuple[list[Row], list[Row], list[tuple[int, int, date]]]:
    """Orders, their items, and what was bought (product, customer, day) in orders that were not cancelled."""
    buyers = dice.shuffled(joined)[: len(joined) * 7 // 8]
    on_offer = dice.shuffled(prices)[:-6]  # a few products were never sold
    placed = sorted(
        (dice.day(joined[buyer], LAST_DAY), buyer) for buyer in (dice.skewed(buyers) for _ in range(ORDERS))
    )
    orders: list[Row] = []
    items: list[Row] = []
    bought: list[tuple[int, int, date]] = []
    for number, (ordered_on, buyer) in enumerate(placed, 1):
        age = (LAST_DAY - ordered_on).days
        status = dice.pick("NNPPS" if age < 21 else "PPSSSSC" if age < 60 else "SSSSSSSSSC")
        seller = None if status == "N" else dice.skewed(SELLERS)
        orders.append((number, buyer, seller, ordered_on.isoformat(), status))
        chosen: list[int] = []
        for _ in range(dice.pick((1, 1, 2, 2, 3, 4))):
            product = dice.skewed(on_offer)
            if product not in chosen:
                chosen.append(product)
        for product in chosen:
            price = prices[product] if dice.random() < 0.8 else prices[product] * 9 // 10  # some at a discount
            items.append((number, product, dice.pick((1, 1, 1, 2, 2, 3, 5)), price))
            if status != "C":
                bought.append((product, buyer, ordered_on))
    return orders, items, bought


def _flat(by_country: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """Pairs of name and country."""
    return [(name, country) for country, names in by_country.items() for name in names]
