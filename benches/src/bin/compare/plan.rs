//! What is measured: benchmarks with workers and allocators, and ladders.

use rekindle_bench_protocol::catalogue::{LADDERS, Ladder};
use rekindle_bench_protocol::{Benchmark, CATALOGUE, Kind, Task, catalogue};

use crate::options::{Allocator, Options};

/// A benchmark in one of its variants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variant {
    pub(crate) benchmark: &'static Benchmark,
    pub(crate) workers: usize,
    pub(crate) allocator: Allocator,
}

impl Variant {
    /// The name for scripts: without a suffix it means the benchmark's most workers, and the
    /// system's allocator.
    pub(crate) fn name(&self) -> String {
        let most = self.benchmark.workers.last() == Some(&self.workers);
        let workers = if most {
            String::new()
        } else {
            format!("_w{}", self.workers)
        };
        let allocator = match self.allocator {
            Allocator::System => "",
            Allocator::Mimalloc => "_mimalloc",
        };
        format!("{}{workers}{allocator}", self.benchmark.name)
    }

    /// The task for one round.
    pub(crate) fn task(&self, options: &Options) -> Task {
        let [n, k, m] = if options.quick {
            self.benchmark.quick
        } else {
            self.benchmark.full
        };
        Task {
            system: String::new(),
            benchmark: self.benchmark.name.to_owned(),
            workers: self.workers,
            millis: options.millis,
            n,
            k,
            m,
        }
    }
}

/// All that is measured, in order.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) variants: Vec<Variant>,
    pub(crate) ladders: Vec<&'static Ladder>,
}

/// What a quick run measures with one worker and with mimalloc as well: what people ask first.
const ASKED_FIRST: [&str; 4] = ["spawn_exit_batch", "spawn_exit_burst", "call", "cast"];

/// Makes the plan.
pub(crate) fn make(options: &Options) -> Result<Plan, String> {
    if let Some(names) = &options.only {
        return chosen(names, options);
    }
    let mut variants = Vec::new();
    for allocator in [Allocator::System, Allocator::Mimalloc] {
        for benchmark in CATALOGUE {
            let first = ASKED_FIRST.contains(&benchmark.name);
            let wanted = options.allocators.contains(&allocator) || (options.quick && first);
            if !wanted {
                continue;
            }
            let most = benchmark.workers.last().copied();
            let all = !options.quick || (first && allocator == Allocator::System);
            for &workers in benchmark.workers {
                if all || Some(workers) == most {
                    variants.push(Variant {
                        benchmark,
                        workers,
                        allocator,
                    });
                }
            }
        }
    }
    let ladders = if options.ladders {
        LADDERS.iter().collect()
    } else {
        Vec::new()
    };
    Ok(Plan { variants, ladders })
}

/// What was named: a name without a suffix stands for what the whole run would measure of it.
fn chosen(names: &[String], options: &Options) -> Result<Plan, String> {
    let mut plan = Plan {
        variants: Vec::new(),
        ladders: Vec::new(),
    };
    for name in names {
        if let Some(ladder) = catalogue::ladder(name) {
            plan.ladders.push(ladder);
            continue;
        }
        let (rest, mimalloc) = strip(name, "_mimalloc");
        let (rest, one) = strip(rest, "_w1");
        let (rest, two) = strip(rest, "_w2");
        let Some(benchmark) = rekindle_bench_protocol::find(rest) else {
            return Err(format!("no benchmark {name}; --list lists them"));
        };
        let allocators = match mimalloc {
            true => vec![Allocator::Mimalloc],
            false if one || two => vec![Allocator::System],
            false => options.allocators.clone(),
        };
        let workers = match benchmark.workers {
            _ if one => vec![1],
            _ if two => vec![2],
            [.., most] if options.quick || mimalloc => vec![*most],
            all => all.to_vec(),
        };
        for allocator in allocators {
            let variants = workers.iter().map(|&workers| Variant {
                benchmark,
                workers,
                allocator,
            });
            plan.variants.extend(variants);
        }
    }
    Ok(plan)
}

fn strip<'a>(name: &'a str, suffix: &str) -> (&'a str, bool) {
    match name.strip_suffix(suffix) {
        Some(rest) => (rest, true),
        None => (name, false),
    }
}

/// All names, with what they mean.
pub(crate) fn list() -> String {
    let kind = |kind| match kind {
        Kind::Throughput => "ns",
        Kind::Bytes => "bytes",
        Kind::Latency => "latency",
        Kind::Idle => "cpu",
    };
    let benchmarks = CATALOGUE.iter().map(|benchmark| {
        let Benchmark {
            name, number, what, ..
        } = benchmark;
        format!("{number:>3}  {name:<20} {:<8} {what}", kind(benchmark.kind))
    });
    let ladders = LADDERS.iter().map(|ladder| {
        format!(
            "  -  {:<20} {:<8} {}",
            ladder.property, "ladder", ladder.what
        )
    });
    benchmarks.chain(ladders).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Asked, parse};

    fn names(text: &str) -> Vec<String> {
        let Ok(Asked::Run(options)) = parse(text.split_whitespace().map(str::to_owned)) else {
            panic!("options are understood");
        };
        make(&options)
            .unwrap()
            .variants
            .iter()
            .map(Variant::name)
            .collect()
    }

    #[test]
    fn a_name_without_a_suffix_is_two_workers_and_the_systems_allocator() {
        assert_eq!(names("--only call --quick"), ["call"]);
        assert_eq!(
            names("--only call"),
            ["call_w1", "call", "call_w1_mimalloc", "call_mimalloc"]
        );
        assert_eq!(
            names("--only call_w1,call_mimalloc"),
            ["call_w1", "call_mimalloc"]
        );
        assert_eq!(names("--only call_w1_mimalloc"), ["call_w1_mimalloc"]);
    }

    #[test]
    fn a_quick_run_has_every_benchmark_and_what_is_asked_first_twice() {
        let names = names("--quick");
        assert!(
            CATALOGUE
                .iter()
                .all(|benchmark| names.contains(&benchmark.name.to_owned()))
        );
        assert!(names.contains(&"call_w1".to_owned()));
        assert!(names.contains(&"spawn_exit_burst_mimalloc".to_owned()));
        assert!(!names.contains(&"ring_w1".to_owned()));
    }
}
