"""The one table from a model's type to the file that reads its trees."""

from dataclasses import replace
from importlib import import_module
from typing import Any

from onlyif.models.output_links import DecisionLink, LogOddsLink
from onlyif.models.outputs import HeadKind, LogitOutput
from onlyif.models.own_methods import own_methods
from onlyif.trees.comparison import compare
from onlyif.trees.question import TreeModel, TreeQuestion, TreesRead, UnreadableTreesError, tree_model

_FILE = "onlyif.trees.{}"
READERS: dict[tuple[str, str], tuple[str, str]] = {
    ("sklearn", "BaseDecisionTree"): ("sklearn_trees", "read_tree"),
    ("sklearn", "BaseForest"): ("sklearn_trees", "read_forest"),
    ("sklearn", "BaseBagging"): ("sklearn_trees", "read_bagging"),
    ("sklearn", "BaseGradientBoosting"): ("sklearn_trees", "read_boosting"),
    ("sklearn", "BaseHistGradientBoosting"): ("histogram", "read_histogram"),
    ("xgboost", "XGBModel"): ("xgboost_trees", "read_xgboost_model"),
    ("xgboost", "Booster"): ("xgboost_trees", "read_xgboost_booster"),
    ("lightgbm", "LGBMModel"): ("lightgbm_trees", "read_lightgbm_model"),
    ("lightgbm", "Booster"): ("lightgbm_trees", "read_lightgbm_booster"),
    ("catboost", "CatBoost"): ("catboost_trees", "read_catboost"),
}


def trees_of(question: TreeQuestion) -> TreeModel | None:
    """The trees of a model, compared with the model itself; None if it has none.

    Args:
        question: The model and the output that is wanted.

    Raises:
        UnreadableTreesError: if it has trees that cannot be used, saying why.
    """
    final = _final(question.model)
    reader = _reader(final)
    if reader is None:
        return None
    _need_library_methods(question.model)
    file, name = reader
    try:
        read = getattr(import_module(_FILE.format(file)), name)(final, _kind(question))
        trees = tree_model(
            _with_output(_behind(question, read), question), question.form, question.rows.shape[1]
        )
        compare(trees, question)
    except UnreadableTreesError:
        raise
    except Exception as error:  # another version may keep its trees otherwise, and any error may come of it
        raise UnreadableTreesError(
            f"its trees could not be read ({type(error).__name__}: {error})"
        ) from error
    return trees


def _final(model: Any) -> Any:
    """The model at the end of pipelines and of a search over settings."""
    if _is(model, "sklearn", "BaseSearchCV"):
        return _final(getattr(model, "best_estimator_", None))
    return _final(model.steps[-1][1]) if _is(model, "sklearn", "Pipeline") else model


def _need_library_methods(model: Any) -> None:
    """Refuse models that answer by methods of their own, which the trees know nothing of."""
    while True:
        own = own_methods(model)
        if own:
            named = ", ".join(own[:3])
            raise UnreadableTreesError(f"{type(model).__name__} has methods of its own ({named})")
        if _is(model, "sklearn", "BaseSearchCV"):
            model = model.best_estimator_
        elif _is(model, "sklearn", "Pipeline"):
            model = model.steps[-1][1]
        else:
            return


def _behind(question: TreeQuestion, read: TreesRead) -> TreesRead:
    """Trees behind every pipeline around them."""
    pipelines, model = [], question.model
    while _is(model, "sklearn", "BaseSearchCV") or _is(model, "sklearn", "Pipeline"):
        if _is(model, "sklearn", "Pipeline"):
            pipelines.append(model)
            model = model.steps[-1][1]
        else:
            model = model.best_estimator_
    for pipeline in reversed(pipelines):
        file = import_module(_FILE.format("pipeline"))
        read = file.behind_steps(pipeline, read)
    return read


def _reader(model: Any) -> tuple[str, str] | None:
    for kind in type(model).__mro__:
        found = READERS.get((kind.__module__.partition(".")[0], kind.__name__))
        if found is not None:
            return found
    return None


def _is(model: Any, package: str, name: str) -> bool:
    kinds = ((kind.__module__.partition(".")[0], kind.__name__) for kind in type(model).__mro__)
    return (package, name) in kinds


def _kind(question: TreeQuestion) -> HeadKind:
    if question.of_decisions or isinstance(question.output, LogitOutput):
        return HeadKind.PROBABILITY
    name = question.predictor.meaning.output
    kinds = {kind.value: kind for kind in HeadKind}
    if name not in kinds:
        raise UnreadableTreesError(f"its output, {name}, is no function of a sum over trees known here")
    return kinds[name]


def _with_output(read: TreesRead, question: TreeQuestion) -> TreesRead:
    if question.of_decisions:
        decision = DecisionLink(read.ensemble.link)
        return replace(read, ensemble=replace(read.ensemble, link=decision))
    if not isinstance(question.output, LogitOutput):
        return read
    link = LogOddsLink(read.ensemble.link, question.output.clip)
    return replace(read, ensemble=replace(read.ensemble, link=link))
