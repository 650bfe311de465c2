"""One form for texts that look the same. Needs no torch.

    nfc     é is one code point, whether a text writes one, or an e and an accent
    nfkc    further, letters that differ in style alone are one: ﬁ is fi, ① is 1, Ａ is A
    none    texts stay as they are

A normal form of a text never changes with the version of Unicode, as long as its characters have a meaning
there: a model reads the same wherever it runs.

Source   Unicode Standard Annex 15
"""

import unicodedata

from unrolled.files.messages import either, shown

NFC, NFKC, NONE = "nfc", "nfkc", "none"
FORMS = (NFC, NFKC, NONE)


def normalized(text: str, form: str) -> str:
    return text if form == NONE or text.isascii() else unicodedata.normalize(form.upper(), text)  # type: ignore[arg-type]


def checked(form: object) -> str:
    """A form that was saved. ValueError for what is none."""
    if form not in FORMS:
        raise ValueError(f"a Unicode form {shown(form)}; wanted {either(FORMS)}")
    return str(form)
