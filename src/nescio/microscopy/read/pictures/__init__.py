"""Picture files: PNG, BMP, JPEG and TIFF."""

from nescio.microscopy.read.pictures.picture import PICTURE_SUFFIXES, picture_fields

__all__ = ["PICTURE_SUFFIXES", "picture_fields"]
