//! The pages of the guide, whose programs are compiled and run as documentation tests.
//!
//! Every page of `docs/guide` is listed here; `tests/it/guide.rs` fails when one is missing.

/// One type a page, to hang its text on.
macro_rules! pages {
    ($($page:ident: $path:literal),* $(,)?) => {
        $(
            #[doc = include_str!(concat!("../../docs/guide/", $path))]
            struct $page;
        )*
    };
}

pages! {
    Readme: "README.md",
    AntiPatterns: "anti-patterns.md",
    ComingFromActixRactorKameo: "coming-from/actix-ractor-kameo.md",
    ComingFromElixir: "coming-from/elixir.md",
    ComingFromTokio: "coming-from/tokio.md",
    BackPressure: "explain/back-pressure.md",
    Calls: "explain/calls.md",
    Order: "explain/order.md",
    RestartsAndHandles: "explain/restarts-and-handles.md",
    Scheduler: "explain/scheduler.md",
    WhatKillInterrupts: "explain/what-kill-interrupts.md",
    Faq: "faq.md",
    Glossary: "glossary.md",
    BenchmarkFairly: "how-to/benchmark-fairly.md",
    BlockingCode: "how-to/blocking-code.md",
    BuildForSpeed: "how-to/build-for-speed.md",
    Choose: "how-to/choose.md",
    Configuration: "how-to/configuration.md",
    CpuWork: "how-to/cpu-work.md",
    Databases: "how-to/databases.md",
    ExportMetrics: "how-to/export-metrics.md",
    FindAStuckProcess: "how-to/find-a-stuck-process.md",
    GracefulStop: "how-to/graceful-stop.md",
    HttpWithHyper: "how-to/http-with-hyper.md",
    PeriodicWork: "how-to/periodic-work.md",
    PubSub: "how-to/pub-sub.md",
    RateLimit: "how-to/rate-limit.md",
    ReplyLater: "how-to/reply-later.md",
    RetryWithBackOff: "how-to/retry-with-back-off.md",
    ShedLoad: "how-to/shed-load.md",
    TestARestart: "how-to/test-a-restart.md",
    TokioLibraries: "how-to/tokio-libraries.md",
    WorkerPool: "how-to/worker-pool.md",
    OwnBehaviours: "own-behaviours.md",
    ReferenceCard: "reference-card.md",
    Stability: "stability.md",
    Step1Process: "tutorial/1-process.md",
    Step2Bucket: "tutorial/2-bucket.md",
    Step3LetItCrash: "tutorial/3-let-it-crash.md",
    Step4ManyBuckets: "tutorial/4-many-buckets.md",
    Step5Tcp: "tutorial/5-tcp.md",
    Step6TasksAndTimeouts: "tutorial/6-tasks-and-timeouts.md",
    Step7Testing: "tutorial/7-testing.md",
    Step8LookingInside: "tutorial/8-looking-inside.md",
    Step9Shipping: "tutorial/9-shipping.md",
}
