"""Other formats, sizes and face counts of a GLB, made beside it: the GLB itself is never touched."""

from .make import check_print, export
from .readers import available
from .wanted import FORMATS, PIVOTS, REPAIRS, UNITS, Format, Wanted, wanted

__all__ = ["FORMATS", "PIVOTS", "REPAIRS", "UNITS", "Format", "Wanted", "available", "check_print", "export", "wanted"]
