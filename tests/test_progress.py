"""Progress is shown to those who watch, on standard error."""

import pytest

from nescio.progress import track


def test_nothing_is_printed_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
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
