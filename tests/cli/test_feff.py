"""`nescio feff`: runs what it is given, tells what failed, and goes on where it was."""

import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="stands for FEFF by a shell script")


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    folder = tmp_path / "inputs"
    (folder / "more").mkdir(parents=True)
    for name, text in (("a.inp", "one"), ("more/b.inp", "bad"), ("c.inp", "three"), ("notes.txt", "none")):
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def program(tmp_path: Path) -> Path:
    script = tmp_path / "feff10"
    script.write_text(
        "#!/bin/sh\necho x >> ../../count\ngrep -q bad feff.inp && exit 4\ncp feff.inp xmu.dat\n"
    )
    script.chmod(0o755)
    return script


def test_what_fails_is_told_and_the_rest_is_there(
    stage: Any, inputs: Path, program: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    code, out, err = stage.run("feff", inputs, "-o", results, "--program", program)
    assert code == 1
    assert len(out.splitlines()) == 2
    assert {(Path(line.split(": ")[1]) / "xmu.dat").read_text() for line in out.splitlines()} == {
        "one",
        "three",
    }
    assert err == f"error: {inputs / 'more' / 'b.inp'}: feff10: ended with 4, saying nothing\n"
    assert (tmp_path / "count").read_text().count("x") == 3
    # What is there is not computed again.
    code, again, _ = stage.run(
        "feff", inputs / "a.inp", inputs / "c.inp", "-o", results, "--program", program
    )
    assert (code, sorted(again.splitlines())) == (0, sorted(out.splitlines()))
    assert (tmp_path / "count").read_text().count("x") == 3


def test_what_cannot_be_run_is_one_line(stage: Any, inputs: Path, program: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for arguments, said in (
        ((tmp_path / "none.inp", "--program", program), "none.inp: no such file"),
        ((tmp_path / "empty", "--program", program), "empty: holds no *.inp"),
        ((inputs, "--program", "feff99"), "--program feff99: needs feff8l"),
        ((inputs, "--program", tmp_path / "absent"), "is no executable program"),
    ):
        code, _, err = stage.run("feff", *arguments, "-o", tmp_path / "results")
        assert (code, err.count("\n")) == (2, 1)
        assert said in err


def test_ctrl_c_says_how_to_go_on(
    stage: Any, inputs: Path, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nescio import xas

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(xas, "sweep_feff", interrupt)
    code, _, err = stage.run("feff", inputs, "-o", tmp_path / "results", "--program", program)
    assert code == 130
    assert "the same command goes on" in err
