include!("../8_looking_inside/commands.rs");
