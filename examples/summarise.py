"""Summaries in one line from Python: news in several sentences, of which one or two hold what matters.

The reports are made here, facts drawn by lot among remarks that tell nothing. A model of this size learns
where the facts stand and how a headline says them. It cannot copy: a city that training never named is <unk>
to it, and it writes one that it knows.
"""

import random
import sys

from unrolled import Translator

REPORTS, EPOCHS = map(int, sys.argv[1:3] or (2500, 8))
CITIES = ("Oslo", "Porto", "Quito", "Hanoi", "Dakar", "Perth", "Osaka", "Turin")
NEW = ("Riga", "Accra")
PLACES = {
    "harbour": "Ships wait outside .",
    "bridge": "Cars go round by the old road .",
    "school": "Pupils stay at home .",
}
CAUSES = ("storm", "strike", "fire", "flood")
DAYS = ("Monday", "Tuesday", "Friday", "Sunday")
REMARKS = (
    "The mayor thanked all helpers .",
    "Nobody was hurt .",
    "Prices did not change .",
    "It was a quiet week before .",
)


def report(draw: random.Random, cities: tuple[str, ...]) -> tuple[str, str]:
    """A text, and its summary."""
    city, cause, day = draw.choice(cities), draw.choice(CAUSES), draw.choice(DAYS)
    place, effect = draw.choice(list(PLACES.items()))
    first = draw.choice(
        (
            f"After a {cause} the {place} of {city} had to close .",
            f"In {city} a {cause} has shut the {place} .",
        )
    )
    last = draw.choice((f"Officials hope to open it again on {day} .", f"It stays closed until {day} ."))
    middle = draw.sample([effect, *REMARKS], draw.randint(1, 3))
    text = " ".join([*draw.sample(REMARKS, draw.randint(0, 1)), first, *middle, last])
    return text, f"{cause} closes {place} in {city} until {day}"


draw = random.Random(0)
model = Translator(
    hidden=48,
    embedding_size=32,
    target_embedding_size=32,
    attention="additive",
    input_dropout=0.0,
    decoder_dropout=0.0,
    learning_rate=0.01,
    batch_size=32,
    schedule="cosine",
    epochs=EPOCHS,
)
model.fit([report(draw, CITIES) for _ in range(REPORTS)])
print(*model.evaluation.verdict, sep="\n")

known, new = (report(draw, cities) for cities in (CITIES, NEW))
for what, (text, summary) in {"a city of the training part": known, "a city that it never read": new}.items():
    print(f"\n{what}\n  {text}\n  right: {summary}\n  model: {model.predict([text])[0]}")
judged = model.evaluate([report(draw, NEW) for _ in range(100)]).rows[0]
print(f"\nOf 100 reports on cities it never read it sums up {judged['exact match']:.0%} rightly.")
