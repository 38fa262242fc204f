include!("../8_looking_inside/bucket.rs");
