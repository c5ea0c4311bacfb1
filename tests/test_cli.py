from __future__ import annotations

import csv
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import citylab as cl
from citylab import cli, settings
from citylab.catalog.registry import ids

DAILY = "uci__daily_station_air"
LONGER_THAN_A_PIPE = 10


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "citylab", *words],
        env={**os.environ, **environment}, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip


def test_the_catalogue_as_csv_parses_and_has_every_set(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["list", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [r["id"] for r in rows] == ids()
    assert {r["storage"] for r in rows} == {"embedded", "remote"}


def test_the_list_shows_whole_ids_in_the_language_of_the_setting(capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CITYLAB_LANG", "zh")
    assert cli.main(["list", "--subject", "carbon"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in cl.datasets(subject="carbon")["id"])
    assert DAILY not in shown
    assert "二氧化碳" in shown


@pytest.mark.parametrize(("lang", "said"), [("zh", "有效小时占比"), ("en", "daily means with data capture")])
def test_describe_speaks_both_languages(lang: str, said: str, capsys):
    assert cli.main(["describe", DAILY, "--lang", lang]) == 0
    assert said in capsys.readouterr().out


def test_cite_gives_text_or_bibtex(capsys):
    assert cli.main(["cite", DAILY, "mee__yearly_grid_co2factor"]) == 0
    assert capsys.readouterr().out.splitlines() == [cl.cite(DAILY), cl.cite("mee__yearly_grid_co2factor")]
    assert cli.main(["cite", "--bibtex", DAILY]) == 0
    assert capsys.readouterr().out.startswith("@misc{")


def test_fetch_prints_the_path(capsys):
    assert cli.main(["fetch", DAILY]) == 0
    assert Path(capsys.readouterr().out.strip()) == settings.datasets_dir() / DAILY / "daily.parquet"


def test_build_writes_where_it_is_told(capsys, mirror: Path, tmp_path: Path):
    assert cli.main(["build", "cnnic__halfyearly_country_internet", "--to", str(tmp_path)]) == 0
    assert Path(capsys.readouterr().out.strip()) == tmp_path / "internet.csv"
    assert (tmp_path / "internet.csv").is_file()


def test_validate_tries_all_before_it_fails_and_says_which(capsys, monkeypatch: pytest.MonkeyPatch):
    assert cli.main(["validate", "mee__yearly_grid_co2factor"]) == 0
    assert capsys.readouterr().out == "ok      mee__yearly_grid_co2factor  74\n"
    assert cli.main(["validate", "no__such_data_set", "mee__yearly_grid_co2factor"]) == 1
    said = capsys.readouterr()
    assert said.out == "ok      mee__yearly_grid_co2factor  74\n"
    assert said.err.startswith("FAILED  no__such_data_set\nUnknown data set")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["describe", "uci__daily_station"], f"Nearest: '{DAILY}'"),
        (["fetch", "nothing"], "Unknown data set 'nothing'"),
        (["list", "--subject", "carbn"], "Nearest: 'carbon'"),
        (["build", "uci__hourly_station_air"], "citylab fetch uci__hourly_station_air"),
    ],
)
def test_an_error_is_one_plain_message_and_exit_code_1(words: list[str], said: str, capsys):
    assert cli.main(words) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("citylab: ")
    assert said in shown.err


def test_offline_without_cache_is_told_with_the_way_out_and_no_traceback(tmp_path: Path):
    done = run("fetch", "uci__hourly_station_air", CITYLAB_OFFLINE="1", CITYLAB_MIRROR="", CITYLAB_CACHE=str(tmp_path))
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    megabytes = re.search(r"([\d.]+) MB are missing", done.stderr)
    assert megabytes is not None
    assert float(megabytes[1]) == pytest.approx(32.5, abs=1), "twelve files of 2.6 to 2.9 MB"
    assert "`citylab fetch uci__hourly_station_air`" in done.stderr
    assert "CITYLAB_MIRROR" in done.stderr


def test_a_cache_that_cannot_be_written_is_told_without_a_traceback(tmp_path: Path, mirror: Path):
    (tmp_path / "file").write_text("in the way")
    done = run("fetch", "ecmwf__monthly_grid_wind", CITYLAB_CACHE=str(tmp_path / "file"))
    assert done.returncode == 1
    assert done.stderr.startswith("citylab: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words", [[], ["describe"], ["fly"], ["describe", DAILY, "--lang", "fr"], ["serve", "--port", "x"]]
)
def test_a_slip_in_the_words_is_exit_code_2(words: list[str], capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    assert left.value.code == 2
    assert "usage: citylab" in capsys.readouterr().err


def test_help_lists_every_word_and_the_version_is_the_packages(capsys):
    for words, said in ((["--help"], "validate"), (["--version"], f"citylab {cl.__version__}")):
        with pytest.raises(SystemExit) as left:
            cli.main(words)
        assert left.value.code == 0
        assert said in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
@pytest.mark.parametrize(("words", "lines_read"), [(["describe", *ids() * LONGER_THAN_A_PIPE], 1), (["list"], 0)])
def test_a_reader_that_leaves_early_is_no_error(words: list[str], lines_read: int):
    command = [sys.executable, "-m", "citylab", *words]
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(command, env=buffered, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    for _ in range(lines_read):
        process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 0
    assert said == ""


def test_the_claims_of_a_day_are_told_in_both_languages_and_all_of_them_as_csv(capsys: pytest.CaptureFixture[str]):
    for lang, said in (("zh", "到期，无数据"), ("en", "due, no data")):
        assert cli.main(["claims", "--asof", "2026-01-01", "--lang", lang]) == 0
        shown = capsys.readouterr().out
        assert said in shown
        assert len(re.findall(r"^c[0-9]{2} ", shown, re.M)) == 83
    assert cli.main(["claims", "--asof", "2026-01-01", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {r["claim_id"]: r["status"] for r in rows}["c33"] == "due_no_data"


@pytest.mark.parametrize("words", [["claims"], ["claims", "--asof", "yesterday"]])
def test_claims_want_a_day(words: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        cli.main(words)
    assert stop.value.code == 2
    assert "--asof" in capsys.readouterr().err
