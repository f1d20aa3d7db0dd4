"""The functions that a query may call, dialect by dialect.

A name stands as sqlglot calls the function, in lower case: its own name where sqlglot knows it under every dialect's
spelling (``time_to_str`` is SQLite's STRFTIME, MySQL's DATE_FORMAT and PostgreSQL's TO_CHAR), else the database's. What
reads files, sleeps, sets, locks, advances a sequence, executes text or tells of the server is on no list.
"""

from __future__ import annotations

# sqlglot counts some operators and keywords as functions; they make the first line.
_COMMON = """
    and or xor not exists case if cast try_cast extract collate
    count sum avg min max group_concat variance variance_pop stddev stddev_pop stddev_samp any_value
    row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
    abs round floor ceil sign sqrt power exp ln log mod greatest least rand trunc
    length lower upper trim substring replace concat concat_ws str_position left right reverse ascii chr initcap
    unicode hex coalesce nullif
    date time datetime timestamp current_date current_time current_timestamp
    year month day hour minute second quarter week last_day
    time_to_str str_to_time str_to_date unix_to_time ts_or_ds_to_date ts_or_ds_to_timestamp ts_or_ds_to_time
    date_add date_sub date_diff timestamp_trunc date_trunc day_of_week day_of_month day_of_year week_of_year
    json_extract json_extract_scalar
"""

_SQLITE = """
    total typeof printf format quote char octet_length soundex pi likely unlikely likelihood
    julianday unixepoch timediff
    json_array_length json_type json_valid
"""

_MYSQL = """
    now curdate curtime sysdate utc_timestamp utc_date utc_time
    datediff timestampdiff timestamp_diff timestampadd adddate subdate addtime subtime makedate timediff
    period_diff period_add time_to_sec sec_to_time to_days from_days unix_timestamp convert_tz microsecond
    weekday dayname monthname yearweek
    truncate regexp_like field find_in_set elt substring_index mid number_to_str strcmp pad md5
    bitwise_and_agg bitwise_or_agg
    json_unquote json_length json_contains
"""

_POSTGRES = """
    age now date_part make_date justify_days justify_hours justify_interval localtimestamp localtime
    to_number to_char width_bucket
    logical_and logical_or every corr covar_pop covar_samp mode percentile_cont percentile_disc grouping
    array array_agg array_size cardinality array_to_string string_to_array
    split_part regexp_like regexp_i_like regexp_replace regexp_matches translate pad md5
    jsonb_extract jsonb_extract_scalar jsonb_contains
"""

FUNCTIONS: dict[str, frozenset[str]] = {
    "sqlite": frozenset((_COMMON + _SQLITE).split()),
    "mysql": frozenset((_COMMON + _MYSQL).split()),
    "postgres": frozenset((_COMMON + _POSTGRES).split()),
}
