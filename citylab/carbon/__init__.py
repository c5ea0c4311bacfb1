"""Carbon: factors, inventories with uncertainty, drivers, indicators, sources compared. Frames in, frames out."""
