"""Execute three pages of the gallery and save their last figures as the pictures of the README.

python docs/gallery/pictures.py
"""

import os
import re
import tempfile
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

FOLDER = Path(__file__).resolve().parent
PICTURES = {"diffraction-map": "wafer", "absorption-series": "series", "microscopy-explore": "film"}
CELL = re.compile(r"```\{code-cell\} ipython3\n(?::tags:[^\n]*\n)?(.*?)```", re.DOTALL)

for page, picture in PICTURES.items():
    names: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for cell in CELL.findall((FOLDER / f"{page}.md").read_text(encoding="utf-8")):
            exec(compile(cell, page, "exec"), names)  # noqa: S102
        os.chdir(FOLDER)
    names["figure"].savefig(FOLDER / f"{picture}.png", dpi=100)
    print(FOLDER / f"{picture}.png")
