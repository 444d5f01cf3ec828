"""Ground layer: shapes, players, blending, seeds and errors; no opinions."""
