"""What the three dialects write differently: quotes, functions, operators, types, reserved words.

The functions are those that the guard lets through (:mod:`sqlfocus.execution.functions`), as each dialect spells them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


RESERVED = _words(
    "select from where group by having order limit offset union all intersect except distinct as on using join left "
    "right full outer inner cross natural and or not in is like glob ilike regexp between exists case when then else "
    "end null true false cast asc desc with recursive over partition collate escape isnull notnull filter nulls "
    "interval extract div for into window fetch lateral"
)
"""Words that are never a bare name here: to a reader they would be the keyword."""

AGGREGATES = _words(
    "count sum avg min max total group_concat string_agg array_agg every bool_and bool_or any_value stddev stddev_pop "
    "stddev_samp variance var_pop var_samp json_agg jsonb_agg json_arrayagg json_group_array"
)
WINDOW_ONLY = _words(
    "row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value"
)
MANY = 99
"""Arguments at most, where there is no limit."""


def _arguments(text: str) -> dict[str, tuple[int, int]]:
    """Lines of ``LEAST-MOST: functions``."""
    found: dict[str, tuple[int, int]] = {}
    for line in text.strip().splitlines():
        counts, names = line.split(":")
        least, most = (int(count) if count else MANY for count in counts.strip().split("-"))
        found |= dict.fromkeys(names.split(), (least, most))
    return found


WITH_INTERVAL = _words("date_add date_sub")
"""MySQL's functions whose second argument is an interval, and nothing else."""

# How many arguments MySQL's and PostgreSQL's functions take; what is not here takes any number but none.
_ARGUMENTS = _arguments("""
0-0: row_number rank dense_rank percent_rank cume_dist pi curdate utc_date
0-1: count now curtime sysdate utc_time utc_timestamp unix_timestamp rand random
1-1: sum avg min max abs lower upper length sqrt exp ln ceil ceiling floor sign stddev stddev_pop stddev_samp variance
1-1: any_value every bool_and bool_or array_agg year month day hour minute second quarter weekday dayname monthname
1-1: dayofweek dayofmonth dayofyear last_day to_days char_length ascii reverse hex md5 initcap chr ntile first_value
1-1: last_value json_unquote time_to_sec sec_to_time date cardinality
1-2: round trim ltrim rtrim log week yearweek json_length age to_timestamp from_unixtime trunc
1-3: lag lead
2-2: power pow mod nullif ifnull nth_value strpos left right datediff date_add date_sub truncate instr find_in_set
2-2: period_diff makedate to_char to_date to_number date_trunc date_part timediff string_agg str_to_date date_format
2-2: array_length corr
2-3: substr substring mid lpad rpad locate regexp_like array_to_string string_to_array
3-3: replace if split_part substring_index translate make_date
3-4: regexp_replace
2-: greatest least concat_ws field json_extract json_extract_path_text
""")


def _sqlite_arguments() -> dict[str, tuple[int, int]]:
    """The functions of the SQLite that is here, which depend on its release and on how it was built."""
    found: dict[str, tuple[int, int]] = {}
    connection = sqlite3.connect(":memory:")
    for name, count in connection.execute("SELECT name, narg FROM pragma_function_list"):
        least, most = found.get(name, (MANY, 0))
        # -1 is any number, as far as the list tells: none for dates, at least one, or two, elsewhere.
        fewest = {"coalesce": 2, "json_extract": 2}.get(name, 0 if name in _DATES else 1) if count < 0 else count
        found[name] = min(least, fewest), max(most, MANY if count < 0 else count)
    connection.close()
    for name in ("min", "max"):  # of several values they are no aggregates, and read as such here
        found[name] = (1, 1)
    return found


_DATES = _words("date time datetime julianday unixepoch")
_COMMON = _words(
    "count sum avg min max abs round length lower upper "
    "replace trim ltrim rtrim coalesce nullif substr substring concat "
    "sqrt power exp ln log mod floor ceil ceiling "
    "sign row_number rank dense_rank percent_rank cume_dist ntile lag lead "
    "first_value last_value nth_value"
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one dialect writes what the grammar leaves open.

    Attributes:
        functions: names that may be called, in lower case.
        arguments: how many each takes at least and at most; what is not there takes any number but none.
        ordered_arguments: whether an aggregate's arguments may have an ORDER BY.
        types: what may be cast to.
        quotes: a name's opening and closing marks.
        double_quoted_strings: whether ``"..."`` may be a string.
        folds: whether a bare name means the one in lower case, so that others must be quoted.
        outer_in_order: whether ORDER BY and GROUP BY of a query within another may name the other's columns.
        double_colon_casts: whether ``name::text`` casts.
        operators: binary operators besides those that all have; ``comparisons`` and ``matches`` likewise, the latter
            words like LIKE.
        reserved: words that are no bare names in this dialect, besides :data:`RESERVED`.
        extras: rules for operands that only this dialect has, in the grammar's own form.
        extra_words: the words with which those begin.
    """

    functions: frozenset[str]
    arguments: Mapping[str, tuple[int, int]]
    types: tuple[str, ...]
    quotes: tuple[tuple[str, str], ...]
    double_quoted_strings: bool
    ordered_arguments: bool = True
    outer_in_order: bool = True
    folds: bool = False
    double_colon_casts: bool = False
    operators: tuple[str, ...] = ()
    comparisons: tuple[str, ...] = ()
    matches: tuple[str, ...] = ("LIKE",)
    reserved: frozenset[str] = frozenset()
    extras: str = ""
    extra_words: frozenset[str] = frozenset()


_SQLITE = _sqlite_arguments()
DIALECTS = {
    "sqlite": Dialect(
        functions=frozenset(_SQLITE)
        & (
            _COMMON
            | _words(
                "total group_concat instr ifnull iif strftime date time datetime julianday unixepoch typeof printf "
                "format hex char unicode quote pow json_extract json_array_length likely unlikely soundex timediff "
                "json_valid json_type octet_length pi"
            )
        ),
        arguments=_SQLITE,
        outer_in_order=False,
        ordered_arguments=sqlite3.sqlite_version_info >= (3, 44),
        types=(
            "integer",
            "int",
            "bigint",
            "real",
            "float",
            "double",
            "text",
            "varchar",
            "char",
            "numeric",
            "decimal",
            "date",
            "datetime",
            "blob",
            "boolean",
        ),
        quotes=(('"', '"'), ("`", "`"), ("[", "]")),
        double_quoted_strings=True,
        operators=("||", "->", "->>", "&", "|", "<<", ">>"),
        comparisons=("==",),
        matches=("LIKE", "GLOB"),
        reserved=_words(
            "add alter autoincrement check commit constraint create "
            "default deferrable delete drop foreign index insert "
            "primary references set table to transaction unique update values"
        ),
    ),
    "mysql": Dialect(
        functions=_COMMON
        | _words(
            "group_concat concat_ws instr ifnull if now curdate "
            "curtime sysdate utc_date utc_time utc_timestamp date time "
            "year month day hour minute second quarter week weekday dayname monthname yearweek dayofweek dayofmonth "
            "dayofyear last_day date_format str_to_date datediff timediff date_add date_sub to_days "
            "from_unixtime unix_timestamp truncate greatest least substring_index field find_in_set locate mid left "
            "right reverse char_length lpad rpad ascii hex stddev variance any_value json_extract json_unquote "
            "json_length regexp_like rand pow md5 period_diff makedate time_to_sec sec_to_time"
        ),
        arguments=_ARGUMENTS,
        types=("signed", "unsigned", "char", "date", "datetime", "time", "decimal", "double", "float"),
        quotes=(("`", "`"),),
        double_quoted_strings=True,
        operators=("&", "|", "<<", ">>", "->", "->>"),
        comparisons=("<=>",),
        matches=("LIKE", "REGEXP", "RLIKE"),
        reserved=_words(
            "accessible add alter analyze asensitive before bigint binary "
            "blob both by call cascade change char character "
            "check column condition constraint continue convert create "
            "cube cume_dist cursor database databases decimal "
            "declare default delayed delete dense_rank describe deterministic distinctrow double drop dual each elseif "
            "empty enclosed escaped exit explain first_value float force foreign fulltext function generated get grant "
            "grouping groups high_priority if ignore index infile insert int integer iterate key keys kill lag "
            "last_value lead leading leave linear lines load lock long loop low_priority match mediumint mod modifies "
            "nth_value ntile numeric optimize option optionally out outfile percent_rank precision primary procedure "
            "purge range rank read reads real references release rename repeat replace require restrict return revoke "
            "rlike row row_number rows schema schemas sensitive separator "
            "set show signal smallint spatial specific sql "
            "ssl starting stored straight_join system table terminated tinyint to trailing trigger undo unique unlock "
            "unsigned update usage use values varbinary varchar varying virtual while write xor zerofill"
        ),
        extras=r"""
interval: "INTERVAL"i S unary S UNIT
UNIT: "MICROSECOND"i | "SECOND"i | "MINUTE"i | "HOUR"i | "DAY"i | "WEEK"i | "MONTH"i | "QUARTER"i | "YEAR"i
operand_extra: interval | call_unit
call_unit: "TIMESTAMPDIFF"i W? "(" W? UNIT comma expr comma expr W? ")"
""",
        extra_words=_words("interval timestampdiff"),
    ),
    "postgres": Dialect(
        functions=_COMMON
        | _words(
            "string_agg array_agg every bool_and bool_or concat_ws now age date_trunc date_part to_char to_date "
            "to_timestamp to_number make_date greatest least left "
            "right reverse char_length initcap split_part "
            "strpos lpad rpad ascii chr regexp_replace translate "
            "trunc random md5 stddev stddev_pop stddev_samp variance "
            "corr array_length cardinality array_to_string string_to_array "
            "json_extract_path_text width_bucket percentile_cont percentile_disc"
        ),
        arguments=_ARGUMENTS,
        types=(
            "integer",
            "int",
            "bigint",
            "smallint",
            "numeric",
            "decimal",
            "real",
            "double precision",
            "float",
            "text",
            "varchar",
            "char",
            "date",
            "timestamp",
            "timestamptz",
            "time",
            "interval",
            "boolean",
        ),
        quotes=(('"', '"'),),
        double_quoted_strings=False,
        folds=True,
        double_colon_casts=True,
        operators=("||", "->", "->>", "#>", "#>>", "&", "|"),
        comparisons=("~", "~*", "!~", "!~*", "@>"),
        matches=("LIKE", "ILIKE", "SIMILAR TO"),
        reserved=_words(
            "analyse analyze any array asymmetric authorization binary "
            "both check column concurrently constraint create "
            "current_catalog current_role current_schema current_user default deferrable do foreign freeze grant "
            "initially leading localtime localtimestamp only placing primary references returning session_user similar "
            "some symmetric table tablesample to trailing unique user using variadic verbose"
        ),
        extras=r"""
interval: "INTERVAL"i S STRING
typed: ("DATE"i | "TIMESTAMP"i | "TIME"i) S STRING
extract: "EXTRACT"i W? "(" W? FIELD S "FROM"i S expr W? ")"
FIELD: "YEAR"i | "MONTH"i | "DAY"i | "HOUR"i | "MINUTE"i | "SECOND"i | "QUARTER"i | "WEEK"i
    | "DOW"i | "ISODOW"i | "DOY"i | "EPOCH"i | "CENTURY"i | "DECADE"i
operand_extra: interval | typed | extract
""",
        extra_words=_words("interval extract date timestamp time"),
    ),
}
