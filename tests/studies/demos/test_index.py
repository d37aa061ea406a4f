"""The page of the demonstration that links its reports."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from nescio.errors import FileError
from nescio.studies import write_demo_index
from nescio.view import figure_png, new_figure


class Page(HTMLParser):
    """Links, pictures and headings of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.headings = 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "a":
            self.links.append(str(values["href"]))
        elif tag == "img":
            self.pictures.append(values)
        elif tag == "h2":
            self.headings += 1


def finish(folder: Path, picture: str) -> None:
    """Write what a chapter leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.html").write_text("<html>", encoding="utf-8")
    (folder / picture).write_bytes(figure_png(new_figure(1.0)))


def test_the_page_links_the_chapters_that_were_run(tmp_path: Path) -> None:
    finish(tmp_path, "map.png")
    finish(tmp_path / "absorption", "series.png")
    page = Page(write_demo_index(tmp_path))
    files = [link for link in page.links if not link.startswith("#")]
    assert files == ["./report.html", "./absorption/report.html"]
    assert all((tmp_path / link).is_file() for link in files)
    assert page.headings == len(page.pictures) == 2
    for picture in page.pictures:
        assert str(picture["src"]).startswith("data:image/png;base64,")
        assert len(str(picture["alt"])) > 20

    finish(tmp_path / "microscope", "map.png")
    assert "./microscope/report.html" in Page(write_demo_index(tmp_path)).links


def test_a_report_without_a_picture_is_linked_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<html>", encoding="utf-8")
    page = Page(write_demo_index(tmp_path))
    assert "./report.html" in page.links
    assert page.pictures == []


def test_a_page_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "index.html").mkdir()
    with pytest.raises(FileError, match=r"index\.html"):
        write_demo_index(tmp_path)
