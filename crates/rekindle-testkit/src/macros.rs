//! Assertions about messages.

/// Waits for a message that fits a pattern, 100 ms unless told otherwise (of virtual time, under
/// the simulator); panics with what is in the mailbox if none comes. What does not fit stays in
/// the mailbox.
///
/// The first argument is a [`Test`](crate::Test) or a [`Probe`](crate::Probe). After `=>` stands
/// what the macro gives: the pattern's variables are to be had there.
///
/// ```test_harness
/// use rekindle::testkit::assert_receive;
/// use rekindle::prelude::*;
///
/// #[derive(Debug)]
/// enum Msg { Started, Done { id: u32, took: Duration } }
///
/// #[rekindle::test(simulated)]
/// async fn body(t: &mut rekindle::testkit::Test<Msg>) {
///     let to = t.recipient();
///     spawn(async move {
///         to.send(Msg::Started);
///         sleep(Duration::from_millis(20)).await;
///         to.send(Msg::Done { id: 7, took: Duration::from_millis(20) });
///     });
///     let took = assert_receive!(t, Msg::Done { id, took } if id == 7 => took);
///     assert_eq!(took, Duration::from_millis(20));
///     assert_receive!(t, Msg::Started, within = Duration::from_secs(1));
/// }
/// ```
#[macro_export]
macro_rules! assert_receive {
    ($from:expr, $pattern:pat $(if $guard:expr)? $(, within = $within:expr)? $(,)?) => {
        $crate::assert_receive!($from, $pattern $(if $guard)? => () $(, within = $within)?)
    };
    ($from:expr, $pattern:pat $(if $guard:expr)? => $out:expr $(,)?) => {
        $crate::assert_receive!(
            $from, $pattern $(if $guard)? => $out, within = $crate::__private::PATIENCE
        )
    };
    ($from:expr, $pattern:pat $(if $guard:expr)? => $out:expr, within = $within:expr $(,)?) => {{
        use $crate::Receives as _;
        let received = $from
            .receive_map(
                $within,
                ::core::stringify!($pattern $(if $guard)?),
                #[allow(unused_variables, unreachable_patterns)]
                |message| match message {
                    $pattern $(if $guard)? => ::core::result::Result::Ok($out),
                    other => ::core::result::Result::Err(other),
                },
            )
            .await;
        match received {
            ::core::result::Result::Ok(received) => received,
            ::core::result::Result::Err(error) => ::core::panic!("{error}"),
        }
    }};
}

/// As [`assert_receive!`](crate::assert_receive), for what must have come already.
///
/// ```test_harness
/// use rekindle::testkit::{Test, assert_received};
/// use rekindle::prelude::*;
///
/// #[rekindle::test(simulated)]
/// async fn body(t: &mut Test<u32>) {
///     let to = t.recipient();
///     spawn(async move { to.send(7) });
///     t.settle().await;
///     let n = assert_received!(t, n => n); // it waits for nothing
///     assert_eq!(n, 7);
/// }
/// ```
#[macro_export]
macro_rules! assert_received {
    ($from:expr, $pattern:pat $(if $guard:expr)? $(,)?) => {
        $crate::assert_receive!(
            $from, $pattern $(if $guard)? => (), within = ::core::time::Duration::ZERO
        )
    };
    ($from:expr, $pattern:pat $(if $guard:expr)? => $out:expr $(,)?) => {
        $crate::assert_receive!(
            $from, $pattern $(if $guard)? => $out, within = ::core::time::Duration::ZERO
        )
    };
}

/// Sees that no message comes that fits a pattern, for 100 ms unless told otherwise; panics with
/// the message if one does. It waits for the whole time; under the simulator that is nothing.
///
/// ```test_harness
/// use rekindle::testkit::refute_receive;
/// use rekindle::prelude::*;
///
/// #[rekindle::test(simulated)]
/// async fn body(t: &mut rekindle::testkit::Test<u32>) {
///     t.recipient().send(3);
///     refute_receive!(t, n if n > 3, within = Duration::from_secs(60));
/// }
/// ```
#[macro_export]
macro_rules! refute_receive {
    ($from:expr, $pattern:pat $(if $guard:expr)? $(,)?) => {
        $crate::refute_receive!($from, $pattern $(if $guard)?, within = $crate::__private::PATIENCE)
    };
    ($from:expr, $pattern:pat $(if $guard:expr)?, within = $within:expr $(,)?) => {{
        use $crate::Receives as _;
        let refuted = $from
            .refute_map(
                $within,
                ::core::stringify!($pattern $(if $guard)?),
                #[allow(unused_variables, unreachable_patterns)]
                |message| match message {
                    $pattern $(if $guard)? => ::core::result::Result::Ok(()),
                    other => ::core::result::Result::Err(other),
                },
            )
            .await;
        if let ::core::result::Result::Err(error) = refuted {
            ::core::panic!("{error}");
        }
    }};
}

/// Waits for the `Down` of a process that the test [monitors](fn@rekindle_actor::monitor), and
/// gives it; panics with what is in the mailbox if none comes in 100 ms, or the time given.
///
/// ```test_harness
/// use rekindle::testkit::{Test, assert_down};
/// use rekindle::prelude::*;
///
/// #[rekindle::test(simulated)]
/// async fn body(t: &mut Test) {
///     let worker = spawn(sleep(Duration::from_secs(1)));
///     monitor(worker);
///     let down = assert_down!(t, worker, within = Duration::from_secs(2));
///     assert_eq!(down.reason, ExitReason::Normal);
/// }
/// ```
#[macro_export]
macro_rules! assert_down {
    ($from:expr, $pid:expr $(,)?) => {
        $crate::assert_down!($from, $pid, within = $crate::__private::PATIENCE)
    };
    ($from:expr, $pid:expr, within = $within:expr $(,)?) => {{
        use $crate::Receives as _;
        let received = $from.receive_down($within, $pid).await;
        match received {
            ::core::result::Result::Ok(down) => down,
            ::core::result::Result::Err(error) => ::core::panic!("{error}"),
        }
    }};
}

/// For the macros only.
#[doc(hidden)]
pub mod __private {
    pub const PATIENCE: std::time::Duration = crate::inbox::PATIENCE;
}
