"""Untrusted bytes in; a checked, upright, sRGB picture without metadata out, or a refusal with its reason.

formats.py knows a file's format by its first bytes; jpeg.py and png.py take files of these two apart; limits.py says
how large a picture may be; decoding.py decodes within that; colour.py converts to sRGB with the tables of
colour_spaces.py, hdr.py what is of high dynamic range; checks.py puts these together; fetch.py downloads pictures.
"""

from .checks import CheckedImage, ImageChecker, check_image, refused_preview
from .decoding import NOTE_TEXTS, decode_image
from .formats import IMAGE_SUFFIXES
from .limits import ImageLimits

__all__ = [
    "IMAGE_SUFFIXES",
    "NOTE_TEXTS",
    "CheckedImage",
    "ImageChecker",
    "ImageLimits",
    "check_image",
    "decode_image",
    "refused_preview",
]
