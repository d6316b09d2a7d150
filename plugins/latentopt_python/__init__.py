"""First-party filter `python_syntax`, constraint `python_line` and data set `python_statements`."""

from latentopt.hookspecs import Register, hookimpl


@hookimpl
def register_filters(register: Register) -> None:
    register("python_syntax", "latentopt_python.syntax:python_syntax", "a whole text that ast.parse accepts")


@hookimpl
def register_constraints(register: Register) -> None:
    register("python_line", "latentopt_python.grammar:python_line", "one simple statement that ast.parse accepts")


@hookimpl
def register_datasets(register: Register) -> None:
    register(
        "python_statements",
        "latentopt_python.statements:python_statements",
        "statements of the standard library and of installed packages",
    )
