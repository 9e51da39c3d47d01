"""Pictures of a mesh, drawn on the processor."""
