"""What Chinese says of nouns: measure words, superlatives, verbs of dates, units, comparisons."""

from __future__ import annotations

import re

_COUNTED = {
    "位": "人 客户 顾客 用户 会员 成员 作者 演员 歌手",
    "名": "员工 职员 学生 教师 老师 医生 患者 经理 司机",
    "笔": "订单 交易 付款 支付 罚款 贷款",
    "条": "记录 明细 评论 评价 书评 消息",
    "家": "公司 门店 商店 店铺 供应商 出版社 酒店 医院 餐厅",
    "件": "商品",
    "种": "产品",
    "本": "图书 书籍",
    "部": "电影",
    "所": "学校 大学",
    "张": "发票 票",
    "门": "课程",
    "辆": "汽车 车辆",
    "首": "歌曲",
    "座": "城市",
    "趟": "航班",
}
COUNTERS = {noun: counter for counter, nouns in _COUNTED.items() for noun in nouns.split()}
"""The measure word of a noun, by how the noun ends."""

TIES_ZH = {
    ("actor", "film"): "出演",
    ("actor", "movie"): "出演",
    ("actress", "film"): "出演",
    ("singer", "concert"): "参加",
    ("artist", "concert"): "参加",
    ("student", "course"): "选修",
    ("student", "class"): "选修",
    ("student", "club"): "加入",
    ("member", "club"): "加入",
    ("teacher", "course"): "讲授",
    ("instructor", "course"): "讲授",
    ("employee", "project"): "参与",
    ("staff member", "project"): "参与",
    ("scientist", "project"): "参与",
    ("driver", "bus"): "驾驶",
}
TABLE_VERBS_ZH = {
    "participates": "参加",
    "participation": "参加",
    "participants": "参加",
    "attends": "参加",
    "attendance": "参加",
    "teaches": "讲授",
    "performs": "参加",
    "drives": "驾驶",
    "likes": "喜欢",
}
"""As in English (:mod:`sqlfocus.corpus.synthesis.words_en`)."""

SUPERLATIVES_ZH = (
    (r"(价格|售价|单价|标价)$", "最贵", "最便宜"),
    (r"年龄$", "年龄最大", "年龄最小"),
    (r"(重量|体重)$", "最重", "最轻"),
    (r"(身高|高度)$", "最高", "最矮"),
    (r"(长度|时长)$", "最长", "最短"),
    (r"(出生日期|生日)$", "最年轻", "最年长"),
    (r"面积$", "面积最大", "面积最小"),
)

# What a date is the date of, by its name without 日期 and 时间: the verb behind the period.
EVENTS_ZH = {"订单": "下单", "雇佣": "雇用", "生": "出生", "借阅": "借出", "销售": "售出"} | {
    verb: verb
    for verb in [
        "创建",
        "更新",
        "修改",
        "下单",
        "入职",
        "出生",
        "出版",
        "发布",
        "发表",
        "注册",
        "发货",
        "付款",
        "支付",
        "归还",
        "借出",
        "入会",
        "加入",
        "开馆",
        "开业",
        "成立",
        "添加",
        "上架",
        "入库",
        "送达",
        "交货",
        "离职",
        "毕业",
        "入学",
        "入院",
        "出院",
        "登录",
        "到期",
        "开始",
        "结束",
        "完成",
        "取消",
        "购买",
        "预订",
        "签订",
        "生产",
        "退款",
        "上映",
        "开课",
        "就诊",
        "报名",
        "采购",
        "出发",
        "到达",
        "提交",
    ]
}

UNITS_ZH = {
    "dollar": "美元",
    "yuan": "元",
    "euro": "欧元",
    "pound": "英镑",
    "gram": "克",
    "kilogram": "公斤",
    "millimetre": "毫米",
    "centimetre": "厘米",
    "metre": "米",
    "kilometre": "公里",
    "square metre": "平方米",
    "millisecond": "毫秒",
    "second": "秒",
    "minute": "分钟",
    "hour": "小时",
    "day": "天",
    "percent": "%",
    "litre": "升",
}

COMPARE_ZH = {
    "gt": ("大于{}", "超过{}", "高于{}", "多于{}", "在{}以上"),
    "ge": ("不低于{}", "至少{}", "大于等于{}", "不少于{}"),
    "lt": ("小于{}", "低于{}", "不到{}", "少于{}"),
    "le": ("不超过{}", "至多{}", "小于等于{}", "不高于{}"),
    "eq": ("为{}", "等于{}", "是{}"),
    "ne": ("不等于{}", "不是{}"),
    "between": ("在{}到{}之间", "介于{}和{}之间", "在{}和{}之间"),
}
COUNTED_ZH = {
    "gt": ("超过{}", "多于{}"),
    "ge": ("不少于{}", "至少有{}", "至少{}"),
    "lt": ("不到{}", "少于{}"),
    "le": ("不超过{}", "至多{}"),
}
"""Comparisons of how many there are, before the number and its measure word."""

COUNTS_ZH = dict(enumerate("一两三四五六七八九十", 1))
"""Small numbers as they are said before a measure word."""

PLACES_ZH = ("城市", "国家", "省份", "地区", "籍贯")
STATES_ZH = re.compile(
    r"^(已|未|待|有|无|在|正|非|不|被|处理中|逾期|遗失|借出|启用|禁用|停用|有效|无效|公开|私有|男性?|女性?)"
)
