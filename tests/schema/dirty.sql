-- ----------------------------
-- Table structure for village_stat
-- ----------------------------
DROP TABLE IF EXISTS "bi"."village_stat";
CREATE TABLE "bi"."village_stat" (
  "id" int8 NOT NULL DEFAULT nextval('"bi".village_stat_id_seq'::regclass),
  "province" varchar(50) COLLATE "pg_catalog"."default",
  "city" varchar(50) COLLATE "pg_catalog"."default" NOT NULL DEFAULT ''::character varying,
  "county" varchar(50) COLLATE "pg_catalog"."default",
  "town" varchar(50) COLLATE "pg_catalog"."default",
  "village" varchar(50) COLLATE "pg_catalog"."default",
  "village_code" varchar(20) COLLATE "pg_catalog"."default",
  "population" int4,
  "households" int4 DEFAULT 0,
  "area" numeric(10,2),
  "income" float8,
  "is_poor" bool,
  "tags" text[] COLLATE "pg_catalog"."default",
  "extra" jsonb,
  "created_at" timestamp(6) DEFAULT CURRENT_TIMESTAMP,
  "updated_at" timestamptz(6)
)
;
ALTER TABLE "bi"."village_stat" OWNER TO "postgres";
COMMENT ON COLUMN "bi"."village_stat"."id" IS '主键';
COMMENT ON COLUMN "bi"."village_stat"."province" IS '省';
COMMENT ON COLUMN "bi"."village_stat"."city" IS '市';
COMMENT ON COLUMN "bi"."village_stat"."county" IS '县';
COMMENT ON COLUMN "bi"."village_stat"."town" IS '镇':
COMNENT ON COLUMN "bi"."village_stat"."village" IS '村';
COMMENT ON COLUMN "bi"."village_stat"."village code" IS '村代码';
COMMENT ON COLUMN "bi"."village_stat"."population" IS '人口';
COMMENT ON COLUMN "bi"."village_stat"."households" IS '户数';
COMMENT ON COLUMN "bi"."village_stat"."area" IS '面积';
COMMENT ON COLUMN "bi"."village_stat"."income" IS '收入';
COMMENT ON COLUMN "bi"."village_stat"."is_poor" IS '是否贫困';
COMMENT ON COLUMN "bi"."village_stat"."tags" IS '标签';
COMMENT ON COLUMN "bi"."village_stat"."extra" IS '附加';
COMMENT ON COLUMN "bi"."village_stat"."created_at" IS '创建时间';
COMMENT ON COLUMN "bi"."village_stat"."updated_at" IS '更新时间';
COMMENT ON TABLE "bi"."village_stat" IS '村庄统计';

-- ----------------------------
-- Primary Key structure for table village_stat
-- ----------------------------
ALTER TABLE "bi"."village_stat" ADD CONSTRAINT "village_stat_pkey" PRIMARY KEY ("id");
