//! Runs the searches and prints one line for each. The exit code is 1 if any came out otherwise than expected.

use dmxp_protocol_model::configurations::{self, Size};
use dmxp_protocol_model::search::Verdict;
use std::process::ExitCode;
use std::time::Instant;

/// More states than this would not fit into 4 GiB.
const STATES: usize = 40_000_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let words: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let largest = if flag("--full") || !words.is_empty() {
        Size::Full
    } else {
        Size::Default
    };

    let started = Instant::now();
    let (mut searched, mut surprises, mut states) = (0, 0, 0);
    println!(
        "{:64} {:>10} {:>7} {:>7}  verdict",
        "configuration", "states", "MiB", "s"
    );
    for case in configurations::all() {
        if case.size > largest || !(words.is_empty() || words.iter().any(|word| case.name.contains(word.as_str()))) {
            continue;
        }
        let began = Instant::now();
        let outcome = case.run(STATES);
        let seconds = began.elapsed().as_secs_f64();
        let found = match &outcome.verdict {
            Verdict::Clean if outcome.good == 0 => "no good end at all".to_string(),
            Verdict::Clean => "clean".to_string(),
            Verdict::Broken(violation, trace) => format!("{violation:?} in {} steps", trace.len() - 1),
            Verdict::TooLarge => "too large".to_string(),
        };
        let holds = case.holds(&outcome);
        let remark = match (holds, case.expected) {
            (true, None) => String::new(),
            (true, Some(_)) => ", as planted".to_string(),
            (false, None) => " - SURPRISE, should be clean".to_string(),
            (false, Some(violation)) => format!(" - SURPRISE, should be {violation:?}"),
        };
        let memory = outcome.bytes >> 20;
        println!(
            "{:64} {:>10} {memory:>7} {seconds:>7.1}  {found}{remark}",
            case.name, outcome.states
        );
        if let Verdict::Broken(_, trace) = &outcome.verdict
            && (flag("--trace") || !holds)
        {
            for line in trace {
                println!("    {line}");
            }
        }
        searched += 1;
        states += outcome.states;
        surprises += usize::from(!holds);
    }
    println!(
        "{searched} searches, {states} states, {surprises} surprises, {:.1?}",
        started.elapsed()
    );
    if surprises == 0 && searched > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
