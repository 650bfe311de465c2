"""Sentences in CoNLL columns whose names follow a known rule, to judge a tagger by what it can learn.

    context   the word before a name decides its kind, PER, LOC or ORG; after any other word it is no name
    spelling  the last letters of a word decide, in lower case, or its form: AB-12 is a PRODUCT
    both      words on -ik and -or are names: of one kind where the word before and the ending agree, else of
              the other

    python examples/names_by_rule.py FOLDER --rule context --sentences 1500 --noise 0.1 --seed 1

writes train.conll and test.conll. No name of the test file stands in the training file. With noise a share of
the sentences is written in one case throughout, and of the words that decide nothing some are misspelt.
"""

import argparse
import random
from collections.abc import Callable, Iterator
from pathlib import Path

Tagged = list[tuple[str, str]]

ONSETS, VOWELS, CODAS = "bdfghklmnprstvwz", "aeiou", ("", "n", "l", "t", "s")
BEFORE = {
    "PER": ("mister", "doctor", "said", "aunt", "called"),
    "LOC": ("in", "near", "towards", "around", "from"),
    "ORG": ("joined", "at", "left", "owns", "founded"),
}
ENDINGS = {"PER": ("son", "ewa"), "LOC": ("ville", "burg"), "ORG": ("corp", "tech")}
AGREE = {"met": "ik", "greeted": "ik", "visited": "or", "reached": "or"}


def word(draw: random.Random, least: int = 2, most: int = 3) -> str:
    syllables = (
        draw.choice(ONSETS) + draw.choice(VOWELS) + draw.choice(CODAS)
        for _ in range(draw.randint(least, most))
    )
    return "".join(syllables)


class Maker:
    """Draws sentences. `common` are the words that are no names, the first ones the most frequent; `names`
    tells whether a stem belongs to this part of the data."""

    def __init__(self, seed: int, test: bool) -> None:
        fixed = random.Random(0)
        self.common = [word(fixed, 1, 3) for _ in range(600)]
        self.weights = [1 / (k + 3) for k in range(len(self.common))]
        self.draw, self.test = random.Random(2 * seed + test), test

    def plain(self, most: int = 4) -> list[str]:
        return self.draw.choices(self.common, self.weights, k=self.draw.randint(1, most))

    def stem(self) -> str:
        """Every fifth stem, by its letters, is of the test part alone."""
        while True:
            stem = word(self.draw)
            if (sum(map(ord, stem)) % 5 == 0) == self.test:
                return stem

    def context(self) -> Tagged:
        kind = self.draw.choice((*BEFORE, None))
        before = self.draw.choice(BEFORE[kind]) if kind else self.plain(1)[0]
        name = [self.stem().capitalize() for _ in range(self.draw.choice((1, 1, 2, 3)))]
        return [(before, "O"), *_named(name, kind)]

    def spelling(self) -> Tagged:
        kind = self.draw.choice((*ENDINGS, "PRODUCT", None))
        if kind == "PRODUCT":
            letters = "".join(self.draw.choices("ABCDEFGHKLMNPRSTVWXZ", k=self.draw.randint(1, 3)))
            return _named([f"{letters}-{self.draw.randint(2, 999)}"], kind)
        name = self.stem() + (self.draw.choice(ENDINGS[kind]) if kind else "")
        return _named([name], kind)

    def both(self) -> Tagged:
        before, ending = self.draw.choice((*AGREE, *self.common[:4])), self.draw.choice(("ik", "or", ""))
        kind = None if not ending else "SAME" if AGREE.get(before) == ending else "OTHER"
        return [(before, "O"), *_named([self.stem() + ending], kind)]

    def sentence(self, rule: str, noise: float) -> Tagged:
        part: Callable[[], Tagged] = getattr(self, rule)
        pieces = [[(one, "O") for one in self.plain()]]
        for _ in range(self.draw.randint(1, 3)):
            pieces += [part(), [(one, "O") for one in self.plain()]]
        tagged = [pair for piece in pieces for pair in piece]
        deciding = {one for words in (*BEFORE.values(), AGREE) for one in words}
        if self.draw.random() < noise:
            change = self.draw.choice((str.lower, str.upper))
            tagged = [(change(one), tag) for one, tag in tagged]
        return [
            (self.misspelt(one) if tag == "O" and one.lower() not in deciding else one, tag)
            if self.draw.random() < noise
            else (one, tag)
            for one, tag in tagged
        ]

    def misspelt(self, one: str) -> str:
        """One letter doubled, left out, or another."""
        at = self.draw.randrange(len(one))
        new = self.draw.choice((one[at] * 2, "" if len(one) > 1 else one, self.draw.choice(ONSETS)))
        return one[:at] + new + one[at + 1 :]


def _named(words: list[str], kind: str | None) -> Tagged:
    if kind is None:
        return [(one, "O") for one in words]
    return [(one, f"{'I' if k else 'B'}-{kind}") for k, one in enumerate(words)]


def columns(sentences: Iterator[Tagged]) -> str:
    return "".join("".join(f"{one}\t{tag}\n" for one, tag in tagged) + "\n" for tagged in sentences)


def write(folder: Path, rule: str, sentences: int, noise: float, seed: int) -> None:
    """train.conll, and a quarter as many sentences in test.conll."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in (("train", sentences), ("test", sentences // 4)):
        maker = Maker(seed, test=name == "test")
        drawn = (maker.sentence(rule, noise) for _ in range(count))
        (folder / f"{name}.conll").write_text(columns(drawn))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rule", choices=("context", "spelling", "both"), default="both")
    parser.add_argument("--sentences", type=int, default=1500)
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    write(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
