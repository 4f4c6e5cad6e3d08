"""The stub of the extension module: it parses, has what the module has, and says what that says.

`DMXP_UPDATE=1` writes the docstrings of the module into it.
"""

import ast
import inspect
import os
import pathlib
import unittest

import dmxp
from dmxp import _dmxp

STUB = pathlib.Path(__file__).resolve().parents[1] / "python" / "dmxp" / "_dmxp.pyi"


def documented(module_or_class, node):
    """The docstring that the extension has for a definition of the stub."""
    thing = getattr(module_or_class, node.name, None)
    # What `object` says of them is known.
    if thing is None or (node.name.startswith("__") and isinstance(node, ast.FunctionDef)):
        return None
    doc = getattr(thing, "__doc__", None)
    return inspect.cleandoc(doc) if doc else None


def definitions(tree):
    """Functions and classes with what they are of, but of overloads the first alone."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield _dmxp, node
            seen = set()
            for member in node.body:
                if isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield (getattr(_dmxp, node.name, None), member) if member.name not in seen else (None, member)
                    seen.add(member.name)
    seen = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield (_dmxp if node.name not in seen else None), node
            seen.add(node.name)


def with_docstrings(source):
    lines = source.splitlines()
    # From the end on, and what is in a class before the class.
    place = lambda node: min([node.body[0].lineno, *(at.lineno for at in getattr(node.body[0], "decorator_list", []))])  # noqa: E731
    order = lambda each: (place(each[1]), not isinstance(each[1], ast.ClassDef))  # noqa: E731
    nodes = sorted(definitions(ast.parse(source)), key=order, reverse=True)
    for owner, node in nodes:
        doc = documented(owner, node) if owner is not None else None
        first, indent = node.body[0], " " * (node.col_offset + 4)
        has_doc = ast.get_docstring(node) is not None
        quoted = None
        if doc:
            text = doc.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
            body = "\n".join((indent + line) if line else "" for line in text.splitlines())
            quoted = f'{indent}"""{body[len(indent):]}'
            quoted += f'\n{indent}"""' if "\n" in body else '"""'
        if isinstance(node, ast.ClassDef):
            if has_doc:
                del lines[first.lineno - 1 : first.end_lineno]
            if quoted:  # Where the docstring was, or before the first member with its decorators.
                lines[place(node) - 1 : place(node) - 1] = quoted.splitlines()
        else:
            start, end = first.lineno - 1, first.end_lineno
            # The header ends in a colon, on the line of the `...` or before it.
            if has_doc:
                header = lines[start - 1]
                lines[start - 1 : end] = [header + " ..."]
                start, end = start - 1, start
            if quoted:
                lines[start:end] = [lines[start].removesuffix(" ..."), *quoted.splitlines()]
    return "\n".join(lines) + "\n"


class Stub(unittest.TestCase):
    def test_the_stub_says_what_the_module_says(self):
        source = STUB.read_text()
        expected = with_docstrings(source)
        if os.environ.get("DMXP_UPDATE"):
            STUB.write_text(expected)
        else:
            self.assertEqual(source, expected, "renew it: DMXP_UPDATE=1")
        self.assertGreater(expected.count('"""'), 300)

    def test_the_stub_has_what_the_module_has(self):
        tree = ast.parse(STUB.read_text())
        classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        for name, cls in vars(_dmxp).items():
            if not isinstance(cls, type) or cls.__name__ not in dmxp.__all__:
                continue
            stated = {member.name for member in classes[name].body if isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef))}
            own = {member for member in vars(cls) if not member.startswith("_")}
            self.assertEqual(own, {member for member in stated if not member.startswith("_")}, name)

    def test_handles_can_be_named_with_what_they_carry(self):
        for generic in (dmxp.Producer, dmxp.Consumer, dmxp.Claim):
            self.assertEqual(repr(generic[int]).rsplit(".", 1)[-1], f"{generic.__name__}[int]")


if __name__ == "__main__":
    unittest.main()
