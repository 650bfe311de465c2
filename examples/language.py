"""A language model from Python: a text in, how likely other texts are, and text like it.

The text is made here, by a small grammar. A file's name may stand in place of `text_of(…)`.
"""

import random

from unrolled import LanguageModel
from unrolled.files.text import text_of

draw = random.Random(0)
names, verbs = ["the cat", "the dog", "a bird", "my uncle"], ["sees", "likes", "follows"]
sentences = [f"{draw.choice(names)} {draw.choice(verbs)} {draw.choice(names)}.\n" for _ in range(1500)]

model = LanguageModel(hidden=64, embedding_size=16, epochs=12, learning_rate=0.01).fit(
    text_of("".join(sentences))
)
print(*model.evaluation.verdict, sep="\n")
print(model.predict(text_of("a bird sees the dog.\nthe dog a bird sees.\n")))
print(model.generate(100, "my uncle ", temperature=0.7, seed=1))
