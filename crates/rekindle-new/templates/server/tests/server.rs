//! The server in virtual time: nothing here waits for a real clock, and the same seed is the same
//! run.

use rekindle::prelude::*;

use {{name}}::{{Name}};

#[test]
fn permits_come_to_an_end_and_back() {
    Runtime::simulated(1).block_on(async {
        let server = {{Name}}::start_link(2).await.unwrap();
        assert_eq!({{Name}}::take(&server).await, Ok(true));
        assert_eq!({{Name}}::take(&server).await, Ok(true));
        assert_eq!({{Name}}::take(&server).await, Ok(false));
        {{Name}}::give_back(&server);
        assert_eq!({{Name}}::take(&server).await, Ok(true));
        server.stop().await.unwrap();
        assert_eq!({{Name}}::take(&server).await, Err(CallError::NoProc));
    });
}

#[test]
fn a_supervisor_starts_it_again_with_all_permits() {
    Runtime::simulated(1).block_on(async {
        let child = {{Name}}::child(1).name("permits");
        let tree = Supervisor::one_for_one().child(child).start_link().await;
        let tree = tree.unwrap();
        let first = Addr::whereis("permits").expect("it has been started");
        assert_eq!({{Name}}::take(&first).await, Ok(true));

        exit(first.pid(), ExitReason::Kill);
        let second = loop {
            match Addr::whereis("permits") {
                Some(holder) if holder.pid() != first.pid() => break holder,
                _ => sleep(Duration::from_millis(1)).await,
            }
        };
        assert_eq!({{Name}}::take(&second).await, Ok(true));
        tree.stop().await.unwrap();
    });
}
