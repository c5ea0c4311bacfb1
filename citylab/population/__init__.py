"""People of a city: who they are and how they move. Frames in, frames out; nothing is fetched here."""
