#![forbid(unsafe_code)]
//! rekindle beside others, on this machine, in one sitting.
//!
//! `cargo run --release -p rekindle-benches --bin compare -- [OPTIONS]`; `--help` lists them, and
//! `docs/BENCHMARKS.md` has the rules and how to read what comes out.
//!
//! Modules in reading order: `options`, `machine`, `distance` (of its processors), `systems` (who is measured, and how each is
//! built and started), `plan` (what is measured), `rounds` (in which order, and what is thrown
//! away), `journal` (what a run that is stopped leaves), `figures`, `report` (for people and for
//! scripts), `json`, `plot`.

mod distance;
mod figures;
mod journal;
mod json;
mod machine;
mod options;
mod plan;
mod plot;
mod report;
mod rounds;
mod systems;

use std::process::ExitCode;
use std::time::Instant;

use distance::Distance;
use options::{Asked, Options};
use rounds::Place;

fn main() -> ExitCode {
    let options = match options::parse(std::env::args().skip(1)) {
        Ok(Asked::Run(options)) => options,
        Ok(Asked::Help(text)) => {
            println!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("compare: {error}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let plan = plan::make(options)?;
    let machine = machine::look();
    let distance = Distance::between_workers(&machine);
    match &distance {
        Some(distance) => println!("{machine}, {distance}"),
        None => println!("{machine}"),
    }
    let mut place = Place {
        machine: &machine,
        // What is quick does not repeat.
        distance: distance.filter(|_| !options.quick),
    };
    if !machine.known_quiet() {
        println!("The machine is not quiet: the load average before the start is above 0.5.");
    }
    let systems = systems::prepare(options)?;
    println!("{}", report::systems(&systems));

    let begun = Instant::now();
    let results = rounds::run_all(&plan, &systems, options, &mut place)?;
    let ladders = rounds::run_ladders(&plan, &systems, options, &mut place)?;

    println!("{}", report::tables(&results, &ladders));
    println!("{}", report::lines(&results, &ladders));
    println!("measured in {:.0} s", begun.elapsed().as_secs_f64());
    if let Some(file) = &options.json {
        let text = json::document(&machine, &systems, options, &results, &ladders);
        std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    if let Some(folder) = &options.plot {
        plot::all(folder, &results, &ladders)
            .map_err(|error| format!("plots in {}: {error}", folder.display()))?;
    }
    Ok(())
}
