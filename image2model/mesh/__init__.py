"""Reading, judging, repairing, drawing and exporting meshes."""
