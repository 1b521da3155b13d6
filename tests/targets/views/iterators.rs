// Closures and iterators: a block counts at the line of the program that asked for it.
fn main() {
    let words = ["pear", "apple", "fig"];
    let mut made: Vec<String> = words.iter().map(|w| format!("{}-{}", w, w.len())).collect();
    made.sort_by_key(|w| w.len().to_string());
    let keep: Box<dyn Fn(usize) -> Vec<u8>> = Box::new(|n| vec![7u8; n * 100]);
    let blocks: Vec<Vec<u8>> = (1..4).map(|n| keep(n)).collect();
    std::mem::forget(blocks);
    std::process::exit((made[0] != "fig-3") as i32);
}
