//! The chat, over real sockets.

use rekindle::Runtime;
use rekindle_examples::stage::Stage;
use rekindle_examples::tcp_chat;

use crate::assert_in_order;

#[test]
fn one_guest_crashes_one_is_let_go_and_all_hear_of_the_end() {
    let stage = Stage::kept();
    Runtime::new()
        .unwrap()
        .block_on(tcp_chat::run(stage.clone()))
        .expect("the story ends well");
    assert_in_order(
        &stage.lines(),
        &[
            "  bob hears  ann: hello, everybody",
            "  bob is out",
            "  ann hears  * bob has left: in a crash",
            "  cat hears  * deaf has left: more than 65536 bytes would wait",
            "  ann hears  * deaf has left: more than 65536 bytes would wait",
            " deaf is out",
            "  ann hears  * we close",
            "  ann is out",
            "  cat is out",
            "nobody listens any more: true",
        ],
    );
}
