"""A program of its own that decodes an image by FabIO."""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from nescio.files import one_line, serve_apart

_MOST_FRAMES = 10_000


def _decode(request: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    from fabio.cbfimage import CbfImage
    from fabio.edfimage import EdfImage
    from fabio.tifimage import TifImage

    kind = {"TIFF": TifImage, "CBF": CbfImage, "EDF": EdfImage}[request["kind"]]
    logging.disable(logging.CRITICAL)
    pieces: list[bytes] = []
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = Path(folder) / "image"
            path.write_bytes(content)
            image = kind().read(str(path))
            first = np.asarray(image.data)
            frames = int(image.nframes)
            if first.ndim != 2 or first.dtype.kind not in "iufb":
                return {"problem": f"it holds {first.dtype} of shape {first.shape}, not grey values"}, b""
            if frames > _MOST_FRAMES or frames * first.nbytes > int(request["most"]):
                return {"problem": f"{frames:,} frames are more than are read"}, b""
            for number in range(frames):
                values = first if number == 0 else np.asarray(image.get_frame(number).data)
                if values.shape != first.shape or values.dtype != first.dtype:
                    return {"problem": f"frame {number + 1} has another shape than the first"}, b""
                pieces.append(np.ascontiguousarray(values).tobytes())
            image.close()
    except Exception as error:  # FabIO fails on damaged files in every possible way
        return {"problem": one_line(error)}, b""
    return {"dtype": first.dtype.str, "shape": (frames, *first.shape)}, b"".join(pieces)


if __name__ == "__main__":
    serve_apart(_decode)
