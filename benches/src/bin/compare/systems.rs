//! Who is measured: how each is built, and how it is started.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use rekindle_bench_protocol::Task;

use crate::machine::Machine;
use crate::options::{Allocator, Options};

/// A system that can be measured, or the reason why it cannot.
#[derive(Debug)]
pub(crate) struct System {
    /// As in the lines for scripts.
    pub(crate) name: &'static str,
    /// Its version, where it is known.
    pub(crate) version: String,
    pub(crate) program: Result<Program, String>,
}

/// How a subject is started.
#[derive(Debug)]
pub(crate) enum Program {
    /// A Rust program, once for each allocator.
    Rust { system: PathBuf, mimalloc: PathBuf },
    /// A Go program.
    Go(PathBuf),
    /// A folder of BEAM modules.
    Beam(PathBuf),
}

impl System {
    /// The name by which the program knows it.
    fn asked_for(&self) -> &str {
        self.name.strip_suffix("_lean").unwrap_or(self.name)
    }

    /// The command for a task, bound to as many processors as it has workers.
    pub(crate) fn command(
        &self,
        program: &Program,
        task: &Task,
        allocator: Allocator,
        machine: &Machine,
    ) -> Command {
        let task = Task {
            system: self.asked_for().to_owned(),
            ..task.clone()
        };
        let (program, mut arguments): (PathBuf, Vec<String>) = match program {
            Program::Rust { system, .. } if allocator == Allocator::System => {
                (system.clone(), Vec::new())
            }
            Program::Rust { mimalloc, .. } => (mimalloc.clone(), Vec::new()),
            Program::Go(program) => (program.clone(), Vec::new()),
            Program::Beam(folder) => {
                let schedulers = format!("{0}:{0}", task.workers);
                let fixed = [
                    "+S",
                    &schedulers,
                    "+SDcpu",
                    "1",
                    "+SDio",
                    "1",
                    "+P",
                    "16000000",
                ];
                let run = ["-noinput", "-pa", &folder.display().to_string()].map(str::to_owned);
                let entry = ["-run", "bench_peer", "main"].map(str::to_owned);
                let arguments = fixed.map(str::to_owned).into_iter().chain(run).chain(entry);
                ("erl".into(), arguments.collect())
            }
        };
        arguments.extend(task.arguments());
        let mut command = match machine.pin(task.workers) {
            Some(cpus) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &cpus]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command
            .args(arguments)
            .env("ERL_CRASH_DUMP", "/dev/null")
            .env("RUST_BACKTRACE", "0");
        command
    }
}

/// The name of rekindle.
pub(crate) const OURS: &str = "rekindle";

/// The Rust peers; a name that ends with `_lean` is built without the peer's default features.
const RUST_PEERS: [&str; 6] = [
    "tokio",
    "async_executor",
    "actix",
    "ractor",
    "kameo",
    "hydra",
];
const LEAN_PEERS: [&str; 3] = ["ractor_lean", "kameo_lean", "hydra_lean"];

/// Builds who is wanted, and finds out who is there.
pub(crate) fn prepare(options: &Options) -> Result<Vec<System>, String> {
    let places = Places::find()?;
    let wanted = |name: &str| match &options.systems {
        _ if options.ours => false,
        Some(names) => names.iter().any(|wanted| wanted == name),
        // Twice the building for a question of detail: not in a quick run.
        None => !(options.quick && LEAN_PEERS.contains(&name)),
    };
    if let Some(names) = &options.systems {
        let known = |name: &&String| {
            let name = name.as_str();
            let others = RUST_PEERS.iter().chain(&LEAN_PEERS).chain(&["beam", "go"]);
            others.copied().any(|other| other == name)
        };
        if let Some(unknown) = names.iter().find(|name| !known(name)) {
            return Err(format!("no system {unknown}; --help lists them"));
        }
    }
    let mut systems = vec![System {
        name: OURS,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        program: Ok(places.ours(options.build)?),
    }];
    if wanted("beam") {
        systems.push(beam(&places, options.build));
    }
    if wanted("go") {
        systems.push(go(&places, options.build));
    }
    for (names, lean) in [(&RUST_PEERS[..], false), (&LEAN_PEERS[..], true)] {
        let names: Vec<_> = names.iter().copied().filter(|name| wanted(name)).collect();
        if names.is_empty() {
            continue;
        }
        let program = places.rust_peers(lean, options.build);
        for name in names {
            let package = name.trim_end_matches("_lean").replace('_', "-");
            systems.push(System {
                name,
                version: places.peer_version(&package),
                program: program.as_ref().map(Program::copy).map_err(String::clone),
            });
        }
    }
    Ok(systems)
}

impl Program {
    fn copy(&self) -> Program {
        match self {
            Program::Rust { system, mimalloc } => Program::Rust {
                system: system.clone(),
                mimalloc: mimalloc.clone(),
            },
            Program::Go(program) => Program::Go(program.clone()),
            Program::Beam(folder) => Program::Beam(folder.clone()),
        }
    }
}

/// Where sources lie and programs go.
struct Places {
    benches: PathBuf,
    /// Cargo's target folder, in which this program is.
    target: PathBuf,
}

impl Places {
    fn find() -> Result<Places, String> {
        let this = std::env::current_exe().map_err(|error| format!("where am I: {error}"))?;
        let target = this
            .ancestors()
            .nth(2)
            .ok_or("this program is in no target folder")?;
        Ok(Places {
            benches: env!("CARGO_MANIFEST_DIR").into(),
            target: target.to_owned(),
        })
    }

    fn ours(&self, build: bool) -> Result<Program, String> {
        if build {
            let mut cargo = self.cargo(&self.benches, &self.target);
            cargo.args(["--bin", "subject", "--bin", "subject_mimalloc"]);
            succeed(&mut cargo)?;
        }
        Ok(self.rust(&self.target, "subject"))
    }

    fn rust_peers(&self, lean: bool, build: bool) -> Result<Program, String> {
        let target = self.target.join(if lean { "peers-lean" } else { "peers" });
        if build {
            let mut cargo = self.cargo(&self.benches.join("peers"), &target);
            if lean {
                cargo.arg("--no-default-features");
            }
            succeed(&mut cargo)?;
        }
        Ok(self.rust(&target, "peers"))
    }

    fn cargo(&self, package: &Path, target: &Path) -> Command {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.args(["build", "--release", "--locked", "--manifest-path"]);
        cargo
            .arg(package.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(target);
        cargo
    }

    fn rust(&self, target: &Path, name: &str) -> Program {
        let file = |name: String| {
            let name = name + std::env::consts::EXE_SUFFIX;
            target.join("release").join(name)
        };
        Program::Rust {
            system: file(name.to_owned()),
            mimalloc: file(format!("{name}_mimalloc")),
        }
    }

    /// The version of a peer, as the peers' lock file has it.
    fn peer_version(&self, package: &str) -> String {
        let lock = std::fs::read_to_string(self.benches.join("peers/Cargo.lock"));
        let lock = lock.unwrap_or_default();
        let (name, mut lines) = (format!("name = \"{package}\""), lock.lines());
        lines.find(|line| *line == name);
        let version = lines
            .next()
            .and_then(|line| line.strip_prefix("version = "));
        version.unwrap_or("?").trim_matches('"').to_owned()
    }
}

fn beam(places: &Places, build: bool) -> System {
    let version = "io:put_chars(erlang:system_info(otp_release)), halt().";
    let version = output(Command::new("erl").args(["-noinput", "-eval", version]));
    let compiled = places.target.join("peers/beam");
    let program = match &version {
        None => Err("erl is not on the path".to_owned()),
        Some(_) if !build => Ok(Program::Beam(compiled)),
        Some(_) => compile_beam(&places.benches.join("peers/beam"), &compiled)
            .map(|()| Program::Beam(compiled)),
    };
    System {
        name: "beam",
        version: version.map_or("?".to_owned(), |version| format!("OTP {version}")),
        program,
    }
}

fn compile_beam(sources: &Path, compiled: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", sources.display());
    std::fs::create_dir_all(compiled).map_err(failed)?;
    let files = std::fs::read_dir(sources).map_err(failed)?;
    let files = files.flatten().map(|file| file.path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "erl"));
    succeed(Command::new("erlc").arg("-o").arg(compiled).args(files))
}

fn go(places: &Places, build: bool) -> System {
    let version = output(Command::new("go").arg("version"));
    let built = places.target.join("peers").join("go_peer");
    let program = match &version {
        None => Err("go is not on the path".to_owned()),
        Some(_) if !build => Ok(Program::Go(built)),
        Some(_) => {
            let mut go = Command::new("go");
            go.args(["build", "-o"]).arg(&built).arg(".");
            go.current_dir(places.benches.join("peers/go"));
            succeed(&mut go).map(|()| Program::Go(built))
        }
    };
    let number = version.and_then(|text| text.split(' ').nth(2).map(str::to_owned));
    System {
        name: "go",
        version: number.unwrap_or("?".to_owned()),
        program,
    }
}

/// What a command says, if it succeeds.
fn output(command: &mut Command) -> Option<String> {
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a command that builds something.
fn succeed(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{:?}: {status}", command.get_program())),
        Err(error) => Err(format!("{:?}: {error}", command.get_program())),
    }
}
