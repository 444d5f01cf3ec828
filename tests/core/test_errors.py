"""Errors: one base for all, and the built-in kind that a caller may already catch."""

import pytest

from onlyif.core import errors
from onlyif.core.errors import (
    AbsentError,
    ExtraError,
    InputError,
    Interrupted,
    LimitError,
    ModelError,
    OnlyIfError,
    OnlyIfWarning,
    SettingError,
    StorageError,
)

KINDS = {
    SettingError: ValueError,
    AbsentError: AttributeError,
    InputError: ValueError,
    ModelError: RuntimeError,
    LimitError: MemoryError,
    StorageError: OSError,
    ExtraError: ImportError,
}


@pytest.mark.parametrize(("error", "builtin"), KINDS.items())
def test_an_error_is_caught_as_ours_and_as_the_built_in_one(error, builtin):
    for kind in (OnlyIfError, builtin):
        with pytest.raises(kind, match="got this, need that"):
            raise error("got this, need that")


def test_no_error_is_left_out():
    ours = {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, OnlyIfError)}
    assert ours == {OnlyIfError, *KINDS}


def test_an_interrupt_is_not_swallowed_and_keeps_what_was_finished():
    def interrupted():
        try:
            raise Interrupted([1, 2])
        except Exception:
            return

    with pytest.raises(KeyboardInterrupt, match="finished") as caught:
        interrupted()
    assert caught.value.finished == [1, 2]


def test_warnings_can_be_told_from_those_of_others():
    assert issubclass(OnlyIfWarning, UserWarning)
