//! Runtimes that are started and dropped, again and again: what each leaves behind adds up.

use std::process::ExitCode;
use std::sync::mpsc;
use std::task::Waker;
use std::thread;
use std::time::Instant;

use rekindle::prelude::*;

use crate::options::Options;
use crate::report::{count_reports, score};
use crate::vitals::Vitals;

/// Live bytes may differ by this much. The queues' memory is given back by those who come later, so
/// the number goes up and down (between 5 and 100 KiB were seen); what leaks only goes up.
const SLACK: usize = 256 * 1024;

/// Runs the check.
pub(crate) fn check(options: &Options) -> ExitCode {
    count_reports();
    let begun = Instant::now();
    let tenth = options.count / 10;
    if let Err(error) = lives(options, tenth) {
        eprintln!("soak: no runtime: {error}");
        return ExitCode::from(2);
    }
    let early = Vitals::now();
    println!("after {tenth:>7}: {early:?}");
    if let Err(error) = lives(options, options.count - tenth) {
        eprintln!("soak: no runtime: {error}");
        return ExitCode::FAILURE;
    }
    let late = Vitals::settled(early);
    println!(
        "after {:>7}: {late:?}, in {:.1?}",
        options.count,
        begun.elapsed()
    );

    let growth = late.live as f64 - early.live as f64;
    score("runtimes_live_growth", growth, "bytes", options.count);
    let holds = late.threads <= early.threads
        && late.files <= early.files
        && late.live <= early.live + SLACK;
    if holds {
        println!("ok: a dropped runtime leaves nothing behind");
        ExitCode::SUCCESS
    } else {
        println!("FAILED: a dropped runtime leaves something behind");
        ExitCode::FAILURE
    }
}

/// So many runtimes, each dropped in the middle of its work; wakers of its processes are used by
/// a foreign thread until after its end.
fn lives(options: &Options, count: u64) -> std::io::Result<()> {
    let (keep, kept) = mpsc::channel::<Vec<Waker>>();
    let foreign = thread::spawn(move || {
        for wakers in kept {
            wakers.iter().for_each(Waker::wake_by_ref);
        }
    });
    for _ in 0..count {
        let runtime = crate::runtime(options)?;
        let keep = keep.clone();
        runtime.block_on(async move {
            let supervisor = Supervisor::one_for_one()
                .child(ChildSpec::task(std::future::pending::<()>))
                .start()
                .await;
            let wakers = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
            for n in 0..20 {
                let wakers = wakers.clone();
                spawn(async move {
                    let me = self_pid();
                    // A name is taken by one only; the others go on without.
                    let _ = register("one of many", me);
                    let alarm = exit_later(me);
                    std::future::poll_fn(|cx| {
                        let mut wakers = wakers.lock().unwrap_or_else(|held| held.into_inner());
                        wakers.push(cx.waker().clone());
                        if n % 2 == 0 {
                            std::task::Poll::Ready(())
                        } else {
                            std::task::Poll::Pending
                        }
                    })
                    .await;
                    alarm.cancel_quietly();
                });
            }
            rekindle::yield_now().await;
            let wakers =
                std::mem::take(&mut *wakers.lock().unwrap_or_else(|held| held.into_inner()));
            // The thread takes them as long as this function runs.
            let _ = keep.send(wakers);
            drop(supervisor);
        });
    }
    drop(keep);
    if foreign.join().is_err() {
        eprintln!("soak: the thread with the wakers has died");
    }
    Ok(())
}

fn exit_later(pid: Pid) -> rekindle::TimerRef {
    rekindle::kill_after(Duration::from_secs(3_600), pid)
}
