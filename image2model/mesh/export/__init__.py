"""Other formats, sizes and face counts of a GLB, made beside it: the GLB itself is never touched."""

from .exporter import check_print, export
from .options import FORMATS, PIVOTS, REPAIRS, UNITS, Format, Wanted, wanted
from .read_back import available

__all__ = ["FORMATS", "PIVOTS", "REPAIRS", "UNITS", "Format", "Wanted", "available", "check_print", "export", "wanted"]
