"""What the words of table and column names are in Chinese, and back.

An entry is ``english=chinese``; further Chinese words for the same thing follow after ``/`` and are only read, that is,
they are understood in a Chinese name and the first is said.
"""

from __future__ import annotations

import re
from functools import lru_cache

_ENTRIES = """
customer=客户/顾客; client=客户; order=订单; order item=订单明细/订单项; item=物品/条目; product=产品; goods=商品;
article=文章; user=用户; member=会员/成员; membership=会员资格; account=账户/帐户; employee=员工/职员/雇员;
staff=员工; staff member=员工; manager=经理/主管; supervisor=主管/上级; boss=上级; leader=负责人/领导;
owner=所有者/业主; creator=创建人; operator=操作员; department=部门; company=公司; firm=公司; enterprise=企业;
organization=组织/机构; branch=分行/分店/分支; office=办公室; store=门店; shop=店铺/商店; supplier=供应商;
vendor=供应商/厂商; manufacturer=制造商/生产商; producer=制片人; brand=品牌; category=类别/分类/品类; type=类型;
kind=种类; class=班级; group=组/分组; tag=标签; label=标签; status=状态; state=州; stage=阶段; level=级别/等级;
grade=成绩/年级; rank=排名/名次; ranking=排名; priority=优先级; score=分数/得分; rating=评分; point=积分/分数;
review=评价/评论; comment=评论/备注; feedback=反馈; complaint=投诉; remark=备注; note=备注;
description=描述/说明/简介; detail=详情; name=名称/名字; full name=全名; first name=名; last name=姓/姓氏;
nickname=昵称; username=用户名; user name=用户名; title=标题/职称; code=编码/代码; number=编号/号码; id=编号/ID/标识;
sku=货号; barcode=条码; serial number=序列号; key=键; value=值; version=版本; price=价格/售价; unit price=单价;
list price=标价; cost=成本; fee=费用; charge=费用; amount=金额/数额; total=总额/合计; total amount=总金额;
subtotal=小计; discount=折扣/优惠; tax=税; revenue=收入/营收; income=收入; profit=利润; salary=工资/薪资/薪水/月薪;
wage=工资; bonus=奖金; budget=预算; balance=余额; payment=付款/支付; payment method=支付方式/付款方式; refund=退款;
invoice=发票/账单; bill=账单; receipt=收据; transaction=交易; deposit=存款/押金; loan=贷款; credit=额度;
credit limit=信用额度; debt=债务; interest=利息; rate=率; currency=币种/货币; quantity=数量; count=数; stock=库存;
inventory=库存; warehouse=仓库; weight=重量/体重; height=高度/身高; length=长度; width=宽度; depth=深度;
size=尺寸/大小; area=面积; volume=体积; capacity=容量; distance=距离; speed=速度; duration=时长/持续时间;
temperature=温度; age=年龄; date=日期; time=时间; year=年份; month=月份; day=天; hour=小时; minute=分钟; start=开始;
end=结束; begin=开始; deadline=截止日期; due date=到期日; birth date=出生日期/生日; birthday=生日;
date of birth=出生日期; hire date=入职日期/雇佣日期; order date=订单日期/下单日期; order time=下单时间; created=创建;
create=创建; updated=更新; update=更新; creation date=创建日期; creation time=创建时间/添加时间;
update time=更新时间/修改时间; registration=注册; registered=注册; registration date=注册日期;
registration time=注册时间; release=发布; release date=发布日期; published=出版; publish=出版;
publication date=出版日期; shipped=发货; shipping=运输; shipping date=发货日期; shipping fee=运费; ship=船;
shipment=货运/运单; delivery=配送/交付; delivery date=交货日期; delivered=送达; paid=付款; payment date=付款日期;
payment time=付款时间/支付时间; start date=开始日期; end date=结束日期; start time=开始时间; end time=结束时间;
join date=加入日期; login=登录; last login=最后登录时间; expiry date=到期日期/有效期; return date=归还日期;
borrow date=借阅日期; return=退货; loan date=借出日期; gender=性别; sex=性别; phone=电话/联系电话;
phone number=电话号码; mobile=手机/手机号; telephone=电话; email=邮箱/电子邮件/电子邮箱; address=地址/住址; fax=传真;
website=网站; contact=联系人; city=城市; country=国家; province=省份/省; region=地区/区域/大区; district=区/区县;
county=县; town=镇; village=村; street=街道; zip code=邮编/邮政编码; postal code=邮编; tracking=跟踪;
location=地点/位置; place=地点;
continent=大洲; nationality=国籍; latitude=纬度; longitude=经度; language=语言; population=人口; capital=首都;
river=河流; mountain=山; lake=湖; island=岛; person=人员/人; people=人员; man=男性; woman=女性; child=孩子;
parent=家长; friend=朋友; family=家庭; guest=客人/宾客; visitor=游客/访客; host=主持人; student=学生;
teacher=教师/老师; instructor=讲师; professor=教授; faculty=教职员; advisor=导师; course=课程; lesson=课/课时;
subject=科目/学科; exam=考试; test=测试; assignment=作业; homework=作业; school=学校; college=学院/大学;
university=大学; classroom=教室; campus=校区; dormitory=宿舍; dorm=宿舍; semester=学期; major=专业;
enrollment=选课/报名; registration record=注册记录; attendance=出勤/考勤; transcript=成绩单; degree=学位;
education=学历; scholarship=奖学金; club=俱乐部/社团; activity=活动; event=活动/事件; doctor=医生/医师;
physician=医生; nurse=护士; patient=患者/病人; hospital=医院; clinic=诊所; appointment=预约/挂号; visit=就诊/访问;
diagnosis=诊断; treatment=治疗; medicine=药物/药品; drug=药品; prescription=处方; disease=疾病; symptom=症状;
procedure=手术; ward=病房; blood type=血型; medication=用药; dose=剂量; allergy=过敏; book=图书/书籍/书; author=作者;
publisher=出版社; publication=出版物; library=图书馆; reader=读者; genre=流派/体裁/题材; page=页; chapter=章节;
borrowing=借阅/借阅记录; journal=期刊; paper=论文; editor=编辑; news=新闻; movie=电影; film=电影/影片; actor=演员;
actress=女演员; director=导演; cast=演员表; cinema=影院/电影院; theater=剧院; theatre=剧院; show=演出/节目;
program=节目; channel=频道; series=系列; episode=剧集; song=歌曲; singer=歌手; artist=艺术家/艺人; album=专辑;
band=乐队; concert=演唱会/音乐会; orchestra=管弦乐团; conductor=指挥; music=音乐; musical=音乐剧; track=曲目;
playlist=播放列表; performance=演出; stage name=艺名; video=视频; photo=照片; image=图片; camera=相机; museum=博物馆;
exhibition=展览; theme=主题; gallery=画廊; player=球员/选手; team=球队/团队; coach=教练; match=比赛; game=比赛/游戏;
race=比赛/赛事; competition=竞赛; tournament=锦标赛; season=赛季; league=联赛; stadium=体育场; sport=运动/体育项目;
goal=进球; position=职位/岗位/位置; medal=奖牌; award=奖项; winner=冠军/获胜者; loser=输家; driver=车手/司机;
pilot=飞行员; captain=船长/队长; swimmer=游泳运动员; gymnast=体操运动员; wrestler=摔跤手; car=汽车; vehicle=车辆;
model=型号/车型; make=品牌; maker=制造商; engine=发动机; horsepower=马力; truck=卡车; train=列车; station=车站/站点;
bus=公交车; flight=航班; airline=航空公司; airport=机场; aircraft=飞机; plane=飞机; passenger=乘客; ticket=票/工单;
seat=座位; route=路线/线路; trip=行程/出行; journey=行程; railway=铁路; platform=平台; port=港口; bike=自行车;
driving license=驾照; departure=出发; arrival=到达; source=来源; destination=目的地; origin=产地/出发地;
carrier=承运商; hotel=酒店; room=房间/客房; booking=预订; reservation=预订; rental=租赁; rent=租金; lease=租约;
apartment=公寓; building=建筑/楼栋; house=房屋; property=房产/物业; floor=楼层; facility=设施; amenity=设施;
bedroom=卧室; restaurant=餐厅/餐馆; dish=菜品/菜肴; menu=菜单; food=食物; drink=饮料; wine=葡萄酒; ingredient=配料;
recipe=食谱; meal=餐; table=桌; waiter=服务员; pet=宠物; dog=狗; cat=猫; breed=品种; animal=动物; farm=农场;
crop=作物; plant=植物; tree=树; flower=花; project=项目; task=任务; job=职位/工作; job title=职务; role=角色;
permission=权限; contract=合同; document=文档/文件; file=文件; report=报告; template=模板; policy=政策/保单;
claim=理赔/索赔; settlement=结算/赔付; insurance=保险; bank=银行; card=卡; credit card=信用卡; bank card=银行卡;
cash=现金; investor=投资者; investment=投资; share=股份; fund=基金; lot=批次; purchase=采购; purchase order=采购单;
sale=销售; sales=销售额; sales order=销售订单; sales volume=销量; campaign=营销活动; coupon=优惠券; promotion=促销;
gift=礼品; advertisement=广告; service=服务; subscription=订阅; plan=套餐; device=设备; equipment=设备; machine=机器;
asset=资产; part=零件/部件; component=组件; tool=工具; fault=故障; repair=维修; technician=技术员; engineer=工程师;
maintenance=维护; software=软件; browser=浏览器; phone model=手机型号; problem=问题; issue=问题;
product category=产品类别/产品分类; material=材料/物料; color=颜色; colour=颜色; style=风格; shape=形状; message=消息;
post=帖子; tweet=推文; follower=粉丝; follow=关注; topic=话题; channel name=频道名称; view=浏览量; like=点赞;
vote=投票; voter=选民; candidate=候选人; party=政党; election=选举; representative=代表; president=总统/总裁;
governor=州长; mayor=市长; minister=部长; government=政府; law=法律; court=法院; crime=犯罪; police=警察; battle=战役;
war=战争; death=死亡; injury=伤病; storm=风暴; weather=天气; scientist=科学家; research=研究; experiment=实验;
protein=蛋白质; enzyme=酶; element=元素; institute=研究所; institution=机构; inventory record=库存记录; record=记录;
log=日志; history=历史; entry=记录项; line=行/明细; list=列表; setting=设置; parameter=参数; quality=质量; reason=原因;
result=结果; content=内容; link=链接; url=网址; password=密码; unit=单位; ratio=比例; percentage=百分比/占比;
percent=百分比; share ratio=占比; size class=规格; specification=规格; spec=规格; active=有效/启用/活跃;
inactive=停用/无效/禁用; enabled=启用; disabled=禁用; valid=有效; invalid=无效; available=可用/可借/在售;
unavailable=不可用; deleted=删除/已删除; open=开放; closed=关闭/已关闭; pending=待处理; completed=已完成/完成;
cancelled=已取消/取消; approved=已批准/已通过; rejected=已拒绝/已驳回; processing=处理中; unpaid=未付款/未支付/待付款;
refunded=已退款; returned=已退货; new=新; old=旧; male=男; female=女; married=已婚; single=未婚; yes=是; no=否;
public=公开; private=私有; online=在线/线上; offline=线下; verified=已验证/已认证; vip=VIP; default=默认;
domestic=国内; foreign=国外; average=平均; minimum=最低; maximum=最高; min=最低; max=最高; mean=平均; main=主要;
current=当前; previous=上次; next=下次; first=首次; last=最后; home=主场; away=客场; original=原始; actual=实际;
estimated=预计; expected=预计; planned=计划; net=净; gross=毛; annual=年度; monthly=月度; daily=每日; yearly=年度;
own=自己的; other=其他; parent category=上级类别; foreign key=外键; hometown=籍贯/家乡; native place=籍贯;
ethnicity=民族; occupation=职业; hobby=爱好; marital status=婚姻状况; entry date=入职日期/入职时间;
leave date=离职日期; performance rating=绩效; base salary=基本工资; overtime=加班; leave=请假; interview=面试;
resume=简历; team leader=组长; shift=班次; line manager=直属上级;
"""

_CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")


@lru_cache(maxsize=1)
def _tables() -> tuple[dict[str, str], dict[str, str]]:
    chinese: dict[str, str] = {}
    english: dict[str, str] = {}
    for entry in _ENTRIES.split(";"):
        word, _, translations = entry.strip().partition("=")
        for translation in translations.split("/") if word else ():
            chinese.setdefault(word, translation)
            english.setdefault(translation, word)
    return chinese, english


def has_chinese(text: str) -> bool:
    """Whether the text has a Chinese character."""
    return bool(_CJK.search(text))


def known(word: str) -> bool:
    """Whether the English word is in the dictionary."""
    return word in _tables()[0]


def to_chinese(phrase: str) -> str | None:
    """The Chinese for an English noun phrase, the longest entries first; ``None`` where a word is missing.

    >>> to_chinese("order date"), to_chinese("customer name"), to_chinese("gizmo")
    ('订单日期', '客户名称', None)
    """
    words = phrase.lower().split()
    result = ""
    start = 0
    while start < len(words):
        for end in range(len(words), start, -1):
            found = _tables()[0].get(" ".join(words[start:end]))
            if found:
                result += found
                start = end
                break
        else:
            return None
    return result or None


def to_english(text: str) -> str | None:
    """The English for a Chinese compound, the longest entries first; ``None`` where a part is missing.

    >>> to_english("订单日期"), to_english("员工"), to_english("甲乙丙")
    ('order date', 'employee', None)
    """
    words: list[str] = []
    text = text.removesuffix("表") if len(text) > 2 else text
    start = 0
    while start < len(text):
        for end in range(len(text), start, -1):
            found = _tables()[1].get(text[start:end])
            if found:
                words.append(found)
                start = end
                break
        else:
            return None
    return " ".join(words) or None
