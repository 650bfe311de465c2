"""Lines in, answers out: the bits of the model, whatever stands beside, between or before."""

import json
import math

import numpy as np
import pytest

from tests.streaming.stub import ORDER, Stub, answers, notes_of, streamed
from unrolled import LanguageModel
from unrolled.errors import ConfigError, DataError, RunError, TrainingError
from unrolled.files.text import text_of
from unrolled.models.model import Column
from unrolled.streaming import pipes
from unrolled.streaming.sessions import Every

VALUES = np.random.default_rng(0).normal(size=(23, 2)).astype(np.float32)
TEXT = "".join(f"{a} sees {b}.\n" for _ in range(40) for a, b in (("Anna", "Bob"), ("Öl", "漢")))


@pytest.fixture(scope="module", params=["characters", "words"])
def language(request):
    small = {"hidden": 7, "embedding_size": 5, "window": 16, "batch_size": 4, "epochs": 1}
    return LanguageModel(**small, tokens=request.param, least_count=1).fit(text_of(TEXT))


def csv(values, extra="", names=ORDER):
    """`values` (T, 2) as the lines of a table."""
    return f"{','.join(names)}\n" + "".join(f"{float(b)!r},{float(a)!r}{extra}\n" for b, a in values)


def bits(replies):
    """y (T, 3) as float32."""
    return np.array([one["y"] for one in replies], np.float32)


def wanted(values):
    model = Stub()
    return model.outputs(model.encode(values.tolist()))


def test_each_line_has_the_bits_of_the_whole():
    replies = answers(Stub(), csv(VALUES))
    assert np.array_equal(bits(replies), wanted(VALUES))
    names = np.array((*ORDER, "none"))[wanted(VALUES).argmax(1)]
    assert [one["largest"] for one in replies] == names.tolist()


def test_formats_say_the_same():
    rows = [{"b": float(b), "a": float(a)} for b, a in VALUES]
    forms = {
        "semicolons": csv(VALUES).replace(",", ";"),
        "tabs": csv(VALUES).replace(",", "\t"),
        "windows": "\ufeff" + csv(VALUES).replace("\n", "\r\n"),
        "blank lines": "\n" + csv(VALUES).replace("\n", "\n\n"),
        "no last newline": csv(VALUES)[:-1],
        "quotes": "".join(
            ",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in csv(VALUES).splitlines()
        ),
        "other columns": "more,when,b,a\n" + "".join(f"x,1,{row['b']!r},{row['a']!r}\n" for row in rows),
        "objects": "".join(json.dumps(row) + "\n" for row in rows),
        "lists": "".join(json.dumps([row["a"], row["b"], "x"]) + "\n" for row in rows),
    }
    for name, text in forms.items():
        assert np.array_equal(bits(answers(Stub(), text)), wanted(VALUES)), name


class Numbered(Stub):
    """Reads what training without a header did: columns 2 and 3 by their numbers."""

    def columns(self):
        return {"3": Column(), "2": Column()}

    def encode(self, chunk):
        return super().encode([{"b": one["2"], "a": one["3"]} for one in chunk])


def test_columns_by_number_need_no_header(tmp_path, capfd):
    rows = csv(VALUES).split("\n", 1)[1]
    rows = "".join(f"id,{row}\n" for row in rows.splitlines())
    replies = answers(Numbered(), rows)
    assert np.array_equal(bits(replies), wanted(VALUES))
    assert "the first line is a row" in capfd.readouterr().err
    assert answers(Numbered(), "1,2,3\n" + rows) == replies

    first, rest = rows[: rows.index("\n") + 1], rows[rows.index("\n") + 1 :]
    snapshot = {"snapshot": tmp_path / "state"}
    parts = answers(Numbered(), first, **snapshot) + answers(Numbered(), rest, **snapshot)
    assert parts == replies
    with pytest.raises(DataError, match="line 24: column '3': wanted a finite number"):
        answers(Numbered(), "id,1,x\n", **snapshot)


def test_a_table_comes_out_with_every_digit():
    out = streamed(Stub(), csv(VALUES), output_format="csv").splitlines()
    assert out[0] == "line,y.1,y.2,y.3,largest"
    rows = [line.split(",") for line in out[1:]]
    assert [row[0] for row in rows] == [str(n) for n in range(2, len(VALUES) + 2)]
    assert np.array_equal(np.array([row[1:4] for row in rows], np.float32), wanted(VALUES))


def test_missing_cells_are_nan_and_other_numbers_are_refused():
    gaps = VALUES.copy()
    gaps[3, 0] = gaps[5, 1] = np.nan
    rows = csv(gaps)
    for word in ("", "NA", "NaN", "null"):
        assert np.array_equal(bits(answers(Stub(), rows.replace("nan", word))), wanted(gaps)), word
    objects = "".join(
        json.dumps({n: None if math.isnan(x) else float(x) for n, x in zip(ORDER, row, strict=True)}) + "\n"
        for row in gaps
    )
    assert np.array_equal(bits(answers(Stub(), objects)), wanted(gaps))


def test_sequences_side_by_side_are_those_alone():
    draw = np.random.default_rng(2)
    series = {"x": VALUES, "7": VALUES[::-1] * 2, "é,y": VALUES[:9] - 1}
    order = draw.permutation([name for name, values in series.items() for _ in values])
    at, lines = dict.fromkeys(series, 0), []
    for name in order:
        b, a = series[name][at[name]]
        at[name] += 1
        lines.append(json.dumps({"unit": name, "b": float(b), "a": float(a)}) + "\n")
    replies = answers(Stub(), "".join(lines), id="unit")
    assert [one["unit"] for one in replies] == order.tolist()
    for name, values in series.items():
        assert np.array_equal(bits(one for one in replies if one["unit"] == name), wanted(values)), name


@pytest.mark.parametrize("column", ["id", None])
def test_the_end_of_a_sequence_begins_it_anew(tmp_path, column):
    lines = [
        f"{'u,' if column else ''}{float(b)!r},{float(a)!r},{int(t == 6)}" for t, (b, a) in enumerate(VALUES)
    ]
    header = f"{'id,' if column else ''}b,a,last"
    path = tmp_path / "state"
    replies = answers(Stub(), "\n".join([header, *lines, ""]), id=column, end="last", snapshot=path)
    assert np.array_equal(bits(replies), np.concatenate([wanted(VALUES[:7]), wanted(VALUES[7:])]))
    gone = '{"id": "u", "last": true}' if column else '{"last": true}'
    more = f"{gone}\n" if column else f"{gone}\n[1, 2, null]\n"
    replies = answers(Stub(), more, input_format="json", id=column, end="last", snapshot=path)
    assert replies[0]["end"] is True
    if column is None:
        assert np.array_equal(bits(replies[1:]), wanted(np.array([[2, 1]], np.float32)))


@pytest.mark.parametrize("column", ["id", None])
def test_snapshots_between_any_lines_change_nothing(tmp_path, column):
    rows = [{"id": "uv"[t % 3 == 0], "b": float(b), "a": float(a)} for t, (b, a) in enumerate(VALUES)]
    text = [json.dumps(row) + "\n" for row in rows]
    whole = answers(Stub(), "".join(text), id=column)
    path, replies = tmp_path / "state", []
    for cut in (slice(0, 1), slice(1, 1), slice(1, 8), slice(8, 9), slice(9, 23)):
        replies += answers(Stub(), "".join(text[cut]), id=column, snapshot=path)
    assert replies == whole


def test_a_snapshot_of_the_command_serves_python(tmp_path):
    path = tmp_path / "state"
    streamed(Stub(), csv(VALUES[:9]), snapshot=path)
    stream = Stub().stream(snapshot=path.read_bytes())
    assert np.array_equal(stream.feed(VALUES[9:].tolist())["y"], wanted(VALUES)[9:])
    assert notes_of(path)["line"] == 10 and stream.notes.startswith(b'{"line": 10,')


def test_every_so_many_lines_the_state_is_saved(tmp_path, monkeypatch):
    from unrolled.files import atomic

    sizes, write = [], atomic.write_bytes
    monkeypatch.setattr(
        atomic, "write_bytes", lambda path, data: sizes.append(len(data)) or write(path, data)
    )
    streamed(Stub(), csv(VALUES[:20]), snapshot=tmp_path / "state", every=Every(lines=6))
    assert len(sizes) == 1 + 3 + 1  # when it begins, after 6, 12 and 18 lines, at the end


WRONG = {
    "1,2,3": "wanted 2 cells as in the header, got 3",
    "1": "wanted 2 cells as in the header, got 1",
    "1,x": "column 'a': wanted a finite number with a decimal point, got 'x'",
    "1,inf": "wanted a finite number",
    "1,true": "wanted a finite number",
    "1,1_0": "wanted a finite number",
    '1,"2': "the line is no CSV",
    "1,2000000": "wanted numbers up to a million",
}
WRONG_JSON = {
    '{"b": 1}': "column 'a' is missing; there are 'b'",
    '{"b": 1, "A": 2}': "did you mean 'A'",
    '{"b": 1, "a": true}': "wanted a finite number",
    '{"b": 1, "a": NaN}': "no number that is read: NaN",
    '{"b": 1, "b": 1, "a": 2}': "stands twice",
    f'{{"b": 1, "a": 1{"0" * 400}}}': "no number that is read",
    '{"b": 1, "a": ': "the line is no JSON",
    "[" * 100_000: "the line is no JSON",
    "[1, 2]": "wanted 3 values",
    "3": "wanted an object or a list",
}


@pytest.mark.parametrize(
    ("wrong", "complaint", "good"),
    [(wrong, complaint, csv(VALUES[:3])) for wrong, complaint in WRONG.items()]
    + [
        (wrong, complaint, "".join(json.dumps({"b": float(b), "a": float(a)}) + "\n" for b, a in VALUES[:3]))
        for wrong, complaint in WRONG_JSON.items()
    ],
)
def test_a_wrong_line_is_told_and_leaves_the_state_before_it(tmp_path, capfd, wrong, complaint, good):
    number = good.count("\n") + 1
    text, path = good + wrong + "\n", tmp_path / "state"
    with pytest.raises(DataError, match=f"^line {number}: ") as caught:
        streamed(Stub(), text, snapshot=path)
    assert complaint in str(caught.value) and "\n" not in str(caught.value)
    assert len(streamed.last.splitlines()) == 3
    assert np.array_equal(Stub().stream(snapshot=path.read_bytes()).step([1.0, 2.0])["y"], after_three())
    replies = answers(Stub(), text + good.splitlines()[-1], skip_wrong=True)
    assert np.array_equal(bits(replies), wanted(VALUES[[0, 1, 2, 2]]))
    assert f"unrolled: line {number}: " in capfd.readouterr().err


def after_three():
    return wanted(np.concatenate([VALUES[:3], [[1, 2]]]).astype(np.float32))[-1]


def test_a_sequence_ends_in_a_table_of_answers_too(tmp_path):
    """Its line is told by its number alone; one before all answers is not, since no columns are known."""
    words, path = ["", "ab", "c", "", "ab", ""], tmp_path / "t.state"
    alone = [json.loads(line) for line in streamed(Stub("tag", "words"), "ab\nc\n").splitlines()]
    first, second = ([*(str(y) for y in one["y"]), one["largest"]] for one in alone)
    table = [["line", "y.1", "y.2", "y.3", "largest"], ["2", *first], ["3", *second]]
    table += [["4", "", "", "", ""], ["5", *first], ["6", "", "", "", ""]]
    whole = streamed(Stub("tag", "words"), "".join(f"{word}\n" for word in words), output_format="csv")
    assert [line.split(",") for line in whole.splitlines()] == table
    parts = [
        streamed(Stub("tag", "words"), f"{word}\n", output_format="csv", snapshot=path).splitlines(
            keepends=True
        )
        for word in words
    ]
    assert [line for part in parts for line in part[1:]] == whole.splitlines(keepends=True)[1:]


def test_a_line_behind_which_forecasts_grow_without_bound_is_a_wrong_one(capfd):
    """They depend on the line; a stream that ended there would end there again."""

    class Growing(Stub):
        def advance(self, steps, state):
            if (steps > 2).any():
                raise TrainingError("the forecast is not finite")
            return super().advance(steps, state)

    assert len(streamed(Growing(), "b,a\n1,2\n1,3\n1,2\n", skip_wrong=True).splitlines()) == 2
    assert "line 3: the forecast is not finite" in capfd.readouterr().err


def test_numbers_of_rows_in_a_first_column_without_a_name_are_not_read():
    lines = csv(VALUES).splitlines()
    numbered = [f",{lines[0]}", *(f"{row},{line}" for row, line in enumerate(lines[1:]))]
    assert answers(Stub(), "\n".join(numbered) + "\n") == answers(Stub(), csv(VALUES))


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ("b,c", "column 'a' is missing; there are 'b', 'c'"),
        ("b,b", "distinct names"),
        ("b,", "distinct names"),
        ("b,a,id", "column 'last' is missing"),
    ],
)
def test_a_wrong_header_is_never_skipped(header, complaint):
    with pytest.raises(DataError, match=f"line 1: .*{complaint}"):
        streamed(Stub(), f"{header}\n1,2,3\n", id="id", end="last", skip_wrong=True)


def test_bytes_that_are_no_text_and_lines_without_end(monkeypatch, capfd):
    with pytest.raises(DataError, match="line 2: byte 0xff is not UTF-8"):
        streamed(Stub(), b"b,a\n1,\xff\n")
    monkeypatch.setattr(pipes, "MOST_LINE", 100)
    monkeypatch.setattr("unrolled.streaming.lines.MOST_LINE", 100)
    long = "b,a\n1,2\n" + "1" * 500_000 + ",2\n1,2\n"
    with pytest.raises(DataError, match="line 3: longer than 100 bytes"):
        streamed(Stub(), long)
    assert len(answers(Stub(), long, skip_wrong=True)) == 2


@pytest.mark.parametrize("value", ["", None, True, 1.5, ["u"]])
def test_what_is_no_id(value):
    with pytest.raises(DataError, match="column 'u': wanted an id"):
        streamed(Stub(), json.dumps({"a": 1, "b": 2} | ({} if value is None else {"u": value})), id="u")


def test_control_characters_are_escaped_in_json_and_kept_in_csv():
    hostile = "\x1b[31m\x9b\u202e漢\x7f[/]"
    given = json.dumps({"u": hostile, "a": 1, "b": 2})
    out = streamed(Stub(), given, id="u")
    assert r"\u001b[31m\u009b\u202e漢\u007f[/]" in out and json.loads(out)["u"] == hostile
    assert hostile in streamed(Stub(), given, id="u", output_format="csv")
    half = json.dumps({"u": "\udc80", "a": 1, "b": 2})
    assert json.loads(streamed(Stub(), half, id="u"))["u"] == "\udc80"
    with pytest.raises(DataError, match="take --to json"):
        streamed(Stub(), half, id="u", output_format="csv")


def test_ids_are_the_same_in_any_form():
    given = '{"u": 7, "a": 1, "b": 2}\n{"u": "7", "a": 3, "b": 4}\n'
    assert np.array_equal(
        bits(answers(Stub(), given, id="u")), wanted(np.array([[2, 1], [4, 3]], np.float32))
    )


class TestSnapshotsOfOthers:
    def fails(self, path, match, **options):
        before = path.read_bytes()
        with pytest.raises(RunError, match=match) as caught:
            streamed(Stub(), csv(VALUES), snapshot=path, **options)
        assert "\n" not in str(caught.value) and str(caught.value).startswith(str(path))
        assert path.read_bytes() == before and streamed.last == ""

    def test_of_another_model(self, tmp_path):
        path = tmp_path / "state"
        streamed(Stub("tag", "words"), "x\n", snapshot=path)
        self.fails(path, "of another model")

    def test_of_python(self, tmp_path):
        path = tmp_path / "state"
        path.write_bytes(Stub().stream().snapshot())
        self.fails(path, "none of `unrolled stream`")

    def test_of_one_and_of_many(self, tmp_path):
        one, many = tmp_path / "one", tmp_path / "many"
        streamed(Stub(), csv(VALUES), snapshot=one)
        streamed(Stub(), '{"a": 1, "b": 2, "u": "x"}', snapshot=many, id="u")
        self.fails(one, "of one sequence; begin without --id", id="a")
        self.fails(many, "of many; give their --id")

    @pytest.mark.parametrize(
        "notes",
        [
            {"line": -1},
            {"line": True},
            {"checksum": 0.5},
            {"ids": ["x"]},
            {"carried": [1]},
            {"carried": [0, 0]},
            {"carried": 3},
            {"carried": [None]},
            {"seen": []},
            {"seen": [4]},
            {"from": {"format": "xml"}},
            {"from": {"format": "csv", "header": None, "separator": ","}},
            {"from": {"format": "csv", "header": ["a", "a"], "separator": ","}},
            {"from": {"format": "csv", "header": ["b", "a"], "separator": "\n"}},
            {"to": None},
            {"to": {"format": "json", "header": [1]}},
            {"answers": 2},
            {"answers": -1},
            {"answers": 10**30},
            {"dropped": 3},
            {"dropped": 4, "answers": 0},
        ],
    )
    def test_with_wrong_notes(self, tmp_path, notes):
        path = tmp_path / "state"
        streamed(Stub(), csv(VALUES[:2]), snapshot=path, keep_answers=1)
        stream = Stub().stream(snapshot=path.read_bytes())
        text, _, rest = stream.notes.partition(b"\n")
        path.write_bytes(stream.snapshot(json.dumps(json.loads(text) | notes).encode() + b"\n" + rest))
        self.fails(path, "none of `unrolled stream`")

    def test_damaged(self, tmp_path):
        path = tmp_path / "state"
        streamed(Stub(), csv(VALUES), snapshot=path)
        path.write_bytes(path.read_bytes()[:-3])
        self.fails(path, "damaged")


def test_a_snapshot_that_cannot_be_written_is_told_before_the_first_line(tmp_path):
    with pytest.raises(RunError, match="cannot lock"):
        streamed(Stub(), csv(VALUES), snapshot=tmp_path / "none" / "state")
    assert streamed.last == ""


@pytest.mark.parametrize(
    ("kind", "options", "complaint"),
    [
        ("words", {"input_format": "csv"}, "reads text; give --from text or json"),
        ("table", {"input_format": "text"}, "reads columns 'a', 'b', 'when'"),
        ("words", {"id": "u"}, "lines of text have no columns"),
        ("table", {"likeliest": 3}, "--next is for models of task 'language'"),
        ("words", {"ahead": 3}, "--ahead is for models of task 'forecast'"),
    ],
)
def test_options_that_do_not_fit_the_model(kind, options, complaint):
    with pytest.raises(ConfigError, match=complaint):
        streamed(Stub("tag", kind), "x\n", **options)


def test_words_end_their_sentence_with_an_empty_line():
    model = Stub("tag", "words")
    replies = answers(model, "one\ntwo\n\nthree\n")
    assert replies[2] == {"end": True}
    y = np.array([one["y"] for one in replies if "y" in one], np.float32)
    sentences = (["one", "two"], ["three"])
    steps = [model.outputs(model.encode(words)) for words in sentences]
    at = np.cumsum([3, 3]) - 1  # the last letters of the words
    assert np.array_equal(y, np.concatenate([steps[0][at], steps[1][4:]]))


def test_texts_run_on_until_an_empty_line():
    model = Stub("classify", "texts")
    replies = answers(model, "a fine day\nwas had\n\nother\n")
    texts = ("a fine day", "a fine day\nwas had", "other")
    assert np.array_equal(bits(one for one in replies if "y" in one), np.array(model.predict(texts)))
    rows = "".join(json.dumps({"text": text, "u": u}) + "\n" for text, u in (("a", 1), ("b", 2), ("c", 1)))
    replies = answers(model, rows, input_format="json", id="u")
    assert np.array_equal(bits(replies), np.array(model.predict(["a", "b", "a\nc"])))


def test_lines_of_a_language_model_have_the_nats_of_the_whole_text(language):
    model, lines = language.runtime(), [*TEXT.splitlines()[:12], "", "Bob"]
    replies = answers(model, "\n".join(lines))
    assert replies[0]["nats"] == model.predict(lines[:1])[0] == language.predict(text_of(lines[0]))["nats"][0]
    parts = [model.tokenizer.encode(("\n" if k else "") + line) for k, line in enumerate(lines)]
    tokens = np.concatenate(parts)
    log_p = model.stream().feed(np.concatenate([[model.begin], tokens[:-1]]))["log_p"]
    nats = -log_p[np.arange(len(tokens)), tokens].astype(np.float64)
    ends = np.cumsum([len(part) for part in parts])
    for k, (line, end) in enumerate(zip(lines, ends, strict=True)):
        count = len(model.tokenizer.encode(line))
        assert replies[k] == {"tokens": count, "nats": math.fsum(nats[end - count : end])}, k


def test_snapshots_of_a_language_model_between_lines(language, tmp_path):
    model, lines = language.runtime(), TEXT.splitlines()[:9]
    whole = answers(model, "\n".join(lines), likeliest=2)
    replies = [
        one for line in lines for one in answers(model, line + "\n", likeliest=2, snapshot=tmp_path / "s")
    ]
    assert replies == whole


def test_the_likeliest_symbols_come_first(language):
    model = language.runtime()
    replies = answers(model, "Anna", likeliest=4)[0]["next"]
    tokens = model.tokenizer.encode("Anna")
    log_p = model.stream().feed(np.concatenate([[model.begin], tokens]))["log_p"][-1]
    order = np.argsort(-log_p, kind="stable")[:4]
    assert [one["symbol"] for one in replies] == [model.tokenizer.decode([n]) for n in order]
    assert np.array_equal(np.array([one["log_p"] for one in replies], np.float32), log_p[order])


def test_a_long_line_is_read_in_stretches_with_the_same_bits(language, monkeypatch):
    model = language.runtime()
    whole = answers(model, TEXT.replace("\n", " "))
    monkeypatch.setattr("unrolled.models.language.MOST_NUMBERS", 7 * model.tokenizer.size)
    assert answers(model, TEXT.replace("\n", " ")) == whole
