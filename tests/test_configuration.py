"""Configuration files: what is wrong with one is said with file, line or key."""

import contextlib
from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from nescio.configuration import read_toml, validated
from nescio.errors import ConfigurationError, FileError, NescioError


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    width: Annotated[float, Field(gt=0)] = 1.0


class Whole(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    part: Part = Part()


def test_a_document_becomes_a_frozen_model() -> None:
    whole = validated(Whole, {"name": "a", "part": {"width": 2}}, "file.toml")
    assert whole.part.width == 2.0


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"name": "a", "part": {"widht": 2}}, r"file.toml: unknown key 'part.widht'; known here: width"),
        ({"name": "a", "colour": 1}, r"file.toml: unknown key 'colour'; known here: name, part"),
        ({"name": "a", "part": {"width": -1.5}}, r"file.toml: part.width: .*greater than 0.*-1.5"),
        ({}, r"file.toml: name: .*required"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(document: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        validated(Whole, document, "file.toml")
    assert "\n" not in str(caught.value)


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "prior.toml"
    path.write_text("a = 1\nb = = 2\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"prior.toml: not valid TOML: .*line 2"):
        read_toml(path)


def test_missing_and_binary_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        read_toml(tmp_path / "none.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(FileError, match="UTF-8"):
        read_toml(binary)


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_only_our_own_errors_escape_from_any_file(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "prior.toml"
    path.write_bytes(content)
    with contextlib.suppress(NescioError):
        validated(Whole, read_toml(path), str(path))
