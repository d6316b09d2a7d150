"""First-party constraints of any grammar: `regex`, `json_schema`, `lark`."""

from latentopt.hookspecs import Register, hookimpl


@hookimpl
def register_constraints(register: Register) -> None:
    register("regex", "latentopt_grammar.grammars:regex", "texts that match a regular expression as a whole")
    register(
        "json_schema", "latentopt_grammar.grammars:json_schema", "JSON of a schema, given as JSON or as a .json file"
    )
    register(
        "lark", "latentopt_grammar.grammars:lark", "texts of a grammar in llguidance's Lark, given as a .lark file"
    )
