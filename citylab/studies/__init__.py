"""Studies: published or claimed numbers held against pinned data.

``claims`` scores the checkable claims of plan texts as of a date, ``recomputation`` holds them against embedded data
and arithmetic.
"""
