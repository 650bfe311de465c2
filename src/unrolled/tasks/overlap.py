"""BLEU and chrF of texts against one or more right ones each, as sacrebleu defines them (Post 2018,
arXiv:1804.08771), so that figures compare with those of papers: 0 to 100, over all texts together."""

from collections.abc import Mapping, Sequence
from typing import Any

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF


def bleu(found: Sequence[str], truths: Sequence[Sequence[str]]) -> float:
    """Of up to four words in a row, cut by sacrebleu's own rule (13a)."""
    return float(BLEU(force=True).corpus_score(list(found), _columns(truths)).score)


def with_bleu(rows: Sequence[Mapping[str, Any]], truths: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """The rows, without "BLEU" where it is 0 for all, or for the right answers: of texts below four words it
    is 0 though they are right, and more than 0 of wrong ones that are longer."""
    told = any(row["BLEU"] for row in rows) and bleu([several[0] for several in truths], truths) > 0
    return [{name: value for name, value in row.items() if told or name != "BLEU"} for row in rows]


def chrf(found: Sequence[str], truths: Sequence[Sequence[str]]) -> float:
    """chrF2: of up to six characters in a row (Popović 2015)."""
    return float(CHRF().corpus_score(list(found), _columns(truths)).score)


def _columns(truths: Sequence[Sequence[str]]) -> Any:
    """(N,) of several each -> as many lists (N,) as the most; None where a text has fewer."""
    most = max(len(several) for several in truths)
    return [[several[k] if k < len(several) else None for several in truths] for k in range(most)]
