//! The format document: its tables, and that they are the compiler's.

use super::markdown::{document, number, section, table};
use std::collections::BTreeMap;

const STRUCTURES: [&str; 8] = [
    "GlobalHeader",
    "ChannelEntry",
    "Slot",
    "MessageMeta",
    "ControlHeader",
    "ProcessRecord",
    "HandleRecord",
    "ChannelRecord",
];

pub(super) struct Field {
    pub(super) offset: u64,
    pub(super) size: u64,
    /// `None` for bytes that are free.
    name: Option<String>,
}

struct Structure {
    size: u64,
    align: u64,
    fields: Vec<Field>,
}

/// docs/MEMORY_LAYOUT.md.
pub(super) struct Format {
    pub(super) text: String,
    structures: BTreeMap<&'static str, Structure>,
}

impl Format {
    pub(super) fn read() -> Self {
        let text = document("docs/MEMORY_LAYOUT.md");
        let structures = STRUCTURES.map(|name| (name, Self::structure(&text, name))).into();
        Self { text, structures }
    }

    fn structure(text: &str, name: &str) -> Structure {
        let section = &section(text, &format!("### {name}"));
        let line = section
            .trim_start()
            .lines()
            .next()
            .expect("a line with size and alignment");
        let (size, rest) = line.split_once(" bytes, aligned to ").expect("size and alignment");
        let align: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let fields = table(section, "| offset | size | field |")
            .into_iter()
            .map(|row| Field {
                offset: number(&row[0]),
                size: number(&row[1]),
                name: (row[2] != "free").then(|| row[2].trim_matches('`').to_owned()),
            })
            .collect();
        Structure {
            size: number(size),
            align: number(&align),
            fields,
        }
    }

    pub(super) fn field(&self, structure: &str, field: &str) -> &Field {
        let fields = &self.structures[structure].fields;
        let found = fields.iter().find(|known| known.name.as_deref() == Some(field));
        found.unwrap_or_else(|| panic!("{structure}.{field} is not documented"))
    }

    pub(super) fn size(&self, structure: &str) -> u64 {
        self.structures[structure].size
    }

    /// The parts of a word: where their bits begin, and how many they are.
    pub(super) fn bits(&self, heading: &str) -> Word {
        let rows = table(&section(&self.text, heading), "| bits | part |");
        let parts = rows
            .into_iter()
            .map(|row| {
                let (high, low) = row[0]
                    .split_once('-')
                    .map_or((&*row[0], &*row[0]), |(low, high)| (high, low));
                let (low, high) = (number(low), number(high));
                let part = Part {
                    low,
                    width: high - low + 1,
                    meaning: row[2].clone(),
                };
                (row[1].clone(), part)
            })
            .collect();
        Word { parts }
    }

    pub(super) fn constants(&self) -> BTreeMap<String, u64> {
        let rows = table(&section(&self.text, "## Constants"), "| name | value |");
        rows.into_iter().map(|row| (row[0].clone(), number(&row[1]))).collect()
    }
}

struct Part {
    low: u64,
    width: u64,
    meaning: String,
}

pub(super) struct Word {
    parts: BTreeMap<String, Part>,
}

impl Word {
    /// The number that the meaning of a part gives a name: `1 ABORTED, 2 RETURNED`.
    pub(super) fn value(&self, part: &str, name: &str) -> u64 {
        let meaning = &self.parts[part].meaning;
        let words = meaning.split([' ', ',', ';', '.', ':']).filter(|word| !word.is_empty());
        let words: Vec<&str> = words.collect();
        let at = words
            .iter()
            .position(|word| *word == name)
            .unwrap_or_else(|| panic!("no {name} in {meaning}"));
        number(words[at - 1])
    }

    pub(super) fn encode(&self, values: &[(&str, u64)]) -> u64 {
        values.iter().fold(0, |word, (name, value)| {
            let part = &self.parts[*name];
            assert!(part.width == 64 || *value < 1 << part.width, "{name} {value}");
            word | value << part.low
        })
    }

    pub(super) fn get(&self, word: u64, name: &str) -> u64 {
        let part = &self.parts[name];
        word >> part.low & ((1 << part.width) - 1)
    }

    fn covers(&self, bits: u64) {
        let mut parts: Vec<(u64, u64)> = self.parts.values().map(|part| (part.low, part.width)).collect();
        parts.sort_unstable();
        let end = parts.into_iter().fold(0, |end, (low, width)| {
            assert_eq!(low, end, "bits from {end} on");
            low + width
        });
        assert_eq!(end, bits);
    }
}

#[test]
fn the_tables_of_the_format_are_the_compilers() {
    let format = Format::read();
    let mut described = BTreeMap::new();
    for line in dmxp::layout::describe().lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            [field, offset] => {
                described.insert(field.to_owned(), offset.parse::<u64>().expect("an offset"));
            }
            [name, size, align] => {
                let documented = format
                    .structures
                    .get(name)
                    .unwrap_or_else(|| panic!("{name} is not documented"));
                assert_eq!(
                    (documented.size.to_string(), documented.align.to_string()),
                    (size.into(), align.into()),
                    "{name}"
                );
            }
            _ => panic!("{line}"),
        }
    }
    for (name, structure) in &format.structures {
        let mut end = 0;
        for field in &structure.fields {
            assert_eq!(
                field.offset, end,
                "{name}: the rows leave out bytes before {}, or overlap",
                field.offset
            );
            end = field.offset + field.size;
            if let Some(field_name) = &field.name {
                let key = format!("{name}.{field_name}");
                assert_eq!(described.remove(&key), Some(field.offset), "{key}");
            }
        }
        assert_eq!(end, structure.size, "{name}: the rows do not end where it ends");
    }
    assert!(described.is_empty(), "not documented: {described:?}");
}

#[test]
fn the_parts_of_words_cover_them() {
    let format = Format::read();
    format.bits("### Slot sequences").covers(64);
    format.bits("### Record states").covers(64);
    format.bits("### Claim cells").covers(64);
    format.bits("### Waiting").covers(32);
}
