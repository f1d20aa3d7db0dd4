"""What the words of table and column names are in Chinese, and back.

An entry is ``english=chinese``; further Chinese words for the same thing follow after ``/`` and are only read, that is,
they are understood in a Chinese name and the first is said.
"""

from __future__ import annotations

import re
from functools import lru_cache

from sqlfocus.corpus.synthesis.english import singular

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
venue=场馆/场地; round=轮次/轮; outcome=结果; market=市场; industry=行业; section=部分/章节; section number=节号;
altitude=海拔; elevation=海拔; birth=出生; conference=会议; headquarters=总部; headquarter=总部;
headquartered=总部; park=公园;
launch=发射; vote count=票数; founded=成立; founded year=成立年份; founder=创始人; equity=股权; builder=建造商;
keyword=关键词; kid=孩子; adult=成人/大人; festival=节日/电影节; production=产量/制作; directed=执导;
assessment=评估; committee=委员会; audience=观众; writer=作家/编剧; media=媒体; composer=作曲家; resident=居民;
week=星期/周; wind=风; precipitation=降水量; road=道路; gold=金牌; silver=银牌; bronze=铜牌; gold medal=金牌;
silver medal=银牌; bronze medal=铜牌; system=系统; star=星级/星; win=胜场; loss=负场; tie=平局; affiliation=隶属单位;
head=负责人/首脑; head of state=国家元首; draft=选秀; data=数据; fastest=最快; initial=首字母; business=业务;
attribute=属性; creation=创建; pressure=气压/压力; feature=特征/功能; division=赛区/部门; structure=结构;
workshop=车间/研讨会; killed=死亡人数; injured=受伤人数; perpetrator=凶手; slot=时段; prerequisite=先修课程;
velocity=速度; principal=校长; damage=损失/伤害; propulsion=推进方式; fuel=燃料; fleet=机队; domain=领域;
citation=引用; abstract=摘要; homepage=主页; chain=连锁; ceremony=典礼; notification=通知; schedule=日程/排班;
air=空气; decoration=装修; decor=装修风格; memory=内存; dimension=尺寸; interface=接口; skill=技能;
qualification=资格; resolution=分辨率/决议; format=格式; employment=就业; graduation=毕业; cow=牛; bull=公牛;
horse=马; pig=猪; sheep=羊; goat=山羊; cattle=牛; census=人口普查; finance=财务; agreement=协议; gdp=GDP; gnp=GNP;
attorney=律师; lawyer=律师; senate=参议院; delegate=代表; debate=辩论; participant=参与者/参赛者; climber=登山者;
tutor=辅导教师; flag=标志; chair=主席; artwork=艺术品; nomination=提名; copyright=版权; classification=分类;
poll=民意调查; certificate=证书; interaction=相互作用; chromosome=染色体; trade=贸易/交易; thing=物品; local=本地;
local name=当地名称; interval=间隔; network=网络; authority=主管机构; instrument=乐器/仪器; app=应用; wheel=轮子;
occupancy=入住人数; bed=床; bed type=床型; base=基础; base price=基础价格/底价; check in=入住日期;
check out=退房日期; checkin=入住日期; checkout=退房日期; connection=连接; accelerator=加速器; web=网络; half=半;
defense=防守; alias=别名; final=决赛/期末; hall=大厅; fame=名人; appearance=出场次数; bridge=桥; architect=建筑师;
metre=米; meter=米; undergraduate=本科生; graduate=研究生; discipline=学科/项目; form=表单/形式; individual=个人;
studio=工作室/制片公司; catalogue=目录; catalog=目录; block=街区/楼区; certification=认证; examination=检查/考试;
method=方式/方法; vault=跳马; bar=酒吧; exercise=练习; lens=镜头; copy=副本/册; circulation=发行量; bathroom=浴室;
statement=报表; expense=支出/费用; mission=任务; tonnage=吨位; fate=结局; story=故事; characteristic=特征;
sponsor=赞助商; residence=住所; case=案件; force=部队; officer=军官/官员; safety=安全; piece=件数; culture=文化;
million=百万; character=角色; application=申请; package=包裹; grant=拨款; response=响应/回复; employer=雇主;
objective=目标; organisation=组织; reviewer=评论者; broadcast=播出; freight=货运; winning=获胜; disk=磁盘;
movement=起降架次; change=变化; international=国际; transfer=转会/转账; gpa=绩点; parking=停车; council=议会;
reference=参考/参考号; benefit=福利; index=指数/索引; fine=罚款; commission=佣金; country code=国家代码;
city code=城市代码; foot=脚; reaction=反应; reflex=反应; acceleration=加速/加速度; strength=力量; ball=球;
power=功率/力量; vision=视野; control=控制; overall=综合; stamina=耐力; potential=潜力; agility=敏捷; jumping=弹跳;
accuracy=准确度; sprint=冲刺; special=特殊; picture=图片; letter=字母/信件; minor=辅修; licence=许可证;
license=许可证/牌照; license plate=车牌号; distributor=分销商; accident=事故; donor=捐赠者; donation=捐款;
football=足球; basketball=篮球; mascot=吉祥物; endowment=捐赠基金; phrase=短语; savings=储蓄; checking=活期;
tip=小费; neighbourhood=街区; neighborhood=街区; furniture=家具; factory=工厂; exit=出口; access=访问;
image url=图片网址; stop=停靠站; surname=姓氏; forename=名; circuit=赛道; lap=圈数; constructor=车队; grid=起跑位;
result time=成绩; humidity=湿度; cloud=云量; sea=海; installation=安装; installation date=安装日期; dock=停车桩;
visibility=能见度; mile=英里; inch=英寸; money=资金; entrepreneur=企业家; performer=表演者; marketing=营销;
acronym=缩写; abbreviation=缩写; short name=简称; abbr=缩写; symbol=符号; middle name=中间名; given name=名;
family name=姓; maiden name=娘家姓; title of courtesy=称谓; salutation=称谓; prefix=前缀; suffix=后缀;
government form=政体; form of government=政体; life expectancy=预期寿命; surface area=面积;
independence year=独立年份; official=官方; official language=官方语言; district name=区名; area code=区号;
street address=街道地址; house number=门牌号; state code=州代码; time zone=时区; timezone=时区; coordinate=坐标;
border=边界; climate=气候; rainfall=降雨量; snow=雪; wind speed=风速; sunrise=日出; sunset=日落; earthquake=地震;
magnitude=震级; flood=洪水; fire=火灾; volcano=火山; desert=沙漠; forest=森林; beach=海滩; ocean=海洋; bay=海湾;
planet=行星; moon=月球; satellite=卫星; galaxy=星系; rocket=火箭; launch date=发射日期; orbit=轨道; astronaut=宇航员;
mass=质量; density=密度; energy=能量; voltage=电压; frequency=频率; battery=电池; screen=屏幕; screen size=屏幕尺寸;
ram=内存; cpu=处理器; processor=处理器; operating system=操作系统; storage=存储; bandwidth=带宽; server=服务器;
database=数据库; table name=表名; column=列; row=行; byte=字节; bytes=字节数; query=查询; error=错误; warning=警告;
session=会话/场次; token=令牌; ip=IP; ip address=IP地址; domain name=域名; email address=电子邮箱地址;
mobile phone=手机; mobile number=手机号; cell phone=手机; home phone=家庭电话; work phone=办公电话;
cell number=手机号; emergency contact=紧急联系人; spouse=配偶; husband=丈夫; wife=妻子; mother=母亲; father=父亲;
son=儿子; daughter=女儿; brother=兄弟; sister=姐妹; baby=婴儿; age group=年龄段; religion=宗教; race ethnicity=族裔;
identity card=身份证; id card=身份证; id number=身份证号; passport=护照; passport number=护照号; visa=签证;
social security number=社保号; ssn=社保号; blood pressure=血压; heart rate=心率; pulse=脉搏; bmi=BMI; vaccine=疫苗;
surgery=手术; operation=手术; bed number=床号; insurance number=保险号; medical record=病历; lab test=化验;
dosage=剂量; pharmacy=药房; department head=科主任; headcount=人数; hourly rate=时薪; pay=工资; payroll=工资单;
pension=养老金; contract type=合同类型; working hours=工作时间; hours=小时数; working year=工作年限;
years working=工作年限; experience=经验; years of experience=工作年限; certificate name=证书名称; training=培训;
promotion date=晋升日期; termination date=离职日期; absence=缺勤; vacation=休假; holiday=假期; weekday=星期;
quarter=季度; fiscal year=财年; opening=开业; opening date=开业日期; opening year=开业年份; opened=开业;
open date=开业日期; open year=开业年份; opening hours=营业时间; closing date=关闭日期; completion=完成;
completion date=完成日期; effective date=生效日期; issue date=签发日期; approval date=批准日期; review date=评价日期;
visit date=就诊日期; date from=开始日期; date to=结束日期; from date=开始日期; to date=结束日期; start year=开始年份;
end year=结束年份; from=起始; release year=发行年份; publication year=出版年份; birth place=出生地;
place of birth=出生地; birthplace=出生地; birth year=出生年份; death date=死亡日期; death year=死亡年份;
date of death=死亡日期; founding year=成立年份; established=成立; year built=建成年份; built=建成;
built year=建成年份; construction=建设; year joined=加入年份; year opened=开业年份; joined year=加入年份;
expiration date=到期日期; last update=最后更新时间; last updated=最后更新时间; timestamp=时间戳; powertrain=动力系统;
day of week=星期几; day number=天数; days=天数; month name=月份名称; sales amount=销售额; sales price=售价;
selling price=售价; purchase price=进价; cost price=成本价; market value=市值; market price=市价;
market share=市场份额; market rate=市场汇率; exchange rate=汇率; interest rate=利率; tax rate=税率;
growth rate=增长率; rating score=评分; gross sales=总销售额; turnover=营业额; worldwide=全球;
worldwide gross=全球票房; box office=票房; gross margin=毛利率; assets=资产; liability=负债; stock price=股价;
shareholder=股东; shareholding=持股; dividend=股息; bond=债券; portfolio=投资组合; account number=账号;
account type=账户类型; account balance=账户余额; credit score=信用分; credit rating=信用评级; mortgage=房贷;
installment=分期; overdue=逾期; withdrawal=取款; transfer amount=转账金额; payee=收款人; payer=付款人;
beneficiary=受益人; premium=保费; coverage=保额; insured=被保险人; policy number=保单号; shipping address=收货地址;
billing address=账单地址; delivery address=收货地址; recipient=收件人; receiver=收件人; sender=寄件人;
tracking number=运单号; courier=快递员; express=快递; parcel=包裹; pallet=托盘; container=集装箱; cargo=货物;
shelf=货架; bin=库位; batch=批次; batch number=批号; lead time=交货周期; reorder level=补货点;
minimum stock=最低库存; wholesale=批发; retail=零售; retailer=零售商; wholesaler=批发商; distributer=分销商;
franchise=加盟商; merchant=商家; seller=卖家; buyer=买家; shopper=购物者; cart=购物车; wishlist=心愿单;
favorite=收藏; loyalty=忠诚度; membership level=会员等级; membership card=会员卡; level of membership=会员等级;
voucher=代金券; rebate=返利; advert=广告; click=点击; impression=曝光量; conversion=转化; visits=访问次数; hit=点击;
survey=问卷; question=问题; answer=答案; option=选项; choice=选择; quiz=测验; exam score=考试成绩; gpa score=绩点;
credits=学分; credit hour=学分; tuition=学费; department name=系名; dean=院长; lecture=讲座; lecturer=讲师;
seminar=研讨会; thesis=论文; laboratory=实验室; lab=实验室; textbook=教材; lesson plan=教案; enrolment=注册;
graduate year=毕业年份; graduation year=毕业年份; school year=学年; academic year=学年; pupil=小学生;
headmaster=校长; pages=页数; isbn=ISBN; edition=版次; volume number=卷号; magazine=杂志; newspaper=报纸;
article title=文章标题; poem=诗; novel=小说; poet=诗人; painter=画家; painting=画作; sculpture=雕塑; sculptor=雕塑家;
photographer=摄影师; musician=音乐家; guitarist=吉他手; drummer=鼓手; lyrics=歌词; lyricist=作词人; melody=旋律;
record company=唱片公司; label name=厂牌名称; studio name=工作室名称; sound=音效; voice=声音; video game=电子游戏;
television=电视; tv=电视; tv show=电视节目; tv series=电视剧; season number=季数; viewer=观众; viewers=观众人数;
ratings=收视率; rerun=重播; subtitle=字幕; premiere=首映; trailer=预告片; screenplay=剧本; script=剧本;
ticket price=票价; seating=座位; seating capacity=座位数; seats=座位数; attendee=与会者; attendance number=出席人数;
speaker=演讲者; booth=展位; fair=展会; exhibitor=参展商; ballot=选票; seat number=座位号; constituency=选区;
senator=参议员; congress=国会; prime minister=总理; king=国王; queen=女王; emperor=皇帝; dynasty=朝代; treaty=条约;
embassy=大使馆; ambassador=大使; army=军队; soldier=士兵; general=将军; commander=指挥官; weapon=武器; tank=坦克;
casualty=伤亡; prison=监狱; prisoner=囚犯; judge=法官; jury=陪审团; victim=受害者; suspect=嫌疑人; witness=证人;
athlete=运动员; referee=裁判; umpire=裁判; goalkeeper=守门员; striker=前锋; defender=后卫; midfielder=中场;
pitcher=投手; batter=击球手; runner=跑者; cyclist=自行车手; jockey=骑师; boxer=拳击手; fighter=拳手; wrestling=摔跤;
swimming=游泳; tennis=网球; volleyball=排球; golf=高尔夫; hockey=冰球; baseball=棒球; cricket=板球; rugby=橄榄球;
chess=国际象棋; olympic=奥运会; championship=锦标赛; cup=杯赛; trophy=奖杯; prize=奖金; prize money=奖金;
earnings=收入; world record=世界纪录; personal best=个人最好成绩; assist=助攻; rebound=篮板; steal=抢断; foul=犯规;
yellow card=黄牌; red card=红牌; penalty=点球/罚款; jersey number=球衣号; hand=惯用手; jersey=球衣; home team=主队;
away team=客队; home score=主队得分; away score=客队得分; home city=主场城市; lineup=阵容; roster=名单;
captain name=队长姓名; club name=俱乐部名称; founded date=成立日期; nickname name=绰号; horse power=马力;
displacement=排量; cylinder=气缸; cylinders=缸数; mpg=油耗; mileage=里程; transmission=变速箱; fuel type=燃料类型;
body style=车身类型; tire=轮胎; wheelbase=轴距; top speed=最高速度; license number=牌照号;
registration number=注册号; garage=车库; gas station=加油站; highway=高速公路; street name=街道名称; traffic=交通;
route number=线路号; line name=线路名称; terminal=航站楼; gate=登机口; runway=跑道; boarding=登机; crew=机组;
crew member=机组成员; flight number=航班号; departure time=出发时间; arrival time=到达时间; departure date=出发日期;
arrival date=到达日期; delay=延误; fare=票价; luggage=行李; cruise=邮轮; ferry=渡轮; boat=船; harbour=港口;
harbor=港口; metro=地铁; subway=地铁; tram=有轨电车; taxi=出租车; bicycle=自行车; motorcycle=摩托车;
roller coaster=过山车; ride=游乐项目; theme park=主题公园; tourist=游客; tourist attraction=旅游景点;
attraction=景点; tour=旅行团; guide=导游; travel agency=旅行社; agency=代理机构; agent=代理人/经纪人; landlord=房东;
tenant=租客; real estate=房地产; land=土地; garden=花园; kitchen=厨房; balcony=阳台; elevator=电梯;
room number=房间号; room type=房型; room name=房间名称; floor number=楼层; square meter=平方米;
construction year=建造年份; suite=套房; breakfast=早餐; lunch=午餐; dinner=晚餐; chef=厨师; cuisine=菜系;
bakery=面包店; bread=面包; cake=蛋糕; coffee=咖啡; tea=茶; beer=啤酒; fruit=水果; vegetable=蔬菜; meat=肉类; fish=鱼;
milk=牛奶; sugar=糖; salt=盐; calorie=卡路里; calories=卡路里; flavor=口味; taste=口味; grape=葡萄; winery=酒庄;
vineyard=葡萄园; appellation=产区; species=物种; bird=鸟; insect=昆虫; habitat=栖息地; zoo=动物园; veterinarian=兽医;
vet=兽医; owner name=主人姓名; breeder=饲养员; harvest=收成; yield=产量; seed=种子; fertilizer=肥料; irrigation=灌溉;
soil=土壤; mine=矿山; oil=石油; gas=天然气; electricity=电力; water=水; power plant=发电厂; solar=太阳能;
emission=排放量; pollution=污染; waste=废物; recycling=回收; tower=塔; dam=水坝; tunnel=隧道; cathedral=大教堂;
church=教堂; temple=寺庙; castle=城堡; monument=纪念碑; palace=宫殿; square=广场; market name=市场名称;
community=社区; household=家庭; income level=收入水平; poverty=贫困; unemployment=失业; labor=劳动力; worker=工人;
union=工会; industry name=行业名称; sector=部门/行业; technology=技术; patent=专利; invention=发明; inventor=发明人;
innovation=创新; standard=标准; protocol=协议; license type=许可证类型; source code=源代码; repository=仓库;
developer=开发者; programmer=程序员; designer=设计师; tester=测试员; bug=缺陷; sprint name=迭代名称;
milestone=里程碑; requirement=需求; deliverable=交付物; risk=风险; budget year=预算年度; priority level=优先级;
assignee=负责人; reporter=报告人; ticket number=工单号; customer service=客服; call=通话; call duration=通话时长;
complaint type=投诉类型; satisfaction=满意度; service level=服务等级; warranty=保修; guarantee=担保; inspection=检查;
inspector=检查员; certificate number=证书编号; serial=序列号; lot number=批号; barcode number=条码;
color name=颜色名称; pattern=图案; fabric=面料; clothing=服装; shoe=鞋; size name=尺码; jewelry=珠宝; toy=玩具;
cosmetic=化妆品; appliance=家电; phone brand=手机品牌; laptop=笔记本电脑; computer=电脑; printer=打印机;
monitor=显示器; keyboard=键盘; mouse=鼠标; primary=主要; secondary=次要; highest=最高; lowest=最低; largest=最大;
smallest=最小; best=最好; worst=最差; top=最高; favourite=最喜欢的; latest=最新; present=现任; former=前任; full=全;
short=简; long=长; big=大; small=小; high=高; low=低; fast=快; slow=慢; good=好; bad=差; early=早; late=晚; left=左;
right=右; north=北; south=南; east=东; west=西; northern=北部; southern=南部; eastern=东部; western=西部;
middle=中间; upper=上; lower=下; inner=内; outer=外; free=免费; paid amount=实付金额; required=必需; preferred=偏好;
popular=热门; famous=著名; common=常见; rare=稀有; regular=常规; temporary=临时; permanent=永久; full time=全职;
part time=兼职; public holiday=公共假日; working=工作; outstanding=未结清; settled=已结清; reported=报告;
requested=申请; received=收到; sent=发送; placed=下单; assigned=分配; booked=预订; purchased=购买; acquired=购入;
disposed=处置; elected=当选; won=获胜; played=参赛; injured count=受伤人数; affected=受影响; preferred foot=惯用脚;
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
    >>> to_chinese("number of products"), to_chinese("manager of department"), to_chinese("price per unit")
    ('产品数量', '部门经理', '每单位价格')
    """
    words = phrase.lower().split()
    if words[:2] in (["number", "of"], ["num", "of"], ["no", "of"], ["count", "of"]):
        counted = to_chinese(" ".join(words[2:]))
        return f"{counted}数量" if counted else None
    for link, form in (("of", "{1}{0}"), ("per", "每{1}{0}")):
        if link in words[1:-1] and phrase.lower() not in _tables()[0]:
            place = words.index(link, 1)
            parts = [to_chinese(" ".join(part)) for part in (words[:place], words[place + 1 :])]
            return form.format(*parts) if all(parts) else None
    result = ""
    start = 0
    while start < len(words):
        for end in range(len(words), start, -1):
            found = _entry(" ".join(words[start:end]))
            if found:
                result += found
                start = end
                break
        else:
            return None
    return result or None


def _entry(phrase: str) -> str | None:
    """What stands in the dictionary of a phrase, or of its singular."""
    entries = _tables()[0]
    return entries.get(phrase) or entries.get(singular(phrase))


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
