"""The knobs are read at the moment of use, and a wrong value is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from citylab import settings
from citylab.errors import CitylabError


def test_the_cache_folder_is_the_one_named_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CITYLAB_CACHE", str(tmp_path / "not-yet-there"))
    assert settings.cache_dir() == tmp_path / "not-yet-there"


def test_a_relative_or_home_cache_folder_becomes_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CITYLAB_CACHE", "here")
    assert settings.cache_dir() == tmp_path / "here"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("CITYLAB_CACHE", "~/cache")
    assert settings.cache_dir() == tmp_path / "cache"


def test_without_a_setting_the_cache_is_a_citylab_folder_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CITYLAB_CACHE", raising=False)
    assert settings.cache_dir().is_absolute()
    assert "citylab" in settings.cache_dir().parts


def test_no_mirror_is_no_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CITYLAB_MIRROR", raising=False)
    assert settings.mirror_dir() is None
    monkeypatch.setenv("CITYLAB_MIRROR", "")
    assert settings.mirror_dir() is None


def test_a_mistyped_mirror_is_an_error_and_not_a_silent_request_to_the_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CITYLAB_MIRROR", str(tmp_path))
    assert settings.mirror_dir() == tmp_path
    monkeypatch.setenv("CITYLAB_MIRROR", str(tmp_path / "mirorr"))
    with pytest.raises(CitylabError, match="mirorr"):
        settings.mirror_dir()


@pytest.mark.parametrize(("value", "expected"), [("1", True), (" Yes ", True), ("on", True), ("0", False), ("", False)])
def test_offline_understands_yes_and_no(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    monkeypatch.setenv("CITYLAB_OFFLINE", value)
    assert settings.offline() is expected


def test_an_offline_switch_that_is_neither_yes_nor_no_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYLAB_OFFLINE", "maybe")
    with pytest.raises(CitylabError, match="maybe"):
        settings.offline()


@pytest.mark.parametrize(("value", "expected"), [("zh", "zh"), ("zh_CN.UTF-8", "zh"), ("EN", "en"), ("", "en")])
def test_the_language_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch, value: str, expected: str) -> None:
    monkeypatch.setenv("CITYLAB_LANG", value)
    assert settings.language() == expected


def test_a_language_that_citylab_does_not_speak_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYLAB_LANG", "fr")
    with pytest.raises(CitylabError, match="fr"):
        settings.language()


def test_the_shipped_folders_are_there() -> None:
    assert (settings.datasets_dir() / "codes").is_dir()
    assert settings.dashboards_dir().is_dir()


def test_folders_inside_the_package_come_before_folders_beside_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(settings, "_PACKAGE", tmp_path / "citylab")
    assert settings.datasets_dir() == tmp_path / "datasets"
    (tmp_path / "citylab" / "_datasets").mkdir(parents=True)
    assert settings.datasets_dir() == tmp_path / "citylab" / "_datasets"
