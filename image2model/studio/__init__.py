"""The use cases. Page, REST, command line and worker call this and nothing below it."""

from .host import Host
from .studio import Picture, Served, Studio, all_generators

__all__ = ["Host", "Picture", "Served", "Studio", "all_generators"]
