"""Says what is wrong with a command line in three parts, as every other error does: click's own words have two."""

from __future__ import annotations

import re

import click

_QUOTED = re.compile(r"'(.*)' is not", re.DOTALL)


def explained(error: click.ClickException) -> tuple[str, str]:
    """Return what is wrong, and what to type instead; what the user typed stands in both as it was typed."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    program = context.command_path if context else "dedupaudit"
    see = f"`{program} --help` lists the options"
    message = error.message.rstrip(".")
    if isinstance(error, click.NoSuchOption):
        near = " or ".join(sorted(error.possibilities or ()))
        return f"there is no option {error.option_name}", f"did you mean {near}?" if near else see
    if isinstance(error, click.MissingParameter) and error.param:
        choices = _choices(error.param)
        return f"{_name(error.param, context)} is missing", f"it is {_listed(choices)}" if choices else _form(context)
    if isinstance(error, click.BadParameter) and error.param:
        return _bad_value(error, error.param, context)
    if isinstance(error, click.BadOptionUsage):
        return _bad_option(error, context) or (message, see)
    if type(error) is click.UsageError and context and message.startswith("Got unexpected"):
        return f"too many arguments: {message[0].lower()}{message[1:]}", _form(context)
    return message, f"see `{program} --help`"


def _bad_value(error: click.BadParameter, parameter: click.Parameter, context: click.Context | None) -> tuple[str, str]:
    from dedupaudit.nearest import nearest

    name, quoted = _name(parameter, context), _QUOTED.match(error.message)
    typed = quoted[1] if quoted else ""
    choices, kind = _choices(parameter), parameter.type
    if choices and quoted:
        near = nearest(typed, choices)
        hint = f"did you mean {near}? It takes {_listed(choices)}" if near else f"it takes {_listed(choices)}"
        return f"{name}: '{typed}' is not one of its values", hint
    if isinstance(kind, click.types.IntParamType):
        found = (
            f"'{typed}' is not a whole number"
            if quoted
            else f"{error.message.rstrip('.').partition(' is not')[0]} is out of range"
        )
        return f"{name}: {found}", f"write {_range(kind)}"
    if isinstance(kind, click.types.FloatParamType) and quoted:
        return f"{name}: '{typed}' is not a number", "write one such as 10 or 2.5"
    return f"{name}: {error.message.rstrip('.')}", _form(context)


def _bad_option(error: click.BadOptionUsage, context: click.Context | None) -> tuple[str, str] | None:
    """Return what a value that is missing, or one too many, comes to."""
    option = error.option_name
    known = context.command.params if context else []
    parameter = next((one for one in known if option in one.opts), None)
    if "requires" in error.message and parameter and context:
        return f"{option} has no value", f"write {option} {parameter.make_metavar(context)}"
    if "does not take a value" in error.message:
        return f"{option} takes no value", f"write {option} alone"
    return None


def _name(parameter: click.Parameter, context: click.Context | None) -> str:
    if isinstance(parameter, click.Argument) and context:
        # With choices these are its metavar, and no name.
        return str(parameter.name).upper() if _choices(parameter) else parameter.make_metavar(context)
    return "/".join(parameter.opts)


def _choices(parameter: click.Parameter) -> list[str]:
    return list(map(str, parameter.type.choices)) if isinstance(parameter.type, click.Choice) else []


def _listed(choices: list[str]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}"


def _range(kind: click.types.IntParamType) -> str:
    least = kind.min if isinstance(kind, click.IntRange) else None
    most = kind.max if isinstance(kind, click.IntRange) else None
    if least is None:
        return "a whole number"
    return f"a whole number of at least {least}" if most is None else f"a whole number from {least} to {most}"


def _form(context: click.Context | None) -> str:
    """Return how the command is written."""
    if context is None:
        return "see `dedupaudit --help`"
    words = " ".join(context.command.collect_usage_pieces(context))
    return f"write {context.command_path} {words}; `{context.command_path} --help` has examples"
