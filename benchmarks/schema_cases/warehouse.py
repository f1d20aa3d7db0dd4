"""A MariaDB database like those of companies: hundreds of tables with keys and comments, and one of many rows.

Nothing in it is drawn by chance: the same numbers make the same database.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.engine import Connection

DEPARTMENTS = (
    ("sales", "销售"),
    ("stock", "库存"),
    ("finance", "财务"),
    ("staff", "人事"),
    ("production", "生产"),
    ("logistics", "物流"),
    ("service", "售后服务"),
    ("purchase", "采购"),
    ("web", "website"),
    ("quality", "quality control"),
)
THINGS = (
    ("order", "订单表"),
    ("order_item", "订单明细"),
    ("customer", "客户, including prospects"),
    ("contract", "合同"),
    ("invoice", "invoices, one row each"),
    ("payment", "付款记录"),
    ("account", "账户"),
    ("product", "产品"),
    ("category", ""),
    ("price_list", "price lists (net)"),
    ("region", "地区"),
    ("site", "sites and branches"),
    ("team", ""),
    ("person", "人员"),
    ("shift", "班次"),
    ("task", "tasks"),
    ("document", "文件"),
    ("message", ""),
    ("complaint", "投诉"),
    ("visit", "visits"),
    ("vehicle", "车辆"),
    ("route", "路线"),
    ("batch", "批次"),
    ("machine", "machines"),
    ("reading", "仪表读数"),
    ("budget", "预算"),
    ("project", "项目"),
    ("supplier", "供应商"),
    ("return", "退货"),
    ("audit", "audit trail"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A column: ``value`` is the expression that fills row ``seq`` of table ``{t}``."""

    name: str
    type: str
    value: str
    comment: str = ""


KINDS = (
    Kind("code", "VARCHAR(20)", "CONCAT('C{t}-', LPAD(seq, 6, '0'))", "编号"),
    Kind("title", "VARCHAR(80)", "ELT(1 + seq % 5, 'Spring campaign', '夏季促销', 'Winter', '年终', 'Other')", "标题"),
    Kind("status", "CHAR(1)", "ELT(1 + seq % 4, 'N', 'P', 'S', 'X')", "N = new, P = paid, S = shipped, X = cancelled"),
    Kind("amount", "DECIMAL(12,2)", "(seq * 37 + {t}) % 9973 * 1.25", "金额, in yuan"),
    Kind("quantity", "INT", "seq % 17", "数量"),
    Kind("created_at", "DATETIME", "'2024-01-01 08:00:00' + INTERVAL seq * 7 + {t} MINUTE", "创建时间"),
    Kind("is_active", "TINYINT(1)", "seq % 2", "1 = 有效"),
    Kind("city", "VARCHAR(40)", "ELT(1 + seq % 6, '上海', 'Oslo', '广州', 'Perth, Australia', '北京', '')"),
    Kind("email", "VARCHAR(120)", "CONCAT('user', seq, '@example.com')", "邮箱"),
    Kind("due_on", "DATE", "'2024-01-01' + INTERVAL seq % 300 DAY", "due date"),
    Kind("rate", "DOUBLE", "seq % 100 / 8", "比率"),
    Kind("note", "TEXT", "IF(seq % 3 = 0, NULL, CONCAT('remark ', seq % 50, ': ', REPEAT('see file ', seq % 4)))"),
    Kind("level", "ENUM('low','middle','high')", "ELT(1 + seq % 3, 'low', 'middle', 'high')", "等级"),
    Kind("weight", "FLOAT", "seq % 40 / 4", "重量 (kg)"),
    Kind("serial", "BIGINT UNSIGNED", "9000000000 + seq", "序列号"),
    Kind("starts_at", "TIME", "SEC_TO_TIME(seq * 60 % 86400)", "开始时间"),
    Kind("changed_at", "TIMESTAMP NULL", "'2024-06-01 00:00:00' + INTERVAL seq HOUR", "last change"),
    Kind("website", "VARCHAR(200)", "CONCAT('https://example.com/', seq)"),
    Kind("scan", "BLOB", "REPEAT(CHAR(seq % 250), 20)", "扫描件"),
    Kind("year", "YEAR", "2000 + seq % 25"),
)
BIG = (
    Kind("account", "INT", "1 + seq % 50000", "账户编号"),
    Kind("action", "ENUM('view','click','order','return')", "1 + seq % 4", "动作"),
    Kind("status", "CHAR(1)", "ELT(1 + seq % 3, 'N', 'P', 'S')", "状态"),
    Kind("channel", "VARCHAR(20)", "ELT(1 + seq % 4, 'web', 'app', 'shop', 'phone')", "渠道"),
    Kind("amount", "DECIMAL(10,2)", "seq % 9973 * 1.25", "金额"),
    Kind("happened_at", "DATETIME", "'2020-01-01' + INTERVAL seq MINUTE", "发生时间"),
    Kind("is_test", "TINYINT(1)", "seq % 1000 = 0"),
    Kind("country", "CHAR(2)", "ELT(1 + seq % 6, 'CN', 'NO', 'AU', 'DE', 'BR', 'JP')", "国家"),
    Kind("address", "VARCHAR(45)", "CONCAT('10.', seq % 200, '.', seq % 150, '.', seq % 100)", "IP address"),
    Kind("remark", "VARCHAR(100)", "IF(seq % 5 = 0, CONCAT('remark ', seq % 1000), NULL)", "备注"),
)


def make(connection: Connection, tables: int, rows: int) -> int:
    """Make ``tables`` tables of some hundred rows each and ``event`` of ``rows``; returns the number of columns.

    A table has 6 to 20 columns, up to two foreign keys among them. ``connection`` commits by itself.
    """
    connection.exec_driver_sql("SET SESSION foreign_key_checks = 0")
    columns = sum(_make_table(connection, number) for number in range(tables))
    _create(connection, "event", "事件, what visitors do", "id BIGINT PRIMARY KEY COMMENT '主键'", BIG, [])
    _fill(connection, "event", BIG, [], rows, 0)
    return columns + 1 + len(BIG)


def name_of(number: int) -> str:
    """A table's name: a department and a thing, with a number once they are used up."""
    thing, department = number % len(THINGS), number // len(THINGS)
    again = f"_{department // len(DEPARTMENTS) + 1}" if department >= len(DEPARTMENTS) else ""
    return f"{DEPARTMENTS[department % len(DEPARTMENTS)][0]}_{THINGS[thing][0]}{again}"


def _make_table(connection: Connection, number: int) -> int:
    count = 6 + number * 7 % 15
    parents = sorted({number // divisor for divisor in (2, 3)[: number % 3]} - {number})
    own = [KINDS[(number * 3 + place) % len(KINDS)] for place in range(count - 1 - len(parents))]
    comment = THINGS[number % len(THINGS)][1]
    if comment and number % 2:
        comment = f"{DEPARTMENTS[number // len(THINGS) % len(DEPARTMENTS)][1]}: {comment}"
    name = name_of(number)
    _create(connection, name, comment, "id INT PRIMARY KEY COMMENT '主键'", own, parents)
    _fill(connection, name, own, parents, 200 + number * 13 % 400, number)
    return count


def _create(
    connection: Connection, name: str, comment: str, key: str, kinds: tuple[Kind, ...] | list[Kind], parents: list[int]
) -> None:
    lines = [key]
    lines += [f"`{name_of(parent)}_id` INT COMMENT '外键'" for parent in parents]
    lines += [f"`{kind.name}` {kind.type} COMMENT '{kind.comment}'" for kind in kinds]
    lines += [f"FOREIGN KEY (`{name_of(parent)}_id`) REFERENCES `{name_of(parent)}` (id)" for parent in parents]
    connection.exec_driver_sql(f"CREATE TABLE `{name}` ({', '.join(lines)}) COMMENT '{comment}'")


def _fill(
    connection: Connection, name: str, kinds: tuple[Kind, ...] | list[Kind], parents: list[int], rows: int, number: int
) -> None:
    values = ["seq", *("1 + seq % 200" for _ in parents), *(kind.value.format(t=number) for kind in kinds)]
    connection.exec_driver_sql(
        f"INSERT INTO `{name}` SELECT {', '.join(values)} FROM seq_1_to_{rows}",
        execution_options={"no_parameters": True},
    )
