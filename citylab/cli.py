"""The command ``citylab``: thin words over the library, with no logic of their own."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from citylab import __version__
from citylab.errors import CitylabError
from citylab.settings import Language

ROWS_SHOWN = 200


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="citylab", description="Open city data, checked. 城市开放数据。")
    parser.add_argument("--version", action="version", version=f"citylab {__version__}")
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")

    def word(name: str, text: str) -> argparse.ArgumentParser:
        return words.add_parser(name, help=text, description=text)

    listing = word("list", "list the data sets 列出数据集")
    listing.add_argument("--subject", help="air, carbon, population, economy, equity, geography or policy")
    listing.add_argument("--csv", action="store_true", help="print the whole catalogue as CSV")
    for name, text in (
        ("describe", "say what a data set is 说明一个数据集"),
        ("cite", "say how to cite a data set 引用格式"),
        ("fetch", "bring data sets to this machine 获取数据"),
        ("build", "compile embedded data sets from their sources again 重新汇编"),
        ("validate", "hold data sets against their declarations 校验"),
    ):
        sub = word(name, text)
        some = "*" if name in {"build", "validate"} else "+"
        sub.add_argument("ids", nargs=some, metavar="ID", help="ids of data sets")
        if name == "describe":
            sub.add_argument("--lang", choices=["zh", "en"], help="language; default: CITYLAB_LANG")
        if name == "cite":
            sub.add_argument("--bibtex", action="store_true", help="as a BibTeX entry")
        if name == "build":
            sub.add_argument("--to", type=Path, help="folder for the tables instead of datasets/")
    told = word("claims", "say how the claims of the plan texts stand on a day 规划声明的状态")
    told.add_argument("--asof", type=_day, required=True, metavar="YYYY-MM-DD", help="the day; there is no default")
    told.add_argument("--csv", action="store_true", help="print all columns as CSV")
    told.add_argument("--lang", choices=["zh", "en"], help="language; default: CITYLAB_LANG")
    serve = word("serve", "serve the dashboards 启动看板服务")
    serve.add_argument("--port", type=int, default=5006, help="0 takes a free port; default 5006")
    serve.add_argument("--address", default="127.0.0.1", help="default: this machine only")
    serve.add_argument("--show", action="store_true", help="open a browser")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv
        Words after the command's name; default: those of the process.

    Returns
    -------
    int
        0 when all went well, 1 after an error of the user's or the data's making, which is printed in plain words.

    Examples
    --------
    >>> main(["cite", "cnnic__halfyearly_country_internet"])  # doctest: +ELLIPSIS
    中国互联网络信息中心...
    0
    """
    asked = _parser().parse_args(argv)
    try:
        code = _run(asked)
        sys.stdout.flush()
        return code
    except CitylabError as error:
        print(f"citylab: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader (head, less) has left; what is still in the buffer must not fail at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"citylab: {error}", file=sys.stderr)
        return 1


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; expected YYYY-MM-DD, such as 2026-01-01") from None


def _run(asked: argparse.Namespace) -> int:
    if asked.word == "serve":
        from citylab.app.server import serve

        serve(port=asked.port, address=asked.address, show=asked.show)
        return 0
    if asked.word == "claims":
        _claims(asked.asof, lang=asked.lang, as_csv=asked.csv)
        return 0
    from citylab import catalog

    if asked.word == "list":
        _list(asked.subject, as_csv=asked.csv)
    elif asked.word == "describe":
        for name in asked.ids:
            print(catalog.describe(name, lang=asked.lang), end="\n\n")
    elif asked.word == "cite":
        for name in asked.ids:
            print(catalog.cite(name, style="bibtex" if asked.bibtex else "text"))
    elif asked.word == "fetch":
        for name in asked.ids:
            print(catalog.fetch(name))
    elif asked.word == "build":
        buildable = [i for i in catalog.ids() if _is_compiled(i)]
        for name in asked.ids or buildable:
            print(catalog.build(name, to=asked.to))
    elif asked.word == "validate":
        return _validate(asked.ids)
    return 0


def _claims(asof: dt.date, *, lang: Language | None, as_csv: bool) -> None:
    from citylab import settings, vocabulary
    from citylab.studies import claims

    if as_csv:
        print(claims.claims(asof).write_csv(), end="")
        return
    lang = lang or settings.language()
    frame = claims.claims(asof, lang=lang)
    counts = claims.summary(asof, frame=frame)
    for status in claims.STATUSES:
        print(f"{counts[status]:>4}  {vocabulary.say('claim_' + status, lang)}")
    print()
    for row in claims.in_words(frame, lang).iter_rows(named=True):
        print(row["claim_id"], row["plan"], row["due_date"] or "-" * 10, f"[{row['status']}]", row["claim"])


def _is_compiled(name: str) -> bool:
    from citylab import catalog

    declared = catalog.declaration(name)
    return declared.storage == "embedded" and declared.recipe != "authored"


def _list(subject: str | None, *, as_csv: bool) -> None:
    import polars as pl

    from citylab import catalog, settings

    frame = catalog.datasets(subject=subject)
    if as_csv:
        print(frame.write_csv(), end="")
        return
    title = f"title_{settings.language()}"
    shown = frame.select("id", "subject", "storage", "rows", "grade", "licence", title)
    with pl.Config(
        tbl_rows=ROWS_SHOWN, tbl_cols=-1, tbl_width_chars=200, fmt_str_lengths=70,
        tbl_hide_column_data_types=True, tbl_hide_dataframe_shape=True, tbl_formatting="NOTHING",
    ):  # fmt: skip
        print(shown)


def _validate(ids: Sequence[str]) -> int:
    """Validate the named sets; by default every one that is on this machine. All are tried before a failure is told."""
    from citylab import catalog

    frame = catalog.datasets()
    failed = 0
    for name in ids or frame.filter(frame["is_ready"])["id"]:
        try:
            print(f"ok      {name}  {catalog.validate(name):,}")
        except CitylabError as error:
            failed += 1
            print(f"FAILED  {name}\n{error}", file=sys.stderr)
    return 1 if failed else 0
