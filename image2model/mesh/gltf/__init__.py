"""glTF 2.0: reading and writing GLB files, their compressions and colours."""
