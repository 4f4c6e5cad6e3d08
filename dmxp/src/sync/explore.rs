//! What loom's tests explore with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Explores a scenario; at each point at most `preemptions` threads were interrupted where they could have gone on.
pub(crate) fn explore(preemptions: usize, test: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.max_branches = 10_000;
    model.check(test);
}

/// Explores a scenario for each step at which its mortal thread can die, up to the one at which it has nothing left to do.
/// The scenario is given the step and says whether the mortal came to its end.
pub(crate) fn explore_deaths(preemptions: usize, scenario: impl Fn(u32) -> bool + Clone + Send + Sync + 'static) {
    for steps in 0.. {
        assert!(steps < 200, "a life without end");
        let died = Arc::new(AtomicBool::new(false));
        let (scenario, note) = (scenario.clone(), died.clone());
        explore(preemptions, move || {
            if !scenario(steps) {
                note.store(true, Ordering::Relaxed);
            }
        });
        if !died.load(Ordering::Relaxed) {
            return;
        }
    }
}
