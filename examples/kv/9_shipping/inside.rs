include!("../8_looking_inside/inside.rs");
