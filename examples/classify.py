"""Whether a saw tooth rises slowly and drops, or the other way: arrays in, classes and probabilities out.

Both classes have the same mean and deviation, and a tooth begins anywhere, so that neither these nor the
nearest series tell them apart; the order in time does. The sequences are of unequal length, and a tenth of
their values is missing.
"""

import numpy as np

from unrolled import Classifier

draw = np.random.default_rng(0)


def sequence(kind: str) -> np.ndarray:
    t = np.linspace(0, draw.uniform(2, 4), draw.integers(20, 40)) + draw.random()
    x = t % 1 if kind == "rising" else -t % 1
    x = np.stack([x, draw.normal(size=len(t))], axis=1) + draw.normal(0, 0.05, (len(t), 2))
    return np.where(draw.random(x.shape) < 0.1, np.nan, x)


kinds = [["rising", "falling"][k % 2] for k in range(300)]
classifier = Classifier(hidden=16, epochs=10, learning_rate=0.01).fit([sequence(k) for k in kinds], kinds)
print(*classifier.evaluation.verdict, sep="\n")
new = [sequence("rising"), sequence("falling"), sequence("falling")]
print(classifier.predict(new))
print(classifier.classes, classifier.predict_proba(new).round(2).tolist())
