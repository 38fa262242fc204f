//! The soak: a large supervised tree, and everything that can happen to it, for as long as is asked.
//!
//! `cargo run --release -p rekindle-benches --bin soak -- --minutes 60`
//!
//! Reading order: `options`; `world` (what all share), `invariants`, `ledger`, `watcher`, which
//! hold what is seen against what is promised; `tree`; `areas`, what happens to it all at once;
//! `vitals` (memory, threads, files), `backtraces` and `watchdog`; `memory` and `runtimes`, checks
//! that are programs of their own; `report`.

mod areas;
mod backtraces;
mod invariants;
mod ledger;
mod memory;
mod options;
mod report;
mod runtimes;
mod tree;
mod vitals;
mod watchdog;
mod watcher;
mod world;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use peak_alloc::PeakAlloc;
use rekindle::prelude::*;
use rekindle::registered;

use crate::invariants::Invariant;
use crate::options::{Asked, Options};
use crate::tree::Forest;
use crate::vitals::Vitals;
use crate::watchdog::Watchdog;
use crate::world::World;

/// Counts live bytes exactly, which no look from outside can.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

fn main() -> ExitCode {
    backtraces::turn_off();
    match options::read(std::env::args().skip(1)) {
        Ok(Asked::Soak(options)) => soak(options),
        Ok(Asked::Memory(options)) => memory::check(&options),
        Ok(Asked::Runtimes(options)) => runtimes::check(&options),
        Ok(Asked::Help) => {
            println!("{}", options::help());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("soak: {error}\n\n{}", options::help());
            ExitCode::from(2)
        }
    }
}

/// Small runtimes that come after the large one, at the most.
const FLUSHES: u32 = 200;

/// A runtime as the command line wants it.
fn runtime(options: &Options) -> std::io::Result<Runtime> {
    let builder = Builder::new().thread_name("soak");
    match options.workers {
        Some(workers) => builder.workers(workers),
        None => builder,
    }
    .start()
}

fn soak(options: Options) -> ExitCode {
    report::count_reports();
    // What the first runtime sets up for good is there before the first look.
    let world = World::new(options);
    for _ in 0..2 {
        match runtime(&world.options) {
            Ok(first) => first.block_on(async { sleep(Duration::from_millis(1)).await }),
            Err(error) => {
                eprintln!("soak: no runtime: {error}");
                return ExitCode::from(2);
            }
        }
    }
    println!("seed {}", world.options.seed);
    let before = Vitals::now();
    let begun = Instant::now();
    let (samples, spawned) = match run(&world) {
        Ok(ran) => ran,
        Err(error) => {
            eprintln!("soak: {error}");
            return ExitCode::FAILURE;
        }
    };
    let after = flush(&world, before);
    before.compare(&after, &world);
    report::print(&world, begun.elapsed(), spawned, before, after, &samples)
}

/// What was freed while others could still read it is given back later, by those who come next: so
/// some come, until memory has been as low as at the start. The bytes go up and down meanwhile, so
/// the lowest count; those that nobody can give back any more are in each of them.
fn flush(world: &World, before: Vitals) -> Vitals {
    let mut lowest = Vitals::settled(before);
    for _ in 0..FLUSHES {
        if before.is_back_at(&lowest) {
            break;
        }
        let Ok(runtime) = runtime(&world.options) else {
            break;
        };
        runtime.block_on(async {
            for _ in 0..2_000 {
                spawn(async {});
            }
            sleep(Duration::from_millis(1)).await;
        });
        drop(runtime);
        let now = Vitals::settled(before);
        if now.live < lowest.live {
            lowest = now;
        }
    }
    lowest
}

/// Runs it all in a runtime of its own; gives the samples, and how many processes were spawned.
fn run(world: &Arc<World>) -> Result<(Vec<Vitals>, u64), String> {
    let runtime = runtime(&world.options).map_err(|error| error.to_string())?;
    let watchdog = Watchdog::start(world, runtime.handle().clone());
    let shared = world.clone();
    let ended = runtime.run(async move { main_process(shared).await });
    let samples = watchdog.stop();
    let spawned = runtime.handle().metrics().spawned;
    drop(runtime);
    match ended {
        Ok(planted) => planted.map(|()| (samples, spawned)),
        Err(reason) => Err(format!("the main process ended: {reason}")),
    }
}

async fn main_process(world: Arc<World>) -> Result<(), String> {
    let names_before = registered().len();
    let forest = Forest::plant(&world).await;
    let forest = forest.map_err(|error| format!("the tree does not start: {error}"))?;
    let drivers = areas::start(&world, &forest);
    sleep(world.options.length).await;

    world.stop();
    for (area, driver) in drivers {
        let ended = driver.await;
        world.check(Invariant::Driver, ended.is_ok(), || {
            format!("the driver of {area} died: {ended:?}")
        });
    }
    forest.fell(&world).await;
    settle().await;

    let left = rekindle::list(0, 100).processes;
    let me = self_pid();
    let left: Vec<_> = left.iter().filter(|process| process.pid != me).collect();
    world.check(Invariant::Gone, left.is_empty(), || {
        format!("still there: {left:#?}")
    });
    let names = registered();
    world.check(Invariant::NamesFree, names.len() == names_before, || {
        format!("still held: {names:?}")
    });
    let balance = world.letters.balance();
    world.check(Invariant::Ledger, balance.holds(), || {
        format!("letters: {balance:?}")
    });
    Ok(())
}

/// Lets those come to their end that nobody waits for: who was told to stop, answers later, or
/// sleeps before an answer.
async fn settle() {
    for _ in 0..300 {
        if rekindle::list(0, 2).processes.len() <= 1 {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
}
