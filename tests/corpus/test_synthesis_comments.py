import pytest

from sqlfocus.corpus.synthesis.comments import read_comment


@pytest.mark.parametrize(
    ("comment", "english", "chinese"),
    [
        ("Customers / 客户", "customers", "客户"),
        ("客户表", "", "客户表"),
        ("price in cents / 价格（分）", "price", "价格"),
        ("订单状态：P 已付款，S 已发货", "", "订单状态"),
        ("用户状态 / user status: 1 = active, 0 = disabled", "user status", "用户状态"),
        ("order date（订单日期）", "order date", "订单日期"),
        ("the time when the customer signed up", "", ""),
        ("in US cents", "", ""),
        ("0=no, 1=yes", "", ""),
        ("", "", ""),
    ],
)
def test_names(comment, english, chinese):
    note = read_comment(comment)
    assert (note.english, note.chinese) == (english, chinese)


@pytest.mark.parametrize(
    ("comment", "english", "chinese"),
    [
        (
            "order status: P = paid, S = shipped / 订单状态：P 已付款，S 已发货",
            {"P": "paid", "S": "shipped"},
            {"P": "已付款", "S": "已发货"},
        ),
        ("0=no, 1=yes", {"0": "no", "1": "yes"}, {}),
        ("1: 男, 2: 女", {}, {"1": "男", "2": "女"}),
        ("性别(0女1男)", {}, {"0": "女", "1": "男"}),
        ("性别：1男 2女", {}, {"1": "男", "2": "女"}),
        ("状态(0:禁用,1:启用)", {}, {"0": "禁用", "1": "启用"}),
        ("状态 0-未处理；1-处理中；2-已完成", {}, {"0": "未处理", "1": "处理中", "2": "已完成"}),
        ("付款方式 W=微信 A=支付宝 C=银行卡", {}, {"W": "微信", "A": "支付宝", "C": "银行卡"}),
        ("level: 1 - normal, 2 - gold, 3 - VIP", {"1": "normal", "2": "gold", "3": "VIP"}, {}),
        ("state (P paid, S shipped, X cancelled)", {"P": "paid", "S": "shipped", "X": "cancelled"}, {}),
        ("status: 'A' active, 'C' closed", {"A": "active", "C": "closed"}, {}),
        ("M=male; F=female / M=男; F=女", {"M": "male", "F": "female"}, {"M": "男", "F": "女"}),
        ("rating from 1 to 5 / 评分（1-5分）", {}, {}),
        ("ISO 8601 date", {}, {}),
    ],
)
def test_codes(comment, english, chinese):
    note = read_comment(comment)
    assert (note.codes_en, note.codes_zh) == (english, chinese)


@pytest.mark.parametrize(
    ("comment", "money", "unit", "currency"),
    [
        ("price in cents / 价格（分）", True, "cent", ""),
        ("amount in euro cents", True, "cent", "euro"),
        ("订单金额，单位：分", True, "cent", ""),
        ("月薪（元）", True, "yuan", "yuan"),
        ("salary in US dollars", True, "dollar", "dollar"),
        ("评分（1-5分）", False, "", ""),
        ("weight in grams", False, "gram", ""),
        ("重量（千克）", False, "kilogram", ""),
        ("时长（分钟）", False, "minute", ""),
        ("duration in seconds", False, "second", ""),
        ("price per unit", True, "", ""),
    ],
)
def test_units(comment, money, unit, currency):
    note = read_comment(comment, money=money)
    assert (note.unit, note.currency) == (unit, currency)


@pytest.mark.parametrize(
    ("comment", "soft"),
    [
        ("soft delete flag", True),
        ("1 = soft-deleted", True),
        ("逻辑删除标志", True),
        ("是否删除 0否1是", True),
        ("deadline", False),
    ],
)
def test_soft_deletion(comment, soft):
    assert read_comment(comment).soft_delete is soft
