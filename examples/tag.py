"""Names in sentences from Python: who is a person and which is a place only the words around a name tell.

The sentences are made here. A conditional random field learns which tag follows which.
"""

import random

import polars as pl

from unrolled import Tagger

PEOPLE_OR_PLACES = ("Jordan", "Paris", "Austin", "Florence", "Chad")
random.seed(0)
rows = []
for sentence in range(400):
    for before, kind in random.choices(
        [("met", "PER"), ("near", "LOC"), ("Doctor", "PER"), ("to", "LOC")], k=3
    ):
        rows.append((sentence, before, "O"))
        rows.append((sentence, random.choice(PEOPLE_OR_PLACES), f"B-{kind}"))
        if random.random() < 0.3:
            rows.append((sentence, random.choice(["Smith", "West"]), f"I-{kind}"))
frame = pl.DataFrame(rows, schema=["sentence", "word", "tag"], orient="row")

tagger = Tagger(crf=True, hidden=24, embedding_size=16, epochs=6).fit(frame)
print(*tagger.evaluation.verdict, sep="\n")
news = pl.DataFrame({"sentence": ["news"] * 5, "word": ["Doctor", "Paris", "West", "near", "Jordan"]})
print(tagger.predict(news).select("word", "tag", "probability"))
