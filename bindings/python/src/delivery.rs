//! The words for who gets a message, and how consumers of a broadcast channel subscribe.

use dmxp::{ChannelBuilder, Delivery, Error, Start, Subscription};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// What can be said of it when a handle is opened, as the arguments have it.
#[derive(Debug, Default)]
pub(crate) struct Asked<'a, 'py> {
    pub(crate) delivery: Option<String>,
    pub(crate) single_producer: Option<bool>,
    pub(crate) lossy_subscribers: Option<bool>,
    pub(crate) timestamps: Option<bool>,
    pub(crate) subscription: Option<String>,
    pub(crate) start: Option<&'a Bound<'py, PyAny>>,
    pub(crate) end_without_producers: bool,
}

const DELIVERIES: [(&str, Delivery); 3] = [
    ("queue", Delivery::Queue),
    ("broadcast", Delivery::Broadcast),
    ("latest", Delivery::Latest),
];
const SUBSCRIPTIONS: [(&str, Subscription); 2] = [("reliable", Subscription::Reliable), ("lossy", Subscription::Lossy)];

/// What a word means, of those for an argument.
fn meaning<T: Copy>(argument: &str, given: &str, words: &[(&str, T)]) -> dmxp::Result<T> {
    let known = words.iter().find(|(word, _)| *word == given);
    known.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        Error::InvalidArgument {
            what: format!("{argument} is {given:?}; give {}", words.join(" or ")),
        }
    })
}

fn word<T: PartialEq>(value: T, words: &[(&'static str, T)]) -> &'static str {
    let known = words.iter().find(|(_, meant)| *meant == value);
    known.map_or("unknown", |(word, _)| word)
}

/// The word for a delivery.
pub(crate) fn delivery(delivery: Delivery) -> &'static str {
    word(delivery, &DELIVERIES)
}

/// The word for a subscription.
pub(crate) fn subscription(subscription: Subscription) -> &'static str {
    word(subscription, &SUBSCRIPTIONS)
}

impl Asked<'_, '_> {
    /// The builder with all of it.
    pub(crate) fn of(self, mut builder: ChannelBuilder) -> crate::errors::Result<ChannelBuilder> {
        if let Some(given) = self.delivery {
            builder = builder.with_delivery(meaning("delivery", &given, &DELIVERIES)?);
        }
        if let Some(yes) = self.single_producer {
            builder = builder.with_single_producer(yes);
        }
        if let Some(yes) = self.lossy_subscribers {
            builder = builder.with_lossy_subscribers(yes);
        }
        if let Some(yes) = self.timestamps {
            builder = builder.with_timestamps(yes);
        }
        if let Some(given) = self.subscription {
            builder = builder.with_subscription(meaning("subscription", &given, &SUBSCRIPTIONS)?);
        }
        if self.end_without_producers {
            builder = builder.with_end_without_producers(true);
        }
        if let Some(given) = self.start {
            builder = builder.with_start(start(given)?);
        }
        Ok(builder)
    }
}

/// Where to begin, as the argument `start` has it.
pub(crate) fn start(given: &Bound<'_, PyAny>) -> crate::errors::Result<Start> {
    if let Ok(word) = given.extract::<String>() {
        let words = [("newest", Start::Newest), ("oldest", Start::Oldest)];
        return Ok(meaning("start", &word, &words)?);
    }
    match given.extract() {
        Ok(position) => Ok(Start::Position(position)),
        Err(_) => Err(PyTypeError::new_err("start: give \"newest\", \"oldest\" or a position, 0 or more").into()),
    }
}
