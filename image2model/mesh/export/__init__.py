"""Export of a GLB to other formats, sizes and face counts, written beside it: the GLB itself is never touched."""

from .exporter import check_print, export, find_printer_colours
from .formats import FORMATS, Format
from .options import PIVOTS, REPAIRS, UNITS, ExportOptions, parse_options
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
    "find_printer_colours",
    "parse_options",
]
