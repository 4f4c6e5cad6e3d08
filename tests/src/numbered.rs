//! Messages that are counted.

/// A message that says who sent it and when in the sender's order.
#[dmxp::message]
#[derive(PartialEq)]
pub struct Numbered {
    /// Who sent it.
    pub producer: u64,
    /// Counts the messages of its producer from 0.
    pub number: u64,
    /// Both numbers mixed, to notice torn messages.
    pub check: [u64; 6],
}

impl Numbered {
    /// Message `number` of `producer`.
    #[must_use]
    pub fn new(producer: u64, number: u64) -> Self {
        Self {
            producer,
            number,
            check: core::array::from_fn(|k| producer.rotate_left(13) ^ number ^ k as u64),
        }
    }

    /// Whether all of it is of one message.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.check == Self::new(self.producer, self.number).check
    }
}
