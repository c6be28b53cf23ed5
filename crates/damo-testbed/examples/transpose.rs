//! A program whose memory accesses are as bad as its source looks harmless: it fills a matrix, transposes it into a second one,
//! and adds that up, each for a while. The transposition walks down a column for each row that it reads, so that each write is to
//! another page. With `--blocked` it goes tile by tile. docs/profile.md finds the function and measures the gain.
//!
//! It has no dependencies, so that it can be built by hand, with frame pointers and debug information:
//! `rustc --edition 2024 -O -g -C force-frame-pointers=yes transpose.rs`

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Rows and columns of a tile: 64 rows of 64 numbers of 4 bytes are within the first-level cache and its TLB.
const TILE: usize = 64;

/// What the command line asks for.
struct Options {
    /// Rows and columns of the matrices.
    size: usize,
    /// How often each of the three parts is done in a round.
    repeat: [usize; 3],
    rounds: usize,
    blocked: bool,
}

fn main() {
    let options = options();
    let mut matrix = vec![0.0_f32; options.size * options.size];
    let mut transposed = vec![0.0_f32; options.size * options.size];
    let mut times = [Duration::ZERO; 3];
    let mut sum = 0.0;
    for round in 0..options.rounds {
        let began = Instant::now();
        for n in 0..options.repeat[0] {
            fill(&mut matrix, options.size, round + n);
        }
        times[0] += began.elapsed();
        let began = Instant::now();
        for _ in 0..options.repeat[1] {
            match options.blocked {
                true => transpose_by_tiles(&matrix, &mut transposed, options.size),
                false => transpose_by_rows(&matrix, &mut transposed, options.size),
            }
        }
        times[1] += began.elapsed();
        let began = Instant::now();
        for _ in 0..options.repeat[2] {
            sum += black_box(add_up(&transposed));
        }
        times[2] += began.elapsed();
    }
    for ((what, time), repeat) in ["fill", "transpose", "add up"].iter().zip(times).zip(options.repeat) {
        let each = time.as_secs_f64() * 1e3 / (repeat * options.rounds).max(1) as f64;
        println!("{what}: {each:.1} ms each, {:.2} s in all", time.as_secs_f64());
    }
    assert!(sum.is_finite());
}

/// Writes all numbers of a matrix, from the first to the last.
#[inline(never)]
fn fill(matrix: &mut [f32], size: usize, seed: usize) {
    for (row, numbers) in matrix.chunks_exact_mut(size).enumerate() {
        for (column, number) in numbers.iter_mut().enumerate() {
            *number = (((row * 31 + column * 17 + seed) % 1009) as f32).sqrt();
        }
    }
}

/// Each row is read from left to right, and written from top to bottom.
#[inline(never)]
fn transpose_by_rows(from: &[f32], to: &mut [f32], size: usize) {
    for row in 0..size {
        for column in 0..size {
            to[column * size + row] = from[row * size + column];
        }
    }
}

/// Tile by tile: the lines that a tile writes to stay in the cache until they are full.
#[inline(never)]
fn transpose_by_tiles(from: &[f32], to: &mut [f32], size: usize) {
    for first_row in (0..size).step_by(TILE) {
        for first_column in (0..size).step_by(TILE) {
            for row in first_row..(first_row + TILE).min(size) {
                for column in first_column..(first_column + TILE).min(size) {
                    to[column * size + row] = from[row * size + column];
                }
            }
        }
    }
}

/// The sum of all numbers, in their order.
#[inline(never)]
fn add_up(matrix: &[f32]) -> f64 {
    matrix.iter().map(|number| f64::from(*number)).sum()
}

/// Reads `[--size N] [--repeat FILL,TRANSPOSE,SUM] [--rounds N] [--blocked]`.
fn options() -> Options {
    let mut options = Options { size: 4096, repeat: [40, 12, 100], rounds: 1, blocked: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_default();
        match word.as_str() {
            "--size" => options.size = number(&value()),
            "--rounds" => options.rounds = number(&value()),
            "--repeat" => {
                let numbers: Vec<usize> = value().split(',').map(number).collect();
                options.repeat = numbers.try_into().unwrap_or_else(|_| usage());
            }
            "--blocked" => options.blocked = true,
            _ => usage(),
        }
    }
    options
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or_else(|_| usage())
}

fn usage() -> ! {
    eprintln!("transpose [--size N] [--repeat FILL,TRANSPOSE,SUM] [--rounds N] [--blocked]");
    std::process::exit(2);
}
