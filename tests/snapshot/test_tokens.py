"""The store of tokens says what repeats, however the stream is cut, and leaves nothing behind."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupaudit.errors import SourceError
from dedupaudit.snapshot import engine, intake, tokens
from dedupaudit.snapshot.tokens import TokenStore

BIGINT = st.integers(-(2**63), 2**63 - 1)
TOKENS = st.lists(st.none() | st.integers(-3, 3) | BIGINT, max_size=60)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def line(*parts: int | None) -> bytes:
    return "\t".join(r"\N" if part is None else str(part) for part in parts).encode() + b"\n"


@given(values=TOKENS, batch=st.integers(1, 9), piece=st.sampled_from([1, 30, 10_000]), part=st.sampled_from([1, 7, 99]))
def test_repeated_tokens_are_those_that_occur_more_than_once(
    values: list[int | None], batch: int, piece: int, part: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "_PIECE", piece)
        patch.setattr(intake, "_BUFFER", 16)
        patch.setattr(tokens, "_PART", part)
        with TokenStore(1) as store:
            for value in values:
                store.sink().write(line(value))
            store.finish()
            found = [row for one in store.repeated(batch) for row in one]
    counted = Counter(value for value in values if value is not None)
    assert sorted(found) == sorted((value,) for value, times in counted.items() if times > 1)
    assert (store.rows, store.nulls) == (len(values), values.count(None))


@given(values=st.lists(st.none() | st.integers(0, 3) | st.integers(0, 2**40 - 1), max_size=60), part=st.integers(1, 9))
def test_hexadecimal_tokens_are_the_same(values: list[int | None], part: int) -> None:
    with pytest.MonkeyPatch.context() as patch, TokenStore(1, bits=40, hexadecimal=True) as store:
        patch.setattr(tokens, "_PART", part)
        for value in values:
            store.sink().write(b"\\N\n" if value is None else b"%x\n" % value)
        store.finish()
        found = [row for one in store.repeated(5) for row in one]
    counted = Counter(value for value in values if value is not None)
    assert found == sorted((value,) for value, times in counted.items() if times > 1)
    assert (store.rows, store.nulls) == (len(values), values.count(None))


@given(values=TOKENS, batch=st.integers(1, 9))
def test_all_rows_of_a_repeated_token_are_in_one_batch(values: list[int | None], batch: int) -> None:
    with TokenStore(1, ("token", "pk")) as store:
        for number, value in enumerate(values):
            store.sink().write(line(value, number))
        store.finish()
        batches = list(store.repeated(batch))
    counted = Counter(value for value in values if value is not None)
    wanted = [(value, at) for at, value in enumerate(values) if value is not None and counted[value] > 1]
    assert sorted(row for one in batches for row in one) == sorted(wanted)
    assert all(len(one) >= batch for one in batches[:-1])
    seen = [token for one in batches for token in {row[0] for row in one}]
    assert len(seen) == len(set(seen))


def test_nothing_is_left_behind(own_folder: Path) -> None:
    with TokenStore(1) as store:
        store.sink().write(line(1) * 2)
        assert list(own_folder.iterdir())
        store.finish()
        assert list(store.repeated(1)) == [[(1,)]]
    assert not list(own_folder.iterdir())


def test_nothing_is_left_behind_by_a_store_that_was_not_finished(own_folder: Path) -> None:
    store = TokenStore(1)
    store.sink().write(line(1) * 5_000_000)
    store.close()
    assert not list(own_folder.iterdir())


def test_what_is_no_token_is_an_error_and_never_passed_over() -> None:
    with pytest.raises(SourceError, match="embedded engine failed"), TokenStore(1) as store:
        store.sink().write(b"1\none\n1\n")
        store.finish()


def test_a_folder_that_cannot_be_written_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(SourceError) as caught:
        TokenStore(1)
    assert "nowhere" in caught.value.message
    assert "TMPDIR" in caught.value.hint


def test_a_disk_that_fills_while_a_piece_is_written_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path, _content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SourceError, match="No space left"), TokenStore(1) as store:
        store.sink().write(line(1))
        store.finish()


def test_the_engine_takes_no_more_than_it_is_allowed() -> None:
    with engine.Engine(10**12) as large:
        found = large.connection.execute("SELECT current_setting('memory_limit')").fetchone()
    assert found is not None
    assert float(found[0].split()[0]) < 100
    assert "MiB" in found[0]
