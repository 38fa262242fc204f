//! The machine: what it is, on which processors the subjects run, and how much of it others took.

use std::fmt;
use std::fs;

/// What is known of the machine before the start.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) system: String,
    /// The processors this program may use.
    pub(crate) cpus: Vec<usize>,
    /// Whether subjects can be bound to processors.
    pub(crate) pins: bool,
    pub(crate) load: Option<f64>,
}

/// Looks.
pub(crate) fn look() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let after_colon = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let processor = after_colon(&read("/proc/cpuinfo"), "model name");
    let allowed = after_colon(&read("/proc/self/status"), "Cpus_allowed_list");
    let cpus = allowed.map(|list| cpu_list(&list)).unwrap_or_default();
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let pins = std::process::Command::new("taskset")
        .arg("-V")
        .output()
        .is_ok_and(|output| output.status.success());
    Machine {
        processor: processor.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        system: format!(
            "{} {}",
            std::env::consts::OS,
            read("/proc/sys/kernel/osrelease").trim()
        ),
        cpus: if cpus.is_empty() {
            (0..all).collect()
        } else {
            cpus
        },
        pins,
        load: read("/proc/loadavg")
            .split(' ')
            .next()
            .and_then(|text| text.parse().ok()),
    }
}

impl Machine {
    /// Whether nothing else seemed to run.
    pub(crate) fn known_quiet(&self) -> bool {
        self.load.is_none_or(|load| load <= 0.5)
    }

    /// The processors for so many workers, as `taskset` wants them; `None` if they cannot be
    /// bound, or are not enough.
    pub(crate) fn pin(&self, workers: usize) -> Option<String> {
        let cpus = self.cpus.get(..workers).filter(|_| self.pins)?;
        let cpus: Vec<String> = cpus.iter().map(usize::to_string).collect();
        Some(cpus.join(","))
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cpus, processor, system) = (self.cpus.len(), &self.processor, &self.system);
        let pins = if self.pins {
            "bound by taskset"
        } else {
            "not bound: no taskset"
        };
        write!(f, "{processor}, {cpus} processors ({pins}), {system}")?;
        match self.load {
            Some(load) => write!(f, ", load {load}"),
            None => Ok(()),
        }
    }
}

/// `0-2,5` as 0, 1, 2, 5.
fn cpu_list(text: &str) -> Vec<usize> {
    let ranges = text.split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.trim().parse::<usize>().ok()?..=last.trim().parse().ok()?)
    });
    ranges.flatten().collect()
}

/// The processors' time so far, in ticks: all of it, and what the host gave to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticks {
    all: u64,
    stolen: u64,
}

impl Ticks {
    /// Reads them; `None` where the system does not tell.
    pub(crate) fn now() -> Option<Ticks> {
        Ticks::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    fn parse(stat: &str) -> Option<Ticks> {
        let fields = stat.lines().next()?.strip_prefix("cpu ")?;
        let fields: Vec<u64> = fields.split_whitespace().flat_map(str::parse).collect();
        Some(Ticks {
            // user, nice, system, idle, iowait, irq, softirq, steal; guests are in user.
            all: fields.get(..8)?.iter().sum(),
            stolen: *fields.get(7)?,
        })
    }

    /// Which share has been stolen since.
    pub(crate) fn stolen_until(self, later: Ticks) -> f64 {
        let all = later.all.saturating_sub(self.all);
        let stolen = later.stolen.saturating_sub(self.stolen);
        if all == 0 {
            0.0
        } else {
            stolen as f64 / all as f64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors() {
        assert_eq!(cpu_list("0-2,5"), [0, 1, 2, 5]);
        assert_eq!(cpu_list("3"), [3]);
        assert_eq!(cpu_list(""), [0; 0]);
    }

    #[test]
    fn stolen_time() {
        let before = Ticks::parse("cpu  10 0 10 80 0 0 0 0 0 0\ncpu0 1").unwrap();
        let after = Ticks::parse("cpu  60 0 10 120 0 0 0 10 0 0\n").unwrap();
        assert!((before.stolen_until(after) - 0.1).abs() < 1e-9);
        assert_eq!(before.stolen_until(before), 0.0);
        assert_eq!(Ticks::parse("nothing"), None);
    }
}
