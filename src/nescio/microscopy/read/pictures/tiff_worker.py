"""Worker process that decodes one page of a TIFF with tifffile."""

from __future__ import annotations

import io
import logging
import math
import warnings
from typing import Any

import numpy as np

from nescio.files import one_line, serve_apart


def _decode(request: dict[str, Any], content: bytes) -> tuple[dict[str, Any], bytes]:
    import tifffile

    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with tifffile.TiffFile(io.BytesIO(content)) as file:
                page = file.pages[int(request["page"])]
                if page.dtype is None or math.prod(page.shape) * page.dtype.itemsize > int(request["most"]):
                    return {"problem": "it is larger than its tags say"}, b""
                values = np.ascontiguousarray(page.asarray())
    except Exception as error:  # tifffile raises many types of errors on damaged files
        return {"problem": one_line(error)}, b""
    return {"dtype": values.dtype.str, "shape": values.shape}, values.tobytes()


if __name__ == "__main__":
    serve_apart(_decode)
