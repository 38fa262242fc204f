include!("../6_tasks_and_timeouts/find.rs");
