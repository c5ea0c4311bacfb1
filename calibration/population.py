"""Synthetic residents held against the margins: what they are set to, and what nothing is set to.

500 persons a run asked for, under the central assumptions and under the alternative ones. There are no repetitions and
no sampling error here: "runs" are the cells of a margin, and the band is the goal. A fitted cell may be off by what
whole numbers cost, in persons or households of the sample: 1; 1.5 where a count follows from two that are rounded, one
of them to the nearest; 2 where neither is; 17 for households by old members, of which three counts (of one, two and
three) and ten groups of old people are rounded, 1 + (1 + 2 + 3) + 10. Total absolute error over the total may be 0.01.
**Held-out rows are meant to be read, not passed**: they say how far the assumptions miss published figures that nothing
is fitted to (households by generations), or that were left out and known for the city only. What no figure says can be
expected to be no better.
"""

from __future__ import annotations

from calibration import Row
from citylab.population import synthetic

PERSONS_A_RUN = 500
ROUNDING = {
    "district_sex_age": 1.0, "district_sex_schooling": 1.0, "district_registration": 1.0,
    "district_household_kind": 1.5, "district_alone": 2.0, "district_car": 1.5, "district_elders": 17.0,
}  # fmt: skip
"""By how many persons or households of the sample a cell of a fitted margin may be off."""
TOTAL_ERROR = 0.01
VARIANTS: tuple[synthetic.Variant, ...] = ("central", "alternative")


def of_variant(variant: synthetic.Variant, size: int, seed: int) -> list[Row]:
    """Return the errors under one set of assumptions."""
    given = synthetic.assumptions(variant)
    persons = synthetic.synthesise(size, seed=seed, assumptions=given).collect()
    share = 1 / persons["weight_persons"][0]
    cells = synthetic.calibration_cells(persons, assumptions=given)
    rows = []
    for (margin, use, unit), part in cells.group_by("margin", "use", "unit", maintain_order=True):
        off = part["difference"].abs()
        name = f"{variant}, {use}: {margin}"
        error = float(off.sum() / part["target"].sum())  # type: ignore[operator]
        rows.append(Row(f"{name}, total absolute error / total", 0.0, error, part.height, (0.0, TOTAL_ERROR)))
        if use == "fitted":
            most = float(off.max()) * share  # type: ignore[arg-type]
            rows.append(Row(f"{name}, largest error [{unit}]", 0.0, most, part.height, (0.0, ROUNDING[str(margin)])))
    for row in synthetic.held_out(assumptions=given).iter_rows(named=True):
        name = f"{variant}, left out: {row['margin']}, total absolute error / total"
        rows.append(Row(name, 0.0, row["standardised_error"], row["cells"], (0.0, TOTAL_ERROR)))
    return rows


def run(n: int, seed: int) -> list[Row]:
    """Return the errors of each margin; ``n`` scales the persons."""
    return [row for variant in VARIANTS for row in of_variant(variant, PERSONS_A_RUN * n, seed)]
