//! Feature `tokio`: tokio's types in processes, and processes' futures on tokio.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use rekindle::{
    Builder, ExitReason, Mailbox, Runtime, Task, TokioTaskError, WaitKind, blocking, exit, info,
    is_alive, spawn, tokio_task, yield_now,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Handle;

fn with_tokio() -> Runtime {
    Builder::new().workers(2).tokio().start().unwrap()
}

/// Says when it is dropped.
#[derive(Clone, Default)]
struct Flag(Arc<AtomicBool>);

impl Flag {
    fn guard(&self) -> Guard {
        Guard(self.0.clone())
    }

    fn is_up(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    async fn raised(&self) {
        while !self.is_up() {
            yield_now().await;
        }
    }
}

struct Guard(Arc<AtomicBool>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn sockets_and_timers_of_tokio_work_in_processes() {
    with_tokio().block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Task::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = [0; 4];
            stream.read_exact(&mut text).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
            stream.write_all(&text).await.unwrap();
        });
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        client.write_all(b"ping").await.unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "ping");
        server.await.unwrap();
    });
}

#[test]
fn every_thread_that_runs_a_process_has_tokio_spare_ones_and_blocking_ones_too() {
    // One worker, which is stuck: what runs meanwhile runs on a thread that took its place.
    let runtime = Builder::new().workers(1).tokio().start().unwrap();
    runtime.block_on(async {
        let own = Handle::current().id();
        let on_blocking = blocking(|| Handle::current().id()).await.unwrap();
        assert_eq!(on_blocking, own);
        let (free, held) = mpsc::channel::<()>();
        let first = std::thread::current().id();
        let stuck = spawn(async move {
            // Blocks a worker on purpose, until another has run a process.
            held.recv().unwrap();
        });
        let theirs = Task::spawn(async move {
            while std::thread::current().id() == first {
                yield_now().await;
            }
            Handle::current().id()
        });
        assert_eq!(theirs.await.unwrap(), own);
        free.send(()).unwrap();
        while is_alive(stuck) {
            yield_now().await;
        }
    });
}

#[test]
fn the_companion_ends_with_its_runtime_and_what_escaped_with_it() {
    let (escaped, in_process) = (Flag::default(), Flag::default());
    let (guard, own) = (escaped.guard(), in_process.clone());
    let runtime = with_tokio();
    runtime.block_on(async move {
        tokio::spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        });
        spawn(async move {
            // Needs tokio when it is dropped, as connections of pools do.
            struct Needy(Flag);
            impl Drop for Needy {
                fn drop(&mut self) {
                    if Handle::try_current().is_ok() {
                        drop(self.0.guard());
                    }
                }
            }
            let _needy = Needy(own);
            pending::<()>().await;
        });
        yield_now().await;
    });
    assert!(!escaped.is_up());
    drop(runtime);
    assert!(escaped.is_up());
    assert!(in_process.is_up());
}

#[test]
fn the_users_own_runtime_is_used_and_left_alone() {
    let theirs = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let runtime = Builder::new()
        .tokio_handle(theirs.handle().clone())
        .start()
        .unwrap();
    let own = theirs.handle().id();
    assert_eq!(runtime.block_on(async { Handle::current().id() }), own);
    drop(runtime);
    assert_eq!(
        theirs.block_on(async { tokio::spawn(async { 7 }).await.unwrap() }),
        7
    );
}

#[test]
fn a_runtime_may_be_dropped_inside_of_tokio() {
    let theirs = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    theirs.block_on(async {
        let runtime = with_tokio();
        drop(runtime);
    });
}

#[test]
fn a_future_over_there_gives_its_value_or_why_there_is_none() {
    with_tokio().block_on(async {
        let there = tokio_task(async { std::thread::current().name().map(str::to_owned) });
        assert_eq!(there.await.unwrap().as_deref(), Some("rekindle-tokio"));
        // Only a thread of tokio's may do this.
        assert_eq!(
            tokio_task(async { tokio::task::block_in_place(|| 7) }).await,
            Ok(7)
        );
        let panics = tokio_task(async { panic!("{}", "no") as () });
        assert_eq!(panics.await, Err(TokioTaskError::Panicked("no".to_owned())));
    });
}

#[test]
fn a_future_over_there_dies_with_its_process() {
    with_tokio().block_on(async {
        let flag = Flag::default();
        let guard = flag.guard();
        let process = spawn(async move {
            let there = tokio_task(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            let _never = there.await;
        });
        let waits = || {
            info(process)
                .and_then(|info| info.waits)
                .map(|wait| wait.kind)
        };
        while waits() != Some(WaitKind::Task) {
            yield_now().await;
        }
        assert!(!flag.is_up());
        exit(process, ExitReason::Kill);
        flag.raised().await;

        // And with its handle.
        let flag = Flag::default();
        let guard = flag.guard();
        drop(tokio_task(async move {
            let _guard = guard;
            pending::<()>().await;
        }));
        flag.raised().await;
    });
}

#[test]
fn the_end_of_the_users_runtime_is_told() {
    let theirs = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let runtime = Builder::new()
        .tokio_handle(theirs.handle().clone())
        .start()
        .unwrap();
    let waiting = runtime.block_on(async {
        let (sender, receiver) = mpsc::channel();
        let waiting = spawn(|mut inbox: Mailbox<()>| async move {
            let there = tokio_task(pending::<()>());
            inbox.recv().await;
            sender.send(there.await).unwrap();
        });
        (waiting, receiver)
    });
    theirs.shutdown_background();
    waiting.0.send(());
    assert_eq!(waiting.1.recv().unwrap(), Err(TokioTaskError::Cancelled));
}

#[test]
fn without_tokio_it_is_said_so_and_a_simulation_has_none() {
    let plain = Builder::new().workers(1).start().unwrap();
    let simulated = Builder::new().tokio().simulated(1);
    for runtime in [plain, simulated] {
        let said = runtime.block_on(async { tokio_task(async { 7 }).await });
        assert_eq!(said, Err(TokioTaskError::NoTokio));
    }
    let error = Builder::new().tokio_workers(0).start().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}
