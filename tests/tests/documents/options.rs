//! The table of channel options against docs/OPTIONS.md, and against what each language has: the builder's methods, the members of
//! `dmxp_channel_options`, the arguments of Python's functions.

use super::markdown::{document, section, table};
use dmxp::{ChannelOption, Given, SetBy, channel_options};
use std::collections::BTreeMap;

/// The name of an option in a language; `prefix` belongs to the names there.
fn name_in(option: &ChannelOption, given: Given, prefix: &str) -> Option<String> {
    match given {
        Given::Named => Some(format!("{prefix}{}", option.name)),
        Given::As(name) => Some(name.to_owned()),
        Given::Otherwise(_) | Given::Never => None,
    }
}

/// The same, as a cell of the page.
fn cell(option: &ChannelOption, given: Given, prefix: &str) -> String {
    match given {
        Given::Otherwise(words) => words.to_owned(),
        _ => name_in(option, given, prefix).map_or_else(|| "-".to_owned(), |name| format!("`{name}`")),
    }
}

/// `[text](target)` is `text`.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        let (words, target) = link
            .split_once("](")
            .unwrap_or_else(|| panic!("a bracket without a link: {text}"));
        let (_, after) = target
            .split_once(')')
            .unwrap_or_else(|| panic!("a link without an end: {text}"));
        plain.push_str(before);
        plain.push_str(words);
        rest = after;
    }
    plain + rest
}

#[test]
fn the_page_has_the_rows_of_the_table() {
    let page = section(&document("docs/OPTIONS.md"), "## All options");
    let mut rows: BTreeMap<String, Vec<String>> = table(&page, "| option | Rust | C | Python |")
        .into_iter()
        .map(|row| (row[0].clone(), row.iter().map(|cell| without_links(cell)).collect()))
        .collect();
    for option in channel_options() {
        let set_by = match option.set_by {
            SetBy::Creator => "creator",
            SetBy::Handle => "handle",
            SetBy::Producer => "producer",
            SetBy::Consumer => "consumer",
        };
        let row = [
            option.name.to_owned(),
            cell(option, option.rust, "with_"),
            cell(option, option.c, ""),
            cell(option, option.python, ""),
            option.values.to_owned(),
            option.default.to_owned(),
            set_by.to_owned(),
            option.doc.to_owned(),
        ];
        // What to write there, if it is not.
        assert_eq!(
            rows.remove(option.name).as_deref(),
            Some(&row[..]),
            "| {} |",
            row.join(" | ")
        );
    }
    assert!(rows.is_empty(), "no such options: {rows:#?}");
}

/// Sorted, as the names that a language has.
fn sorted(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort();
    names
}

#[test]
fn the_builder_has_a_method_for_each_option() {
    let source = document("dmxp/src/typed/builder.rs");
    let methods = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub fn "))
        .filter_map(|line| line.split('(').next())
        .filter(|name| name.starts_with("with_") || *name == "open_only")
        .map(str::to_owned);
    let named = channel_options().filter_map(|option| name_in(option, option.rust, "with_"));
    assert_eq!(sorted(methods), sorted(named));
}

#[test]
fn the_struct_of_c_has_a_member_for_each_option() {
    let header = document("bindings/c/include/dmxp.h");
    let (body, _) = header.split_once("} dmxp_channel_options;").expect("the struct's end");
    let (_, body) = body.rsplit_once("typedef struct {").expect("its beginning");
    let members: BTreeMap<&str, &str> = body
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .map(|line| {
            let (of, name) = line
                .trim_end_matches(';')
                .rsplit_once([' ', '*'])
                .expect("a type and a name");
            (name.split('[').next().unwrap_or(name), of.trim())
        })
        .filter(|(name, _)| !matches!(*name, "struct_size" | "reserved"))
        .collect();
    let named = channel_options().filter_map(|option| name_in(option, option.c, ""));
    assert_eq!(sorted(members.keys().map(|name| (*name).to_owned())), sorted(named));
    // A creator's flag can be left out: 0 is not "off".
    for option in channel_options().filter(|option| option.values == "flag") {
        let of = if option.set_by == SetBy::Creator {
            "int8_t"
        } else {
            "uint8_t"
        };
        assert_eq!(members.get(option.name).copied().unwrap_or(of), of, "{}", option.name);
    }
}

#[test]
fn the_functions_of_python_have_an_argument_for_each_option() {
    let stub = document("bindings/python/python/dmxp/_dmxp.pyi");
    for (function, not_its) in [
        ("create_producer", SetBy::Consumer),
        ("create_consumer", SetBy::Producer),
    ] {
        let named = || {
            let its = channel_options().filter(move |option| option.set_by != not_its);
            its.filter_map(|option| name_in(option, option.python, ""))
        };
        let declared: Vec<&str> = stub.split(&format!("def {function}(\n")).skip(1).collect();
        assert!(!declared.is_empty(), "{function}");
        for declared in declared {
            let (arguments, _) = declared.split_once(") ->").expect("the end of the arguments");
            let arguments: BTreeMap<&str, &str> = arguments
                .lines()
                .filter_map(|line| line.trim().trim_end_matches(',').split_once(": "))
                .collect();
            assert_eq!(
                sorted(arguments.keys().map(|name| (*name).to_owned())),
                sorted(named()),
                "{function}"
            );
            for option in channel_options().filter(|option| option.values == "flag") {
                let of = if option.set_by == SetBy::Creator {
                    "bool | None = None"
                } else {
                    "bool = False"
                };
                assert_eq!(arguments.get(option.name).copied().unwrap_or(of), of, "{}", option.name);
            }
        }
        // What the function takes in fact.
        let role = function.trim_start_matches("create_");
        let source = document(&format!("bindings/python/src/{role}.rs"));
        let (_, signature) = source
            .split_once("#[pyo3(signature = (channel_id=None, *, ")
            .expect("the signature");
        let (signature, _) = signature.split_once("))]").expect("its end");
        let taken = signature.split(", ").filter_map(|argument| argument.split('=').next());
        assert_eq!(
            sorted(taken.chain(["channel_id"]).map(str::to_owned)),
            sorted(named()),
            "{function}"
        );
    }
}
