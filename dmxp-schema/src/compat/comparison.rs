//! What a comparison of two schemas comes to, and how it is told.

use std::fmt;

/// What a comparison comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// No difference, not even in notes.
    Identical,
    /// The reader can read what the writer writes.
    Compatible,
    /// The reader would misread something, or reject it.
    Incompatible,
}

/// What one difference does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// A note differs; bytes and meaning are the same.
    Note,
    /// The schemas differ, the reader can read the messages.
    Compatible,
    /// The reader cannot read the messages.
    Incompatible,
}

/// The kind of part that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// The message as a whole.
    Message,
    /// A field, or the element, value or payload in it.
    Field,
    /// A value of an enum.
    Value,
    /// A variant of a union.
    Variant,
}

/// One difference between two schemas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What differs.
    pub part: Part,
    /// Dotted path to it, for example `legs[].side`; the message's name for the message itself.
    pub path: String,
    /// What the writer has, for example `f64 at offset 8`; `None` when it has nothing of the kind.
    pub writer: Option<String>,
    /// What the reader has; `None` when it has nothing of the kind.
    pub reader: Option<String>,
    /// What follows.
    pub effect: Effect,
    /// Why, in a few words.
    pub reason: &'static str,
}

/// The result of [`compare`](super::compare()).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The worst of the effects.
    pub verdict: Verdict,
    /// The differences, in the order of the fields.
    pub differences: Vec<Difference>,
}

impl Comparison {
    /// Whether the reader can read what the writer writes.
    #[must_use]
    pub fn is_compatible(&self) -> bool {
        self.verdict != Verdict::Incompatible
    }

    /// The first difference that stands in the way, if any.
    #[must_use]
    pub fn first_obstacle(&self) -> Option<&Difference> {
        self.differences
            .iter()
            .find(|difference| difference.effect == Effect::Incompatible)
    }

    /// The text that `Display` gives, with other words for where the writer's and the reader's schema are. A producer that
    /// compares itself with a channel says `describe("here", "in the channel")`.
    #[must_use]
    pub fn describe(&self, writer: &str, reader: &str) -> String {
        let count = |effect| {
            self.differences
                .iter()
                .filter(|difference| difference.effect == effect)
                .count()
        };
        let number = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
        let mut text = match self.verdict {
            Verdict::Identical => return "the schemas are identical".to_owned(),
            Verdict::Compatible => "the schemas are compatible".to_owned(),
            Verdict::Incompatible => format!(
                "the schemas are not compatible, for {}",
                number(count(Effect::Incompatible), "reason", "reasons")
            ),
        };
        for (effect, heading) in [
            (Effect::Incompatible, ""),
            (Effect::Compatible, "differences that do no harm"),
            (Effect::Note, "notes that differ"),
        ] {
            if count(effect) == 0 {
                continue;
            }
            if !heading.is_empty() {
                text += &format!("\n{heading}");
            }
            text += ":";
            for difference in self.differences.iter().filter(|difference| difference.effect == effect) {
                text += &format!("\n  {}", difference.describe(writer, reader));
            }
        }
        text
    }
}

/// For a reader that opens a channel: `in the channel` is the writer, `here` the reader.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe("in the channel", "here"))
    }
}

impl Difference {
    /// The text that `Display` gives, with other words for where the writer's and the reader's schema are.
    #[must_use]
    pub fn describe(&self, writer: &str, reader: &str) -> String {
        let part = match self.part {
            Part::Message => "message",
            Part::Field => "field",
            Part::Value => "value",
            Part::Variant => "variant",
        };
        let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "nothing".to_owned());
        format!(
            "{part} `{}`: {} {writer}, {} {reader} ({})",
            self.path,
            side(&self.writer),
            side(&self.reader),
            self.reason
        )
    }
}

/// For a reader that opens a channel: `in the channel` is the writer, `here` the reader.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe("in the channel", "here"))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identical => "identical",
            Self::Compatible => "compatible",
            Self::Incompatible => "incompatible",
        })
    }
}
