//! Generated code: the same bytes on every run, accepted by the real compilers and interpreters, and refused by them as soon
//! as one number or type in it is changed.
//!
//! Golden files are written again with `DMXP_WRITE_GOLDEN=1 cargo test -p dmxp-schema --test generated`. A missing compiler
//! or interpreter is said and skipped, but with `CI` set it is a failure.

mod corpus;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use corpus::{ALL, COLLIDING, EVERYTHING, ORDER, Random, TICK, WORDY, schema};
use dmxp_schema::generate::{c, python};
use dmxp_schema::model::Schema;
use tempfile::TempDir;

/// Whether `program` runs; says so if not, and fails if this is CI.
fn available(program: &str) -> bool {
    let runs = Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    if !runs {
        eprintln!("skipped: `{program}` does not run here");
        assert!(std::env::var_os("CI").is_none(), "`{program}` must be there in CI");
    }
    runs
}

/// The Pythons on the path; `python3` must be one of them.
fn pythons() -> Vec<&'static str> {
    let others = ["python3.11", "python3.12", "python3.13", "python3.14"];
    let runs = |python: &&str| {
        Command::new(python)
            .arg("--version")
            .output()
            .is_ok_and(|output| output.status.success())
    };
    let mut found: Vec<&str> = others.into_iter().filter(runs).collect();
    if found.is_empty() && available("python3") {
        found.push("python3");
    }
    eprintln!("Pythons: {found:?}");
    found
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// `-x c` or `-x c++` of a program that includes each header, twice.
fn compile(compiler: &str, directory: &Path, headers: &[&str], main: &str) -> Result<PathBuf, String> {
    let mut source = String::new();
    for header in headers.iter().chain(headers) {
        source += &format!("#include \"{header}\"\n");
    }
    source += main;
    let cpp = compiler == "g++";
    let file = directory.join(if cpp { "main.cpp" } else { "main.c" });
    let program = directory.join(if cpp { "main_cpp" } else { "main_c" });
    std::fs::write(&file, source).unwrap();
    let output = Command::new(compiler)
        .args([
            if cpp { "-std=c++17" } else { "-std=c11" },
            "-Wall",
            "-Wextra",
            "-Werror",
            "-pedantic",
        ])
        .args(["-Wshadow", "-o"])
        .args([&program, &file])
        .output()
        .unwrap();
    if output.status.success() {
        Ok(program)
    } else {
        Err(stderr(&output))
    }
}

const MAIN: &str = "int main(void) { return 0; }\n";

fn golden_sets() -> [(&'static str, Vec<Schema>); 4] {
    [
        ("tick", vec![schema(&TICK)]),
        ("every_kind", vec![schema(&EVERYTHING)]),
        ("orders", vec![schema(&ORDER), schema(&TICK)]),
        ("colliding", vec![schema(&COLLIDING), schema(&WORDY)]),
    ]
}

#[test]
fn generated_files_are_byte_stable() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let write = std::env::var_os("DMXP_WRITE_GOLDEN").is_some();
    for (name, schemas) in golden_sets() {
        for (extension, text) in [
            ("h", c::header(&schemas)),
            ("py", python::module(&schemas)),
            ("pyi", python::stub(&schemas)),
        ] {
            let path = golden.join(format!("{name}.{extension}"));
            if write {
                std::fs::create_dir_all(&golden).unwrap();
                std::fs::write(&path, &text).unwrap();
            }
            let expected = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                expected == text,
                "{} is not what is generated; see the head of this file",
                path.display()
            );
        }
    }
}

#[test]
fn headers_compile_as_c11_and_cpp17_also_together() {
    let directory = TempDir::new().unwrap();
    let mut headers = Vec::new();
    for (name, schemas) in golden_sets() {
        let file = format!("{name}.h");
        std::fs::write(directory.path().join(&file), c::header(&schemas)).unwrap();
        headers.push(file);
    }
    for compiler in ["gcc", "g++"] {
        if !available(compiler) {
            continue;
        }
        for header in &headers {
            compile(compiler, directory.path(), &[header], MAIN).unwrap_or_else(|error| panic!("{header}: {error}"));
        }
        // `tick.h` and `orders.h` both define Tick; `colliding.h` has another Point than `every_kind.h` by its second name.
        compile(
            compiler,
            directory.path(),
            &["tick.h", "orders.h", "every_kind.h"],
            MAIN,
        )
        .unwrap_or_else(|e| panic!("{e}"));
    }
}

/// Names that the system's headers replace: `errno` is a call there, `EOF` a number, `unix` 1.
const MACROS: &str = "struct Names v1 size 64 align 4 { errno: u32 @0, EOF: u32 @4, NULL: u32 @8, stdin: u32 @12, I: u32 @16, \
    complex: u32 @20, st_mtime: u32 @24, sa_handler: u32 @28, s6_addr: u32 @32, h_errno: u32 @36, INT_MAX: u32 @40, \
    EAGAIN: u32 @44, SIGINT: u32 @48, unix: u32 @52, BUFSIZ: enum stdout: u32 { M_PI = 1, EOF = 2 } @56, \
    inner: struct stderr v1 size 4 align 4 { major: u32 @0 } @60 }";

#[test]
fn names_of_macros_of_system_headers_are_escaped() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("names.h"), c::header(&[MACROS.parse().unwrap()])).unwrap();
    let system = "#include <errno.h>\n#include <limits.h>\n#include <math.h>\n\
                  #include <netdb.h>\n#include <netinet/in.h>\n#include <signal.h>\n#include <stdio.h>\n#include <sys/stat.h>\n";
    std::fs::write(directory.path().join("system.h"), system).unwrap();
    let main = "int main(void) { Names names; names.errno_ = 1; names.EOF_ = 2; names.inner.major = 3; return names.errno_ != 1; }";
    for compiler in ["gcc", "g++"] {
        if !available(compiler) {
            continue;
        }
        for headers in [["system.h", "names.h"], ["names.h", "system.h"]] {
            compile(compiler, directory.path(), &headers, main).unwrap_or_else(|error| panic!("{compiler}: {error}"));
        }
    }
}

#[test]
fn headers_of_random_schemas_compile() {
    let directory = TempDir::new().unwrap();
    for seed in 0..24 {
        let header = c::header(&[Random(seed).schema(), Random(seed + 1000).schema()]);
        assert_eq!(
            header,
            c::header(&[Random(seed).schema(), Random(seed + 1000).schema()])
        );
        std::fs::write(directory.path().join("random.h"), &header).unwrap();
        for compiler in ["gcc", "g++"] {
            if available(compiler) {
                compile(compiler, directory.path(), &["random.h"], MAIN)
                    .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{header}"));
            }
        }
    }
}

/// What a C program reads through the header is what the codec wrote, and the schema text reads back.
#[test]
fn c_reads_what_the_codec_writes() {
    let tick = schema(&TICK);
    let value = serde_json::json!({"price": 12.5, "at": "1970-01-01T00:00:01Z", "symbol": "ABC", "side": "Sell", "quantity": 7});
    let bytes = dmxp_schema::codec::encode(&tick, &value).unwrap();
    let listed: Vec<String> = bytes.iter().map(u8::to_string).collect();
    let main = format!(
        "#include <stdio.h>\n#include <string.h>\nint main(void) {{\n\
         static const unsigned char bytes[] = {{ {} }};\n Tick tick; memcpy(&tick, bytes, sizeof tick);\n\
         printf(\"%g %lld %.*s %s %u\\n%s\\n%llx\\n\", tick.price, (long long)tick.at,\n\
         (int)dmxp_str_len(tick.symbol, sizeof tick.symbol), tick.symbol, Side_name(tick.side), tick.quantity,\n\
         TICK_SCHEMA, (unsigned long long)TICK_SCHEMA_FINGERPRINT);\n\
         return dmxp_str_set(tick.symbol, sizeof tick.symbol, \"twelve bytes\") != 0 ||\n\
         dmxp_str_set(tick.symbol, sizeof tick.symbol, \"X\") != 1 || tick.symbol[1] != 0; }}\n",
        listed.join(", ")
    );
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("tick.h"), c::header(std::slice::from_ref(&tick))).unwrap();
    for compiler in ["gcc", "g++"] {
        if !available(compiler) {
            continue;
        }
        let program = compile(compiler, directory.path(), &["tick.h"], &main).unwrap_or_else(|error| panic!("{error}"));
        let output = Command::new(program).output().unwrap();
        assert!(output.status.success());
        let expected = format!("12.5 1000000000 ABC Sell 7\n{tick}\n{:x}\n", tick.schema_fingerprint());
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}

/// Each change that a hand could make to the layout of a generated file: another number in an assertion, another type or
/// length of a member, a member gone.
fn c_mutants(header: &str) -> Vec<(usize, String)> {
    let mut mutants = Vec::new();
    for (index, line) in header.lines().enumerate() {
        if let Some((start, number)) = line.split_once(" == ").filter(|_| line.starts_with("DMXP_ASSERT(")) {
            let (number, rest) = number.split_once(',').unwrap();
            let number: u32 = number.parse().unwrap();
            {
                let other = number + 1;
                mutants.push((index, format!("{start} == {other},{rest}")));
            }
        } else if line.starts_with("    ")
            && line.ends_with(';')
            && !line.contains('(')
            && !line.contains('=')
            && !line.contains("length")
            && !line.contains("return")
        {
            mutants.push((index, String::new()));
            for (from, to) in [
                ("uint8_t ", "uint16_t "),
                ("uint8_t ", "int8_t "),
                ("uint16_t ", "int16_t "),
                ("uint32_t ", "float "),
                ("uint64_t ", "double "),
                ("int64_t ", "int32_t "),
                ("float ", "double "),
                ("double ", "int64_t "),
                ("char ", "uint8_t "),
                ("Point ", "float "),
            ] {
                if line.trim_start().starts_with(from) {
                    mutants.push((index, line.replacen(from, to, 1)));
                }
            }
            if let Some((start, rest)) = line.split_once('[') {
                let (number, rest) = rest.split_once(']').unwrap();
                let number: u32 = number.parse().unwrap();
                mutants.push((index, format!("{start}[{}]{rest}", number + 1)));
            }
        }
    }
    mutants
}

fn with_line(text: &str, index: usize, line: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .enumerate()
        .map(|(at, old)| if at == index { line } else { old })
        .collect();
    lines.join("\n") + "\n"
}

#[test]
fn a_header_changed_by_hand_does_not_compile() {
    if !available("gcc") || !available("g++") {
        return;
    }
    let directory = TempDir::new().unwrap();
    let header = c::header(&[schema(&EVERYTHING)]);
    let mutants = c_mutants(&header);
    assert!(mutants.len() > 300, "only {} mutants", mutants.len());
    for (number, (index, line)) in mutants.iter().enumerate() {
        let mutant = with_line(&header, *index, line);
        let file = directory.path().join("mutant.h");
        std::fs::write(&file, mutant).unwrap();
        // C for each, C++ for some: it takes ten times as long.
        let compilers: &[(&str, &str, &str)] = if number % 12 == 0 {
            &[("gcc", "-std=c11", "c"), ("g++", "-std=c++17", "c++")]
        } else {
            &[("gcc", "-std=c11", "c")]
        };
        for (compiler, standard, language) in compilers {
            let output = Command::new(compiler)
                .args([standard, "-fsyntax-only", "-x", language])
                .arg(&file)
                .output()
                .unwrap();
            assert!(
                !output.status.success(),
                "{compiler} accepts line {}: {line}",
                index + 1
            );
            let error = stderr(&output);
            assert!(
                error.contains("static assertion") || line.is_empty() || error.contains("has no member"),
                "{line}\n{error}"
            );
        }
    }
}

fn python(interpreter: &str, directory: &Path, options: &[&str], program: &str) -> Result<String, String> {
    let output = Command::new(interpreter)
        .args(["-B", "-W", "error"])
        .args(options)
        .args(["-c", program])
        .current_dir(directory)
        .output()
        .unwrap();
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(stderr(&output))
    }
}

#[test]
fn modules_can_be_imported() {
    let directory = TempDir::new().unwrap();
    for (name, schemas) in golden_sets() {
        std::fs::write(directory.path().join(format!("{name}.py")), python::module(&schemas)).unwrap();
    }
    let mut names: Vec<String> = golden_sets().iter().map(|(name, _)| (*name).to_owned()).collect();
    for seed in 0..120 {
        let name = format!("random_{seed}");
        let schemas = [Random(seed).schema(), Random(seed + 1000).schema()];
        std::fs::write(directory.path().join(format!("{name}.py")), python::module(&schemas)).unwrap();
        names.push(name);
    }
    for interpreter in pythons() {
        let program = format!("import {}", names.join(", "));
        python(interpreter, directory.path(), &[], &program).unwrap_or_else(|error| panic!("{interpreter}: {error}"));
        let stubs = names.iter().take(4).map(|name| format!("{name}.pyi"));
        for stub in stubs {
            let set = golden_sets()
                .into_iter()
                .find(|(name, _)| stub == format!("{name}.pyi"))
                .unwrap();
            std::fs::write(directory.path().join(&stub), python::stub(&set.1)).unwrap();
            let program = format!("import ast; ast.parse(open('{stub}').read())");
            python(interpreter, directory.path(), &[], &program).unwrap();
        }
    }
}

/// Python writes through the generated class; the codec, which knows nothing of it, reads the same, and the other way round.
#[test]
fn python_and_the_codec_agree_on_every_kind() {
    let everything = schema(&EVERYTHING);
    let directory = TempDir::new().unwrap();
    std::fs::write(
        directory.path().join("every_kind.py"),
        python::module(std::slice::from_ref(&everything)),
    )
    .unwrap();
    for interpreter in pythons() {
        let hex = python(interpreter, directory.path(), &[], PYTHON_WRITER)
            .unwrap_or_else(|error| panic!("{interpreter}: {error}"));
        let bytes: Vec<u8> = (0..448)
            .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        let value = dmxp_schema::codec::decode(&everything, &bytes).unwrap();
        assert_eq!(
            value,
            serde_json::json!({
                "class": 1, "register": -1, "lambda": 2, "Side": -2, "class_": true, "side": "Sell", "count": 3, "SIZE": -3,
                "u64_value": u64::MAX, "i64_value": i64::MIN, "temperature": 1.5, "letter": "é", "price": 2.5,
                "at": "1970-01-01T00:00:01.5Z", "raw": "0102030405", "venue": "Zürich", "matrix": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
                "names": ["a", "bb", "ccc", "dddd"], "samples": [9, 8], "points": [{"x": 1.0, "y": 2.0}],
                "corner": {"x": 3.0, "y": 4.0}, "maybe": 0.5, "maybe_point": {"x": 5.0, "y": 6.0}, "maybe_side": "Buy",
                "maybe_text": null, "level": 77, "rights": ["Read", "Highest", 4], "shape": {"Circle": 0.25},
                "shapes": [{"Line": [{"x": 0.0, "y": 0.0}, {"x": 7.0, "y": 0.0}]}, {"Unknown": null}],
                "levels": ["None", 5], "times": [null, "1970-01-01T00:00:00.000000001Z"], "sides": ["Buy", "Sell", "Buy"],
                "switches": [true, false, true, false, true], "texts": ["x", "seven77"], "deep": 5
            }),
            "{interpreter}"
        );
    }
}

const PYTHON_WRITER: &str = r#"
import every_kind as g
m = g.EveryKind()
m.class__ = 1
m.register = -1
m.lambda_ = 2
m.Side_ = -2
m.class_ = True
m.side = g.Side.Sell
m.count = 3
m.SIZE_ = -3
m.u64_value = 2**64 - 1
m.i64_value = -2**63
m.temperature = 1.5
m.letter = "é"
m.price = 2.5
m.at = 1_500_000_000
m.raw = b"\1\2\3\4\5"
m.venue = "Zürich"
m.matrix[0][:] = [1, 2, 3]
m.matrix[1][:] = [4, 5, 6]
m.names = ["a", "bb", "ccc", "dddd"]
m.samples = [9, 8]
m.points = [g.Point(1, 2)]
m.corner.x = 3
m.corner.y = 4
m.maybe = 0.5
m.maybe_point = g.Point(5, 6)
m.maybe_side = g.Side.Buy
m.maybe_text = "gone"
m.maybe_text = None
m.level = 77
m.rights = g.Rights.Read | g.Rights.Highest | 4
m.shape.set(g.Shape.Kind.Circle, 0.25)
m.shapes[0].set(g.Shape.Kind.Line, [g.Point(0, 0), g.Point(7, 0)])
m.shapes[1].set(g.Shape.Kind.Unknown)
m.levels = [g.Level.None_, 5]
m.times = [None, 1]
m.sides = [1, 2, 1]
m.switches = [1, 0, 1, 0, 1]
m.texts = ["x", "seven77"]
m.deep = 5

# What was written is what is read.
assert m.class_ is True and m.side is g.Side.Sell and m.letter == "é" and m.venue == "Zürich"
assert m.raw == b"\1\2\3\4\5" and m.names == ["a", "bb", "ccc", "dddd"] and m.samples == [9, 8]
assert m.maybe == 0.5 and m.maybe_text is None and m.maybe_side is g.Side.Buy and m.deep == 5
assert m.level == 77 and m.levels == [g.Level.None_, 5] and m.times == [None, 1]
assert m.rights == g.Rights.ReadWrite & 1 | g.Rights.Highest | 4
assert m.shape.kind is g.Shape.Kind.Circle and m.shape.value == 0.25 and m.shapes[1].value is None
assert m.shapes[0].value[1].x == 7 and m.points[0].y == 2
assert m.at_datetime.isoformat() == "1970-01-01T00:00:01.500000+00:00"
assert m.switches == [True, False, True, False, True] and m.texts == ["x", "seven77"]
assert "venue='Zürich'" in repr(m)

# In place: two views of the same bytes.
data = bytearray(bytes(m))
one, two = g.EveryKind.from_buffer(data), g.EveryKind.from_buffer(data)
one.venue = "X"
one.points = [one.corner]
assert two.venue == "X" and two.points[0].x == 3

# What does not fit is refused and changes nothing.
def refuses(kind, action):
    before = bytes(data)
    try:
        action()
    except kind:
        assert bytes(data) == before
    else:
        raise SystemExit(f"{action} was accepted")

refuses(ValueError, lambda: setattr(one, "venue", "x" * 12))
refuses(ValueError, lambda: setattr(one, "raw", b"1"))
refuses(ValueError, lambda: setattr(one, "side", 7))
refuses(ValueError, lambda: setattr(one, "samples", [0] * 14))
refuses(AttributeError, lambda: setattr(one, "vennue", "typo"))
data[7] = 9
refuses(ValueError, lambda: one.side)
try:
    import numpy
except ImportError:
    pass
else:
    array = numpy.frombuffer(bytes(m), dtype=g.EveryKind.dtype())
    assert array.dtype.itemsize == 448 and array["price"][0] == 2.5 and array["venue"][0].decode() == "Zürich"
    assert array["matrix"][0].tolist() == [[1, 2, 3], [4, 5, 6]] and array["points"]["items"][0][0]["y"] == 2
    assert array["maybe"]["value"][0] == 0.5 and array["at"][0] == numpy.datetime64(1_500_000_000, "ns")
    assert array.dtype.fields["deep"][1] == 360
print(bytes(m).hex())
"#;

/// What does not fit raises, wherever it is stored, and changes nothing.
#[test]
fn python_stores_nothing_that_does_not_fit() {
    let everything = schema(&EVERYTHING);
    let directory = TempDir::new().unwrap();
    let module = python::module(std::slice::from_ref(&everything));
    std::fs::write(directory.path().join("every_kind.py"), module).unwrap();
    for interpreter in pythons() {
        let refused = python(interpreter, directory.path(), &[], PYTHON_REFUSALS)
            .unwrap_or_else(|error| panic!("{interpreter}: {error}"));
        assert!(refused.trim().parse::<u32>().unwrap() > 150, "only {refused}");
    }
}

const PYTHON_REFUSALS: &str = r#"
import copy, pickle
import every_kind as g

m = g.EveryKind(side=g.Side.Buy, sides=[1, 2, 1], samples=[1, 2], points=[g.Point(1, 2)], maybe_side=g.Side.Sell, names=list("abcd"))
m.shape.set(g.Shape.Kind.Line, [g.Point(1, 2), (3, 4)])
m.maybe_point = (5, 6)
m.deep = 7
count = 0

def refuses(kinds, action, whole=m):
    global count
    before = bytes(whole)
    try:
        action()
    except kinds as error:
        assert bytes(whole) == before, "something was stored"
        assert str(error)
    else:
        raise SystemExit(f"refusal {count} was accepted")
    count += 1

def field(name, *values, kinds):
    for value in values:
        refuses(kinds, lambda: setattr(m, name, value))
        refuses(kinds, lambda: g.EveryKind(**{name: value}))
        # A class that counts as its base does is no way round.
        class Sub(g.EveryKind):
            pass
        refuses(kinds, lambda: setattr(Sub.from_buffer(memory), name, value), memory)

memory = bytearray(bytes(m))
ranges = {"class__": (0, 255), "register": (-128, 127), "lambda_": (0, 65535), "Side_": (-2**15, 2**15 - 1), "count": (0, 2**32 - 1),
          "SIZE_": (-2**31, 2**31 - 1), "u64_value": (0, 2**64 - 1), "i64_value": (-2**63, 2**63 - 1), "at": (-2**63, 2**63 - 1),
          "level": (-2**63, 2**63 - 1), "rights": (0, 2**64 - 1)}
for name, (low, high) in ranges.items():
    field(name, low - 1, high + 1, 10**30, kinds=OverflowError)
    field(name, 1.5, 1.0, "1", b"1", None, [1], kinds=TypeError)
    for value in (low, high):
        setattr(m, name, value)
        assert getattr(m, name) == value
field("temperature", 1e39, -1e39, 3.4028235677973366e38, 10**400, kinds=OverflowError)
field("temperature", "1", None, [1.0], kinds=TypeError)
field("price", 10**400, kinds=OverflowError)
field("price", "1", None, [1.0], kinds=TypeError)
field("class_", "false", "", None, 0.0, [], kinds=TypeError)
field("class_", 2, -1, kinds=ValueError)
field("side", 0, 3, 256, -1, kinds=ValueError)
field("side", "Buy", 1.0, None, kinds=TypeError)
field("letter", "", "ab", 65, b"a", None, kinds=TypeError)
field("letter", "\ud800", kinds=ValueError)
field("raw", 5, 5.0, None, "abcde", ["a"] * 5, kinds=TypeError)
field("raw", b"1234", b"123456", [256, 0, 0, 0, 0], kinds=ValueError)
field("venue", b"XETR", 1, None, kinds=TypeError)
field("venue", "x" * 12, "\0", "\udc80", kinds=ValueError)
field("names", "abcd", [1, 2, 3, 4], None, 4, kinds=TypeError)
field("names", list("abc"), ["a", "b", "c", "ddddd"], kinds=ValueError)
field("sides", [1, 2, "Buy"], 3, None, kinds=TypeError)
field("sides", [1, 2], [1, 2, 3], kinds=ValueError)
field("switches", [1, 0, 1, 0, "no"], kinds=TypeError)
field("switches", [1, 0, 1, 0, 2], kinds=ValueError)
field("samples", [1, 2, 256], [-1], kinds=OverflowError)
field("samples", "12", 3, [None], kinds=TypeError)
field("samples", [0] * 14, kinds=ValueError)
field("matrix", [[1, 2, 3], [4, 5, 1e39]], kinds=OverflowError)
field("matrix", [[1, 2, 3], [4, 5, "6"]], "ab", 1, kinds=TypeError)
field("matrix", [[1, 2, 3]], [[1, 2, 3], [4, 5]], kinds=ValueError)
field("points", [g.Point(1, 1), (1, 1e39)], kinds=OverflowError)
field("points", [g.Point(1, 1), 5], [g.Shape()], "ab", kinds=TypeError)
field("corner", (1, 1e39), {"x": 1e39}, kinds=OverflowError)
field("corner", 5, "ab", None, g.Shape(), (1, "2"), kinds=TypeError)
field("maybe", 1e39, kinds=OverflowError)
field("maybe", "1", kinds=TypeError)
field("maybe_point", (1, 1e39), kinds=OverflowError)
field("maybe_point", 5, kinds=TypeError)
field("maybe_side", 3, kinds=ValueError)
field("maybe_side", "Buy", kinds=TypeError)
field("maybe_text", "123456", kinds=ValueError)
field("maybe_text", 1, b"1", kinds=TypeError)
field("levels", [1, 2**63], kinds=OverflowError)
field("levels", [1, "2"], kinds=TypeError)
field("times", [0, 2**63], kinds=OverflowError)
field("times", [0, "2"], kinds=TypeError)
field("times", [0], kinds=ValueError)
field("texts", ["ok", "much too long"], kinds=ValueError)
field("texts", "ok", ["ok", 2], kinds=TypeError)
field("deep", -1, 2**16, kinds=OverflowError)
field("deep", "1", kinds=TypeError)
field("shape", 5, (g.Shape.Kind.Circle, "2"), kinds=TypeError)
field("shape", (9, 1.0), (g.Shape.Kind.Unknown, 1), (None, 1), kinds=ValueError)
field("shapes", [g.Shape(), 5], kinds=TypeError)

# Parts, in place.
refuses(OverflowError, lambda: m.matrix[1].__setitem__(0, 1e39))
refuses(OverflowError, lambda: m.matrix[1].__setitem__(slice(0, 2), [1, 1e39]))
refuses(ValueError, lambda: m.matrix[1].__setitem__(slice(0, 2), [1]))
refuses(TypeError, lambda: m.matrix.__setitem__(0, [1, 2, "3"]))
refuses(OverflowError, lambda: setattr(m.corner, "x", 1e39))
refuses(TypeError, lambda: m.shapes.__setitem__(0, 5))
refuses(OverflowError, lambda: setattr(m.shape, "tag", 2**64))
refuses(TypeError, lambda: m.shape.set(g.Shape.Kind.Line, [g.Point(), 5]))
refuses(OverflowError, lambda: m.shape.set(g.Shape.Kind.Line, [g.Point(), (0, 1e39)]))
refuses(ValueError, lambda: m.shape.set(77, 5))
refuses(ValueError, lambda: m.shape.set(g.Shape.Kind.Side, 9))
refuses(OverflowError, lambda: setattr(m.shape.payload.Line[0], "y", -1e39))
refuses(OverflowError, lambda: setattr(m.points[0], "y", -1e39))
refuses(TypeError, lambda: setattr(m.shape.payload, "Circle", "2"))
refuses(ValueError, lambda: setattr(m.shape.payload, "Side", 9))
# By position, and past the properties.
refuses(OverflowError, lambda: g.EveryKind(256))
refuses(ValueError, lambda: g.EveryKind(0, 0, 0, 0, 0, 9))
refuses(ValueError, lambda: setattr(m, "_side", 9))
refuses(OverflowError, lambda: g.Point(1e39))
refuses(AttributeError, lambda: g.EveryKind(sidee=1))

# The error names the field.
try:
    m.corner = (1, 1e39)
except OverflowError as error:
    assert "EveryKind.corner" in str(error) and "Point.y" in str(error) and "f32" in str(error), error

# What fits is taken, in whatever form it comes.
m.matrix = ((1, 2, 3), range(4, 7))
m.matrix[0][1:3] = (8, 9)
m.samples = b"abc"
m.raw = [1, 2, 3, 4, 255]
m.corner = {"x": 1, "y": 2}
m.points = (point for point in [m.corner, (3, 4)])
m.shape = (g.Shape.Kind.Circle, 2)
m.temperature = float("inf")
m.sides = iter((2, 2, 2))
m.class_ = 1
assert m.matrix == [[1, 8, 9], [4, 5, 6]] and m.samples == [97, 98, 99] and m.raw == b"\1\2\3\4\xff"
assert m.points == [g.Point(1, 2), g.Point(3, 4)] and m.shape.value == 2 and m.temperature > 1e300 and m.class_ is True

# A part of a message is stored in another place of it.
m.shape.set(g.Shape.Kind.Line, [(1, 2), (3, 4)])
m.shapes[0] = m.shape
m.shape.set(g.Shape.Kind.Line, m.shape.value[::-1])
assert m.shapes[0].value == [(1, 2), (3, 4)] or m.shapes[0].value[1] == g.Point(3, 4)
assert m.shape.value[0] == g.Point(3, 4) and m.shape.value[1] == g.Point(1, 2)

# Copies, pickles, comparisons and texts, of the whole and of all parts.
for part in (m, m.corner, m.matrix, m.matrix[0], m.shape, m.shapes, m.shapes[0], m.points[0], m.maybe_point, m._maybe, m._samples, m.shape.payload):
    for other in (copy.copy(part), copy.deepcopy(part), pickle.loads(pickle.dumps(part)), copy.deepcopy([part])[0]):
        assert type(other) is type(part) and other == part and bytes(other) == bytes(part), part
        assert other._b_base_ is None
        assert "object at" not in repr(part)
    try:
        hash(part)
    except TypeError:
        pass
    else:
        raise SystemExit("a value that changes has no hash")
a, b = g.Point(1, 2), g.Point(1, 2)
assert a == b and a != g.Point(1, 3) and a != (1, 2) and g.Shape() != g.Shape(g.Shape.Kind.Unknown)
assert repr(m.shapes[0]) == "Shape(Shape.Kind.Line, [Point(x=1.0, y=2.0), Point(x=3.0, y=4.0)])", repr(m.shapes[0])
assert repr(g.Shape()) == "Shape()" and "matrix=[[1.0, 8.0, 9.0], [4.0, 5.0, 6.0]]" in repr(m)
# What lies behind a text, or in the room of a list, is no part of the value.
one, two = copy.copy(m), copy.copy(m)
one._samples.items[7] = 1
assert one == two and bytes(one) != bytes(two)
invalid = g.EveryKind()
assert invalid == copy.copy(invalid) and invalid != m and "is not a valid Side" in repr(invalid)
print(count)
"#;

/// Messages of random schemas, filled at random: reading a property and writing it back changes no byte.
#[test]
fn python_properties_write_what_they_read() {
    let directory = TempDir::new().unwrap();
    let mut random = Random(21);
    let mut messages = Vec::new();
    for seed in 0..150 {
        let schema = Random(seed).schema();
        let mut samples = Vec::new();
        for _ in 0..400 {
            let bytes = random.bytes(schema.size() as usize);
            // Python has no form for bytes beside a value, and does not promise the bits of a NaN.
            let plain = |text: &str| !text.contains("\"$") && !text.contains("NaN");
            let decoded = dmxp_schema::codec::decode(&schema, &bytes);
            if samples.len() < 8 && decoded.is_ok_and(|value| plain(&value.to_string())) {
                samples.push(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
            }
        }
        samples.push("00".repeat(schema.size() as usize));
        if dmxp_schema::codec::decode(&schema, &vec![0; schema.size() as usize]).is_err() {
            samples.pop();
        }
        let name = format!("random_{seed}");
        std::fs::write(directory.path().join(format!("{name}.py")), python::module(&[schema])).unwrap();
        messages.push((name, samples));
    }
    let count: usize = messages.iter().map(|(_, samples)| samples.len()).sum();
    assert!(count > 300, "only {count} messages");
    std::fs::write(
        directory.path().join("messages.json"),
        serde_json::to_string(&messages).unwrap(),
    )
    .unwrap();
    let program = r#"
import importlib, json
written = 0
with open("messages.json") as file:
    messages = json.load(file)
for name, samples in messages:
    module = importlib.import_module(name)
    cls = next(c for c in vars(module).values() if hasattr(c, "SCHEMA"))
    properties = [name for name, p in vars(cls).items() if isinstance(p, property) and p.fset]
    for sample in samples:
        sample = bytes.fromhex(sample)
        message = cls.from_buffer_copy(sample)
        repr(message)
        for name in properties:
            setattr(message, name, getattr(message, name))
            written += 1
            assert bytes(message) == sample, (name, sample, bytes(message), cls.SCHEMA)
print(written)
"#;
    for interpreter in pythons() {
        let written = python(interpreter, directory.path(), &[], program)
            .unwrap_or_else(|error| panic!("{interpreter}: {error}"));
        assert!(
            written.trim().parse::<u32>().unwrap() > 500,
            "only {written} properties"
        );
    }
}

/// As [`c_mutants`].
fn python_mutants(module: &str) -> Vec<(usize, String)> {
    let mut mutants = Vec::new();
    for (index, line) in module.lines().enumerate() {
        let field = line.trim_start().starts_with("(\"") && line.ends_with("),") && line.contains("ctypes.");
        if line.starts_with("_check(")
            || line.starts_with("    SIZE = ")
            || line.starts_with("    ALIGNMENT = ")
            || (field && line.matches(',').count() == 4)
        {
            let mut start = 0;
            // Each number outside names and types.
            while let Some(at) = line[start..].find([' ']).map(|at| start + at + 1) {
                let digits = line[at..].chars().take_while(char::is_ascii_digit).count();
                if digits > 0 {
                    let number: u64 = line[at..at + digits].parse().unwrap();
                    {
                        let other = number + 1;
                        mutants.push((index, format!("{}{other}{}", &line[..at], &line[at + digits..])));
                    }
                }
                start = at;
            }
        }
        if field {
            mutants.push((index, String::new()));
            for (from, to) in [
                ("c_uint8", "c_uint16"),
                ("c_uint8", "c_int8"),
                ("c_uint16", "c_int16"),
                ("c_uint32", "c_float"),
                ("c_uint64", "c_double"),
                ("c_int64", "c_uint64"),
                ("c_float", "c_double"),
                ("c_double", "c_int64"),
            ] {
                if line.contains(&format!("ctypes.{from}")) {
                    mutants.push((index, line.replacen(from, to, 1)));
                }
            }
            if let Some((start, length)) = line.rsplit_once("* ") {
                let length: u32 = length.trim_end_matches(['(', ')', ',']).parse().unwrap();
                mutants.push((index, format!("{start}* {}),", length + 1)));
            }
        }
    }
    mutants
}

#[test]
fn a_module_changed_by_hand_cannot_be_imported() {
    let directory = TempDir::new().unwrap();
    let module = python::module(&[schema(&EVERYTHING)]);
    let mutants = python_mutants(&module);
    assert!(mutants.len() > 300, "only {} mutants", mutants.len());
    for (number, (index, line)) in mutants.iter().enumerate() {
        std::fs::write(
            directory.path().join(format!("mutant_{number}.py")),
            with_line(&module, *index, line),
        )
        .unwrap();
    }
    std::fs::write(directory.path().join("original.py"), &module).unwrap();
    // One process tries them all; `-O` shows that no check is an `assert`.
    let program = format!(
        "import importlib\nimport original\naccepted = []\nfor n in range({}):\n    try:\n        \
         importlib.import_module(f'mutant_{{n}}')\n    except (ImportError, TypeError, ValueError, AttributeError):\n        \
         continue\n    accepted.append(n)\nprint(accepted)\n",
        mutants.len()
    );
    for interpreter in pythons() {
        let accepted =
            python(interpreter, directory.path(), &["-O"], &program).unwrap_or_else(|e| panic!("{interpreter}: {e}"));
        let first = accepted
            .trim()
            .trim_matches(['[', ']'])
            .split(',')
            .next()
            .unwrap_or_default();
        assert!(
            first.is_empty(),
            "{interpreter} accepts {accepted}, first: {:?}",
            first.parse::<usize>().map(|number| &mutants[number])
        );
    }
}

#[test]
fn several_schemas_share_one_definition() {
    let schemas = [schema(&ORDER), schema(&TICK), schema(&TICK)];
    let header = c::header(&schemas);
    assert_eq!(header.matches("typedef struct Tick {").count(), 1);
    assert_eq!(header.matches("#define TICK_SCHEMA ").count(), 1);
    assert_eq!(header.matches("#define ORDER_SCHEMA ").count(), 1);
    let module = python::module(&schemas);
    assert_eq!(module.matches("class Tick(").count(), 1);
    assert_eq!(module.matches("class Side(").count(), 1);
    assert!(c::header(&ALL.map(schema)).contains("Point_2"));
}
