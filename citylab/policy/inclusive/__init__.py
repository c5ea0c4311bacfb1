"""Carbon-inclusive schemes as policy: how people choose their modes, and what a payment would change."""
