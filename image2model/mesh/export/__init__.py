"""Export of a GLB to other formats, sizes and face counts, written beside it: the GLB itself is never touched."""

from .exporter import check_print, export
from .options import FORMATS, PIVOTS, REPAIRS, UNITS, ExportOptions, Format, parse_options
from .read_back import available

__all__ = [
    "FORMATS",
    "PIVOTS",
    "REPAIRS",
    "UNITS",
    "ExportOptions",
    "Format",
    "available",
    "check_print",
    "export",
    "parse_options",
]
