//! What stands above an attribute in the source. The compiler takes `#[derive(…)]` off an item before it gives the item to the attributes
//! below, and says nothing of it; but it says where the attribute stands.

use proc_macro2::{Span, TokenStream, TokenTree};

/// The last segments of what is derived by the attributes directly above the place. Empty where there is no source to look into.
pub(crate) fn derived_above(place: Span) -> Vec<String> {
    if !proc_macro::is_available() {
        return Vec::new();
    }
    let start = place.unwrap().start();
    let read = start.local_file().and_then(|file| std::fs::read_to_string(file).ok());
    read.map_or_else(Vec::new, |source| derives_before(&source, start.line(), start.column()))
}

/// The same of a source, where the attribute begins at the line and column, which count from 1.
fn derives_before(source: &str, line: usize, column: usize) -> Vec<String> {
    let mut before: Vec<&str> = source.lines().take(line).collect();
    if let Some(last) = before.last_mut() {
        // Columns count characters.
        let end = last
            .char_indices()
            .nth(column.saturating_sub(1))
            .map_or(last.len(), |(at, _)| at);
        *last = &last[..end];
    }
    // From the attribute upwards: comments and attributes, as tokens once they are complete.
    let mut names = Vec::new();
    let mut attribute = String::new();
    for line in before.into_iter().rev() {
        let line = line.trim();
        if attribute.is_empty() && (line.is_empty() || line.starts_with("//")) {
            continue;
        }
        if attribute.is_empty() && !line.ends_with(']') && !line.contains("] //") {
            break;
        }
        attribute = format!("{line}\n{attribute}");
        if !line.starts_with("#[") {
            continue;
        }
        let Ok(tokens) = attribute.parse::<TokenStream>() else {
            break;
        };
        collect(tokens, &mut names);
        attribute.clear();
    }
    names
}

/// The names in each `#[derive(…)]` of some tokens.
fn collect(tokens: TokenStream, names: &mut Vec<String>) {
    for tree in tokens {
        let TokenTree::Group(group) = tree else {
            continue;
        };
        let mut inside = group.stream().into_iter();
        if let (Some(TokenTree::Ident(word)), Some(TokenTree::Group(list))) = (inside.next(), inside.next())
            && word == "derive"
        {
            let mut last = None;
            for tree in list.stream() {
                match tree {
                    TokenTree::Ident(name) => last = Some(name.to_string()),
                    TokenTree::Punct(punct) if punct.as_char() == ',' => names.extend(last.take()),
                    _ => {}
                }
            }
            names.extend(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::derives_before;

    fn above(source: &str) -> Vec<String> {
        let at = source.find("#[dmxp::message").expect("it is there");
        let line = source[..at].matches('\n').count() + 1;
        let column = source[..at].rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        derives_before(source, line, column)
    }

    #[test]
    fn derives_directly_above_are_found() {
        for source in [
            "struct Other;\n#[derive(Clone, std::fmt::Debug)]\n#[dmxp::message]\nstruct A;",
            "#[derive(Clone)] #[derive(Debug)] #[dmxp::message] struct A;",
            "    #[derive(\n        Clone,\n        Debug,\n    )]\n\n    /// Text.\n    #[repr(C)]\n    #[dmxp::message]\n    struct A;",
            "#[derive(Clone, Debug)] // as usual\n// and more\n#[doc = \"é\"] #[dmxp::message(version = 2)]\nstruct A;",
        ] {
            let mut found = above(source);
            found.sort();
            assert_eq!(found, ["Clone", "Debug"], "{source}");
        }
    }

    #[test]
    fn derives_of_other_items_are_not() {
        for source in [
            "#[derive(Clone)]\nstruct Other;\n#[dmxp::message]\nstruct A;",
            "#[derive(Clone)] struct Other; #[dmxp::message] struct A;",
            "#[dmxp::message]\n#[derive(Clone)]\nstruct A;",
            "// #[derive(Clone)]\n#[dmxp::message]\nstruct A;",
        ] {
            assert!(above(source).is_empty(), "{source}");
        }
    }
}
