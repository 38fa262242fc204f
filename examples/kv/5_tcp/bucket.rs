include!("../2_bucket/bucket.rs");
