"""Reading comprehension from Python: a story, a question about it, an answer of one word.

Stories are made here in the manner of the bAbI tasks (Weston et al. 2015, arXiv:1502.05698). People walk
between rooms and take things along. Where a person is takes one fact, the last that names them and a room.
Where a thing is takes two: who took it, and where they went since. A model of this size learns both for
stories as long as those it was trained on, the second less surely, and loses its way in longer ones.
"""

import random
import sys

from unrolled import Translator

STORIES, EPOCHS = map(int, sys.argv[1:3] or (6000, 10))
PEOPLE = ("Anna", "Ben", "Carl")
ROOMS = ("kitchen", "garden", "hall", "cellar")
THINGS = ("ball", "lamp")


def story(draw: random.Random, facts: int, steps: int) -> tuple[str, str]:
    """A story of so many sentences with its question, answered by one fact or by two; and the answer."""
    where: dict[str, str] = {}
    owner: dict[str, str] = {}
    lines = []
    while len(lines) < steps or not (owner if facts == 2 else where):
        person = draw.choice(PEOPLE)
        free = [thing for thing in THINGS if thing not in owner]
        if person in where and free and draw.random() < 0.3:
            owner[thing := draw.choice(free)] = person
            lines.append(f"{person} takes {thing} .")
        else:
            where[person] = draw.choice(ROOMS)
            lines.append(f"{person} enters {where[person]} .")
    if facts == 2:
        thing = draw.choice(list(owner))
        return " ".join([*lines, f"Where is {thing} ?"]), where[owner[thing]]
    person = draw.choice(list(where))
    return " ".join([*lines, f"Where is {person} ?"]), where[person]


draw = random.Random(0)
model = Translator(
    hidden=64,
    embedding_size=32,
    target_embedding_size=32,
    input_dropout=0.0,
    decoder_dropout=0.0,
    learning_rate=0.003,
    batch_size=16,
    epochs=EPOCHS,
)
model.fit([story(draw, draw.choice((1, 2)), draw.randint(2, 5)) for _ in range(STORIES)])
print(model.evaluation.verdict[0])
print(f"\nRight answers ({len(ROOMS)} rooms, so {1 / len(ROOMS):.0%} by guessing):")
for steps in (3, 6, 12):
    for facts in (1, 2):
        asked = [story(draw, facts, steps) for _ in range(200)]
        right = model.evaluate(asked).rows[0]["exact match"]
        print(f"  {steps:2} sentences, question of {facts} fact{'s' * (facts > 1)}: {right:.0%}")
text = "Anna enters hall . Ben enters garden . Anna takes ball . Anna enters cellar ."
for question in ("Where is Ben ?", "Where is ball ?"):
    print(f"\n{text} {question}\n  {model.predict([f'{text} {question}'])[0]}")
