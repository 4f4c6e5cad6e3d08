"""The examples in docstrings and in the README do what they say."""

import doctest
import inspect
import pathlib
import re
import subprocess
import sys
import unittest

import dmxp
from dmxp import _dmxp
from support import PATIENCE, RegionCase

HERE = pathlib.Path(__file__).resolve().parent


def documented():
    """The package, its classes and functions, and their members."""
    yield "dmxp", dmxp
    for name in dmxp.__all__:
        thing = getattr(dmxp, name)
        yield f"dmxp.{name}", thing
        if inspect.isclass(thing):
            for member, value in vars(thing).items():
                if not member.startswith("_"):
                    yield f"dmxp.{name}.{member}", value


class Docs(RegionCase):
    def test_docstrings(self):
        parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
        tried = 0
        for name, thing in documented():
            text = inspect.getdoc(thing) or ""
            test = parser.get_doctest(text, {"dmxp": dmxp}, name, None, 0)
            if test.examples:
                with self.subTest(name):
                    self.setUp()  # a region for each
                    shown = []
                    results = runner.run(test, out=shown.append)
                    self.assertEqual(results.failed, 0, "".join(shown))
                tried += 1
        self.assertGreaterEqual(tried, 7)

    def test_everything_public_is_documented(self):
        missing = [name for name, thing in documented() if not isinstance(thing, str) and not inspect.getdoc(thing)]
        self.assertEqual(missing, [])

    def test_the_stub_says_what_there_is(self):
        stub = (HERE.parent / "python" / "dmxp" / "_dmxp.pyi").read_text()
        found = dict(re.findall(r"^class (\w+).*:\n((?: {4}.*\n|\n)*)", stub, re.MULTILINE))
        functions = set(re.findall(r"^def (\w+)\(", stub, re.MULTILINE))
        public = {name for name in vars(_dmxp) if not name.startswith("_")}
        self.assertEqual(set(found) | functions, public)
        for name, body in found.items():
            said = set(re.findall(r"^    (?:async )?def ([a-z]\w*)\(", body, re.MULTILINE))
            there = {member for member in vars(getattr(_dmxp, name)) if not member.startswith("_")}
            self.assertEqual(said, there, name)

    def test_every_error_of_the_runtime_has_its_exception(self):
        root = HERE.parents[2]
        body = re.search(r"^pub enum Error \{\n(.*?)^\}", (root / "dmxp/src/error/mod.rs").read_text(), re.MULTILINE | re.DOTALL)
        errors = set(re.findall(r"^    (\w+)(?: \{|,)", body[1], re.MULTILINE))
        bound = dict(re.findall(r"Error::(\w+).* => \"(\w+)\"", (root / "bindings/python/src/errors.rs").read_text()))
        self.assertGreater(len(errors), 30)
        # Only Rust has typed claims that must start from zeros.
        self.assertEqual(set(bound), errors)
        for name in bound.values():
            self.assertTrue(issubclass(getattr(dmxp, name), dmxp.Error))

    def test_the_page_on_recovery(self):
        page = (HERE.parents[2] / "docs" / "RECOVERY.md").read_text()
        blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        self.assertGreaterEqual(len(blocks), 3)
        setting = 'import dmxp\nregion = dmxp.Region()\nclaim = dmxp.create_producer(name="small").claim(8)\n'
        ran = subprocess.run(
            [sys.executable, "-c", setting + "".join(blocks)], capture_output=True, text=True, timeout=PATIENCE
        )
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        blockage, recovery = ran.stdout.splitlines()
        self.assertRegex(blockage, r"^channel `small`: consumers wait at position 0 for process \d+, who has claimed it")
        self.assertEqual(recovery, "nothing to recover")

    def test_the_page_on_observing(self):
        page = (HERE.parents[2] / "docs" / "OBSERVING.md").read_text()
        blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
        self.assertEqual(len(blocks), 1)
        code = "import dmxp, os\n" + blocks[0] + "print(os.getpid())"
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        *seen, rest, pid = ran.stdout.splitlines()
        self.assertEqual(seen, [f"0 waiting b'one' {pid}", f"1 waiting b'two' {pid}"])
        self.assertEqual(rest, "1")

    def test_the_package_has_its_licences_and_nothing_for_debuggers(self):
        package = pathlib.Path(dmxp.__file__).parent
        for licence in ("LICENSE-MIT", "LICENSE-APACHE"):
            self.assertEqual((package / licence).read_text(), (HERE.parents[2] / licence).read_text())
        sections = pathlib.Path(_dmxp.__file__).read_bytes()
        # The symbols of the dynamic linker are all that is left.
        self.assertFalse(b".symtab" in sections)
        self.assertLess(len(sections), 8 << 20)
        project = (HERE.parent / "pyproject.toml").read_text()
        self.assertIn('license-files = ["LICENSE-MIT", "LICENSE-APACHE"]', project)
        self.assertIn("strip = true", project)

    def test_the_readme(self):
        blocks = re.findall(r"^```python\n(.*?)^```", (HERE.parent / "README.md").read_text(), re.MULTILINE | re.DOTALL)
        self.assertGreaterEqual(len(blocks), 5)
        # The blocks are one program, with the golden `tick` module for the user's own.
        path = f"import sys; sys.path.append({str(HERE.parents[2] / 'dmxp-schema' / 'tests' / 'golden')!r})\n"
        code = path + "".join(blocks)
        try:
            import numpy  # noqa: F401
        except ImportError:
            code = path + "".join(block for block in blocks if "numpy" not in block)
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        expected = re.findall(r"print\(.*#> (.*)$", code, re.MULTILINE)
        self.assertEqual(ran.stdout.splitlines(), expected)


if __name__ == "__main__":
    unittest.main()
