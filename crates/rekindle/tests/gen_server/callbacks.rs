//! Which shapes a callback may have.

use std::sync::{Arc, Mutex};

use rekindle::prelude::*;
use rekindle::recent_crashes;

use crate::{gone, simulated};

#[test]
fn init_takes_several_arguments_and_the_context() {
    struct Pair(u8, String, Pid);
    #[gen_server]
    impl Pair {
        async fn init(n: u8, cx: &mut Context<Self>, text: String) -> Self {
            Pair(n, text, cx.pid())
        }
        #[call]
        fn both(&self) -> (u8, String, Pid) {
            (self.0, self.1.clone(), self.2)
        }
    }
    simulated(async {
        let pair = Pair::start((7, "seven".to_owned())).await.unwrap();
        assert_eq!(pair.both().await, Ok((7, "seven".to_owned(), pair.pid())));
    });
}

#[test]
fn without_an_init_the_state_is_the_argument() {
    struct Plain(u8);
    #[gen_server]
    impl Plain {
        #[call]
        fn value(&self) -> u8 {
            self.0
        }
    }
    simulated(async {
        assert_eq!(Plain::start(Plain(7)).await.unwrap().value().await, Ok(7));
    });
}

#[test]
fn init_may_fail_by_any_error() {
    #[derive(Debug)]
    struct Number;
    #[gen_server]
    impl Number {
        fn init(text: &'static str) -> Result<Self, std::num::ParseIntError> {
            text.parse::<i64>().map(|_| Number)
        }
    }
    simulated(async {
        assert!(Number::start("7").await.is_ok());
        let Err(StartError::Failed(reason)) = Number::start("seven").await else {
            panic!("the start fails with the reason");
        };
        assert!(reason.downcast_ref::<std::num::ParseIntError>().is_some());
    });
}

#[test]
fn init_may_be_the_full_one() {
    #[derive(Debug)]
    struct Full(Vec<&'static str>);
    #[gen_server]
    impl Full {
        fn init(how: &'static str) -> Result<Init<Self>, ExitReason> {
            match how {
                "ignore" => Ok(Init::Ignore),
                "fail" => Ok(Init::Fail(ExitReason::Shutdown)),
                _ => Ok(Init::continue_with(Full(vec!["init"]), Load("later"))),
            }
        }
        #[continues]
        async fn load(&mut self, Load(what): Load) -> Step<Self> {
            self.0.push(what);
            Ok(Next::Timeout(Duration::from_secs(1)))
        }
        #[info(timeout)]
        fn idle(&mut self) {
            self.0.push("idle");
        }
        #[call]
        fn seen(&self) -> Vec<&'static str> {
            self.0.clone()
        }
    }
    struct Load(&'static str);

    simulated(async {
        assert_eq!(Full::start("ignore").await.unwrap_err(), StartError::Ignore);
        let failed = Full::start("fail").await.unwrap_err();
        assert_eq!(failed, StartError::Failed(ExitReason::Shutdown));
        let full = Full::start("go").await.unwrap();
        sleep(Duration::from_secs(2)).await;
        assert_eq!(full.seen().await.unwrap(), ["init", "later", "idle"]);
    });
}

#[test]
fn a_plain_init_alone_may_be_an_init() {
    struct Continued(bool);
    #[gen_server]
    impl Continued {
        fn init() -> Init<Self> {
            Init::continue_with(Continued(false), ())
        }
        #[continues]
        fn go(&mut self, (): ()) {
            self.0 = true;
        }
        #[call]
        fn went(&self) -> bool {
            self.0
        }
    }
    simulated(async {
        assert_eq!(Continued::start(()).await.unwrap().went().await, Ok(true));
    });
}

/// Answers in every way there is.
struct Answers {
    kept: Option<ReplyTo<String>>,
}

#[gen_server]
impl Answers {
    fn init() -> Self {
        Answers { kept: None }
    }
    #[call]
    fn nothing(&mut self) {}
    #[call]
    async fn later(&self, text: String) -> String {
        sleep(Duration::from_millis(1)).await;
        text
    }
    /// The `Result` is the answer: an `Err` is no crash.
    #[call]
    fn parse(&self, text: String) -> Result<i64, std::num::ParseIntError> {
        text.parse()
    }
    #[call]
    fn myself(&self, cx: &mut Context<Self>) -> Pid {
        cx.pid()
    }
    #[call]
    fn keep(&mut self, from: ReplyTo<String>) {
        self.kept = Some(from);
    }
    #[cast]
    fn release(&mut self, text: String) {
        if let Some(from) = self.kept.take() {
            from.reply(text);
        }
    }
    #[call]
    fn forget(&mut self, from: ReplyTo<u8>) {
        drop(from);
    }
    #[call]
    async fn by_another(&mut self, n: u8, from: ReplyTo<u8>) {
        spawn(async move { from.reply(n) });
    }
    #[call]
    fn last(&mut self, from: ReplyTo<&'static str>, cx: &mut Context<Self>) -> Step<Self> {
        from.reply("bye");
        let _ = cx.pid();
        Ok(Next::Stop(ExitReason::Normal))
    }
    #[call]
    fn strict(&mut self, text: String, from: ReplyTo<i64>) -> Result<(), ExitReason> {
        from.reply(text.parse()?);
        Ok(())
    }
    #[cast]
    fn answer_for_me(&mut self, whom: ReplyTo<u8>, with: u8) {
        whom.reply(with);
    }
    #[call]
    fn r#match(&self, _: u8, (a, b): (u8, u8)) -> u8 {
        a + b
    }
    #[cast]
    async fn fail(&mut self, text: String) -> Result<(), std::num::ParseIntError> {
        text.parse::<i64>().map(drop)
    }
}

#[test]
fn a_call_may_answer_in_every_way_there_is() {
    simulated(async {
        let answers = Answers::start(()).await.unwrap();
        assert_eq!(answers.nothing().await, Ok(()));
        assert_eq!(answers.later("soon".to_owned()).await.unwrap(), "soon");
        assert_eq!(answers.parse("7".to_owned()).await.unwrap(), Ok(7));
        assert!(answers.parse("seven".to_owned()).await.unwrap().is_err());
        assert_eq!(answers.myself().await, Ok(answers.pid()));
        assert_eq!(answers.forget().await, Err(CallError::NoReply));
        assert_eq!(answers.by_another(7).await, Ok(7));
        assert_eq!(answers.r#match(1, (2, 3)).await, Ok(5));
        assert_eq!(answers.strict("7".to_owned()).await, Ok(7));

        let releaser = answers.clone();
        spawn(async move {
            sleep(Duration::from_secs(1)).await;
            releaser.release("kept".to_owned());
        });
        assert_eq!(answers.keep().await.unwrap(), "kept");

        assert_eq!(answers.last().await, Ok("bye"));
        gone(answers.pid()).await;
    });
}

#[test]
fn an_error_of_a_callback_that_does_not_answer_by_it_is_a_crash() {
    simulated(async {
        let answers = Answers::start(()).await.unwrap();
        let failed = answers.strict("seven".to_owned()).await;
        assert!(matches!(
            failed,
            Err(CallError::Exited(ExitReason::Error(_)))
        ));

        let answers = Answers::start(()).await.unwrap();
        answers.fail("8".to_owned());
        answers.fail("eight".to_owned());
        gone(answers.pid()).await;
        let report = recent_crashes().pop().unwrap();
        assert_eq!(report.last_message.as_deref(), Some("cast fail"));
    });
}

#[test]
fn a_reply_to_in_a_cast_is_a_value_as_any() {
    struct Front(Addr<Answers>);
    #[gen_server]
    impl Front {
        #[call]
        fn ask(&mut self, from: ReplyTo<u8>, n: u8) {
            self.0.answer_for_me(from, n);
        }
    }
    simulated(async {
        let answers = Answers::start(()).await.unwrap();
        let front = Front::start(Front(answers)).await.unwrap();
        assert_eq!(front.ask(9).await, Ok(9));
    });
}

#[test]
fn terminate_hibernate_and_status_are_callbacks() {
    type Log = Arc<Mutex<Vec<String>>>;
    struct Ends(Log);
    #[gen_server]
    impl Ends {
        #[cast]
        fn doze(&mut self) -> Next<Self> {
            Next::Hibernate
        }
        fn hibernate(&mut self) {
            self.0.lock().unwrap().push("hibernate".to_owned());
        }
        async fn terminate(&mut self, reason: &ExitReason) {
            sleep(Duration::from_millis(1)).await;
            self.0.lock().unwrap().push(format!("terminate {reason}"));
        }
        fn format_status(&self) -> Option<String> {
            Some("fine".to_owned())
        }
    }
    simulated(async {
        let log = Log::default();
        let ends = Ends::start(Ends(log.clone())).await.unwrap();
        ends.doze();
        sleep(Duration::from_millis(1)).await;
        let status = rekindle::sys::get_status(ends.pid()).await.unwrap();
        assert_eq!(status.state.as_deref(), Some("fine"));
        ends.stop().await.unwrap();
        assert_eq!(*log.lock().unwrap(), ["hibernate", "terminate normal"]);
    });
}

#[test]
fn callbacks_by_hand_stand_beside_the_others() {
    enum Change {
        Add(i64),
        Take(i64),
    }
    struct Mixed(i64);
    #[gen_server]
    impl Mixed {
        #[call]
        fn get(&self) -> i64 {
            self.0
        }
        async fn handle_cast(&mut self, change: Change, _cx: &mut Context<Self>) -> Step<Self> {
            match change {
                Change::Add(k) => self.0 += k,
                Change::Take(k) => self.0 -= k,
            }
            Ok(Next::Wait)
        }
        fn handle_info(&mut self, info: Info<i64>, cx: &mut Context<Self>) -> Step<Self> {
            match info {
                Info::Message(n) => self.0 = n,
                other => return cx.unexpected(other),
            }
            Ok(Next::Wait)
        }
    }
    simulated(async {
        let mixed = Mixed::start(Mixed(0)).await.unwrap();
        mixed.cast(Change::Add(5));
        mixed.cast(Change::Take(2));
        assert_eq!(mixed.get().await, Ok(3));
        mixed.send(9);
        assert_eq!(mixed.get().await, Ok(9));
    });
}

#[test]
fn a_continue_is_in_the_crash_report_by_its_name() {
    struct Job;
    struct Run;
    #[gen_server]
    impl Job {
        fn init() -> Init<Self> {
            Init::continue_with(Job, Run)
        }
        #[continues]
        fn run(&mut self, _: Run) {
            panic!("a bad job");
        }
    }
    simulated(async {
        let job = Job::start(()).await.unwrap();
        gone(job.pid()).await;
        let report = recent_crashes().pop().unwrap();
        assert_eq!(report.last_message.as_deref(), Some("continue run"));
    });
}

#[test]
fn the_methods_are_ordinary_methods_that_need_no_process() {
    let answers = Answers { kept: None };
    assert_eq!(answers.parse("7".to_owned()), Ok(7));
}
