//! Migrations are compiled in; a new file in their folder must be noticed although no source file changed.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
