include!("../7_testing/tests.rs");
