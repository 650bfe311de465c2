"""A stream that is stopped and gone on with: every line has its number, is stepped once and never lost."""

import errno
import json
import os
import pty
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.streaming.stub import Stub, notes_of, streamed
from unrolled.errors import ConfigError, DataError, RunError
from unrolled.files import atomic, locks
from unrolled.streaming import lines, recent
from unrolled.streaming.pipes import Pipe
from unrolled.streaming.sessions import Every, Options

ROWS = [f"{t % 7 - 2.5},{1 / (t + 1)!r}" for t in range(60)]
# As a file holds them: line 1 is the header, line 5 blank, line 9 wrong.
TABLE = ["b,a", *ROWS[:3], "", *ROWS[3:6], "1,x", *ROWS[6:]]
WRONG = {"skip_wrong": True}


def text(rows):
    return "".join(row + "\n" for row in rows)


def lines_of(out):
    return [json.loads(line)["line"] for line in out.splitlines()]


@pytest.fixture
def state(tmp_path):
    return tmp_path / "t.state"


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize("header", [False, True])
def test_numbers_are_those_of_the_lines_over_all_restarts(state, capfd, form, header):
    """Also where whoever feeds lines begins with the header again, as a program that is started anew does."""
    whole = streamed(Stub(), text(TABLE), output_format=form, **WRONG)
    parts, done = [], 0
    for end in (1, 3, 5, 9, 10, 40, len(TABLE)):
        again = TABLE[:1] if header and done else []
        parts.append(
            streamed(Stub(), text(again + TABLE[done:end]), output_format=form, snapshot=state, **WRONG)
        )
        assert notes_of(state)["line"] == end
        assert (
            not done or f"holds the lines up to {done}: send from line {done + 1}" in capfd.readouterr().err
        )
        done = end
    if form == "csv":  # each begins with the columns, once it has an answer
        first = whole.splitlines(keepends=True)[0]
        assert all(part.startswith(first) for part in parts if part)
        parts = [first, *(part.removeprefix(first) for part in parts)]
    assert "".join(parts) == whole


def test_a_row_of_numbers_is_never_taken_for_a_header(state):
    """Names may be numbers."""
    model = Stub()
    model.columns = lambda: {"1": Stub().columns()["a"]}
    model.encode = lambda chunk: Stub().encode([[float(one["1"]), 0.0] for one in chunk])
    whole = streamed(model, "1\n1\n2\n1\n")
    assert streamed(model, "1\n1\n2\n", snapshot=state) + streamed(model, "1\n", snapshot=state) == whole


def test_a_header_that_names_columns_by_numbers_is_known_when_it_comes_again(state):
    """Tables of arrays have such; as a row it would begin a sequence called "id"."""
    model = Stub()
    model.columns = lambda: {name: Stub().columns()["a"] for name in ("0", "1")}
    model.encode = lambda chunk: Stub().encode([[float(one["0"]), float(one["1"])] for one in chunk])
    table = ["id,0,1", "u,1,2", "v,3,4", "u,5,6"]
    whole = streamed(model, text(table), id="id")
    parts = [
        streamed(model, text(lines), id="id", snapshot=state) for lines in (table[:3], table[:1] + table[3:])
    ]
    assert "".join(parts) == whole and notes_of(state)["line"] == 4 and notes_of(state)["ids"] == ["v", "u"]


def test_the_reader_names_its_last_answer_and_gets_those_after_it(state):
    whole = streamed(Stub(), text(TABLE), **WRONG).splitlines(keepends=True)
    streamed(Stub(), text(TABLE[:30]), snapshot=state, **WRONG)
    before = state.read_bytes()
    for after in (0, 2, 3, 4, 8, 29, 30):
        out = streamed(Stub(), text(TABLE[30:]), snapshot=state, after=after, **WRONG)
        assert out == "".join(line for line in whole if json.loads(line)["line"] > after)
        state.write_bytes(before)
    # It has answers beyond the snapshot: the process was killed before it saved.
    out = streamed(Stub(), text(TABLE[30:]), snapshot=state, after=40, **WRONG)
    assert lines_of(out) == list(range(41, len(TABLE) + 1)) and out == "".join(whole[-len(lines_of(out)) :])


def test_the_table_has_its_columns_before_answers_that_are_given_again(state):
    whole = streamed(Stub(), text(TABLE[:8]), output_format="csv").splitlines(keepends=True)
    streamed(Stub(), text(TABLE[:7]), output_format="csv", snapshot=state)
    assert streamed(Stub(), text(TABLE[7:8]), output_format="csv", snapshot=state, after=3) == "".join(
        whole[:1] + whole[3:]
    )
    with pytest.raises(ConfigError, match=r"are not json; give the same --to as before, or drop them with"):
        streamed(Stub(), text(TABLE[8:]), snapshot=state)
    assert lines_of(streamed(Stub(), text(TABLE[9:11]), snapshot=state, keep_answers=0)) == [9, 10]


def test_answers_that_are_no_longer_kept_are_refused(state):
    streamed(Stub(), text(TABLE[:8]), snapshot=state, keep_answers=3)
    for replay in (False, True):
        with pytest.raises(
            RunError, match=r"up to line 4 are no longer kept.*after line 3; --after 4 does wit"
        ):
            streamed(Stub(), text(TABLE[:8]), snapshot=state, keep_answers=3, after=3, replay=replay)
        assert streamed.last == ""
    assert lines_of(streamed(Stub(), "", snapshot=state, keep_answers=3, after=4)) == [6, 7, 8]
    assert lines_of(streamed(Stub(), "", snapshot=state, keep_answers=1, after=7)) == [8]
    # They are dropped for later ones, not before whoever asks has them.
    assert lines_of(streamed(Stub(), "", snapshot=state, keep_answers=0, after=4)) == [6, 7, 8]
    assert lines_of(streamed(Stub(), text(TABLE[8:9]), snapshot=state, after=4, **WRONG)) == [6, 7, 8]
    streamed(Stub(), text(TABLE[9:11]), snapshot=state, keep_answers=0)
    assert notes_of(state)["answers"] == 0 and notes_of(state)["dropped"] == notes_of(state)["line"] == 11


def test_what_a_pipe_holds_is_kept_without_being_asked(state, monkeypatch):
    streamed(Stub(), text(TABLE[:1] + ROWS * 100), snapshot=state)
    kept = len(streamed(Stub(), "", snapshot=state, after=notes_of(state)["dropped"]))
    assert 3 * 65_536 < kept <= recent.MOST_BYTES
    monkeypatch.setattr(recent, "MOST_BYTES", 10)  # below one answer, the last of which stays
    streamed(Stub(), text(ROWS[:2]), snapshot=state)
    assert notes_of(state)["answers"] == 1


class TestReplay:
    def test_passes_over_what_is_done(self, state):
        whole = streamed(Stub(), text(TABLE), **WRONG)
        first = streamed(Stub(), text(TABLE[:30]), snapshot=state, replay=True, **WRONG)
        answers = lines_of(first)
        out = streamed(Stub(), text(TABLE), snapshot=state, replay=True, after=answers[-1], **WRONG)
        assert first + out == whole
        assert streamed(Stub(), text(TABLE), snapshot=state, replay=True, **WRONG) == whole  # all given again
        assert notes_of(state)["line"] == len(TABLE)

    def test_refuses_other_lines(self, state):
        streamed(Stub(), text(TABLE[:4]), snapshot=state)
        other = [*TABLE[:2], "1,1", *TABLE[3:]]
        with pytest.raises(DataError, match="lines 1 to 4 are not those that were done before"):
            streamed(Stub(), text(other), snapshot=state, replay=True)
        assert streamed.last == "" and notes_of(state)["line"] == 4

    def test_refuses_fewer_lines(self, state):
        streamed(Stub(), text(TABLE[:4]), snapshot=state)
        with pytest.raises(DataError, match="ended with line 3, and lines up to 4 were done before"):
            streamed(Stub(), text(TABLE[:3]), snapshot=state, replay=True)

    def test_a_line_beyond_the_limit_is_the_same_however_it_comes(self, state, monkeypatch):
        monkeypatch.setattr("unrolled.streaming.pipes.MOST_LINE", 100)
        monkeypatch.setattr("unrolled.streaming.lines.MOST_LINE", 100)
        given = text(["b,a", "1,2", "1" * 5000, "3,4"])
        streamed(Stub(), given, snapshot=state, **WRONG)
        monkeypatch.setattr("unrolled.streaming.pipes.CHUNK", 17)
        assert lines_of(streamed(Stub(), given, snapshot=state, replay=True, **WRONG)) == [2, 4]


def test_a_last_line_without_its_newline_may_be_torn_and_is_left(state, capfd):
    whole = streamed(Stub(), text(TABLE[:4]))
    first = streamed(Stub(), text(TABLE[:3]) + TABLE[3][:-2], snapshot=state)
    assert "line 4 does not end with a newline" in capfd.readouterr().err
    assert first + streamed(Stub(), text(TABLE[3:4]), snapshot=state) == whole


class TestErrorsKeepTheState:
    """Whatever ends a stream, what it had answered is saved."""

    def test_a_full_disk_of_answers(self, state, capfd):
        source, feed = os.pipe()
        os.write(feed, text(TABLE[:4]).encode())
        streamed(Stub(), text(TABLE[:2]), snapshot=state)
        told = pytest.raises(RunError, match="standard output cannot be written to: No space left on device")
        with Path("/dev/full").open("wb", buffering=0) as full, told:
            lines.run(Stub(), Options(snapshot=state), source, full.fileno())
        os.close(source)
        os.close(feed)
        assert notes_of(state)["line"] == 2  # the answer to line 3 was not written, so it is not done
        assert f"{state} holds the lines up to 2" in capfd.readouterr().err
        assert lines_of(streamed(Stub(), text(TABLE[2:4]), snapshot=state)) == [3, 4]

    def test_a_part_of_an_answer_is_cut_off_a_file(self, tmp_path, monkeypatch):
        write = os.write

        def full(descriptor, data):
            if len(data) > 10:
                return write(descriptor, data[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        path = tmp_path / "out"
        path.write_text("first\n")
        with (
            path.open("ab") as sink,
            Path(os.devnull).open("rb") as source,
            Pipe(source.fileno(), sink.fileno()) as pipe,
        ):
            monkeypatch.setattr(os, "write", full)
            with pytest.raises(RunError, match="No space left"):
                pipe.write(b"an answer of some length\n")
            monkeypatch.undo()
            assert pipe.write(b"second\n")
        assert path.read_text() == "first\nsecond\n"

    def test_an_input_that_is_pulled_out(self, state, tmp_path):
        """What reads a terminal's other side has an error when that side closes."""
        source, feed = pty.openpty()
        writer = threading.Thread(target=lambda: (os.write(feed, text(TABLE[:4]).encode()), os.close(feed)))
        with (tmp_path / "out").open("wb") as sink:
            writer.start()
            with pytest.raises(RunError, match="standard input cannot be read: Input/output error"):
                lines.run(Stub(), Options(snapshot=state), source, sink.fileno())
        writer.join()
        os.close(source)
        assert notes_of(state)["line"] == len((tmp_path / "out").read_text().splitlines()) + 1 == 4

    @pytest.mark.parametrize(
        ("error", "told", "match"),
        [
            (RuntimeError("of the model"), RuntimeError, "of the model"),
            (MemoryError(), RunError, "line 4: there is not enough memory"),
            (KeyboardInterrupt(), KeyboardInterrupt, "^$"),
        ],
    )
    def test_an_exception_of_the_model(self, state, error, told, match):
        class Breaks(Stub):
            steps = 0

            def advance(self, steps, carried):
                self.steps += 1
                if self.steps == 3:
                    raise error
                return super().advance(steps, carried)

        with pytest.raises(told, match=match):
            streamed(Breaks(), text(TABLE[:4]), snapshot=state)
        assert notes_of(state)["line"] == 3 and lines_of(streamed.last) == [2, 3]
        assert lines_of(streamed(Stub(), text(TABLE[3:4]), snapshot=state)) == [4]

    def test_an_interrupt_within_a_line_saves_no_half_of_it(self, state, monkeypatch, capfd):
        add = recent.RecentAnswers.add

        def interrupted(self, line, answer):
            if line == 4:
                raise KeyboardInterrupt
            add(self, line, answer)

        monkeypatch.setattr(recent.RecentAnswers, "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            streamed(Stub(), text(TABLE[:6]), snapshot=state, every=Every(lines=2))
        assert notes_of(state)["line"] == 2 and "its last snapshot serves; it holds" in capfd.readouterr().err

    def test_a_save_that_fails_is_told_and_tried_again(self, state, monkeypatch, capfd):
        write, calls = atomic.write_bytes, []

        def full(path, data):
            calls.append(path)
            if 3 <= len(calls) <= 5:
                raise RunError(f"cannot write {path}: No space left on device; make room")
            write(path, data)

        monkeypatch.setattr(atomic, "write_bytes", full)
        out = streamed(Stub(), text(TABLE[:1] + ROWS[:19]), snapshot=state, every=Every(lines=3))
        assert len(lines_of(out)) == 19 and len(calls) == 1 + 6 + 1
        told = capfd.readouterr().err
        assert (
            told.count("No space left") == 1 and "make room; answers go on, and saving is tried again" in told
        )
        assert f"{state} is saved again, up to line 15" in told
        monkeypatch.setattr(atomic, "write_bytes", write)
        assert notes_of(state)["line"] == 20


def test_a_second_process_is_refused_and_told_who_has_it(state, tmp_path):
    (tmp_path / "link").symlink_to(state)
    with locks.held(state, "unrolled stream"):
        for path in (state, tmp_path / "link"):
            with pytest.raises(
                RunError, match=rf"{path.name} is in use by process {os.getpid()} on .*stream"
            ):
                streamed(Stub(), text(TABLE), snapshot=path)
            assert streamed.last == ""
    streamed(Stub(), text(TABLE[:3]), snapshot=tmp_path / "link")
    assert notes_of(state)["line"] == 3 and (tmp_path / "link").is_symlink()
    assert {path.name for path in tmp_path.iterdir()} == {"t.state", "link"}


def test_what_is_no_file_is_no_snapshot(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    for name, reason in (("pipe", "a pipe"), ("zero", "a device"), ("folder", "Is a directory")):
        with pytest.raises(RunError, match=f"cannot .*{name}: .*{reason}") as caught:
            streamed(Stub(), text(TABLE), snapshot=tmp_path / name)
        assert "\n" not in str(caught.value)
    large = tmp_path / "large"
    large.touch()
    os.truncate(large, 1 << 40)
    with pytest.raises(RunError, match=r"cannot read .*large: it has 1,099,511,627,776 bytes, and at most"):
        streamed(Stub(), text(TABLE), snapshot=large)


class TestManySequences:
    """Rows of (id, b, a)."""

    def given(self, *names):
        return "".join(
            json.dumps({"id": name, "b": t, "a": 1 / (t + 1)}) + "\n" for t, name in enumerate(names)
        )

    def bits(self, out, name):
        return [json.loads(line)["y"] for line in out.splitlines() if json.loads(line)["id"] == name]

    def test_one_without_a_line_for_so_long_begins_anew(self, state, capfd):
        """At the same line, however often the stream was stopped."""
        names = ["x", "y", "x", "y", "y", "y", "x", "y", "y", "y", "y", "x", "z"]
        rows = self.given(*names).splitlines(keepends=True)
        whole = streamed(Stub(), "".join(rows), id="id", forget_after=4)
        assert "forgot idle sequences: 1" in capfd.readouterr().err  # x before its last line
        assert self.bits(whole, "x")[3] == self.bits(streamed(Stub(), rows[11], id="id"), "x")[0]
        assert self.bits(whole, "x")[:3] == self.bits(streamed(Stub(), "".join(rows), id="id"), "x")[:3]
        parts = [streamed(Stub(), row, id="id", forget_after=4, snapshot=state) for row in rows]
        assert "".join(parts) == whole
        assert notes_of(state)["ids"] == ["y", "x", "z"] and notes_of(state)["seen"] == [11, 12, 13]

    def test_no_more_are_kept_than_data_for(self):
        with pytest.raises(DataError, match=r"line 4: id 'z' is new, and 2 sequences .* raise --most-ids"):
            streamed(Stub(), self.given("x", "y", "x", "z"), id="id", most_ids=2)
        out = streamed(Stub(), self.given("x", "y", "z", "x", "y"), id="id", most_ids=2, skip_wrong=True)
        assert lines_of(out) == [1, 2, 4, 5]
        ended = self.given("x", "y") + '{"id": "x", "end": 1}\n' + self.given("z")
        assert lines_of(streamed(Stub(), ended, id="id", end="end", most_ids=2)) == [1, 2, 3, 4]


def test_the_answers_of_a_snapshot_are_bytes_of_the_stream(state):
    out = streamed(Stub(), text(TABLE[:8]), snapshot=state)
    notes = Stub().stream(snapshot=state.read_bytes()).notes.partition(b"\n")[2]
    assert notes[16 * 6 :].decode() == out
    assert np.frombuffer(notes, "<i8", 6).tolist() == lines_of(out)
