"""Trees at the end of a scikit-learn pipeline whose every column comes from one column."""

from dataclasses import replace
from typing import Any

from onlyif.core.errors import SettingError
from onlyif.models.sklearn_steps import column_names, mixing, sources
from onlyif.trees.question import Rows, TreesRead, UnreadableTreesError


def behind_steps(pipeline: Any, inner: TreesRead) -> TreesRead:
    """The trees of a pipeline's last step, behind the steps before it.

    Args:
        pipeline: The fitted pipeline.
        inner: What was read from its last step.

    Raises:
        UnreadableTreesError: if a transformed column mixes columns, or may do so.
    """
    steps = pipeline[:-1]
    if not steps.steps:
        return inner
    foreign = mixing(steps)
    if foreign is not None:
        raise UnreadableTreesError(f"a {foreign} in the pipeline may mix columns")
    try:
        made = sources(steps, column_names(pipeline))
    except SettingError as error:
        raise UnreadableTreesError(str(error)) from error

    def encode(native: Any) -> Rows:
        return inner.encode(steps.transform(native))

    return replace(inner, source=tuple(made[column] for column in inner.source), encode=encode)
