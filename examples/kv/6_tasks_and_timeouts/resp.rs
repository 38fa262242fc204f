include!("../5_tcp/resp.rs");
