//! The table of docs/OPTIONS.md against the options that each language has.

use super::markdown::{document, section, table};
use std::collections::BTreeSet;

/// The names in a column, for example `` `name` ``; cells without a name of their own are left out.
fn column(index: usize) -> BTreeSet<String> {
    let text = section(&document("docs/OPTIONS.md"), "## All options");
    let rows = table(&text, "| option | Rust | C | Python | type | default | set by |");
    let cells = rows.iter().map(|row| row[index].clone());
    cells
        .filter_map(|cell| Some(cell.strip_prefix('`')?.strip_suffix('`')?.to_owned()))
        .collect()
}

fn assert_same(documented: &BTreeSet<String>, known: &BTreeSet<String>) {
    let missing: Vec<&String> = known.difference(documented).collect();
    let unknown: Vec<&String> = documented.difference(known).collect();
    assert!(missing.is_empty(), "not in docs/OPTIONS.md: {missing:?}");
    assert!(unknown.is_empty(), "in docs/OPTIONS.md, and no option: {unknown:?}");
}

#[test]
fn the_options_in_rust_are_the_builders_methods() {
    let api = document("tests/api/dmxp.txt");
    let methods = api
        .lines()
        .filter_map(|line| line.split_once("dmxp::ChannelBuilder<")?.1.split_once(">::"))
        .filter_map(|(_, method)| Some(method.split_once('(')?.0.to_owned()));
    let mut known: BTreeSet<String> = methods
        .filter(|name| name.starts_with("with_") || name == "open_only")
        .collect();
    known.insert("Channel::<T>::builder".to_owned());
    assert_same(&column(1), &known);
}

#[test]
fn the_options_in_c_are_the_members_of_the_struct() {
    let header = document("bindings/c/include/dmxp.h");
    let (before, _) = header.split_once("} dmxp_channel_options;").expect("the struct");
    let (_, body) = before.rsplit_once("typedef struct {").expect("its beginning");
    let members = body
        .lines()
        .map(str::trim)
        .filter(|line| line.ends_with(';') && !line.starts_with("//"));
    let names = members.map(|line| {
        let declared = line.trim_end_matches(';').split('[').next().unwrap_or_default();
        declared.rsplit([' ', '*']).next().unwrap_or_default().to_owned()
    });
    let known = names.filter(|name| !name.starts_with("reserved")).collect();
    assert_same(&column(2), &known);
}

#[test]
fn the_options_in_python_are_the_arguments() {
    let stub = document("bindings/python/python/dmxp/_dmxp.pyi");
    let functions = stub.split("\ndef ").filter(|text| text.starts_with("create_"));
    let arguments = functions.flat_map(|text| text.split(") -> ").next().unwrap_or_default().lines().skip(1));
    let known = arguments
        .filter_map(|line| Some(line.trim().split_once(':')?.0.to_owned()))
        .collect();
    assert_same(&column(3), &known);
}
