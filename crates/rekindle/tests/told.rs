//! Features `tracing`, `metrics` and `serde`: what is told of processes, and to whom.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use rekindle::prelude::*;
use rekindle::{enter_process_span, process_span, publish_metrics, recent_crashes, yield_now};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};

/// Keeps every event: its target, its fields, and the spans around it.
#[derive(Default)]
struct Ear {
    events: Mutex<Vec<String>>,
    spans: Mutex<BTreeMap<u64, String>>,
    next: AtomicU64,
}

thread_local! {
    static ENTERED: std::cell::RefCell<Vec<u64>> = const { std::cell::RefCell::new(Vec::new()) };
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!(" {}={value:?}", field.name());
    }
}

#[derive(Clone)]
struct Shared(Arc<Ear>);

impl Subscriber for Shared {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("rekindle") || metadata.target() == "told"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = Text(span.metadata().name().to_owned());
        span.record(&mut text);
        let id = self.0.next.fetch_add(1, Ordering::SeqCst) + 1;
        lock(&self.0.spans).insert(id, text.0);
        Id::from_u64(id)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(format!("{}:", event.metadata().target()));
        event.record(&mut text);
        ENTERED.with_borrow(|entered| {
            let spans = lock(&self.0.spans);
            for id in entered {
                text.0 += &format!(" in [{}]", spans[id]);
            }
        });
        lock(&self.0.events).push(text.0);
    }

    fn enter(&self, span: &Id) {
        ENTERED.with_borrow_mut(|entered| entered.push(span.into_u64()));
    }

    fn exit(&self, _: &Id) {
        ENTERED.with_borrow_mut(Vec::pop);
    }
}

/// Keeps every series.
#[derive(Default, Clone)]
struct Meter(Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>);

impl Meter {
    fn series(&self, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<String> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        let name = format!("{}{{{}}}", key.name(), labels.join(","));
        lock(&self.0).entry(name).or_default().clone()
    }

    fn count(&self, name: &str) -> u64 {
        lock(&self.0)
            .get(name)
            .map_or(0, |series| series.load(Ordering::SeqCst))
    }

    fn gauge(&self, name: &str) -> f64 {
        f64::from_bits(self.count(name))
    }
}

impl Recorder for Meter {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.series(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.series(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Milliseconds(self.series(key))))
    }
}

/// The sum of a histogram's values, in thousandths.
struct Milliseconds(Arc<AtomicU64>);

impl HistogramFn for Milliseconds {
    // Sums here are small and not negative.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn record(&self, value: f64) {
        self.0
            .fetch_add((value * 1000.0).round() as u64, Ordering::SeqCst);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Both listeners, which are the whole program's.
fn listeners() -> &'static (Shared, Meter) {
    static BOTH: OnceLock<(Shared, Meter)> = OnceLock::new();
    BOTH.get_or_init(|| {
        let (ear, meter) = (Shared(Arc::default()), Meter::default());
        tracing::subscriber::set_global_default(ear.clone()).expect("nobody else listens");
        metrics::set_global_recorder(meter.clone()).expect("nobody else counts");
        (ear, meter)
    })
}

fn events_with(part: &str) -> Vec<String> {
    let events = lock(&listeners().0.0.events).clone();
    events
        .into_iter()
        .filter(|event| event.contains(part))
        .collect()
}

/// A server that crashes when it is told to: one for each test, for the listeners are shared.
macro_rules! fragile {
    ($name:ident) => {
        struct $name;

        impl GenServer for $name {
            type Args = ();
            type Call = Never;
            type Cast = ();
            type Info = ();
            type Continue = Never;

            async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
                Ok(Init::Ready($name))
            }

            async fn handle_cast(&mut self, _: (), _: &mut Context<Self>) -> Step<Self> {
                Err(ExitReason::msg(concat!(stringify!($name), " broke")))
            }
        }
    };
}

fragile!(Fragile);
fragile!(Written);

#[test]
fn a_crash_a_restart_and_a_supervisor_that_gives_up_are_told_once_each() {
    listeners();
    Runtime::simulated(1).block_on(async {
        let tree = Supervisor::one_for_one()
            .intensity(1, Duration::from_secs(5))
            .child(Fragile::child(()).id("fragile").name("fragile"))
            .start()
            .await
            .unwrap();
        let fragile = rekindle::Name::<Fragile>::new("fragile");
        for _ in 0..2 {
            let before = fragile.pid();
            fragile.cast(());
            while fragile.pid() == before {
                yield_now().await;
            }
            while fragile.pid().is_none() && tree.is_alive() {
                yield_now().await;
            }
        }
        while tree.is_alive() {
            yield_now().await;
        }
    });
    let meter = &listeners().1;
    let crashes = events_with("process crashed");
    let mine: Vec<_> = crashes
        .iter()
        .filter(|e| e.contains("Fragile broke"))
        .collect();
    assert_eq!(mine.len(), 2, "{crashes:#?}");
    assert!(mine[0].starts_with("rekindle::crash:"), "{}", mine[0]);
    for field in [
        "pid=#",
        "behaviour=\"told::Fragile\"",
        "name=\"fragile\"",
        "last_message=",
    ] {
        assert!(mine[0].contains(field), "{field} in {}", mine[0]);
    }
    let restarts = events_with("child restarted");
    assert_eq!(restarts.len(), 1, "{restarts:#?}");
    assert!(restarts[0].contains("child=\"fragile\""));
    let given_up = events_with("message=supervisor gives up");
    assert_eq!(given_up.len(), 1, "{given_up:#?}");
    assert_eq!(
        meter.count("rekindle_crashes_total{behaviour=told::Fragile}"),
        2
    );
    assert_eq!(
        meter.count("rekindle_restarts_total{behaviour=told::Fragile}"),
        1
    );
    assert_eq!(meter.count("rekindle_give_ups_total{}"), 1);
}

#[test]
fn a_process_that_asks_for_it_runs_inside_of_its_span_and_others_do_not() {
    listeners();
    Runtime::simulated(1).block_on(async {
        rekindle::spawn(async {
            rekindle::set_label("asked");
            enter_process_span();
            yield_now().await;
            tracing::info!(target: "told", "from inside");
            yield_now().await;
            tracing::info!(target: "told", "again");
        });
        while events_with("again").is_empty() {
            yield_now().await;
            tracing::info!(target: "told", "from elsewhere");
        }
        process_span().in_scope(|| tracing::info!(target: "told", "for a moment"));
    });
    for said in ["from inside", "again"] {
        let events = events_with(said);
        let in_span = |event: &String| {
            event.contains("in [process pid=#") && event.contains("label=\"asked\"")
        };
        assert!(events.iter().all(in_span), "{events:?}");
    }
    let elsewhere = events_with("from elsewhere");
    assert!(!elsewhere.is_empty());
    assert!(
        elsewhere.iter().all(|event| !event.contains(" in [")),
        "{elsewhere:?}"
    );
    assert!(events_with("for a moment")[0].contains(" in [process pid=#"));
}

#[test]
fn series_are_by_behaviour_and_go_back_to_zero() {
    /// Only this test has any.
    struct Quiet;
    impl GenServer for Quiet {
        type Args = ();
        type Call = Never;
        type Cast = Never;
        type Info = ();
        type Continue = Never;
        async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
            Ok(Init::Ready(Quiet))
        }
    }

    let meter = &listeners().1;
    let name = std::any::type_name::<Quiet>();
    Runtime::simulated(1).block_on(async move {
        let mut all = Vec::new();
        for _ in 0..3 {
            all.push(Quiet::start(()).await.unwrap());
        }
        rekindle::sys::suspend(all[0].pid()).await.unwrap();
        (0..5).for_each(|_| all[0].send(()));
        rekindle::spawn(publish_metrics(Duration::from_secs(1)));
        sleep(Duration::from_millis(1500)).await;
        let of = |series: &str| meter.gauge(&format!("{series}{{behaviour={name}}}"));
        assert_eq!(of("rekindle_running"), 3.0);
        assert_eq!(of("rekindle_mailbox_size"), 5.0);
        assert_eq!(of("rekindle_mailbox_size_max"), 5.0);
        for one in &all {
            exit(one.pid(), ExitReason::Kill);
        }
        sleep(Duration::from_secs(1)).await;
        assert_eq!(of("rekindle_running"), 0.0);
        assert!(meter.count("rekindle_spawned_total{}") > 3);
    });
}

#[test]
fn how_long_a_server_takes_is_told_when_it_is_asked_for() {
    /// Takes the seconds that it is told to, and crashes at none.
    struct Slow;
    impl GenServer for Slow {
        type Args = ();
        type Call = ReplyTo<()>;
        type Cast = u64;
        type Info = Never;
        type Continue = Never;
        async fn init(_: (), _: &mut Context<Self>) -> Result<Init<Self>, ExitReason> {
            Ok(Init::Ready(Slow))
        }
        async fn handle_call(&mut self, from: ReplyTo<()>, _: &mut Context<Self>) -> Step<Self> {
            from.reply(());
            sleep(Duration::from_secs(1)).await;
            Ok(Next::Wait)
        }
        async fn handle_cast(&mut self, seconds: u64, _: &mut Context<Self>) -> Step<Self> {
            sleep(Duration::from_secs(seconds)).await;
            Ok(Next::Wait)
        }
    }

    let meter = &listeners().1;
    let name = std::any::type_name::<Slow>();
    Runtime::simulated(1).block_on(async move {
        let of = |kind| {
            let series = format!("rekindle_processing_seconds{{behaviour={name},kind={kind}}}");
            meter.count(&series)
        };
        let slow = Slow::start(()).await.unwrap();
        slow.cast(5);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(of("cast"), 0, "nobody has asked");

        rekindle::time_messages(true);
        slow.cast(2);
        slow.cast(3);
        slow.call(|from| from).await.unwrap();
        sleep(Duration::from_secs(60)).await;
        assert_eq!((of("cast"), of("call")), (5_000, 1_000));

        rekindle::time_messages(false);
        slow.cast(7);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(of("cast"), 5_000);
    });
}

#[test]
fn what_can_be_looked_at_can_be_written_down() {
    Runtime::simulated(1).block_on(async {
        let fragile = Written::start(()).name("written").await.unwrap();
        let info = serde_json::to_value(rekindle::info(fragile.pid())).unwrap();
        assert_eq!(info["pid"], fragile.pid().to_string());
        assert_eq!(info["name"], "written");
        assert_eq!(info["behaviour"], "told::Written");
        assert!(info["spawned_at"].as_str().unwrap().contains("told.rs:"));
        assert!(info["links"].as_array().unwrap().is_empty());
        fragile.cast(());
        while fragile.is_alive() {
            yield_now().await;
        }
        let report = serde_json::to_value(recent_crashes().pop()).unwrap();
        assert_eq!(report["reason"]["kind"], "error");
        assert_eq!(report["reason"]["text"], "Written broke");
        assert!(report["age_seconds"].is_f64());
        for field in [
            "last_sender_name",
            "last_sender_waits",
            "callers",
            "supervisor",
            "outcome",
        ] {
            assert!(report.get(field).is_some(), "{field} in {report}");
        }
        assert_eq!(report["ancestors"][0]["name"], serde_json::Value::Null);
        let normal = serde_json::to_string(&ExitReason::Normal).unwrap();
        assert_eq!(normal, r#"{"kind":"normal","text":"normal"}"#);
        let tree = serde_json::to_value(rekindle::tree()).unwrap();
        assert!(tree[0]["children"].is_array());
        let window = serde_json::to_value(rekindle::list(0, 1)).unwrap();
        assert_eq!(window["processes"].as_array().unwrap().len(), 1);
    });
}
