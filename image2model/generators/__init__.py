"""Generators: they turn an image into a GLB."""
