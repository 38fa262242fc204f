//! `#[rekindle::main]` runs its body as a process and hands its value on.

#[rekindle::main(workers = 1)]
async fn answer() -> Result<u32, String> {
    assert!(rekindle::is_alive(rekindle::self_pid()));
    Ok(42)
}

#[test]
fn the_body_is_a_process_and_its_value_comes_back() {
    assert_eq!(answer(), Ok(42));
}
