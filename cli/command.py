"""Options that together make one object, written once and taken by any command."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from pixelgrad.cli.console import reports_errors
from pixelgrad.errors import SettingsError

__all__ = ["Group", "command"]

T = TypeVar("T")
_SETTING = re.compile(r"(?:the )?([a-z]+(?:[ _][a-z]+)*) is ")


class Group(Generic[T]):
    """Options whose values are the fields of a frozen dataclass.

    default: an object of that class; its fields are the defaults, unless the command's parameter has a default of its
    own. panel: the heading that they have in the help. options: by the name of a field, how Typer is to ask for it.
    Fields that are not there keep their default.
    """

    def __init__(self, default: T, panel: str | None = None, /, **options: Any) -> None:
        self.default, self.panel = default, panel
        self.options = {name: _under(panel, option) for name, option in options.items()}

    def without(self, *names: str) -> Group[T]:
        """The group less some options."""
        kept = {name: option for name, option in self.options.items() if name not in names}
        return Group(self.default, self.panel, **kept)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """A command for Typer: what it raises becomes one line, and its groups of options become options.

    A parameter that is ``Annotated[Class, group]`` is asked for as the options of the :class:`Group`, and given to
    ``function`` as one object.
    """
    hints = get_type_hints(function, include_extras=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, tuple[Any, Mapping[str, Any]]] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        group = _group(hints[name])
        if group is None:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name]))
            continue
        default = group.default if parameter.default is inspect.Parameter.empty else parameter.default
        groups[name] = default, group.options
        parameters += [
            inspect.Parameter(field, inspect.Parameter.KEYWORD_ONLY, default=getattr(default, field), annotation=option)
            for field, option in group.options.items()
        ]

    @functools.wraps(function)
    def flat(**given: Any) -> None:
        made = {
            name: replace(default, **{field: given.pop(field) for field in options})
            for name, (default, options) in groups.items()
        }
        try:
            function(**given, **made)
        except SettingsError as error:
            raise SettingsError(_as_typed(str(error), flags)) from error

    flags = {parameter.name: flag for parameter in parameters if (flag := _flag(parameter.annotation))}
    flat.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return reports_errors(flat)


def _flag(option: Any) -> str | None:
    """``--size``: how an option is typed, whose declaration says so."""
    info = get_args(option)[1] if get_origin(option) is Annotated else None
    # Typer takes the first part for the default until it sees that there is none in an Annotated.
    parts = (getattr(info, "default", None), *(getattr(info, "param_decls", None) or ()))
    return next((part.partition("/")[0] for part in parts if isinstance(part, str) and part.startswith("--")), None)


def _as_typed(message: str, flags: Mapping[str, str]) -> str:
    """What is said of a setting (``style_scale is 0``) as it is for who typed an option (``--style-scale is 0``)."""
    match = _SETTING.match(message)
    flag = flags.get(match[1].replace(" ", "_")) if match else None
    return message if match is None or flag is None else f"{flag} is {message[match.end() :]}"


def _under(panel: str | None, option: Any) -> Any:
    """``Annotated[type, typer.Option(...)]`` under a heading of the help."""
    kind, info = get_args(option)
    info = copy(info)
    info.rich_help_panel = panel
    return Annotated[kind, info]


def _group(hint: Any) -> Group[Any] | None:
    found = [extra for extra in get_args(hint)[1:] if isinstance(extra, Group)] if get_origin(hint) is Annotated else []
    return found[0] if found else None
