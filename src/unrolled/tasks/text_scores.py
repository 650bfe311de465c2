"""How near texts are to one or more right ones each.

exact match   share of the texts that are one of the right ones
error rate    edits of distances.py in symbols, of byte pairs in characters
BLEU, chrF    as sacrebleu defines them (Post 2018, arXiv:1804.08771), so that figures compare with those of
              papers: 0 to 100, over all texts together

Texts are compared as their tokenizer writes them: how many spaces stand between words does not count.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from unrolled.codecs.texts import TextCodec
from unrolled.tasks.distances import error_rate, exact
from unrolled.tasks.evaluation import Row


def text_rows(
    side: TextCodec,
    truths: Sequence[Sequence[str]],
    answers: Mapping[str, Sequence[str]],
    symbol: str = "symbol",
    *,
    with_chrf: bool = False,
) -> list[Row]:
    """A row for each of `answers`: name -> (N,) texts; truths (N,) of one or more each. Without "BLEU" where
    it is 0 for all, or for the right answers: of texts below four words it is 0 though they are right, and
    more than 0 of wrong ones that are longer."""
    symbols = [[side.symbols(text) for text in several] for several in truths]
    written = [[side.written(text) for text in several] for several in truths]
    rows: list[Row] = []
    for name, texts in answers.items():
        in_symbols, as_written = list(map(side.symbols, texts)), list(map(side.written, texts))
        row: Row = {
            "model": name,
            "exact match": exact(in_symbols, symbols),
            f"{symbol} error rate": error_rate(in_symbols, symbols),
            "BLEU": bleu(as_written, written),
        }
        rows.append(row | ({"chrF": chrf(as_written, written)} if with_chrf else {}))
    if any(row["BLEU"] for row in rows) and bleu([several[0] for several in written], written) > 0:
        return rows
    return [{name: value for name, value in row.items() if name != "BLEU"} for row in rows]


def bleu(texts: Sequence[str], truths: Sequence[Sequence[str]]) -> float:
    """Of up to four words in a row, cut by sacrebleu's own rule (13a)."""
    return float(BLEU(force=True).corpus_score(list(texts), _columns(truths)).score)


def chrf(texts: Sequence[str], truths: Sequence[Sequence[str]]) -> float:
    """chrF2: of up to six characters in a row (Popović 2015)."""
    return float(CHRF().corpus_score(list(texts), _columns(truths)).score)


def _columns(truths: Sequence[Sequence[str]]) -> Any:
    """(N,) of several each -> as many lists (N,) as the most; None where a text has fewer."""
    most = max(map(len, truths))
    return [[several[k] if k < len(several) else None for several in truths] for k in range(most)]
