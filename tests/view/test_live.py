"""A running experiment is shown on a terminal of any width, and as lines in a log."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from nescio.view import LiveView, RunStatus
from nescio.view.exploration.live import render_status, sparkline, status_line

RUNNING = RunStatus(
    measured=64,
    budget=200,
    quantity="area",
    unit="pm V",
    best_value=22.93,
    best_place="y 8.64, x 4.8 nm",
    last_value=15.2,
    last_uncertainty=0.5,
    next_place="y 9.12, x 4.32 nm",
    next_mean=21.4,
    next_sd=0.83,
    mean_sd=1.21,
    noise=0.5,
    policy="expected-improvement (noisy)",
    mode="automatic",
    elapsed=275.0,
    remaining=586.0,
    best_so_far=(16.0, 19.0, 19.0, 19.6, 21.5, 22.93),
    messages=("lena: policy: expected-improvement instead of maximum-variance",),
)
RESUME = "nescio explore resume run.trace"


def shown(status, width=80, resume=RESUME, title="PTO film"):
    console = Console(record=True, width=width, force_terminal=True, file=io.StringIO())
    console.print(render_status(status, console, title=title, resume=resume))
    return console.export_text()


def test_eighty_columns_hold_everything_whole():
    text = shown(RUNNING)
    assert max(map(len, text.splitlines())) == 80
    assert "…" not in text
    for words in (
        "64 of 200",
        "0:04:35, about 0:09:46 left",
        "area 22.93 pm V at y 8.64, x 4.8 nm",
        "(15.20 ± 0.50) pm V",
        "y 9.12, x 4.32 nm",
        "(21.40 ± 0.83) pm V",
        "uncertainty 1.21 pm V on average, noise 0.5 pm V",
        "expected-improvement (noisy) · automatic",
        "instead of maximum-variance",
        f"Ctrl-C interrupts; resume with {RESUME}",
    ):
        assert words in text


@pytest.mark.parametrize("width", [40, 57, 80, 200])
def test_no_line_is_wider_than_the_terminal(width):
    long = replace(
        RUNNING, policy="p" * 300, messages=("m" * 300,) * 9, paused="q" * 300, best_place="b" * 300
    )
    lines = shown(long, width, resume="nescio explore resume " + "r" * 200).splitlines()
    assert max(map(len, lines)) <= width
    assert len({len(line) for line in lines if line.startswith(("╭", "│", "╰"))}) == 1
    # However long, the command that resumes is there as a whole.
    assert "r" * 200 in "".join(lines).replace(" ", "")


def test_the_bar_is_as_full_as_the_budget_is_spent():
    filled = []
    for measured in (0, 100, 200):
        # Without colours only what is spent is drawn.
        console = Console(width=80, force_terminal=True, no_color=True, file=io.StringIO())
        console.print(render_status(replace(RUNNING, measured=measured), console))
        row = next(line for line in console.file.getvalue().splitlines() if "measured" in line)
        filled.append(row.count("━"))
    assert filled[0] == 0
    assert filled[1] == pytest.approx(filled[2] / 2, abs=1)
    assert filled[2] > 20


def test_what_is_not_known_yet_is_a_dash():
    text = shown(RunStatus(measured=0, budget=50))
    assert "nan" not in text
    assert text.count("–") >= 4


def test_a_pause_and_a_missing_value_say_why():
    text = shown(replace(RUNNING, paused="asked for by lena", last_reason="the loop does not close"))
    assert "paused: asked for by lena" in text
    assert "no value: the loop does not close" in text


def test_control_characters_and_markup_are_only_text():
    hostile = "[bold]\x1b[2J\r\n$x"
    text = shown(replace(RUNNING, policy=hostile, messages=(hostile,)), title=hostile, resume=hostile)
    assert "\x1b" not in text
    assert text.count("[bold]?[2J??$x") == 4
    assert "\x1b" not in status_line(replace(RUNNING, paused=hostile))


def test_a_sparkline_rises_as_its_numbers_do():
    assert sparkline((0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0), 20) == "▁▂▃▄▅▆▇█"
    assert sparkline((1.0, float("nan"), 2.0), 20) == "▁ █"
    assert sparkline((3.0, 3.0), 20) == "▅▅"
    assert sparkline((), 20) == ""
    long = sparkline(tuple(float(v) for v in range(1000)), 30)
    assert len(long) == 30
    assert long[-1] == "█"
    assert sparkline((0.0, 1.0), 20, ascii_only=True).isascii()


def test_a_log_gets_a_line_now_and_then_and_the_last():
    now, out = [0.0], io.StringIO()
    console = Console(file=out, width=40)
    with LiveView("PTO", console=console, every_steps=10, every_seconds=60, clock=lambda: now[0]) as live:
        for measured in range(35):
            now[0] += 1.0
            live.update(replace(RUNNING, measured=measured))
        now[0] += 100.0
        live.update(replace(RUNNING, measured=35))
        live.update(replace(RUNNING, measured=35, paused="asked for by lena"))
        for _ in range(50):
            now[0] += 70.0
            live.update(replace(RUNNING, measured=35, paused="asked for by lena"))
        now[0] += 101.0
        live.update(replace(RUNNING, measured=35, paused="asked for by lena"))
        live.update(replace(RUNNING, measured=36))
        live.update(replace(RUNNING, measured=37))
    lines = out.getvalue().splitlines()
    told = [int(re.search(r"(\d+) of 200", line).group(1)) for line in lines]
    assert told == [0, 10, 20, 30, 35, 35, 35, 36, 37]
    assert "paused: asked for by lena" in lines[5]
    assert "\x1b" not in out.getvalue()


def test_a_terminal_is_redrawn_and_its_clock_goes_on():
    now, out = [0.0], io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, force_interactive=True)
    with LiveView("PTO", resume=RESUME, console=console, clock=lambda: now[0]) as live:
        live.update(RUNNING)
        now[0] = 30.0
        with console.capture() as captured:
            console.print(live._render())
    assert "0:05:05, about 0:09:16 left" in captured.get()
    assert RESUME in out.getvalue()


def test_standard_error_is_where_it_goes(capsys):
    with LiveView("PTO") as live:
        live.update(RUNNING)
    out, err = capsys.readouterr()
    assert out == ""
    assert "64 of 200 measured; best area 22.93 pm V" in err


def test_what_happened_is_a_line_of_a_log_and_part_of_a_panel():
    out = io.StringIO()
    with LiveView("PTO", console=Console(file=out, width=40)) as live:
        live.say(["candidate 3: no answer within 5 s, tried again after some time\x1b[31m"])
    assert out.getvalue() == "candidate 3: no answer within 5 s, tried again after some time?[31m\n"
    panel = io.StringIO()
    with LiveView("PTO", console=Console(file=panel, force_terminal=True)) as live:
        live.say(["candidate 3"])
    assert "candidate 3" not in panel.getvalue()
