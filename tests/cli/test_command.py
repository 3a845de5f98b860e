"""Groups of options: one object for a command, many options for a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from pixelgrad.cli.command import Group, command
from pixelgrad.errors import SettingsError


@dataclass(frozen=True)
class Paint:
    colour: str = "red"
    coats: int = 1
    brush: str = "flat"


GROUP = Group(
    Paint(),
    "Painting",
    colour=Annotated[str, typer.Option("--colour", help="Which.")],
    coats=Annotated[int, typer.Option("--coats", help="How many.")],
)
Whole = Annotated[Paint, GROUP]
Plain = Annotated[Paint, GROUP.without("coats")]


def app_of(seen: list[Any], **defaults: Paint) -> typer.Typer:
    app = typer.Typer()

    @app.command("all")
    @command
    def whole(*, name: Annotated[str, typer.Argument()], paint: Whole, wet: bool = False) -> None:
        """Paint something."""
        if name == "nothing":
            raise SettingsError("there is nothing to paint; name something")
        if not 1 <= paint.coats < 99:
            worn = "brush is worn after 99 coats" if paint.coats else "coats is 0; it must be a whole number from 1 up"
            raise SettingsError(worn)
        if paint.colour == "loud":
            raise SettingsError("the colour is 'loud'; it must be one of red, green")
        seen.append((name, paint, wet))

    @app.command("plain")
    @command
    def plain(*, paint: Plain = Paint("blue", 3, "round")) -> None:
        seen.append(paint)

    return app


@pytest.fixture
def seen() -> list[Any]:
    return []


def test_options_become_one_object(seen: list[Any]) -> None:
    assert CliRunner().invoke(app_of(seen), ["all", "door", "--coats", "2"]).exit_code == 0
    assert CliRunner().invoke(app_of(seen), ["all", "door", "--colour", "green", "--wet"]).exit_code == 0
    assert seen == [("door", Paint("red", 2), False), ("door", Paint("green"), True)]


def test_a_command_has_defaults_of_its_own_and_fewer_options(seen: list[Any]) -> None:
    assert CliRunner().invoke(app_of(seen), ["plain"]).exit_code == 0
    assert CliRunner().invoke(app_of(seen), ["plain", "--colour", "white"]).exit_code == 0
    # What is no option keeps the default.
    assert seen == [Paint("blue", 3, "round"), Paint("white", 3, "round")]
    refused = CliRunner().invoke(app_of(seen), ["plain", "--coats", "2"])
    assert refused.exit_code == 2
    assert "No such option: --coats" in refused.output


def test_help_has_them_under_their_heading_with_the_defaults(seen: list[Any]) -> None:
    text = CliRunner().invoke(app_of(seen), ["all", "--help"]).output
    assert "Paint something." in text
    assert text.index("--wet") < text.index("Painting") < text.index("--colour")
    assert "[default: red]" in text
    assert "[default: blue]" in CliRunner().invoke(app_of(seen), ["plain", "--help"]).output


def test_errors_are_one_line(seen: list[Any]) -> None:
    result = CliRunner().invoke(app_of(seen), ["all", "nothing"])
    assert result.exit_code == 1
    assert result.stderr == "pixelgrad: error: there is nothing to paint; name something\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--coats", "0"], "--coats is 0; it must be a whole number from 1 up"),
        (["--colour", "loud"], "--colour is 'loud'; it must be one of red, green"),
        (["--coats", "99"], "brush is worn after 99 coats"),  # no option of this name
    ],
)
def test_what_is_said_of_a_setting_is_said_of_the_option(seen: list[Any], arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app_of(seen), ["all", "door", *arguments])
    assert result.stderr == f"pixelgrad: error: {message}\n"
