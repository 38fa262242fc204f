include!("../4_many_buckets/store.rs");
