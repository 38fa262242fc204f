//! `#[info]`: a method per type of message.

use rekindle::prelude::*;
use rekindle::recent_crashes;

use crate::{gone, simulated};

#[derive(Clone)]
struct Tick;
struct Note(&'static str);

#[derive(Default)]
struct Listener {
    heard: Vec<String>,
}

#[gen_server]
impl Listener {
    fn init(cx: &mut Context<Self>) -> Result<Self, ExitReason> {
        trap_exit(true);
        cx.send_after(Duration::from_secs(1), Note("later"));
        cx.send_interval(Duration::from_secs(2), Tick)?.detach();
        Ok(Listener::default())
    }
    #[info]
    fn tick(&mut self, _: Tick) -> Next<Self> {
        self.heard.push("tick".to_owned());
        Next::Wait
    }
    #[info]
    async fn note(&mut self, note: Note, cx: &mut Context<Self>) -> Step<Self> {
        self.heard
            .push(format!("{} {}", note.0, cx.pid() == self_pid()));
        if note.0 == "die" {
            return Err(ExitReason::msg("told to"));
        }
        Ok(Next::Wait)
    }
    #[info]
    fn down(&mut self, down: Down) {
        self.heard.push(format!("down {}", down.reason));
    }
    #[info]
    fn exited(&mut self, exit: Exit) {
        self.heard.push(format!("exit {}", exit.reason));
    }
    #[call]
    fn watch(&mut self, pid: Pid) {
        monitor(pid);
    }
    #[call]
    fn attach(&mut self, pid: Pid) {
        link(pid);
    }
    #[call]
    fn heard(&mut self) -> Vec<String> {
        std::mem::take(&mut self.heard)
    }
}

#[test]
fn each_type_of_message_has_its_method_its_timer_and_its_recipient() {
    simulated(async {
        let listener = Listener::start(()).await.unwrap();
        let notes: Recipient<Note> = listener.recipient();
        notes.send(Note("by recipient"));
        listener.send(Note("by address"));
        sleep(Duration::from_millis(2_500)).await;
        assert_eq!(
            listener.heard().await.unwrap(),
            ["by recipient true", "by address true", "later true", "tick"]
        );
    });
}

#[test]
fn deaths_have_their_methods() {
    simulated(async {
        let listener = Listener::start(()).await.unwrap();
        let asleep = || spawn(sleep(Duration::from_secs(60)));
        let (watched, linked) = (asleep(), asleep());
        listener.watch(watched).await.unwrap();
        listener.attach(linked).await.unwrap();
        exit(watched, ExitReason::msg("one"));
        gone(watched).await;
        exit(linked, ExitReason::msg("two"));
        gone(linked).await;
        assert_eq!(listener.heard().await.unwrap(), ["down one", "exit two"]);
    });
}

#[test]
fn a_crash_report_calls_the_message_after_its_method() {
    simulated(async {
        let listener = Listener::start(()).await.unwrap();
        listener.send(Note("die"));
        gone(listener.pid()).await;
        let report = recent_crashes().pop().unwrap();
        assert_eq!(report.last_message.as_deref(), Some("message note"));
    });
}

#[test]
fn what_no_method_takes_is_logged_and_the_server_goes_on() {
    struct Narrow(u8);
    #[gen_server]
    impl Narrow {
        #[info]
        fn set(&mut self, n: u8) {
            self.0 = n;
        }
        #[call]
        fn watch(&mut self, pid: Pid) -> u8 {
            monitor(pid);
            self.0
        }
    }
    simulated(async {
        let narrow = Narrow::start(Narrow(0)).await.unwrap();
        narrow.send(7);
        let gone_already = spawn(async {});
        gone(gone_already).await;
        assert_eq!(narrow.watch(gone_already).await, Ok(7));
        assert_eq!(narrow.watch(gone_already).await, Ok(7));
    });
}

#[test]
fn a_type_of_ones_own_called_down_is_a_message() {
    mod stairs {
        pub(super) struct Down(pub(super) u8);
    }
    struct Walker(u8);
    #[gen_server]
    impl Walker {
        #[info(message)]
        fn down(&mut self, steps: stairs::Down) {
            self.0 += steps.0;
        }
        #[call]
        fn steps(&self) -> u8 {
            self.0
        }
    }
    simulated(async {
        let walker = Walker::start(Walker(0)).await.unwrap();
        walker.send(stairs::Down(3));
        assert_eq!(walker.steps().await, Ok(3));
    });
}
