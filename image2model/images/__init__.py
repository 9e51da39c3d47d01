"""Untrusted bytes in; a checked, upright, sRGB picture without metadata out, or a refusal with its reason.

formats.py knows a file's format by its first bytes, decoding.py decodes it within limits, colour.py converts it to
sRGB, checks.py puts these together, fetch.py downloads pictures from the web.
"""

from .checks import CheckedImage, Preview, check_files, check_image, preview_image, tiny_preview
from .decoding import ImageLimits, decode_image

__all__ = [
    "CheckedImage",
    "ImageLimits",
    "Preview",
    "check_files",
    "check_image",
    "decode_image",
    "preview_image",
    "tiny_preview",
]
