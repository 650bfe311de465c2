"""Small files to train on, for every task and form of input; what they hold follows from the number SEED.

`FILES[name](folder)` writes a file, and what it names, and gives its path and what a stream of it reads.
"""

import json
import random
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.cli import samples

SEED = 0
LETTERS = "abcde"
LABELS = {"a": (1, 0), "b": (0, 1), " ": (1, 1)}


class File(NamedTuple):
    """`lines`: what `unrolled stream` is sent, empty where nothing can be; `stream`: its options then."""

    path: Path
    lines: str = ""
    stream: tuple[str, ...] = ()


def table(path: Path, rows: Iterable[Iterable[object]], header: str, *stream: str) -> File:
    """CSV, and as lines the same."""
    text = "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"
    path.write_text(text)
    return File(path, text, stream)


def moves(folder: Path) -> File:
    return _whole(samples.long_table(folder, SEED), "--id", "id")


def amounts(folder: Path) -> File:
    return _whole(samples.long_table(folder, SEED, regress=True), "--id", "id")


def phases(folder: Path) -> File:
    return _whole(samples.phases(folder, SEED), "--id", "id")


def reviews(folder: Path) -> File:
    """The text of each, then an empty line, which ends it."""
    path = samples.texts(folder, SEED)
    texts = [line.split("\t")[0] for line in path.read_text().splitlines()[1:]]
    return File(path, "\n\n".join(texts) + "\n\n")


def prices(folder: Path) -> File:
    """Texts of one to eight words, each with the number of its words that are dear."""
    draw, path = random.Random(SEED), folder / "prices.tsv"
    texts = [draw.choices(["gold", "silk", "salt", "straw"], k=draw.randint(1, 8)) for _ in range(40)]
    rows = [f"{' '.join(words)}\t{sum(word in ('gold', 'silk') for word in words)}.5" for words in texts]
    path.write_text("\n".join(["text\ttarget", *rows]) + "\n")
    return File(path, "\n\n".join(" ".join(words) for words in texts) + "\n\n")


def tabbed(folder: Path) -> File:
    """The reviews as lines of a label, a tab and a text."""
    return _relabelled(folder, "tabbed.txt", "{label}\t{text}\n")


def fasttext(folder: Path) -> File:
    """The same for fastText, and a line without a label."""
    file = _relabelled(folder, "fasttext.txt", "__label__{label} {text}\n")
    file.path.write_text(file.path.read_text() + "nobody says what this is\n")
    return file


def _relabelled(folder: Path, name: str, line: str) -> File:
    plain, path = reviews(folder), folder / name
    rows = [row.split("\t") for row in plain.path.read_text().splitlines()[1:]]
    path.write_text("".join(line.format(text=text, label=label) for text, label in rows))
    return plain._replace(path=path)


def objects(folder: Path) -> File:
    """A sequence in each line, its series in fields; NA is a class."""
    path, waves = folder / "objects.jsonl", _series()
    rows = [{"x": x, "label": "NA" if rising else "falls"} for x, rising in waves]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return File(path, "\n".join(["x", *map(str, waves[0][0])]) + "\n")


def topics(folder: Path) -> File:
    """Texts of one to six words, each with a label for gold and one for salt, or none."""
    draw, path = random.Random(SEED), folder / "topics.tsv"
    texts = [draw.choices(["gold", "silk", "salt", "straw"], k=draw.randint(1, 6)) for _ in range(60)]
    rows = [
        f"{' '.join(words)}\t{'+'.join(word for word in ('gold', 'salt') if word in words)}"
        for words in texts
    ]
    path.write_text("\n".join(["text\tlabels", *rows]) + "\n")
    return File(path, "\n\n".join(" ".join(words) for words in texts) + "\n\n")


def listed(folder: Path) -> File:
    """Series with a list of labels each."""
    path, waves = folder / "listed.jsonl", _series()
    rows = [{"x": x, "labels": ["long"] * (len(x) > 10) + ["rises"] * rising} for x, rising in waves]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return File(path, "\n".join(["x", *map(str, waves[0][0])]) + "\n")


def grades(folder: Path) -> File:
    """Series whose length tells one of three classes in an order."""
    path, waves = folder / "grades.jsonl", _series()
    rows = [{"x": x, "label": ("low", "mid", "high")[min(len(x) - 9, 2)]} for x, _ in waves]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return File(path, "\n".join(["x", *map(str, waves[0][0])]) + "\n")


def ucr(folder: Path) -> File:
    """The same as the UCR archive has it."""
    path, waves = folder / "ucr.tsv", _series()
    path.write_text(
        "".join("\t".join(map(str, [int(up), *x, *["NaN"] * (12 - len(x))])) + "\n" for x, up in waves)
    )
    return File(path, "\n".join(["value", *map(str, waves[0][0])]) + "\n")


def rows(folder: Path) -> File:
    """The same as numbers, decimals behind commas."""
    file, path = ucr(folder), folder / "rows.csv"
    path.write_text(file.path.read_text().replace("\t", ";").replace(".", ",").replace("NaN", ""))
    return file._replace(path=path)


def _series() -> list[tuple[list[float], bool]]:
    """Series of 9 to 12 steps, and whether each rises."""
    draw = np.random.default_rng(SEED)
    series = list[tuple[list[float], bool]]()
    for number in range(40):
        steps = np.arange(draw.integers(9, 13)) * (1 if number % 2 else -1) / 4 + draw.normal(0, 0.1)
        series.append((steps.round(3).tolist(), bool(number % 2)))
    return series


def tones(folder: Path) -> File:
    return File(samples.recordings(folder, SEED))


def pitches(folder: Path) -> File:
    """The same, a number to estimate for each."""
    path = tones(folder).path
    header, *lines = path.read_text().splitlines()
    rows = (f"{line.split(',')[0]},{400 + 10 * k}" for k, line in enumerate(lines))
    path = folder / "pitches.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return File(path)


def digits(folder: Path) -> File:
    return File(samples.images(folder, SEED))


def archive(folder: Path) -> File:
    return File(samples.archive(folder, SEED))


def treebank(folder: Path) -> File:
    path = samples.treebank(folder, SEED)
    rows = [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#")]
    return File(path, "\n".join(row[1] if row[0].isdigit() else "" for row in rows) + "\n")


def entities(folder: Path) -> File:
    path = samples.entities(folder, SEED)
    return File(path, "\n".join(line.split(" ")[0] for line in path.read_text().splitlines()) + "\n")


def bioes(folder: Path, last: str = "E", only: str = "S") -> File:
    """The same in other tags: the last word of a name, and one that is a name alone."""
    other = entities(folder)
    path, text = folder / f"names{last}{only}.txt", other.path.read_text()
    path.write_text(text.replace("Lee I", f"Lee {last}").replace("Ötzi B", f"Ötzi {only}"))
    return File(path, other.lines)


def bilou(folder: Path) -> File:
    return bioes(folder, "L", "U")


def book(folder: Path) -> File:
    return _whole(samples.book(folder, SEED))


def symbols(folder: Path) -> File:
    """Chords, apart by spaces."""
    draw, path = random.Random(SEED), folder / "chords.txt"
    lines = [" ".join(draw.choices(["C", "F", "G7", "Am"], k=draw.randint(2, 9))) for _ in range(60)]
    path.write_text("\n".join(lines) + "\n")
    return _whole(path)


def spoken(folder: Path) -> File:
    return File(samples.spoken(folder, SEED))


def spelt(folder: Path, words: tuple[int, ...] = (0, 1, 2)) -> File:
    """A stretch of steps for each label, and noise between them; words are apart by a space."""
    draw, rows = np.random.default_rng(SEED), list[tuple[object, ...]]()
    for number in range(40):
        several = ["".join(draw.choice(["a", "b"], draw.integers(1, 3))) for _ in range(words[number % 3])]
        transcript = "ab a" if not number else " ".join(several)
        steps = [np.zeros((2, 2))]
        for label in transcript:
            steps += [np.tile(LABELS[label], (draw.integers(3, 6), 1)), np.zeros((draw.integers(1, 4), 2))]
        x = np.concatenate(steps)
        x += draw.normal(0, 0.1, x.shape)
        rows += [(f"s{number}", t, f"{u:.4f}", f"{v:.4f}", f'"{transcript}"') for t, (u, v) in enumerate(x)]
    return table(folder / "spelt.csv", rows, "id,step,u,v,transcript", "--id", "id")


def called(folder: Path) -> File:
    """The same, none without a label."""
    return spelt(folder, (1, 1, 2))


def load(folder: Path) -> File:
    """Hours of one series."""
    return table(folder / "load.csv", zip(_hours(160), _wave(160, 0), strict=True), "hour,load")


def weather(folder: Path) -> File:
    """Hours of two targets; of the last six only `warm` is known."""
    columns = [_wave(160, k) for k in range(4)]
    rows = [list(row) for row in zip(_hours(160), *columns, strict=True)]
    rows[-6:] = [[row[0], "", "", "", row[4]] for row in rows[-6:]]
    made = table(folder / "weather.csv", rows, "hour,sun,rain,wind,warm")
    return made._replace(lines="\n".join(made.lines.splitlines()[:-6]) + "\n")


def ahead(folder: Path) -> File:
    """The same, for a stream that is told of `warm` what it will be at the next three steps."""
    made = weather(folder)
    rows = [line.split(",") for line in made.lines.splitlines()[1:]]
    warm = [float(row[4]) for row in rows]
    lines = [
        json.dumps({"hour": row[0], "sun": float(row[1]), "wind": float(row[3]), "warm": warm[t + 1 : t + 4]})
        for t, row in enumerate(rows[:-3])
    ]
    return made._replace(lines="\n".join(lines) + "\n")


def shops(folder: Path) -> File:
    """Days of three series of unequal lengths."""
    days = np.datetime64("2024-01-01") + np.arange(120)
    rows = [
        (f"shop{k}", days[t], value)
        for k in range(3)
        for t, value in enumerate(_wave(120 - 10 * k, k, 7 / 6.3))
    ]
    return table(folder / "shops.csv", rows, "shop,day,sales", "--id", "shop")


def branches(folder: Path) -> File:
    """The same with what each shop is, a text and a number."""
    plain = shops(folder)
    head, *rows = plain.lines.splitlines()
    towns = {"shop0": "Aachen,12", "shop1": "Bonn,7", "shop2": "Aachen,9"}
    lines = [f"{head},town,size", *(f"{row},{towns[row.split(',')[0]]}" for row in rows)]
    return table(folder / "branches.csv", [line.split(",") for line in lines[1:]], lines[0], "--id", "shop")


def holes(folder: Path) -> File:
    """Hours of which some are missing, and of others the values."""
    draw = np.random.default_rng(SEED + 9)
    rows = [
        (hour, "" if draw.random() < 0.08 else a, b)
        for hour, a, b in zip(_hours(180), _wave(180, 0), _wave(180, 1), strict=True)
        if draw.random() > 0.05
    ]
    return table(folder / "holes.csv", rows, "hour,load,rate")


def outages(folder: Path) -> File:
    """Hours of which some are unusual, as a column tells."""
    values = _wave(240, 6)
    values[200] = values[225] = "11"
    rows = ((*row, int(row[1] == "11")) for row in zip(_hours(240), values, strict=True))
    return table(folder / "outages.csv", rows, "hour,load,outage")


def counts(folder: Path) -> File:
    """A series without times."""
    return table(folder / "counts.csv", ((v,) for v in _wave(150, 5)), "count")


def visits(folder: Path) -> File:
    """Whole numbers from 0 on."""
    numbers = np.random.default_rng([SEED, 7]).poisson(4 + 3 * np.sin(np.arange(150) / 3.8))
    return table(folder / "visits.csv", ((n,) for n in numbers), "visits")


def switches(folder: Path) -> File:
    """Two that are 0 or 1, of two series."""
    on = np.random.default_rng([SEED, 8]).random((120, 2)) < 0.4
    rows = ((f"house{t // 60}", *map(int, pair)) for t, pair in enumerate(on))
    return table(folder / "switches.csv", rows, "house,fan,pump", "--id", "house")


def months(folder: Path) -> File:
    """A series of months, of which one is missing."""
    when = [month for month in np.datetime64("2018-01") + np.arange(72) if month != np.datetime64("2020-05")]
    rows = ((f"{month}-01", value) for month, value in zip(when, _wave(71, 3, 12 / 6.3), strict=True))
    return table(folder / "months.csv", rows, "month,sales")


def ticks(folder: Path) -> File:
    """Two series at irregular times and one of a single row; a stream has hours."""
    draw = np.random.default_rng(SEED + 11)
    rows = [
        (name, hour + np.timedelta64(minute, "m"), f"{float(value) + 0.01 * minute:.4f}")
        for k, name in enumerate("ab")
        for hour, value in zip(_hours(150), _wave(150, k), strict=True)
        for minute in np.sort(draw.choice(60, 1 + draw.integers(3), replace=False))
    ]
    file = table(folder / "ticks.csv", [*rows, ("c", rows[0][1], "1")], "id,time,price", "--id", "id")
    hours = zip(_hours(150), _wave(150, 0), strict=True)
    lines = [f"a,{hour},{value}" for hour, value in hours]
    return file._replace(lines="\n".join(["id,time,price", *lines]) + "\n")


def meters(folder: Path) -> File:
    """A column for each of three series; a stream has their lines one below the other."""
    values = [_wave(150, k) for k in range(3)]
    file = table(folder / "meters.csv", zip(_hours(150), *values, strict=True), "hour,m0,m1,m2", "--id", "id")
    lines = [
        f"m{k},{hour},{v}" for k, own in enumerate(values) for hour, v in zip(_hours(150), own, strict=True)
    ]
    return file._replace(lines="\n".join(["id,hour,value", *lines]) + "\n")


def rivers(folder: Path) -> File:
    """A row for each of three series of unequal lengths, without times."""
    rows = [(f"r{k}", *_wave(150 - 20 * k, k), *[""] * 20 * k) for k in range(3)]
    header = ",".join(["name", *(f"V{step}" for step in range(150))])
    file = table(folder / "rivers.csv", rows, header)
    return file._replace(lines="\n".join(["value", *_wave(150, 0)]) + "\n")


def waves(folder: Path) -> File:
    """Sequences of one feature, without answers."""
    draw = np.random.default_rng(SEED)
    rows = [
        (f"s{number:02}", t, f"{np.sin(t / 2 + phase):.4f}")
        for number, phase in enumerate(draw.uniform(0, 9, 30))
        for t in range(draw.integers(2, 12))
    ]
    return table(folder / "waves.csv", rows, "id,time,v", "--id", "id")


def letters(folder: Path) -> File:
    """Strings and the same backward."""
    draw, path = random.Random(SEED), folder / "letters.tsv"
    words = dict.fromkeys("".join(draw.choices(LETTERS, k=draw.randint(2, 6))) for _ in range(80))
    path.write_text("".join(f"{word}\t{word[::-1]}\n" for word in words))
    return File(path)


def sentences(folder: Path) -> File:
    """Sentences of words in another order."""
    draw, path = random.Random(SEED), folder / "sentences.tsv"
    pairs = {
        f"the {b} {a} sees {c}": f"{a} {b} sieht {c} ."
        for a, b, c in (
            (
                draw.choice(["cat", "dog", "eel"]),
                draw.choice(["old", "red"]),
                draw.choice(["me", "you", "us"]),
            )
            for _ in range(60)
        )
    }
    path.write_text("".join(f"{one}\t{other}\n" for one, other in pairs.items()))
    return File(path)


def pictures(folder: Path) -> File:
    """A blot above or below in pictures of 8 by 9 pixels."""
    draw, rows = np.random.default_rng(SEED), list[tuple[str, str]]()
    for number in range(30):
        x = draw.integers(150, 256, (8, 9, 3)).astype(np.uint8)
        top, colour = draw.integers(2), draw.integers(3)
        x[4 * top : 4 * top + 3, 2:6] = 250 * np.eye(3, dtype=np.uint8)[colour]
        Image.fromarray(x).save(folder / f"blot{number}.png")
        colours = ("red", "green", "dark blue")
        rows.append((f"blot{number}.png", f"a {colours[colour]} blot {('above', 'below')[top]}"))
    return table(folder / "pictures.csv", rows, "image,caption")._replace(lines="")


def points(folder: Path) -> File:
    """Numbers and a class, and their caption."""
    rows = [(n / 7, n % 5, "ab"[n % 2], f"{'high' if n > 20 else 'low'} {'ab'[n % 2]}") for n in range(40)]
    return table(folder / "points.csv", rows, "u,v,class,caption")._replace(lines="")


def strokes(folder: Path) -> File:
    """A class, and an answer of two numbers a step."""
    rows = [(f"s{n}", t, "ab"[n % 2], t * (1 + n % 2), t / 3) for n in range(30) for t in range(2 + n % 3)]
    return table(folder / "strokes.csv", rows, "id,step,class,x,y")._replace(lines="")


def _whole(path: Path, *stream: str) -> File:
    return File(path, path.read_text(), stream)


def _hours(count: int) -> np.ndarray:
    return np.datetime64("2024-03-01T00:00") + np.arange(count) * np.timedelta64(1, "h")


def _wave(count: int, seed: int, period: float = 3.8) -> list[str]:
    noise = np.random.default_rng([SEED, seed]).normal(0, 0.3, count)
    return [f"{v:.4f}" for v in 5 + np.sin(np.arange(count) / period + seed) + noise]


def beside(folder: Path) -> None:
    """What options name: vectors of words, a lexicon, the text of an n-gram model."""
    draw = random.Random(SEED)
    words = ["gut", "schlecht", "the", "cat", "ich", "sehe", "gold"]
    rows = [f"{word} {' '.join(f'{draw.uniform(-1, 1):.3f}' for _ in range(4))}" for word in words]
    (folder / "vectors.txt").write_text("\n".join([f"{len(words)} 4", *rows]) + "\n")
    (folder / "lexicon.txt").write_text("a\nb\nab\nba\n")
    (folder / "text.txt").write_text("ab a\nba\na b\nb\n\n")
    (folder / "known.txt").write_text("begins,ends\n2024-03-09T06:00,2024-03-09T10:00\n")


FILES: dict[str, Callable[[Path], File]] = {
    one.__name__: one
    for one in (
        *(moves, amounts, phases, reviews, prices, tones, pitches, digits, archive, treebank, entities),
        *(bioes, bilou),
        *(tabbed, fasttext, objects, ucr, rows, topics, listed, grades),
        *(
            book,
            symbols,
            spoken,
            spelt,
            called,
            load,
            weather,
            ahead,
            shops,
            branches,
            holes,
            outages,
            counts,
            months,
        ),
        *(waves, ticks, meters, rivers, visits, switches),
        *(letters, sentences, pictures, points, strokes),
    )
}
