"""Ours and a peer on the same work: ``python -m benchmarks`` (or ``make bench``) prints one table.

Nothing here is a test. Results are compared before their times count, contestants take turns, and what is
quoted is the ratio: seconds belong to one machine on one day.
"""
