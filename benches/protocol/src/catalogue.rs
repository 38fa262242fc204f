//! What is measured: the twenty benchmarks, bytes, quality, and the ladders.
//!
//! Each entry says what one pass is, how many operations it is worth, and which sum proves that
//! they were done. `N`, `K` and `M` are explained in `what`. Where `K` is 0, it is the number of
//! workers.

use crate::Task;

/// What kind of figure a benchmark gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nanoseconds per operation.
    Throughput,
    /// Bytes per process: the answer has `bytes`, of the first `N`, and `more`, of another `N`.
    Bytes,
    /// Latencies in nanoseconds: the answer has `p50`, `p99`, `p999` and `max`.
    Latency,
    /// Processor time while nothing happens: the answer has `cpu_ns`, and `wakes` where known.
    Idle,
}

/// One benchmark.
#[derive(Debug)]
pub struct Benchmark {
    /// By which all know it.
    pub name: &'static str,
    /// Its number in the list of twenty; 0 for bytes and quality.
    pub number: u32,
    /// What one pass is.
    pub what: &'static str,
    /// What it gives.
    pub kind: Kind,
    /// `N`, `K`, `M` of a full run.
    pub full: [u64; 3],
    /// `N`, `K`, `M` of a quick run.
    pub quick: [u64; 3],
    /// Worker counts of a full run; a quick one takes only the last.
    pub workers: &'static [usize],
    operations: fn(&Task) -> u64,
    sum: fn(&Task) -> u64,
}

impl Benchmark {
    /// How many operations one pass is.
    #[must_use]
    pub fn operations(&self, task: &Task) -> u64 {
        (self.operations)(task)
    }

    /// The sum one pass must give.
    #[must_use]
    pub fn sum(&self, task: &Task) -> u64 {
        (self.sum)(task)
    }
}

/// The benchmark of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Benchmark> {
    CATALOGUE.iter().find(|benchmark| benchmark.name == name)
}

/// `K`, or as many as there are workers.
#[must_use]
pub fn groups(task: &Task) -> u64 {
    if task.k == 0 {
        task.workers as u64
    } else {
        task.k
    }
}

const BOTH: &[usize] = &[1, 2];
const TWO: &[usize] = &[2];
/// The number of processes of a skynet with `n` leaves, `k` below each node.
fn tree(n: u64, k: u64) -> u64 {
    std::iter::successors(Some(n), |level| (level % k == 0).then_some(level / k)).sum()
}

/// How many primes there are below `n`.
fn primes(n: u64) -> u64 {
    let mut composite = vec![false; n as usize];
    let mut count = 0;
    for candidate in 2..n as usize {
        if !composite[candidate] {
            count += 1;
            (candidate * candidate..n as usize)
                .step_by(candidate)
                .for_each(|multiple| composite[multiple] = true);
        }
    }
    count
}

macro_rules! throughput {
    ($number:literal $name:literal $what:literal, $workers:ident, $full:expr, $quick:expr,
     ops $operations:expr, sum $sum:expr) => {
        Benchmark {
            name: $name,
            number: $number,
            what: $what,
            kind: Kind::Throughput,
            full: $full,
            quick: $quick,
            workers: $workers,
            operations: $operations,
            sum: $sum,
        }
    };
}

macro_rules! quality {
    ($kind:ident $name:literal $what:literal, $full:expr, $quick:expr) => {
        Benchmark {
            name: $name,
            number: 0,
            what: $what,
            kind: Kind::$kind,
            full: $full,
            quick: $quick,
            workers: TWO,
            operations: |task| task.n,
            sum: |_| 0,
        }
    };
}

/// All benchmarks, in the order in which they run.
pub const CATALOGUE: &[Benchmark] = &[
    throughput!(1 "spawn_exit_batch" "N batches of K processes with an empty body; each batch has ended before the next", BOTH,
        [10_000, 100, 0], [200, 100, 0], ops |t| t.n * t.k, sum |t| t.n * t.k),
    throughput!(1 "spawn_exit_burst" "N processes with an empty body at once, by one", BOTH,
        [1_000_000, 0, 0], [50_000, 0, 0], ops |t| t.n, sum |t| t.n),
    throughput!(2 "spawn_chain" "each process spawns the next, N deep", BOTH,
        [1_000_000, 0, 0], [20_000, 0, 0], ops |t| t.n, sum |t| t.n),
    throughput!(3 "spawn_par" "K spawners with N processes each, in batches of 100", BOTH,
        [500_000, 0, 0], [20_000, 0, 0], ops |t| t.n * groups(t), sum |t| t.n * groups(t)),
    throughput!(3 "spawn_par_one" "as spawn_par with one spawner, whatever the workers", TWO,
        [500_000, 1, 0], [20_000, 1, 0], ops |t| t.n, sum |t| t.n),
    throughput!(4 "spawn_remote_idle" "N processes spawned by a thread outside; the workers are idle", TWO,
        [200_000, 0, 0], [10_000, 0, 0], ops |t| t.n, sum |t| t.n),
    throughput!(4 "spawn_remote_busy" "the same while one process per worker yields endlessly", TWO,
        [200_000, 0, 0], [10_000, 0, 0], ops |t| t.n, sum |t| t.n),
    throughput!(5 "spawn_monitor" "spawn, monitor, wait for the Down; N in sequence", BOTH,
        [200_000, 0, 0], [5_000, 0, 0], ops |t| t.n, sum |t| t.n),
    throughput!(6 "server_start_stop" "start with acknowledgement, stop and wait for the end; N in sequence", BOTH,
        [100_000, 0, 0], [2_000, 0, 0], ops |t| t.n, sum |t| t.n),
    throughput!(6 "dynamic_child" "the same under a dynamic supervisor", BOTH,
        [100_000, 0, 0], [1_000, 0, 0], ops |t| t.n, sum |t| t.n),
    throughput!(7 "skynet" "a tree with K below each node and N leaves; the numbers of the leaves are summed up; per node", BOTH,
        [1_000_000, 10, 0], [10_000, 10, 0], ops |t| tree(t.n, t.k), sum |t| t.n * (t.n - 1) / 2),
    throughput!(8 "ping_pong" "one pair of plain processes, N round trips", BOTH,
        [500_000, 1, 0], [10_000, 1, 0], ops |t| t.n, sum |t| t.n),
    throughput!(8 "ping_pong_pairs" "K pairs, N round trips each; per round trip", BOTH,
        [500_000, 0, 0], [10_000, 0, 0], ops |t| t.n * groups(t), sum |t| t.n * groups(t)),
    throughput!(9 "call" "one client, N calls of 8 bytes; the server adds", BOTH,
        [500_000, 1, 8], [10_000, 1, 8], ops |t| t.n, sum |t| t.n),
    throughput!(9 "call_400" "the same with 400 bytes by value", TWO,
        [200_000, 1, 400], [5_000, 1, 400], ops |t| t.n, sum |t| t.n),
    throughput!(9 "call_8000" "the same with 8,000 bytes by value", TWO,
        [50_000, 1, 8_000], [1_000, 1, 8_000], ops |t| t.n, sum |t| t.n),
    throughput!(9 "call_no_timeout" "call without the timeout of 5 s", BOTH,
        [500_000, 1, 8], [10_000, 1, 8], ops |t| t.n, sum |t| t.n),
    throughput!(9 "call_pairs" "K clients with servers of their own, N calls each; per call", BOTH,
        [500_000, 0, 8], [10_000, 0, 8], ops |t| t.n * groups(t), sum |t| t.n * groups(t)),
    throughput!(9 "call_many" "K clients on one server, N calls each", BOTH,
        [1_000, 400, 8], [25, 400, 8], ops |t| t.n * t.k, sum |t| t.n * t.k),
    throughput!(10 "cast" "N casts and one get", BOTH,
        [1_000_000, 0, 8], [50_000, 0, 8], ops |t| t.n, sum |t| t.n),
    throughput!(10 "cast_64" "the same with 64 bytes by value", TWO,
        [1_000_000, 0, 64], [50_000, 0, 64], ops |t| t.n, sum |t| t.n),
    throughput!(10 "cast_1024" "the same with 1,024 bytes by value", TWO,
        [200_000, 0, 1_024], [10_000, 0, 1_024], ops |t| t.n, sum |t| t.n),
    throughput!(10 "cast_bursts" "N casts, a get after each K", BOTH,
        [1_000_000, 100, 8], [50_000, 100, 8], ops |t| t.n, sum |t| t.n),
    throughput!(11 "fan_in_2" "K senders, N messages in all to one process", TWO,
        [1_000_000, 2, 0], [50_000, 2, 0], ops |t| t.n / t.k * t.k, sum |t| t.n / t.k * t.k),
    throughput!(11 "fan_in_100" "K senders, N messages in all to one process", BOTH,
        [1_000_000, 100, 0], [50_000, 100, 0], ops |t| t.n / t.k * t.k, sum |t| t.n / t.k * t.k),
    throughput!(11 "fan_in_1000" "K senders, N messages in all to one process", TWO,
        [1_000_000, 1_000, 0], [50_000, 1_000, 0], ops |t| t.n / t.k * t.k, sum |t| t.n / t.k * t.k),
    throughput!(12 "fan_out" "K receivers, N messages each, round robin", TWO,
        [10_000, 60, 0], [500, 60, 0], ops |t| t.n * t.k, sum |t| t.n * t.k),
    throughput!(13 "ring" "K nodes, N hops, M tokens at once", BOTH,
        [1_000_000, 1_000, 1], [50_000, 1_000, 1], ops |t| t.n, sum |t| t.n),
    throughput!(13 "ring_100" "K nodes, N hops, M tokens at once", TWO,
        [1_000_000, 100, 1], [50_000, 100, 1], ops |t| t.n, sum |t| t.n),
    throughput!(13 "ring_100k" "K nodes, N hops, M tokens at once; the nodes are made outside of the clock", TWO,
        [1_000_000, 100_000, 1], [50_000, 10_000, 1], ops |t| t.n, sum |t| t.n),
    throughput!(13 "ring_tokens" "K nodes, N hops, M tokens at once", TWO,
        [1_000_000, 1_000, 100], [50_000, 1_000, 100], ops |t| t.n, sum |t| t.n),
    throughput!(14 "big" "K actors, N pings each to random peers, each answered before the next; per ping", TWO,
        [20_000, 120, 0], [200, 120, 0], ops |t| t.n * t.k, sum |t| t.n * t.k),
    throughput!(15 "chameneos" "K creatures meet at one place, N meetings; per meeting", TWO,
        [200_000, 100, 0], [10_000, 100, 0], ops |t| t.n, sum |t| 2 * t.n),
    throughput!(16 "bank" "K accounts, N transfers by M tellers: the source's handler calls the target, then answers; per transfer", TWO,
        [50_000, 1_000, 10], [5_000, 1_000, 10], ops |t| t.n / t.m * t.m, sum |t| t.n / t.m * t.m),
    throughput!(17 "sieve" "the numbers below N through a chain of actors with K primes each; per number", TWO,
        [100_000, 1_000, 0], [10_000, 200, 0], ops |t| t.n, sum |t| primes(t.n)),
    throughput!(17 "philosophers" "K philosophers, N meals each, one waiter who says yes or no; per meal", TWO,
        [10_000, 20, 0], [500, 20, 0], ops |t| t.n * t.k, sum |t| t.n * t.k),
    throughput!(18 "estone_small" "4 relays, 100 messages of 8 bytes on their way, N rounds of 100; per hop", TWO,
        [1_515, 4, 8], [100, 4, 8], ops |t| t.n * 100, sum |t| t.n * 100),
    throughput!(18 "estone_medium" "the same with 64 bytes by value", TWO,
        [1_515, 4, 64], [100, 4, 64], ops |t| t.n * 100, sum |t| t.n * 100),
    throughput!(18 "estone_huge" "the same with 1,024 bytes by value", TWO,
        [1_515, 4, 1_024], [50, 4, 1_024], ops |t| t.n * 100, sum |t| t.n * 100),
    throughput!(18 "estone_server" "N times K calls to a generic server that starts and stops for each K; per call", TWO,
        [7_977, 22, 0], [300, 22, 0], ops |t| t.n * t.k, sum |t| t.n * t.k),
    throughput!(18 "estone_links" "N times K linked processes that end, while their parent traps exits; per process", TWO,
        [1_000, 100, 0], [30, 100, 0], ops |t| t.n * t.k, sum |t| t.n * t.k),
    throughput!(19 "ubench" "K pingers with M pings each under way to random neighbours, N pings in all", TWO,
        [1_000_000, 8, 5], [50_000, 8, 5], ops |t| t.n / (t.k * t.m) * t.k * t.m, sum |t| t.n / (t.k * t.m) * t.k * t.m),
    throughput!(20 "timer_cancel" "start a timer of 5 s and cancel it, N times", BOTH,
        [1_000_000, 0, 0], [20_000, 0, 0], ops |t| t.n, sum |t| t.n),
    quality!(Latency "timer_fire" "N timers spread over one second; how late their messages come", [1_000_000, 0, 0], [20_000, 0, 0]),
    quality!(Latency "timer_interval" "K intervals of 1 ms, N ticks each; how late they come", [1_000, 10_000, 0], [100, 1_000, 0]),
    quality!(Bytes "plain" "N idle processes with an empty body, and N more", [1_000_000, 0, 0], [100_000, 0, 0]),
    quality!(Bytes "server" "N idle servers with their handles, and N more", [1_000_000, 0, 0], [20_000, 0, 0]),
    quality!(Bytes "supervised" "N idle servers under a dynamic supervisor, and N more", [1_000_000, 0, 0], [20_000, 0, 0]),
    throughput!(0 "hog" "ping_pong while one process per worker yields endlessly; per round trip", TWO,
        [100_000, 1, 0], [1_000, 1, 0], ops |t| t.n, sum |t| t.n),
    quality!(Latency "blocked" "K processes sleep 1 ms at a time for N ms; how late they wake, while every M ms one handler blocks its thread for 100 ms", [5_000, 100, 250], [800, 100, 250]),
    quality!(Latency "open_loop_20" "K servers called for N ms at moments fixed before (Poisson), M per cent of 200,000 a second; from the intended moment", [5_000, 10_000, 20], [500, 1_000, 20]),
    quality!(Latency "open_loop_50" "the same at 50 per cent", [5_000, 10_000, 50], [500, 1_000, 50]),
    quality!(Latency "open_loop_80" "the same at 80 per cent", [5_000, 10_000, 80], [500, 1_000, 80]),
    quality!(Idle "idle" "N idle processes for K ms", [1_000_000, 10_000, 0], [100_000, 300, 0]),
    throughput!(0 "compute" "the area below a curve in N pieces by K workers; per piece", TWO,
        [10_000_000, 100, 0], [1_000_000, 100, 0], ops |t| t.n, sum |_| 3_141),
    quality!(Latency "crash_storm" "N calls by 100 clients to 100 supervised servers; every Kth makes its server panic; the others' latency", [200_000, 100, 0], [5_000, 100, 0]),
];

/// How a cost may grow with a number.
#[derive(Debug)]
pub struct Ladder {
    /// The property, as in the `GROWTH` line; the subject is asked for `ladder_` and this.
    pub property: &'static str,
    /// What is measured on each rung.
    pub what: &'static str,
    /// The rungs of a full run.
    pub full: &'static [u64],
    /// The rungs of a quick run.
    pub quick: &'static [u64],
    /// `K`: how many operations on each rung, for those that do not do `n`.
    pub probes: u64,
    /// What must hold.
    pub bound: Bound,
}

/// What must hold on a ladder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// Cost of one operation at the top by cost at the bottom.
    Growth(f64),
    /// Nanoseconds of one operation at the top, however it grows.
    AtMost(f64),
}

impl Bound {
    /// Whether it holds, for the costs of one operation at the bottom and at the top.
    #[must_use]
    pub fn holds(self, bottom: f64, top: f64) -> bool {
        match self {
            Bound::Growth(most) => top <= most * bottom,
            Bound::AtMost(most) => top <= most,
        }
    }
}

macro_rules! ladder {
    ($property:literal $what:literal, $full:expr, $quick:expr, $probes:expr, $bound:literal) => {
        ladder!($property $what, $full, $quick, $probes, at Bound::Growth($bound))
    };
    ($property:literal $what:literal, $full:expr, $quick:expr, $probes:expr, at $bound:expr) => {
        Ladder {
            property: $property,
            what: $what,
            full: &$full,
            quick: &$quick,
            probes: $probes,
            bound: $bound,
        }
    };
}

/// All ladders. The answer of a rung has `wall_ns` and `ops`.
pub const LADDERS: &[Ladder] = &[
    ladder!("spawn_alive" "spawn and exit while n others live", [0, 100_000, 1_000_000, 10_000_000], [0, 10_000, 100_000], 100_000, 1.5),
    ladder!("send_random" "cast to a random one of n idle servers, per message", [1_000, 10_000, 100_000, 1_000_000], [1_000, 10_000, 50_000], 100_000, 5.0),
    ladder!("dynamic_start" "start of the last of n children of a dynamic supervisor", [1_000, 10_000, 100_000, 1_000_000], [1_000, 10_000], 1_000, 1.3),
    ladder!("ordinary_start" "start of the last of n children of an ordinary supervisor", [1_000, 10_000], [500, 2_000], 200, 1.3),
    ladder!("dynamic_restart" "one of n dynamic children dies and is restarted", [1_000, 10_000, 100_000, 1_000_000], [1_000, 10_000], 200, 1.3),
    ladder!("tree_stop" "stop of a dynamic supervisor with n children, per child", [1_000, 10_000, 100_000, 1_000_000], [1_000, 10_000], 0, 1.3),
    ladder!("one_for_all_restart" "flat one_for_all restart of n, per child", [1_000, 10_000, 100_000], [500, 2_000], 0, 1.3),
    ladder!("registry" "register, look up, unregister with n names there", [1_000, 10_000, 100_000, 1_000_000], [1_000, 10_000], 1_000, 1.5),
    ladder!("timers_start_cancel" "start and cancel with n timers armed", [1_000, 10_000, 100_000, 1_000_000], [1_000, 10_000, 100_000], 20_000, 1.3),
    ladder!("mailbox_push_pop" "n messages queued at a suspended process, then handled, per message", [1_000, 10_000, 100_000, 1_000_000, 10_000_000], [1_000, 10_000, 100_000], 0, 1.3),
    ladder!("mailbox_kill" "kill of a process with n messages queued, until its Down, per kill", [1_000, 100_000, 10_000_000], [1_000, 10_000], 0, at Bound::AtMost(1e7)),
    ladder!("selective_receive" "one matching message behind n that do not, then another; per queued message", [1_000, 10_000, 100_000], [1_000, 10_000], 0, 1.3),
    ladder!("fan_in" "n senders to one process, per message", [2, 10, 100, 1_000], [2, 100, 1_000], 50_000, 1.5),
    ladder!("link_chain" "n processes linked in a chain, the first dies, per process", [1_000, 10_000, 100_000, 1_000_000], [1_000, 10_000], 0, 1.3),
    ladder!("link_star" "n processes linked to one that dies, per process", [1_000, 10_000, 100_000, 1_000_000], [1_000, 10_000], 0, 1.3),
    ladder!("monitors" "n monitors on one process that dies, per monitor", [1_000, 10_000, 100_000, 1_000_000], [1_000, 10_000], 0, 1.3),
    ladder!("group_publish" "one message to a process group of n, until all have it, per member", [1_000, 10_000, 100_000, 1_000_000], [1_000, 10_000], 0, 1.3),
];

/// The ladder of that property.
#[must_use]
pub fn ladder(property: &str) -> Option<&'static Ladder> {
    LADDERS.iter().find(|ladder| ladder.property == property)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_the_twenty_are_there() {
        let mut names: Vec<_> = CATALOGUE.iter().map(|benchmark| benchmark.name).collect();
        names.extend(LADDERS.iter().map(|ladder| ladder.property));
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        // "fan_in" the ladder stands beside "fan_in_2" and its kin.
        assert_eq!(names.len(), all);
        for number in 1..=20 {
            assert!(
                CATALOGUE.iter().any(|benchmark| benchmark.number == number),
                "{number}"
            );
        }
    }

    #[test]
    fn bounds() {
        assert!(Bound::Growth(1.5).holds(10.0, 15.0));
        assert!(!Bound::Growth(1.5).holds(10.0, 15.1));
        assert!(Bound::AtMost(100.0).holds(1.0, 100.0));
        assert!(!Bound::AtMost(100.0).holds(200.0, 101.0));
    }

    #[test]
    fn what_a_pass_is_worth() {
        assert_eq!(tree(1_000_000, 10), 1_111_111);
        assert_eq!(tree(1, 10), 1);
        assert_eq!(primes(100_000), 9_592);
    }
}
