import pytest

from sqlfocus.inference.constraint.cursor import read_tokens
from sqlfocus.inference.constraint.joins import JoinKeys
from sqlfocus.schema.parse import parse_mschema

SCHEMA = """【DB_ID】 pets
【Schema】
# Table: Student
[
(StuID:INTEGER, Primary Key),
(LName:TEXT),
(Age:INTEGER),
(Advisor:INTEGER)
]
# Table: Has_Pet
[
(StuID:INTEGER),
(PetID:INTEGER)
]
# Table: Pets
[
(PetID:INTEGER, Primary Key),
(Age:INTEGER),
(Mother:INTEGER)
]
# Table: airlines
[
(uid:INTEGER, Primary Key),
(Airline:TEXT)
]
# Table: flights
[
(Airline:INTEGER),
(FlightNo:INTEGER)
]
【Foreign keys】
Has_Pet.StuID=Student.StuID
Has_Pet.PetID=Pets.PetID
Pets.Mother=Pets.PetID"""


@pytest.fixture(scope="module")
def keys():
    return JoinKeys(parse_mschema(SCHEMA))


def doubts(keys, sql, *, whole=True):
    return keys.doubts(read_tokens(sql, whole, True))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT LName FROM Student",
        "SELECT 1 FROM Student AS T1 JOIN Has_Pet AS T2 ON T1.StuID = T2.StuID JOIN Pets AS T3 ON T3.PetID = T2.PetID",
        "SELECT LName FROM student JOIN has_pet ON student.stuid = has_pet.stuid",
        "SELECT T1.Airline FROM airlines AS T1 JOIN flights AS T2 ON T1.uid = T2.Airline",  # no key connects the two
        "SELECT 1 FROM Student AS a JOIN airlines AS b ON a.Age = b.uid",
        "SELECT 1 FROM Pets AS a JOIN Pets AS b ON a.Mother = b.PetID",
        "SELECT 1 FROM Pets a JOIN Pets b ON a.Age = b.Age AND a.PetID < b.PetID",
        "SELECT 1 FROM Has_Pet AS a JOIN Has_Pet AS b ON a.StuID = b.StuID",
        "SELECT 1 FROM Student AS T1 JOIN Has_Pet AS T2 ON T1.StuID = T2.StuID WHERE T1.Age = T2.PetID",
        "SELECT 1 FROM Student WHERE StuID IN (SELECT a.StuID FROM Has_Pet AS a JOIN Pets AS b ON a.PetID = b.PetID)",
        "SELECT 1 FROM (SELECT PetID AS p FROM Pets) AS a JOIN Has_Pet AS b ON a.p = b.PetID",
        "SELECT 1 FROM Student AS T1 JOIN Pets AS T2 ON T1.StuID",
        "",
    ],
)
def test_joins_over_keys_are_not_doubted(keys, sql):
    assert doubts(keys, sql) == 0


@pytest.mark.parametrize(
    ("sql", "count"),
    [
        ("SELECT 1 FROM Student AS T1 JOIN Pets AS T2 ON T1.StuID = T2.PetID", 1),
        ("SELECT 1 FROM Student AS T1 JOIN Pets AS T2 ON T2.Age = T1.StuID WHERE T1.Age > 3", 1),
        ("SELECT 1 FROM Student JOIN Has_Pet ON Student.Age = Has_Pet.StuID", 1),
        ("SELECT 1 FROM Student AS T1 JOIN Student AS T2 ON T1.StuID = T2.StuID", 1),
        ("SELECT 1 FROM Has_Pet AS T1 JOIN Pets AS T2 ON T1.PetID = T2.PetID AND T1.StuID = T2.PetID", 1),
        (
            "SELECT 1 FROM Student WHERE StuID IN (SELECT a.StuID FROM Student AS a JOIN Pets AS b ON a.Age = b.PetID)"
            " OR StuID IN (SELECT a.StuID FROM Student AS a JOIN Pets AS b ON a.StuID = b.PetID)",
            2,
        ),
    ],
)
def test_joins_that_follow_no_key_are(keys, sql, count):
    assert doubts(keys, sql) == count


def test_a_name_that_may_go_on_is_not_judged(keys):
    sql = "SELECT 1 FROM Student AS T1 JOIN Has_Pet AS T2 ON T1.StuID = T2.P"
    assert doubts(keys, sql, whole=False) == 0
    assert doubts(keys, sql + "etID ", whole=False) == 1


def test_a_column_may_be_called_as_the_table_that_it_means():
    text = SCHEMA + "\nflights.FlightNo=airlines.uid"  # now keys connect the two
    sql = "SELECT 1 FROM airlines AS T1 JOIN flights AS T2 ON T1.{} = T2.Airline"
    keys = JoinKeys(parse_mschema(text))
    assert doubts(keys, sql.format("uid")) == 0
    assert doubts(keys, sql.format("Airline")) == 0
