"""Groups of columns from a TOML file."""

import pytest

from onlyif.core.errors import SettingError, StorageError
from onlyif.modalities.groups import read_groups


def test_groups_are_read(tmp_path):
    (tmp_path / "groups.toml").write_text('[groups]\ncity = ["city_a", "city_b"]\n')
    assert read_groups(tmp_path / "groups.toml") == {"city": ["city_a", "city_b"]}


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        ("city = [", StorageError, "no valid TOML"),
        ("[other]\n", SettingError, r"one table \[groups\]"),
        ("[groups]\ncity = 'a'\n", SettingError, "must be a list of column names"),
        ("[groups]\ncity = [1]\n", SettingError, "must be a list of column names"),
        ("[groups]\n[groups.city]\na = 1\n", SettingError, "must be a list of column names"),
    ],
)
def test_bad_files(tmp_path, content, kind, said):
    (tmp_path / "groups.toml").write_text(content)
    with pytest.raises(kind, match=said):
        read_groups(tmp_path / "groups.toml")


def test_a_missing_file(tmp_path):
    with pytest.raises(StorageError, match="cannot read"):
        read_groups(tmp_path / "groups.toml")
