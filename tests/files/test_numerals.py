"""One number in every way of writing it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.files.numerals import number


@pytest.mark.parametrize(
    "text, wanted",
    [
        *((" 12 ", 12), ("-2.5", -2.5), ("5e3", 5000), (".5", 0.5), ("6.", 6)),
        *(("1,234.5", 1234.5), ("1.234,5", 1234.5), ("1 234.5", 1234.5), ("1'234,5", 1234.5), ("1,25", 1.25)),
        *(("1,234,567", 1234567), ("1.234.567", 1234567), ("12,34,567.5", 1234567.5), ("0,125", 0.125)),
        *(("1\u00a0234", 1234), ("1\u202f234,5", 1234.5), ("1\u2019234.5", 1234.5), ("\u22125", -5)),
        *(("12 %", 12), ("12%", 12), ("-3,5 %", -3.5), ("$1,200.50", 1200.5), ("-$5", -5), ("$-5", -5)),
        *(("12,50 €", 12.5), ("€ 12,50", 12.5), ("US$5", 5), ("USD 5", 5), ("5 CHF", 5)),
        *(("(123)", -123), ("($1,234.00)", -1234), ("(12,5 %)", -12.5), ("1,5e-3", 0.0015)),
        *(("true", 1), ("YES", 1), ("False", 0), ("no", 0)),
    ],
)
def test_numbers_that_can_be_read_in_one_way(text, wanted):
    assert number(text) == wanted


@pytest.mark.parametrize(
    "text, alone, point, comma",
    [
        ("1,234", None, 1234, 1.234),
        ("1.234", 1.234, 1.234, 1234),
        ("€ 12,345", None, 12345, 12.345),
        ("1.25", 1.25, 1.25, None),
        ("1,25", 1.25, None, 1.25),
        ("1 234", 1234, 1234, 1234),
    ],
)
def test_a_mark_before_three_digits_needs_to_be_known(text, alone, point, comma):
    assert (number(text), number(text, "point"), number(text, "comma")) == (alone, point, comma)


@pytest.mark.parametrize(
    "text",
    [
        *("", "abc", "1_000", "--1", "-(5)", "(-5)", "(5", "5)", "$5%", "$5 €", "12 kg", "0x10", "%", "$"),
        *(
            "1,2,3",
            "1.2.3",
            "1,23.4",
            "1.234,567.8",
            "01,234,567",
            "1 23",
            "1,234 567",
            "1 2",
            "31.12.2020",
            ",",
        ),
    ],
)
def test_what_is_no_number(text):
    assert number(text) is None


FORMS = {  # how Python's 1,234.5 is turned
    "point": ("point", str.maketrans({})),
    "German": ("comma", str.maketrans(",.", ".,")),
    "French": ("comma", str.maketrans(",.", "\u202f,")),
    "Swiss": ("point", str.maketrans(",", "'")),
}


@given(
    st.decimals(-(10**12), 10**12, places=2), st.sampled_from(list(FORMS)), st.sampled_from(["", " %", " €"])
)
def test_every_number_that_people_write_is_read(value, form, unit):
    decimal, turned = FORMS[form]
    text = f"{value:,.2f}"
    assert number(text.translate(turned) + unit, decimal) == float(value)
    accounted = f"({text[1:]})" if value < 0 else text
    assert number(accounted.translate(turned), decimal) == float(value)
