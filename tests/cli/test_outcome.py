"""How verbs end: signals, warnings, odd file names, completion, and what the doctor says."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
import typer

from nescio.cli import doctor, options
from nescio.cli.outcome import guarded, note, report_error, report_errors, say
from nescio.errors import ConfigurationError, FileError, InterruptedTrainingError, NescioWarning
from nescio.options import TechniqueOptions

ODD = os.fsdecode(b"pr\xe4parat")


@pytest.mark.parametrize("name", [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)])
def test_a_request_to_terminate_ends_a_verb_as_ctrl_c_does(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    number = getattr(signal, name)

    def verb() -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(10)
        except KeyboardInterrupt:
            raise InterruptedTrainingError(
                "interrupted at step 3; the state is kept in agent.checkpoint"
            ) from None

    before = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(typer.Exit) as ended:
            guarded(verb, compiles=False)()
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == "error: interrupted at step 3; the state is kept in agent.checkpoint\n"


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="a signal of Unix")
def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        guarded(lambda: os.kill(os.getpid(), signal.SIGHUP), compiles=False)()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_warnings_become_notes_and_others_stay_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    def verb() -> None:
        for _ in range(2):
            warnings.warn("the cache cannot be kept", NescioWarning, stacklevel=1)
        with pytest.warns(UserWarning, match="other"):
            warnings.warn("other", UserWarning, stacklevel=1)

    guarded(verb, compiles=False)()
    assert capsys.readouterr().err == "note: the cache cannot be kept\n"


def test_what_jax_says_of_its_cache_is_one_note(capsys: pytest.CaptureFixture[str]) -> None:
    def verb() -> None:
        for program in ("jit_one", "jit_two"):
            warnings.warn(
                f"Error writing persistent compilation cache entry for '{program}': OSError: [Errno 28] No space",
                UserWarning,
                stacklevel=1,
            )

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        guarded(verb, compiles=False)()
    err = capsys.readouterr().err
    assert err.startswith("note: compiled programs cannot be saved for later runs (Error writing")
    assert err.count("\n") == 1


def test_file_names_that_are_no_text_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    for tell in (say, note, report_error):
        tell(f"{ODD}.xy: two\nlines" if tell is not say else f"{ODD}.xy")
    out, err = capsys.readouterr()
    assert out == "pr\\xe4parat.xy\n"
    assert err == "note: pr\\xe4parat.xy: two lines\nerror: pr\\xe4parat.xy: two lines\n"


def test_the_doctor_says_what_is_installed_and_that_it_works(stage: Any) -> None:
    code, out, err = stage.run("doctor", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["ok"]
    assert found["self_test"]["passed"]
    assert found["devices"]
    assert {"nescio", "python", "jax"} <= set(found["versions"])
    assert found["techniques"]["xrd"] == ""
    assert {"bluesky", "network", "hyperspy"} <= set(found["extras"])
    for name, extra in found["extras"].items():
        assert extra["installed"] == (not extra["missing"])
        assert extra["install"] == f'pip install "nescio[{name}]"'


def test_the_doctor_prints_a_line_for_each(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tested = {
        "passed": True,
        "problem": "",
        "seconds": 1.0,
        "devices": ["cpu: cpu"],
        "techniques": {"xrd": ""},
    }
    monkeypatch.setattr(doctor, "_tested", lambda: dict(tested))
    monkeypatch.setattr(doctor, "_satisfied", lambda requirement: requirement.name != "pyzmq")
    code, out, _ = stage.run("doctor")
    assert code == 0
    rows = {line.split("  ")[0].strip(): line for line in out.splitlines()}
    assert "cpu: cpu" in rows["devices"]
    assert 'pip install "nescio[network]"  (missing: pyzmq' in rows["extra network"]
    assert rows["extra ase"].endswith("installed")
    assert "passed in 1.0 s" in rows["self-test"]


def test_a_self_test_that_fails_or_a_cache_that_cannot_be_written_to_is_exit_code_1(
    stage: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(doctor, "_tested", lambda: {"passed": False, "problem": "it hurts", "seconds": 1.0})
    code, out, _ = stage.run("doctor")
    assert code == 1
    assert "FAILED: it hurts" in out
    monkeypatch.setattr(doctor, "_tested", lambda: {"passed": True, "problem": "", "seconds": 1.0})
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("NESCIO_CACHE", str(tmp_path / "file"))
    code, out, _ = stage.run("doctor")
    assert code == 1
    assert "CANNOT BE WRITTEN TO" in out


def test_a_crash_of_the_engine_is_a_finding(stage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--no_such_flag_of_xla")
    code, out, _ = stage.run("doctor", "--json")
    assert code == 1
    assert "no_such_flag_of_xla" in json.loads(out)["self_test"]["problem"]


def test_the_shell_completes_verbs() -> None:
    environment = {
        **os.environ,
        "_NESCIO_COMPLETE": "complete_bash",
        "COMP_WORDS": "nescio as",
        "COMP_CWORD": "1",
    }
    program = "import sys; sys.argv[0] = 'nescio'\nfrom nescio.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["assess"]


def test_an_error_of_many_files_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    report_errors([FileError(f"{name}.xy: no wavelength") for name in "abcde"] + [FileError("f.xy: empty")])
    assert capsys.readouterr().err == "error: a.xy and 4 more: no wavelength\nerror: f.xy: empty\n"
    report_errors(FileError(f"{name}.xy: no wavelength") for name in "abc")
    assert capsys.readouterr().err.count("error: ") == 3


def test_an_option_that_is_a_flag_for_one_technique_and_has_a_value_for_another_takes_a_value() -> None:
    title = {"title": "t"}
    flag = TechniqueOptions.model_validate({**title, "read": {"dark": {"help": "h.", "type": "flag"}}})
    valued = TechniqueOptions.model_validate({**title, "read": {"dark": {"help": "h.", "metavar": "FILE"}}})
    owners = [(valued, valued.read["dark"]), (flag, flag.read["dark"])]
    assert options._information("dark", owners)[0] is str
    assert options._information("dark", owners[1:])[0] is bool
    assert options._converted("dark", "true", flag.read["dark"]) is True
    assert options._converted("dark", "a.tif", valued.read["dark"]) == "a.tif"
    with pytest.raises(ConfigurationError, match=r"--dark a\.tif: needs true"):
        options._converted("dark", "a.tif", flag.read["dark"])
