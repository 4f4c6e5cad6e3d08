//! A set of flags.

use std::fmt;
use std::slice;

use crate::codec::word::mask_of;
use crate::model::{Enum, EnumValue};

/// The flags of a field: bits, of which some have names.
#[derive(Clone, Copy)]
pub struct FlagSet<'a> {
    definition: &'a Enum,
    bits: u64,
}

impl<'a> FlagSet<'a> {
    pub(crate) fn new(definition: &'a Enum, bits: u64) -> Self {
        Self { definition, bits }
    }

    /// All bits, named or not.
    #[must_use]
    pub fn bits(&self) -> u64 {
        self.bits
    }

    /// The enum whose values are the masks.
    #[must_use]
    pub fn definition(&self) -> &'a Enum {
        self.definition
    }

    /// The names of what is set, in the order of their declaration. A name that covers several bits is among them when all of
    /// those are set and some have not been named before.
    #[must_use]
    pub fn names(&self) -> FlagNames<'a> {
        FlagNames {
            values: self.definition.values.iter(),
            set: *self,
            rest: self.bits,
        }
    }

    /// The bits that [`names`](Self::names) leaves.
    #[must_use]
    pub fn unnamed(&self) -> u64 {
        let mut names = self.names();
        names.by_ref().for_each(drop);
        names.rest
    }

    /// Whether all bits of that name are set; `None` if no flag has the name.
    #[must_use]
    pub fn contains(&self, name: &str) -> Option<bool> {
        let value = self.definition.values.iter().find(|value| value.name == name)?;
        let mask = self.mask(value);
        Some(self.bits & mask == mask)
    }

    fn mask(&self, value: &EnumValue) -> u64 {
        mask_of(value.value, self.definition.repr)
    }
}

/// `Stale | Indicative | 0x80`; `0` when nothing is set.
impl fmt::Display for FlagSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut names = self.names();
        for name in names.by_ref() {
            write!(f, "{separator}{name}")?;
            separator = " | ";
        }
        match names.rest {
            0 if separator.is_empty() => f.write_str("0"),
            0 => Ok(()),
            rest => write!(f, "{separator}{rest:#x}"),
        }
    }
}

impl fmt::Debug for FlagSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({self})", self.definition.name)
    }
}

/// Names of what is set in a [`FlagSet`].
#[derive(Clone, Debug)]
pub struct FlagNames<'a> {
    values: slice::Iter<'a, EnumValue>,
    set: FlagSet<'a>,
    rest: u64,
}

impl<'a> Iterator for FlagNames<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let value = self.values.next()?;
            let mask = self.set.mask(value);
            if mask & self.set.bits == mask && mask & self.rest != 0 {
                self.rest &= !mask;
                return Some(&value.name);
            }
        }
    }
}
