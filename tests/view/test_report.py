"""A report stands alone, shows data as text, and says what was found."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from nescio import view
from nescio.errors import FileError

HOSTILE = "<script>alert('x')</script>\"><img src=http://example.org/x onerror=alert(1)>\x00"


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self._inside = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside.append(tag)

    def handle_endtag(self, tag):
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self._inside):
            self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def whole(synthetic, tmp_path_factory):
    """The report of everything there is, as a user gets it."""
    return report(tmp_path_factory.mktemp("report"), synthetic.make_findings(), synthetic.make_reference())


@pytest.fixture
def small_figures(monkeypatch):
    """Figures that take no time, where they are not what is looked at."""
    monkeypatch.setattr("nescio.view.report.figure_png", lambda figure: b"")


def report(tmp_path, findings, reference, **more):
    path = view.assessment_report(
        findings, reference, path=tmp_path / "report.html", provenance={"agent": "a", **more}
    )
    return path, Page(path.read_text(encoding="utf-8"))


def test_the_report_asks_nothing_of_the_outside(whole):
    path, page = whole
    for tag, attributes in page.tags:
        for name in ("src", "href", "action", "data", "poster", "srcset", "background"):
            address = attributes.get(name, "")
            assert address == "" or address.startswith(("data:image/png;base64,", "#s")), (tag, address)
    assert not {"link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in page.tags}
    text = path.read_text(encoding="utf-8")
    styles = "".join(re.findall(r"<style>(.*?)</style>", text, re.DOTALL))
    scripts = "".join(re.findall(r"<script>(.*?)</script>", text, re.DOTALL))
    assert not re.search(r"url\(|@import", styles)
    assert not re.search(r"fetch|XMLHttp|import|://|innerHTML|eval", scripts)
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


def test_the_report_can_be_read_without_seeing(whole):
    _, page = whole
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("img")) >= 16
    assert all(len(image["alt"]) > 20 for image in page.all("img"))
    assert all(head.get("scope") in ("col", "row") for head in page.all("th"))
    targets = {s["id"] for s in page.all("section")}
    assert {a["href"].removeprefix("#") for a in page.all("a")} == targets


def test_every_figure_is_a_whole_picture_and_the_report_is_small(whole):
    path, page = whole
    for image in page.all("img"):
        picture = base64.b64decode(image["src"].removeprefix("data:image/png;base64,"), validate=True)
        assert picture.startswith(b"\x89PNG")
        assert b"IEND" in picture[-12:]
    assert path.stat().st_size < 10e6


def test_hostile_names_are_only_text(findings, tmp_path):
    few = findings.isel(measurement=slice(0, 12)).copy()
    names = [f"{HOSTILE}{i}" for i in range(12)]
    few["measurement"] = names
    few["reason"] = ("measurement", np.full(12, HOSTILE, dtype=object))
    few["label"] = ("measurement", np.full(12, HOSTILE, dtype=object))
    _, page = report(tmp_path, few, None, **{HOSTILE: HOSTILE})
    assert len(page.all("script")) == 1
    assert all("onerror" not in attributes for _, attributes in page.tags)
    assert names[0].replace("\x00", "?") in page.words


def test_the_table_holds_every_measurement_strangest_first(whole, findings):
    _, page = whole
    names = [w for w in page.words if w.startswith("wafer/scan_")]
    order = np.argsort(np.nan_to_num(findings["p_value"].values, nan=np.inf), kind="stable")
    assert names == list(findings["measurement"].values[order])


@pytest.mark.usefixtures("small_figures")
def test_a_long_table_is_cut_and_says_so(findings, tmp_path, monkeypatch):
    monkeypatch.setattr("nescio.view.findings.assessment.ROWS", 50)
    _, page = report(tmp_path, findings, None)
    assert any("The 50 most novel of 221 measurements; findings.csv" in w for w in page.words)
    assert sum(w.startswith("wafer/scan_") for w in page.words) == 50


@pytest.mark.usefixtures("small_figures")
@pytest.mark.parametrize("kind", ["none", "one", "unreadable"])
def test_reports_of_little_are_reports(findings, synthetic, tmp_path, kind):
    n = findings.sizes["measurement"]
    little = {
        "none": findings.isel(measurement=slice(0, 0)),
        "one": findings.isel(measurement=[0]),
        "unreadable": synthetic.make_unreadable(findings, list(range(n))),
    }[kind]
    _, page = report(tmp_path, little, None)
    assert bool(page.all("img")) == (kind == "one")
    if kind == "unreadable":
        assert sum(w == "no overlap with the prior's range" for w in page.words) == n


@pytest.mark.usefixtures("small_figures")
def test_maps_are_drawn_only_for_coordinates_that_are_there(findings, tmp_path):
    bare = findings.drop_vars(["x_mm", "y_mm", "composition"])
    _, page = report(tmp_path, bare, None)
    assert "Verdict, class and novelty by position" not in page.words
    assert "Verdict, class and novelty by composition" not in page.words


@pytest.mark.usefixtures("small_figures")
def test_groups_and_mixtures_bring_their_figures(synthetic, tmp_path):
    groups = synthetic.make_groups(40)
    _, page = report(tmp_path, groups, None)
    assert "Reconstruction errors" in page.words
    assert any("mixing ratio" in image["alt"] for image in page.all("img"))


@pytest.mark.usefixtures("small_figures")
def test_what_the_agent_was_tried_on_is_shown_where_it_is_given(findings, reference, synthetic, tmp_path):
    findings.attrs["alpha"] = 0.02
    path = view.assessment_report(
        findings.isel(measurement=slice(0, 9)),
        reference,
        path=tmp_path / "report.html",
        provenance={},
        predict=synthetic.nearest_centre,
        trials=synthetic.make_groups(40),
        history=synthetic.make_history(),
    )
    page = Page(path.read_text(encoding="utf-8"))
    told = " ".join(image["alt"] for image in page.all("img"))
    assert all(words in told for words in ("regions of the classes", "mixing ratio", "held-out losses"))
    assert "0.02" in page.words


def test_a_report_that_cannot_be_written_is_named(findings, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match=r"report\.html"):
        view.write_report(tmp_path / "file" / "report.html", "title", [])
