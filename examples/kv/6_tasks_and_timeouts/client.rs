include!("../5_tcp/client.rs");
