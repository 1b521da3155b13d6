// Vectors that grow, that know their size, and that are collected.
fn grown(count: usize) -> Vec<u32> {
    let mut items = Vec::new();
    for i in 0..count {
        items.push(i as u32);
    }
    items
}

fn known(count: usize) -> Vec<u32> {
    let mut items = Vec::with_capacity(count);
    for i in 0..count {
        items.push(i as u32);
    }
    items
}

fn main() {
    let a = grown(1000);
    let b = known(1000);
    let text: String = a.iter().take(10).map(|n| n.to_string()).collect();
    drop(a);
    std::mem::forget(b);
    std::process::exit((text.len() != 10) as i32);
}
