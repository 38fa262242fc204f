//! The checker of links, over real sockets and with tokio beside.

use rekindle::Builder;
use rekindle_examples::links;
use rekindle_examples::stage::Stage;

#[test]
fn answers_are_kept_and_a_kill_takes_requests_and_transactions_along() {
    let stage = Stage::kept();
    Builder::new()
        .tokio()
        .start()
        .unwrap()
        .block_on(links::run(stage.clone()))
        .expect("the story ends well");
    assert_eq!(
        stage.lines(),
        [
            "--- Each page is asked for in a process of its own, and the answers are kept.",
            "/fine      200",
            "/gone      404",
            "/hangs-up  the connection broke",
            "/slow      no answer in time",
            "--- Who asks is killed: the other end notices.",
            "being answered: 1, and after the kill: 0",
            "--- A transaction dies with its process.",
            "inside it: 0 pages, and after the kill: 4",
        ]
    );
}
