"""Numbers as people write them -> numbers, of one cell; of whole columns: number_columns.py.

    1234.5  1,234.5  1 234.5  1'234.5       a decimal point
    1234,5  1.234,5  1 234,5  1'234,5       a decimal comma
    12 %  $1,200  -$5  12,50 €  (5)         percent and currency signs are left out; in brackets it is below 0
    true yes / false no                     1 / 0

Which mark comes before the decimals is told by a column as a whole. This module needs no library.
"""

import re
from contextlib import suppress

MARKS = {"point": ".", "comma": ","}
TRUTHS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}  # in any case

# Blanks, apostrophes and minus signs of typesetters -> those of keyboards.
PLAIN = {"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'", "\u2212": "-"}

_CURRENCY = r"US\$|[$€£¥₹₽₩₺₪₫₴฿]|USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|CZK"
# Of a cell without blanks at its ends, in plain characters.
NUMERAL = (
    rf"^(?P<open>\()?(?P<sign>[+-])?(?P<before>{_CURRENCY})? ?(?P<second>[+-])?"
    r"(?P<digits>[.,]?[0-9](?:[0-9., ']*[0-9.,])?)(?P<exponent>[eE][+-]?[0-9]{1,3})?"
    rf" ?(?P<after>{_CURRENCY}|%)?(?P<close>\))?$"
)


def _digits(mark: str, other: str) -> str:
    """Thousands are apart by the other mark, a blank or an apostrophe; in India hundreds of them are too."""
    between = [re.escape(one) for one in (other, " ", "'")]
    groups = "|".join(f"(?:{one}[0-9]{{2,3}})*{one}[0-9]{{3}}" for one in between)
    return rf"^[+-]?(?:[0-9]+|[1-9][0-9]{{0,2}}(?:{groups}))?(?:{re.escape(mark)}[0-9]*)?$"


# By the decimal mark: what the digits of a number look like.
DIGITS = {"point": _digits(".", ","), "comma": _digits(",", ".")}
_NUMERAL, _FORMS = re.compile(NUMERAL), {name: re.compile(pattern) for name, pattern in DIGITS.items()}
_TYPESET = str.maketrans(PLAIN)


def number(text: str, decimal: str | None = None) -> float | None:
    """None for what is no number, or none with this decimal mark, a key of MARKS; without one also for a
    comma that could stand between thousands too."""
    if decimal != "comma" and "_" not in text:
        with suppress(ValueError):
            return float(text)
    text = text.strip().translate(_TYPESET)
    if text.lower() in TRUTHS:
        return TRUTHS[text.lower()]
    match = _NUMERAL.match(text)
    if match is None or not _is_whole(match):
        return None
    digits = match["digits"]
    forms = [name for name, form in _FORMS.items() if form.match(digits) and decimal in (None, name)]
    if not forms or (len(forms) > 1 and "," in digits):
        return None
    value = float(plain(digits, forms[0]) + (match["exponent"] or ""))
    return -value if match["open"] or "-" in (match["sign"], match["second"]) else value


def plain(digits: str, decimal: str) -> str:
    """Digits with a point, and nothing between thousands."""
    for mark in " '" + MARKS["comma" if decimal == "point" else "point"]:
        digits = digits.replace(mark, "")
    return digits.replace(",", ".")


def _is_whole(match: re.Match[str]) -> bool:
    """One sign of each kind, and brackets in pairs around numbers without a sign."""
    signs = [match[name] for name in ("open", "sign", "second") if match[name]]
    return (
        len(signs) < 2
        and (match["open"] is None) == (match["close"] is None)
        and (match["before"] is None or match["after"] is None)
    )
