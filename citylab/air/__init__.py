"""Air quality: means, validity, what a city's stations say together. Frames in, frames out, nothing fetched."""
