"""Which of a library's methods a user's class or object puts its own in the place of.

What is known of a library's models, such as their trees or their coefficients, is known of the
library's own methods only.
"""

from typing import Any

LIBRARIES = frozenset({"sklearn", "xgboost", "lightgbm", "catboost"})
# What trains or describes a model says nothing of how a trained one answers.
_HARMLESS = frozenset(
    {
        *("fit", "fit_predict", "fit_transform", "partial_fit", "score", "get_params", "set_params"),
        *("_get_param_names", "_more_tags", "_get_tags", "_estimator_type"),
    }
)
_ANSWERING_DUNDERS = frozenset({"__call__", "__getattr__", "__getattribute__", "__len__", "__getitem__"})


def own_methods(model: Any) -> tuple[str, ...]:
    """The names of methods that a user's subclass, or the object itself, has of its own.

    Empty for an object of a known library's class, or of a subclass that only trains otherwise.

    Args:
        model: A model or a step of one.
    """
    kinds = type(model).__mro__
    known = next((i for i, kind in enumerate(kinds) if _library(kind) in LIBRARIES), len(kinds) - 1)
    named = [name for kind in kinds[:known] for name, value in vars(kind).items() if _answers(name, value)]
    held = getattr(model, "__dict__", {})
    replaced = [name for name in held if callable(getattr(type(model), name, None)) and name not in _HARMLESS]
    return tuple(dict.fromkeys([*replaced, *named]))


def is_of_library(model: Any) -> bool:
    """Whether an object answers by the methods of a known library alone.

    Args:
        model: A model or a step of one.
    """
    return any(_library(kind) in LIBRARIES for kind in type(model).__mro__) and not own_methods(model)


def parts_of(model: Any) -> list[Any]:
    """A model and all estimators inside it, however deep."""
    found: list[Any] = []
    waiting, seen = [model], set[int]()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, list | tuple):
            waiting.extend(part)
        elif any(callable(getattr(type(part), name, None)) for name in ("predict", "transform")):
            found.append(part)
            waiting.extend(getattr(part, "__dict__", {}).values())
    return found


def _library(kind: type) -> str:
    return kind.__module__.partition(".")[0]


def _answers(name: str, value: Any) -> bool:
    """Whether a member of a class may change how it answers."""
    hidden = name.startswith("__") and name.endswith("__") and name not in _ANSWERING_DUNDERS
    # scikit-learn gives each class its own methods for the routing of metadata.
    routes = name.startswith("set_") and name.endswith("_request")
    return hasattr(type(value), "__get__") and not (hidden or routes or name in _HARMLESS)
