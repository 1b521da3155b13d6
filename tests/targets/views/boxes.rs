// Boxed traits, reference counts, and a cycle of them that nobody frees.
use std::cell::RefCell;
use std::rc::Rc;

trait Animal {
    fn weight(&self) -> usize;
}

struct Mouse([u8; 30]);
struct Whale([u8; 3000]);

impl Animal for Mouse {
    fn weight(&self) -> usize {
        self.0.len()
    }
}

impl Animal for Whale {
    fn weight(&self) -> usize {
        self.0.len()
    }
}

struct Node {
    other: RefCell<Option<Rc<Node>>>,
    _payload: [u8; 200],
}

fn node() -> Rc<Node> {
    Rc::new(Node { other: RefCell::new(None), _payload: [0; 200] })
}

fn cycle() {
    let a = node();
    let b = node();
    *a.other.borrow_mut() = Some(b.clone());
    *b.other.borrow_mut() = Some(a);
}

fn main() {
    let zoo: [Box<dyn Animal>; 2] = [Box::new(Mouse([1; 30])), Box::new(Whale([1; 3000]))];
    let weight: usize = zoo.iter().map(|a| a.weight()).sum();
    drop(zoo);
    cycle();
    std::process::exit((weight != 3030) as i32);
}
