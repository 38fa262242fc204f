//! The web service, over real sockets and with tokio beside.

use rekindle::Builder;
use rekindle_examples::stage::Stage;
use rekindle_examples::web;

use crate::assert_in_order;

#[test]
fn mistakes_end_one_connection_or_one_life_and_the_service_goes_on() {
    let stage = Stage::kept();
    Builder::new()
        .tokio()
        .start()
        .unwrap()
        .block_on(web::run(stage.clone()))
        .expect("the story ends well");
    assert_in_order(
        &stage.lines(),
        &[
            " GET /stock   200 10 in stock",
            "POST /take/3  200 7 left",
            "POST /take/8  409 only 7 in stock",
            " GET /bug     no answer",
            " GET /stock   200 7 in stock",
            "POST /audit   503 ",
            " GET /stock   200 10 in stock",
        ],
    );
}
