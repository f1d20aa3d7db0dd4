"""The one line that a user sees."""

from sqlfocus.errors import UserError, first_line, printable


def test_what_a_terminal_would_act_on_is_spelt_out():
    assert printable("a\x1b[2J花\u202eb") == "a\\x1b[2J花\\u202eb"
    assert printable("it's 全角\u3000空格 \udc80") == "it's 全角\u3000空格 \\udc80"


def test_an_error_stays_one_line_whatever_it_names():
    said = str(UserError("config.ini: the key a\x0bb\r\nc\u2028d is not known"))
    assert said == "config.ini: the key a\\x0bb\\r\\nc\\u2028d is not known"


def test_the_first_line_of_an_error():
    assert first_line(ValueError("  one\ntwo")) == "one"
    assert first_line(ValueError()) == "ValueError"
