//! Calibrations on machines that are made up: their clocks are stepped and slewed, their counters jump, stop and change speed.

use crate::os::clock::calibration::{Calibration, LIFETIME_NS, MOST_FAILURES, Reading, UNCERTAINTY_NS};

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const START_NS: u64 = 1_700_000_000 * SECOND;

/// Numbers that look random: Marsaglia's xorshift64.
struct Draws(u64);

impl Draws {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A machine, and a process that asks for the time on it. Counter and clock have fractions of 2^-32 below their units.
struct Machine {
    ticks: u128,
    clock: u128,
    ticks_a_ns: u128,
    /// How fast the clock goes, in millionths.
    clock_speed: u128,
    /// Nanoseconds from reading the counter to reading it again, and at most how much longer at random.
    width: u64,
    jitter: u64,
    draws: Draws,
    calibration: Calibration,
}

/// An answer: how far from the clock, and whether it came from the line.
#[derive(Clone, Copy, Debug)]
struct Answer {
    error: u64,
    by_line: bool,
}

impl Machine {
    fn new(mhz: u64) -> Self {
        Self {
            ticks: 123_456_789 << 32,
            clock: u128::from(START_NS) << 32,
            ticks_a_ns: (u128::from(mhz) << 32) / 1_000,
            clock_speed: 1_000_000,
            width: 40,
            jitter: 40,
            draws: Draws(0x9E37_79B9_7F4A_7C15),
            calibration: Calibration::default(),
        }
    }

    /// One that has a line.
    fn settled(mhz: u64) -> Self {
        let mut machine = Self::new(mhz);
        let answers = machine.run(5 * MILLISECOND, 10 * MICROSECOND);
        assert!(
            answers.last().is_some_and(|answer| answer.by_line),
            "no line after 5 ms"
        );
        machine
    }

    fn pass(&mut self, ns: u64) {
        self.ticks += u128::from(ns) * self.ticks_a_ns;
        self.clock += (u128::from(ns) << 32) * self.clock_speed / 1_000_000;
    }

    fn counter(&self) -> u64 {
        (self.ticks >> 32) as u64
    }

    fn clock(&self) -> u64 {
        (self.clock >> 32) as u64
    }

    fn step(&mut self, ns: i64) {
        let distance = u128::from(ns.unsigned_abs()) << 32;
        self.clock = if ns < 0 {
            self.clock - distance
        } else {
            self.clock + distance
        };
    }

    /// What `Clock::now_ns` does.
    fn ask(&mut self) -> Answer {
        if let Some(time) = self.calibration.line.at(self.counter()) {
            return Answer {
                error: time.abs_diff(self.clock()),
                by_line: true,
            };
        }
        // The clock is looked at anywhere between the two looks at the counter.
        let before = self.counter();
        let width = self.width + self.draws.below(self.jitter + 1);
        let earlier = self.draws.below(width + 1);
        self.pass(earlier);
        let ns = self.clock();
        self.pass(width - earlier);
        let width = self.counter().wrapping_sub(before);
        if !self.calibration.is_hopeless() {
            self.calibration.learn(Reading {
                ticks: before.wrapping_add(width / 2),
                ns,
                width,
            });
        }
        Answer {
            error: 0,
            by_line: false,
        }
    }

    /// Asks every `pause` nanoseconds, and up to twice that, for `ns`.
    fn run(&mut self, ns: u64, pause: u64) -> Vec<Answer> {
        let (mut passed, mut answers) = (0, Vec::new());
        while passed < ns {
            let wait = pause + self.draws.below(pause);
            self.pass(wait);
            passed += wait;
            answers.push(self.ask());
        }
        answers
    }

    /// Runs for 100 ms, in which all answers must be within a microsecond, and those at the end by a line.
    fn assert_recovers(&mut self) {
        let answers = self.run(100 * MILLISECOND, 10 * MICROSECOND);
        assert!(worst(&answers) <= MICROSECOND, "{} ns off", worst(&answers));
        assert!(
            answers.last().is_some_and(|answer| answer.by_line),
            "no line after 100 ms"
        );
    }
}

fn worst(answers: &[Answer]) -> u64 {
    answers.iter().map(|answer| answer.error).max().unwrap_or(0)
}

#[test]
fn the_clock_itself_is_read_until_the_speed_was_seen_twice() {
    let mut machine = Machine::new(2_000);
    let answers = machine.run(MILLISECOND, 10 * MICROSECOND);
    assert!(answers.iter().all(|answer| !answer.by_line));
    assert!(
        machine
            .run(MILLISECOND, 10 * MICROSECOND)
            .iter()
            .any(|answer| answer.by_line)
    );
}

#[test]
fn lines_keep_to_the_clock_at_every_speed_of_the_counter_and_every_pace_of_asking() {
    for mhz in [10, 24, 1_000, 1_996, 3_792, 6_200] {
        for pause in [30, 1_700, 90_000, 700_000] {
            let mut machine = Machine::new(mhz);
            let answers = machine.run(100 * MILLISECOND, pause);
            // Half a width at each end of an interval at least half as long as a line, and a tick.
            let bound = 80 / 2 + 80 * 2 + 2 * 1_000 / mhz;
            assert!(
                worst(&answers) <= bound,
                "{mhz} MHz, every {pause} ns: {}",
                worst(&answers)
            );
            let by_line = answers.iter().filter(|answer| answer.by_line).count();
            assert!(
                pause > 100_000 || by_line * 10 > answers.len() * 8,
                "{by_line} of {}",
                answers.len()
            );
            assert_eq!(machine.calibration.failures, 0, "{mhz} MHz, every {pause} ns");
        }
    }
}

#[test]
fn a_step_is_followed_within_the_life_of_a_line() {
    for step in [1, 800, 40_000, 600_000, 3_000_000, 700_000_000, 86_400_000_000_000] {
        for step in [step, -step] {
            let mut machine = Machine::settled(2_000);
            machine.run(MILLISECOND / 3, MICROSECOND);
            machine.step(step);
            machine.run(LIFETIME_NS, MICROSECOND);
            machine.assert_recovers();
        }
    }
}

#[test]
fn a_clock_that_is_slewed_as_ntp_does_is_followed_within_a_microsecond() {
    for speeds in [[1_000_500, 1_000_000], [999_500, 1_000_000], [1_000_250, 999_750]] {
        let mut machine = Machine::settled(2_000);
        for round in 0..40 {
            machine.clock_speed = speeds[round % 2];
            let answers = machine.run(7 * MILLISECOND, 5 * MICROSECOND);
            assert!(worst(&answers) <= MICROSECOND, "{speeds:?}: {} ns off", worst(&answers));
        }
    }
}

#[test]
fn a_clock_that_is_slewed_by_a_tenth_is_wrong_for_the_life_of_a_line() {
    let mut machine = Machine::settled(2_000);
    for speed in [1_100_000, 900_000, 1_000_000] {
        machine.clock_speed = speed;
        let answers = machine.run(LIFETIME_NS, 5 * MICROSECOND);
        assert!(
            worst(&answers) <= LIFETIME_NS / 5 + MICROSECOND,
            "{} ns off",
            worst(&answers)
        );
        machine.assert_recovers();
    }
}

#[test]
fn after_a_suspension_the_clock_itself_is_read() {
    type Suspend = fn(&mut Machine);
    let kinds: [(&str, Suspend); 5] = [
        ("the counter went on", |machine| machine.pass(3_600 * SECOND)),
        ("the counter stopped", |machine| machine.step(3_600 * SECOND as i64)),
        ("the counter began at 0", |machine| {
            machine.pass(20 * SECOND);
            machine.ticks = 0;
        }),
        ("the clock stopped", |machine| {
            machine.ticks += (20 * u128::from(SECOND)) << 32
        }),
        ("the machine moved to one of another speed", |machine| {
            machine.pass(SECOND / 5);
            machine.ticks = machine.ticks / 3 * 7;
            machine.ticks_a_ns = machine.ticks_a_ns / 3 * 4;
        }),
    ];
    for (kind, suspend) in kinds {
        let mut machine = Machine::settled(2_000);
        suspend(&mut machine);
        // A counter that stopped shows it when the line ends.
        let answers = machine.run(LIFETIME_NS, 5 * MICROSECOND);
        assert!(
            kind.contains("stopped") || worst(&answers) <= MICROSECOND,
            "{kind}: {}",
            worst(&answers)
        );
        machine.assert_recovers();
        assert!(machine.calibration.failures <= 2, "{kind}: {:?}", machine.calibration);
    }
}

#[test]
fn a_counter_that_falls_back_is_noticed_at_once() {
    for back in [1, 1_000, 3_000_000, 4_000_000_000_u64] {
        let mut machine = Machine::settled(2_000);
        let earlier = machine.calibration.line;
        while machine.calibration.line == earlier {
            machine.run(MICROSECOND, MICROSECOND);
        }
        // To before the beginning of a line that has only just begun.
        let ticks = machine.calibration.line.ticks.saturating_sub(back);
        machine.ticks = u128::from(ticks) << 32;
        machine.width = 0;
        machine.jitter = 0;
        let answer = machine.ask();
        assert!(!answer.by_line);
        assert_eq!(
            machine.calibration.line.lifetime, 0,
            "the line is still there, {back} ticks back"
        );
    }
}

#[test]
fn counters_that_jump_all_the_time_are_given_up() {
    for jump in [3_000, 200_000, 5_000_000, 900_000_000] {
        let mut machine = Machine::settled(2_000);
        for _ in 0..10_000 {
            machine.pass(100 * MICROSECOND);
            machine.ticks += u128::from(machine.draws.below(jump)) << 32;
            machine.ask();
        }
        assert!(machine.calibration.is_hopeless(), "{jump}: {:?}", machine.calibration);
        assert!(machine.calibration.line.at(machine.counter()).is_none());
    }
}

#[test]
fn a_counter_whose_cores_disagree_is_given_up() {
    let mut machine = Machine::settled(2_000);
    for round in 0..1_000_u64 {
        machine.run(300 * MICROSECOND, 10 * MICROSECOND);
        let apart = 40_000_u128 << 32; // 20 us
        machine.ticks = if round % 2 == 0 {
            machine.ticks + apart
        } else {
            machine.ticks - apart
        };
    }
    assert!(machine.calibration.is_hopeless(), "{:?}", machine.calibration);
}

#[test]
fn steps_now_and_then_are_no_reason_to_give_up() {
    let mut machine = Machine::settled(2_000);
    for round in 0..50 {
        machine.step(if round % 2 == 0 { 5_000_000 } else { -5_000_000 });
        machine.run(3 * SECOND, 50 * MICROSECOND);
        assert!(!machine.calibration.is_hopeless());
    }
    machine.assert_recovers();
}

#[test]
fn readings_too_wide_make_no_line_and_are_given_up() {
    // As where reading the counter is a trap into the hypervisor.
    let mut machine = Machine::new(2_000);
    machine.width = 2_000;
    let answers = machine.run(100 * MILLISECOND, 10 * MICROSECOND);
    assert!(answers.iter().all(|answer| !answer.by_line));
    assert!(machine.calibration.is_hopeless());
}

#[test]
fn one_interruption_is_no_reason_to_give_up() {
    let mut machine = Machine::settled(2_000);
    for _ in 0..50 {
        machine.pass(LIFETIME_NS);
        machine.width = 4 * MILLISECOND;
        assert!(!machine.ask().by_line);
        machine.width = 40;
        assert!(!machine.ask().by_line, "a line was drawn from an interrupted reading");
        machine.run(3 * SECOND, 50 * MICROSECOND);
        assert!(!machine.calibration.is_hopeless());
    }
    machine.assert_recovers();
}

#[test]
fn no_readings_whatever_make_a_line_that_goes_astray() {
    let mut draws = Draws(0xD1B5_4A32_D192_ED03);
    let edges = [0, 1, u64::MAX, u64::MAX - 1, 1 << 63, START_NS, LIFETIME_NS, 1 << 32];
    let any = |draws: &mut Draws| match draws.below(3) {
        0 => edges[draws.below(edges.len() as u64) as usize],
        1 => START_NS + draws.below(4 * LIFETIME_NS),
        _ => draws.below(u64::MAX),
    };
    let mut lines = 0;
    for _ in 0..300_000 {
        let mut calibration = Calibration::default();
        let magnitude = draws.below(20);
        let speed = draws.below(1 << magnitude) + 1;
        for _ in 0..4 {
            let start = calibration.line;
            let reading = if draws.below(10) == 0 {
                Reading {
                    ticks: any(&mut draws),
                    ns: any(&mut draws),
                    width: any(&mut draws),
                }
            } else {
                // Of a clock and a counter that go evenly, some of them absurdly.
                let passed = SECOND / 1_000 + draws.below(1_000);
                Reading {
                    ticks: start.ticks.saturating_add(passed.saturating_mul(speed)),
                    ns: start.ns.saturating_add(if start.ns == 0 { START_NS } else { passed }),
                    width: 0,
                }
            };
            calibration.learn(reading);
            let line = calibration.line;
            lines += u64::from(line.lifetime > 0);
            for ticks in [
                line.ticks,
                line.ticks.wrapping_add(line.lifetime).wrapping_sub(1),
                any(&mut draws),
            ] {
                let time = line.at(ticks);
                assert!(
                    time.is_none_or(|time| time - line.ns <= LIFETIME_NS),
                    "{line:?} at {ticks}: {time:?}"
                );
            }
        }
    }
    assert!(lines > 100_000, "only {lines} lines");
    const { assert!(MOST_FAILURES > 2 && UNCERTAINTY_NS < 1_000) };
}
