"""The report of an exploration stands alone, and holds what was measured, chosen and done."""

import importlib.util
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from nescio import view
from nescio.errors import MeasurementError

_SPEC = importlib.util.spec_from_file_location("explored", Path(__file__).with_name("explored.py"))
made = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made)

HOSTILE = "<script>alert('x')</script>\"><img src=http://example.org/x onerror=alert(1)>\x00"


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.rows = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, data):
        self.words.append(data)
        if self.rows and self.tags[-1][0] in ("td", "th"):
            self.rows[-1].append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(autouse=True)
def _small_figures(monkeypatch):
    """Figures that take no time: they are looked at elsewhere."""
    monkeypatch.setattr("nescio.view.report.figure_png", lambda figure: b"\x89PNG")


@pytest.fixture
def no_figures(monkeypatch):
    """Nothing is drawn, where only words are looked at."""
    for name in (
        "survey_image",
        "measured_places",
        "predicted_maps",
        "best_and_typical_spectra",
        "learning_curve",
        "model_history",
        "time_spent",
        "prediction_against_measurement",
        "exploration_latent_map",
    ):
        monkeypatch.setattr(f"nescio.view.exploration.{name}", lambda *_: Figure())


@pytest.fixture(scope="module")
def whole():
    return made.make_explored()


def report(tmp_path, explored, **more):
    path = view.write_exploration_report(tmp_path / "report.html", explored, progress=False, **more)
    return Page(path.read_text(encoding="utf-8"))


def test_the_report_asks_nothing_of_the_outside_and_can_be_read_without_seeing(tmp_path, whole):
    page = report(tmp_path, whole)
    for tag, attributes in page.tags:
        for name in ("src", "href", "action", "data", "srcset"):
            address = attributes.get(name, "")
            assert address == "" or address.startswith(("data:image/png;base64,", "#s")), (tag, address)
    assert len(page.all("img")) == 9
    assert all(len(image["alt"]) > 20 for image in page.all("img"))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"url\(|@import|https?://", text)


@pytest.mark.usefixtures("no_figures")
def test_the_summary_tells_how_much_was_measured_how_good_and_why_it_stopped(tmp_path, whole):
    page = report(tmp_path, whole)
    words = " ".join(page.words)
    best = np.nanmax(np.where(whole["rejected"].values, np.nan, whole["value"].values[:, 0]))
    assert {
        "60 of 100",
        "share of 576 places measured",
        "10.4 %",
        "highest area (pm V)",
        f"{best:.4g}",
    } <= set(page.words)
    assert "the largest expected improvement was below 0.01" in words
    first = next(row for row in page.rows if row[:1] == ["1"] and len(row) == 5)
    assert first[2].startswith(f"{best:.2f}")


@pytest.mark.usefixtures("no_figures")
def test_every_measurement_is_in_the_table_with_its_place_and_its_reason(tmp_path, whole):
    page = report(tmp_path, whole)
    rows = [row for row in page.rows if row and row[0].startswith("y ") and len(row) >= 6]
    assert [row[2] for row in rows] == [str(i + 1) for i in range(60)]
    assert rows[12][4] == "–"
    assert rows[12][-1] == "the loop does not close"
    assert rows[30][-1] == "rejected by a person"
    y, x = whole["position"].values[whole["candidate"].values[40]]
    assert rows[40][0] == f"y {y:.4g}, x {x:.4g} nm"


@pytest.mark.usefixtures("no_figures")
def test_what_people_did_is_told_with_time_and_step(tmp_path, whole):
    page = report(tmp_path, whole)
    assert ["3", "0:02:30", "31", "tomas", "rejects 12"] in [row[:5] for row in page.rows]
    none = report(tmp_path, whole.drop_dims("act"))
    assert "None." in none.words


@pytest.mark.usefixtures("no_figures")
def test_policies_and_configuration_are_told(tmp_path, whole):
    words = report(tmp_path, whole).words
    assert "maximum-variance\nexpected-improvement" in words
    assert "configuration: policy" in words
    assert 'kind = "expected-improvement"' in words


@pytest.mark.usefixtures("no_figures")
def test_sections_of_others_are_put_in(tmp_path, whole):
    page = report(
        tmp_path, whole, extra_sections=[view.Section("Compared with chance", [view.Text("twice")])]
    )
    assert "Compared with chance" in page.words


@pytest.mark.usefixtures("no_figures")
def test_every_output_has_its_figures(tmp_path):
    page = report(tmp_path, made.make_explored(8, outputs=2, directions=("maximise", "minimise")))
    assert len(page.all("img")) == 2 + 1 + 2 * 7
    assert "Best compromises between area and coercive bias" in page.words
    assert "lowest coercive bias (V)" in page.words


def test_the_report_of_the_least_there_can_be(tmp_path, whole):
    page = report(tmp_path, made.without(whole))
    assert "Not recorded." in page.words
    empty = report(tmp_path, made.make_explored(0))
    assert "0 of 100" in empty.words


def test_what_must_be_there_is_named(tmp_path, whole):
    with pytest.raises(MeasurementError, match="'value'"):
        report(tmp_path, whole.drop_vars("value"))


@pytest.mark.usefixtures("no_figures")
def test_a_long_table_is_cut_and_says_so(tmp_path, whole, monkeypatch):
    monkeypatch.setattr("nescio.view.exploration.report.ROWS", 20)
    page = report(tmp_path, whole)
    assert any("The latest 20 of 60 measurements" in w for w in page.words)


@pytest.mark.usefixtures("no_figures")
def test_hostile_text_is_only_text(tmp_path):
    nasty = made.make_explored(8, spectra="none")
    nasty = nasty.assign_coords(output=[HOSTILE], output_unit=("output", [HOSTILE]), channel=[HOSTILE] * 3)
    nasty["act_text"] = ("act", np.full(3, HOSTILE, dtype=object))
    nasty["reason"] = ("measurement", np.full(8, HOSTILE, dtype=object))
    nasty.attrs |= {"title": HOSTILE, "goal": HOSTILE, "configuration": {HOSTILE: HOSTILE}}
    page = report(tmp_path, nasty)
    assert len(page.all("script")) == 1
    assert all("onerror" not in attributes for _, attributes in page.tags)
