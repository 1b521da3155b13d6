// symbol_names.rs - functions whose names the symbol tests know, in Rust.
use std::collections::BTreeMap;

mod shapes {
    pub struct Grid<T, const N: usize>(pub Vec<[T; N]>);

    impl<T: Copy + Default, const N: usize> Grid<T, N> {
        #[inline(never)]
        pub fn new(rows: usize) -> Self {
            Grid(vec![[T::default(); N]; rows])
        }
    }
}

trait Fill {
    fn fill(&self) -> Vec<String>;
}

impl Fill for [u32] {
    #[inline(never)]
    fn fill(&self) -> Vec<String> {
        self.iter().map(|x| x.to_string()).collect()
    }
}

#[inline(never)]
fn closure_user(f: impl Fn(usize) -> Vec<u8>) -> usize {
    f(10000).len()
}

fn main() {
    let grid = shapes::Grid::<u16, 3>::new(1000);
    let numbers: Vec<u32> = (0..1000).collect();
    let texts = numbers[..].fill();
    let mut map = BTreeMap::new();
    for (i, text) in texts.iter().enumerate() {
        map.insert(text.clone(), i);
    }
    println!("{} {} {}", grid.0.len(), map.len(), closure_user(|n| vec![1u8; n]));
    std::mem::forget(map);
}
