//! Litmus tests: small programs whose outcomes are known, from the standard, from RC11, or from the papers that gave them
//! their names. Each is searched in both ways of stepping, which must come to the same outcomes.

use super::Strength;
use crate::archive::{Archive, Fingerprints};
use crate::search::{Model, Violation};
use crate::weak::machine::{Machine, Protocol, State, Steps};
use crate::weak::turn::{Change, Step, Turn};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering::{self, AcqRel, Acquire, Relaxed, Release, SeqCst};

const X: usize = 0;
const Y: usize = 1;
const Z: usize = 2;
const PLAIN: usize = 0;

/// What a thread read, in the order of its program.
type Read = Vec<u64>;
type Program = Box<dyn Fn(&mut Turn<'_>) -> Step<Read>>;

struct Litmus {
    threads: Vec<Program>,
}

/// A thread's results once it has ended, as digits.
type Results = Option<u64>;

impl Protocol for Litmus {
    type Local = Results;
    type Ledger = ();

    fn values(&self) -> Vec<u64> {
        vec![0; 3]
    }

    fn locals(&self) -> Vec<Results> {
        vec![None; self.threads.len()]
    }

    fn ledger(&self) {}

    fn run(&self, thread: usize, local: &mut Results, turn: &mut Turn<'_>) -> Step<()> {
        let read = self.threads[thread](turn)?;
        *local = Some(read.iter().fold(0, |digits, value| digits * 10 + value));
        Ok(())
    }

    fn is_finished(&self, _thread: usize, local: &Results) -> bool {
        local.is_some()
    }

    fn interest(&self, _state: &State<Self>, _thread: usize) -> u32 {
        u32::MAX
    }

    fn has_acquire_fences(&self, _thread: usize) -> bool {
        true
    }

    fn has_membarrier(&self) -> bool {
        true
    }

    fn note(&self, (): &mut (), _thread: usize, _event: u64) -> Option<Violation> {
        None
    }

    fn is_good(&self, state: &State<Self>) -> bool {
        state.is_quiet()
    }
}

/// How a litmus test may end: each thread's results, then the last values of the locations; `None` for a data race.
type Ends = BTreeSet<Option<(Vec<u64>, [u64; 3])>>;

fn ends_in(steps: Steps, threads: Vec<Program>) -> Ends {
    let mut machine = Machine::new(Litmus { threads }, Strength::Weak, steps);
    let mut seen = Fingerprints::default();
    let initial = machine.initial();
    seen.intern(&mut machine, &initial);
    let (mut ends, mut next) = (Ends::new(), 0);
    while next < Archive::<Machine<Litmus>>::count(&seen) {
        let state = seen.take(&machine, next);
        next += 1;
        if state.broken.is_some() {
            ends.insert(None);
        } else if state.is_quiet() {
            let results = state.threads.iter().map(|thread| thread.local.expect("at its end"));
            ends.insert(Some((results.collect(), [X, Y, Z].map(|at| state.memory.newest(at)))));
        }
        let mut successors = Vec::new();
        machine.successors(&state, &mut successors);
        for successor in successors {
            seen.intern(&mut machine, &successor.state);
        }
    }
    ends
}

/// All ends of these threads. `threads` is called once for each way of stepping.
fn ends(threads: impl Fn() -> Vec<Program>) -> Ends {
    let single = ends_in(Steps::Single, threads());
    assert_eq!(
        ends_in(Steps::Fused, threads()),
        single,
        "fused steps come to other ends"
    );
    single
}

/// Whether these threads may read this: each thread's values as the digits of a number.
fn may_read(read: &[u64], threads: impl Fn() -> Vec<Program>) -> bool {
    ends(threads).iter().flatten().any(|(results, _)| results == read)
}

fn may_race(threads: impl Fn() -> Vec<Program>) -> bool {
    ends(threads).contains(&None)
}

fn thread(program: impl Fn(&mut Turn<'_>) -> Step<Read> + 'static) -> Program {
    Box::new(program)
}

/// Stores 1 to one location after the other.
fn stores(each: &[(usize, Ordering)]) -> Program {
    let each = each.to_vec();
    thread(move |turn| {
        for (location, order) in &each {
            turn.store(*location, 1, *order)?;
        }
        Ok(vec![])
    })
}

/// Loads one location after the other.
fn loads(each: &[(usize, Ordering)]) -> Program {
    let each = each.to_vec();
    thread(move |turn| {
        each.iter()
            .map(|(location, order)| turn.load(*location, *order))
            .collect()
    })
}

#[test]
fn message_passing_needs_release_and_acquire() {
    let stale = |publish, look| {
        may_read(&[0, 10], || {
            vec![stores(&[(X, Relaxed), (Y, publish)]), loads(&[(Y, look), (X, Relaxed)])]
        })
    };
    assert!(!stale(Release, Acquire));
    assert!(!stale(SeqCst, SeqCst));
    assert!(stale(Relaxed, Acquire));
    assert!(stale(Release, Relaxed));
    assert!(stale(Relaxed, Relaxed));
}

#[test]
fn message_passing_through_fences() {
    let stale = |before: Option<Ordering>, after: Option<Ordering>| {
        may_read(&[0, 10], || {
            vec![
                thread(move |turn| {
                    turn.store(X, 1, Relaxed)?;
                    if let Some(order) = before {
                        turn.fence(order)?;
                    }
                    turn.store(Y, 1, Relaxed)?;
                    Ok(vec![])
                }),
                thread(move |turn| {
                    let flag = turn.load(Y, Relaxed)?;
                    if let Some(order) = after {
                        turn.fence(order)?;
                    }
                    Ok(vec![flag, turn.load(X, Relaxed)?])
                }),
            ]
        })
    };
    assert!(!stale(Some(Release), Some(Acquire)));
    assert!(!stale(Some(SeqCst), Some(AcqRel)));
    assert!(stale(Some(Acquire), Some(Acquire)));
    assert!(stale(Some(Release), Some(Release)));
    assert!(stale(None, Some(Acquire)));
    assert!(stale(Some(Release), None));
}

#[test]
fn plain_data_need_the_same() {
    let race = |publish, look| {
        may_race(|| {
            vec![
                thread(move |turn| {
                    turn.write(PLAIN, 1)?;
                    turn.store(Y, 1, publish)?;
                    Ok(vec![])
                }),
                thread(move |turn| {
                    let flag = turn.load(Y, look)?;
                    let data = if flag == 1 { turn.read(PLAIN)? } else { 9 };
                    Ok(vec![flag, u64::from(data)])
                }),
            ]
        })
    };
    assert!(!race(Release, Acquire));
    assert!(race(Relaxed, Acquire));
    assert!(race(Release, Relaxed));
}

#[test]
fn a_write_must_come_after_the_reads_too() {
    let race = |release, look| {
        may_race(|| {
            vec![
                thread(move |turn| {
                    turn.read(PLAIN)?;
                    turn.store(Y, 1, release)?;
                    Ok(vec![])
                }),
                thread(move |turn| {
                    if turn.load(Y, look)? == 1 {
                        turn.write(PLAIN, 2)?;
                    }
                    Ok(vec![])
                }),
            ]
        })
    };
    assert!(!race(Release, Acquire));
    assert!(race(Relaxed, Acquire));
    assert!(race(Release, Relaxed));
    // Of two readers, both.
    assert!(may_race(|| {
        let reader = |location| {
            thread(move |turn| {
                turn.read(PLAIN)?;
                turn.store(location, 1, Release)?;
                Ok(vec![])
            })
        };
        let writer = thread(|turn| {
            if turn.load(X, Acquire)? == 1 {
                turn.write(PLAIN, 2)?;
            }
            Ok(vec![])
        });
        vec![reader(X), reader(Y), writer]
    }));
}

/// Store buffering: each thread stores to one location and loads the other.
fn store_buffering(order: [Ordering; 2], fence: [Option<Ordering>; 2]) -> bool {
    let half = move |mine, other, fence: Option<Ordering>| {
        thread(move |turn| {
            turn.store(mine, 1, order[0])?;
            if let Some(order) = fence {
                turn.fence(order)?;
            }
            Ok(vec![turn.load(other, order[1])?])
        })
    };
    may_read(&[0, 0], || vec![half(X, Y, fence[0]), half(Y, X, fence[1])])
}

#[test]
fn store_buffering_needs_two_full_fences() {
    let full = Some(SeqCst);
    assert!(!store_buffering([Relaxed, Relaxed], [full, full]));
    assert!(store_buffering([Relaxed, Relaxed], [full, None]));
    assert!(store_buffering([Release, Acquire], [None, None]));
    assert!(store_buffering([Release, Acquire], [Some(AcqRel), Some(AcqRel)]));
    // The standard forbids this one. Here such accesses order nothing more than acquire and release: nothing is proven by them.
    assert!(store_buffering([SeqCst, SeqCst], [None, None]));
}

#[test]
fn a_membarrier_is_the_others_fence() {
    let fast = || {
        thread(|turn| {
            turn.store(X, 1, Release)?;
            Ok(vec![turn.load(Y, Relaxed)?])
        })
    };
    let slow = |heavy: bool| {
        thread(move |turn| {
            turn.store(Y, 1, Relaxed)?;
            turn.fence(SeqCst)?;
            if heavy {
                turn.fence_in(0)?;
                turn.fence(SeqCst)?;
            }
            Ok(vec![turn.load(X, Relaxed)?])
        })
    };
    // Not in fused steps, which may put the fast side's load off until after the fence that it does not make itself.
    let both_miss = |heavy| {
        let ends = ends_in(Steps::Single, vec![fast(), slow(heavy)]);
        ends.iter().flatten().any(|(results, _)| results == &[0, 0])
    };
    assert!(!both_miss(true));
    assert!(both_miss(false));
}

#[test]
fn load_buffering_does_not_exist() {
    let half = |from, to| {
        thread(move |turn| {
            let found = turn.load(from, Relaxed)?;
            turn.store(to, 1, Relaxed)?;
            Ok(vec![found])
        })
    };
    assert!(!may_read(&[1, 1], || vec![half(X, Y), half(Y, X)]));
}

#[test]
fn one_location_is_coherent() {
    // CoRR: loads of one location find stores in one order.
    let readers = |first: u64, second: u64| {
        may_read(&[0, first, second], || {
            let writer = thread(|turn| {
                turn.store(X, 1, Relaxed)?;
                turn.store(X, 2, Relaxed)?;
                Ok(vec![])
            });
            vec![
                writer,
                loads(&[(X, Relaxed), (X, Relaxed)]),
                loads(&[(X, Relaxed), (X, Relaxed)]),
            ]
        })
    };
    assert!(!readers(21, 0) && !readers(10, 0) && !readers(20, 0));
    assert!(readers(12, 2) && readers(1, 22));
    // Two writers: what one reader finds in one order, no other finds in the other.
    let writers = || {
        let writer = |value| {
            thread(move |turn| {
                turn.store(X, value, Relaxed)?;
                Ok(vec![])
            })
        };
        let reader = || loads(&[(X, Relaxed), (X, Relaxed)]);
        vec![writer(1), writer(2), reader(), reader()]
    };
    assert!(!may_read(&[0, 0, 12, 21], writers));
    assert!(may_read(&[0, 0, 12, 12], writers) && may_read(&[0, 0, 21, 21], writers));
    // CoWR and CoRW: one's own store hides what was before it.
    let own = thread_pair;
    assert!(!may_read(&[0, 0], own));
}

/// A thread that loads what it has stored, and another one that stores too.
fn thread_pair() -> Vec<Program> {
    let own = thread(|turn| {
        turn.store(X, 1, Relaxed)?;
        Ok(vec![turn.load(X, Relaxed)?])
    });
    let other = thread(|turn| {
        turn.store(X, 2, Relaxed)?;
        Ok(vec![])
    });
    vec![own, other]
}

/// 2+2W: each thread stores 1 to one location and 2 to the other, in opposite order; both ones last?
fn two_writes_each(order: Ordering, fence: Option<Ordering>) -> bool {
    let half = move |first, second| {
        thread(move |turn| {
            turn.store(first, 2, Relaxed)?;
            if let Some(order) = fence {
                turn.fence(order)?;
            }
            turn.store(second, 1, order)?;
            Ok(vec![])
        })
    };
    let ends = ends(|| vec![half(X, Y), half(Y, X)]);
    ends.iter().flatten().any(|(_, last)| last[..2] == [2, 2])
}

#[test]
fn stores_to_two_locations_may_come_in_opposite_orders() {
    assert!(two_writes_each(Relaxed, None));
    assert!(two_writes_each(Release, None));
    assert!(two_writes_each(Release, Some(AcqRel)));
    assert!(!two_writes_each(Relaxed, Some(SeqCst)));
}

/// IRIW: two readers see two independent stores in opposite orders.
fn independent_reads(look: Ordering, fence: Option<Ordering>) -> bool {
    let reader = move |first, second| {
        thread(move |turn| {
            let one = turn.load(first, look)?;
            if let Some(order) = fence {
                turn.fence(order)?;
            }
            Ok(vec![one, turn.load(second, look)?])
        })
    };
    may_read(&[0, 0, 10, 10], || {
        vec![
            stores(&[(X, Release)]),
            stores(&[(Y, Release)]),
            reader(X, Y),
            reader(Y, X),
        ]
    })
}

#[test]
fn independent_stores_may_be_seen_in_opposite_orders() {
    assert!(independent_reads(Acquire, None));
    assert!(independent_reads(Acquire, Some(AcqRel)));
    assert!(!independent_reads(Acquire, Some(SeqCst)));
}

#[test]
fn what_is_seen_is_handed_on() {
    // ISA2: X, then Y, then Z.
    let chain = |middle: Ordering| {
        may_read(&[0, 1, 10], || {
            let relay = thread(move |turn| {
                let found = turn.load(Y, Acquire)?;
                if found == 1 {
                    turn.store(Z, 1, middle)?;
                }
                Ok(vec![found])
            });
            vec![
                stores(&[(X, Relaxed), (Y, Release)]),
                relay,
                loads(&[(Z, Acquire), (X, Relaxed)]),
            ]
        })
    };
    assert!(!chain(Release));
    assert!(chain(Relaxed));
}

/// A release store, something that follows it on the same location, and a reader that acquires that.
fn release_sequence(follow: fn(&mut Turn<'_>) -> Step<Read>, by_another: bool) -> bool {
    let head = move || {
        thread(move |turn| {
            turn.store(X, 1, Relaxed)?;
            turn.store(Y, 1, Release)?;
            if !by_another {
                follow(turn)?;
            }
            Ok(vec![])
        })
    };
    let follower = move || {
        thread(move |turn| match by_another {
            true => follow(turn),
            false => Ok(vec![]),
        })
    };
    may_read(&[0, 0, 20], || {
        vec![head(), follower(), loads(&[(Y, Acquire), (X, Relaxed)])]
    }) || may_read(&[0, 1, 20], || {
        vec![head(), follower(), loads(&[(Y, Acquire), (X, Relaxed)])]
    })
}

#[test]
fn release_sequences_go_through_read_modify_writes_alone() {
    let exchange = |turn: &mut Turn<'_>| Ok(vec![u64::from(turn.compare_exchange(Y, 1, 2, Relaxed, Relaxed)?)]);
    assert!(!release_sequence(exchange, true));
    assert!(!release_sequence(exchange, false));
    let store = |turn: &mut Turn<'_>| {
        turn.store(Y, 2, Relaxed)?;
        Ok(vec![])
    };
    // C++11 had the thread's own later stores in the sequence; C++20 has not.
    assert!(release_sequence(store, false));
    assert!(release_sequence(store, true));
}

#[test]
fn read_modify_writes_find_the_store_before_theirs() {
    // Two compare-and-swaps from one value: one succeeds.
    let swap = |value| thread(move |turn| Ok(vec![u64::from(turn.compare_exchange(X, 0, value, Relaxed, Relaxed)?)]));
    let both = ends(|| vec![swap(1), swap(2)]);
    assert!(
        both.iter()
            .flatten()
            .all(|(results, _)| results.iter().sum::<u64>() == 1)
    );
    // None of several additions is lost.
    let adds = || {
        let adds = thread(|turn| {
            turn.update(X, Change::Add(1), Relaxed)?;
            turn.update(X, Change::Add(1), Relaxed)?;
            Ok(vec![])
        });
        vec![adds, thread(|turn| Ok(vec![turn.update(X, Change::Add(1), Relaxed)?]))]
    };
    let added = ends(adds);
    assert!(added.iter().flatten().all(|(_, last)| last[X] == 3));
    // A store may come before one that is there already, but not between a read-modify-write and what that found.
    let between = ends(|| {
        let store = thread(|turn| {
            turn.store(X, 5, Relaxed)?;
            Ok(vec![])
        });
        vec![store, swap(1)]
    });
    let ways: BTreeSet<_> = between
        .iter()
        .flatten()
        .map(|(results, last)| (results[1], last[X]))
        .collect();
    // Swapped and then overwritten; or stored first, and the swap failed, or found it and failed.
    assert_eq!(ways, BTreeSet::from([(1, 5), (0, 5)]));
}

#[test]
fn a_swap_that_fails_is_a_load() {
    // It finds an old value, and acquires only if its failure does.
    let missed = |failure| {
        may_read(&[0, 0], || {
            let look = thread(move |turn| {
                let done = turn.compare_exchange(Y, 0, 2, AcqRel, failure)?;
                let found = turn.load(X, Relaxed)?;
                Ok(vec![if done { 9 } else { found }])
            });
            vec![stores(&[(X, Relaxed), (Y, Release)]), look]
        })
    };
    assert!(missed(Relaxed));
    assert!(!missed(Acquire));
}
