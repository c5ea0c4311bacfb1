"""Statistics that several domains share: NumPy arrays in and out, many series at once; surveys take frames."""
