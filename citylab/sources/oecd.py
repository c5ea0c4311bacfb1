"""OECD, Programme for International Student Assessment: a subset of students with what their homes own.

References
----------
OECD, PISA 2000-2022 databases. Wang, K. et al., learningtower (R package), https://github.com/kevinwang09/learningtower.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab.errors import DataError

ANSWERS = {"gender": ("female", "male"), "computer": ("yes", "no"), "internet": ("yes", "no")}
"""The two answers that a question knows, the one we call true first."""
TRUE_IF = {"gender": "is_female", "computer": "has_home_computer", "internet": "has_home_internet"}
NUMBERS = {
    "math": "math_score",
    "read": "reading_score",
    "science": "science_score",
    "stu_wgt": "student_weight",
    "wealth": "wealth_index",
    "escs": "escs_index",
}


def parse_students(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read students of eight rounds: home, parents' schooling, first plausible values, weight.

    Ids are text: in 2000 they are numbers, later they have leading zeros. In 2000 a student's id is unique within the
    school only.

    Returns
    -------
    polars.LazyFrame
        One row per student and round. Null is not asked or not answered, never no.

    Raises
    ------
    DataError
        An answer is other than the two that the file knows.
    """
    (path,) = paths
    raw = pl.read_csv(path, infer_schema=False)
    for question, known in ANSWERS.items():
        if odd := set(raw[question].drop_nulls()) - set(known):
            raise DataError(
                f"{path.name}: {question} is {sorted(odd)[0]!r}; expected one of {list(known)} or nothing. The file is "
                "another edition: say in ANSWERS what its answers mean."
            )
    return raw.lazy().select(
        pl.col("year").cast(pl.Int64),
        pl.col("country").alias("country_code"),
        "school_id",
        "student_id",
        *((pl.col(question) == ANSWERS[question][0]).alias(ours) for question, ours in TRUE_IF.items()),
        pl.col("mother_educ").alias("mother_schooling"),
        pl.col("father_educ").alias("father_schooling"),
        pl.col("computer_n").alias("home_computers"),
        *(pl.col(theirs).cast(pl.Float64).alias(ours) for theirs, ours in NUMBERS.items()),
    )
