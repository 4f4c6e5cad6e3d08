//! What speaks for the weak memory's searches themselves: both ways of stepping find the same, and a mistake of orderings is one
//! over the weak memory only.

use dmxp_protocol_model::configurations::{Subject, all};
use dmxp_protocol_model::memory::Strength;
use dmxp_protocol_model::search::{Outcome, Verdict, Violation, search};
use dmxp_protocol_model::weak::machine::{Machine, Protocol, Steps};
use dmxp_protocol_model::weak::queue::{Queue, Site};

const STATES: usize = 2_000_000;

fn searched<P: Protocol>(protocol: P, strength: Strength, steps: Steps) -> Outcome {
    search(&mut Machine::new(protocol, strength, steps), STATES)
}

fn broken(outcome: &Outcome) -> Option<Violation> {
    match &outcome.verdict {
        Verdict::Clean => None,
        Verdict::Broken(violation, _) => Some(*violation),
        Verdict::TooLarge => panic!("more than {STATES} states"),
    }
}

/// The subjects of the cases whose names start so.
fn subjects(name: &str) -> Vec<(&'static str, Subject)> {
    let cases = all().into_iter().filter(|case| case.name.starts_with(name));
    let subjects: Vec<_> = cases.map(|case| (case.name, case.subject)).collect();
    assert!(!subjects.is_empty(), "no case is named {name}");
    subjects
}

#[test]
fn steps_of_one_access_find_what_fused_steps_find() {
    let queue = |producers, consumers, deaths: u8| Queue {
        capacity: 2,
        producers,
        consumers,
        sweepers: usize::from(deaths),
        producer_batch: 1,
        consumer_batch: 1,
        mortals: 1,
        deaths,
        relaxed: None,
    };
    let small = [
        queue(&[3], 1, 0),
        queue(&[1, 1], 1, 0),
        queue(&[1], 2, 0),
        queue(&[2], 1, 1),
    ];
    for plain in small {
        for relaxed in [
            None,
            Some(Site::Publish),
            Some(Site::ReadableLoad),
            Some(Site::Release),
            Some(Site::Proof),
        ] {
            let queue = Queue { relaxed, ..plain };
            let [fused, single] =
                [Steps::Fused, Steps::Single].map(|steps| broken(&searched(queue, Strength::Weak, steps)));
            assert_eq!(fused, single, "{queue:?}");
        }
    }
}

#[test]
fn a_mistake_of_orderings_is_none_over_a_sequential_memory() {
    for (name, subject) in subjects("weak mistake") {
        let Subject::WeakQueue(queue) = subject else {
            panic!("{name} is not about the queue");
        };
        let outcome = searched(queue, Strength::Sequential, Steps::Single);
        assert_eq!(broken(&outcome), None, "{name}");
    }
    for (name, subject) in subjects("weak packed mistake: relaxed") {
        let Subject::WeakPacked(packed) = subject else {
            panic!("{name} is not about packed slots");
        };
        let outcome = searched(packed, Strength::Sequential, Steps::Single);
        assert_eq!(broken(&outcome), None, "{name}");
    }
    for barrier in [
        "weak waiting mistake: no publisher's barrier",
        "weak waiting mistake: no waiter's",
    ] {
        for (name, subject) in subjects(barrier) {
            let Subject::WeakWaiting(waiting) = subject else {
                panic!("{name} is not about waiting");
            };
            let outcome = searched(waiting, Strength::Sequential, Steps::Single);
            assert_eq!(broken(&outcome), None, "{name}");
        }
    }
}
