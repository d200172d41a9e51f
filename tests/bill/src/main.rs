//! `cargo run -p bill -- 10000 1000000`: what a stack costs in a month with so many orders, in US dollars.

use bill::{Line, callback, fixed, page, strangers_page, variable};

const TEMPLATE: &str = include_str!("../../../template.yaml");

fn print(lines: &[Line]) {
    for (what, count, dollars) in lines {
        println!("  {dollars:8.2} $  {count:14.0}  {what}");
    }
}

fn sum(lines: &[Line]) -> f64 {
    bill::sum(lines, |_| true)
}

fn main() {
    let orders: Vec<u32> = std::env::args().skip(1).filter_map(|count| count.parse().ok()).collect();
    let fixed = fixed(TEMPLATE);
    println!("whether orders come or not: {:.2} $", sum(&fixed));
    print(&fixed);
    let callback = callback(TEMPLATE);
    println!("\nwhere the app is told of links, beside that: {:.2} $", sum(&callback));
    print(&callback);
    for count in if orders.is_empty() { vec![10_000, 1_000_000] } else { orders } {
        let variable = variable(count);
        println!("\n{count} orders a month: {:.2} $, together {:.2} $", sum(&variable), sum(&variable) + sum(&fixed));
        print(&variable);
    }
    println!("\nas DEPLOY.md has it:\n{}", page(TEMPLATE, [10_000, 1_000_000]));
    println!("a stranger at each door:\n{}", strangers_page(TEMPLATE));
}
