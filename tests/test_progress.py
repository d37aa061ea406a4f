"""Progress goes to standard error: a bar on a terminal, else a line now and then."""

import pytest

from nescio import progress
from nescio.progress import track


def test_short_work_prints_nothing_into_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    with track("learning", 3) as advance:
        for _ in range(3):
            advance(1, "loss 0.1")
    out, err = capsys.readouterr()
    assert (out, err) == ("", "")


def test_a_bar_goes_to_standard_error_with_its_description_and_message(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    with track("learning", 2, enabled=True) as advance:
        advance(1)
        advance(1, "loss 0.125")
    out, err = capsys.readouterr()
    assert out == ""
    assert "learning" in err
    assert "100 %" in err
    assert "loss 0.125" in err


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds since the start, which a test sets."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_long_work_prints_a_plain_line_every_ten_seconds_with_the_time_left(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    with track("learning", 100) as advance:
        for second in range(1, 31):
            clock[0] = float(second)
            advance(1, "loss 0.5")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "learning: 10%, 2 min left, loss 0.5",
        "learning: 20%, 1 min left, loss 0.5",
        "learning: 30%, 1 min left, loss 0.5",
    ]


def test_work_that_was_done_before_a_resumption_took_no_time(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    with track("learning", 100) as advance:
        advance(50)
        clock[0] = 10.0
        advance(10)
    assert capsys.readouterr().err == "learning: 60%, 40 s left\n"


def test_silence_is_kept_where_it_is_asked_for(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    with track("learning", 2, enabled=False) as advance:
        clock[0] = 1000.0
        advance(1)
    assert capsys.readouterr() == ("", "")
