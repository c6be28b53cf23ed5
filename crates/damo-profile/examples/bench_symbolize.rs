//! How long names take: `bench_symbolize FILE [SAMPLES] [DISTINCT]` looks up DISTINCT addresses, spread over the code of an
//! executable, for SAMPLES samples.

use damo_profile::{Module, Symbolizer};
use object::{Object, ObjectSection, SectionKind};
use std::collections::HashMap;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let path = words.next().ok_or("name an executable")?;
    let mut number = |default: u64| words.next().map_or(Ok(default), |word| word.parse());
    let (samples, distinct) = (number(1_000_000)?, number(100_000)?);
    let bytes = std::fs::read(&path)?;
    let elf = object::File::parse(&bytes[..])?;
    let code = elf.sections().filter(|section| section.kind() == SectionKind::Text);
    let ranges: Vec<(u64, u64)> = code.filter_map(|section| section.file_range()).collect();
    let size: u64 = ranges.iter().map(|(_, size)| size).sum();
    let mut random = 1_u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random >> 11
    };
    let place = |at: u64| {
        let mut at = at % size;
        for (offset, size) in &ranges {
            if at < *size {
                return offset + at;
            }
            at -= size;
        }
        0
    };
    let pool: Vec<u64> = (0..distinct).map(|_| place(next())).collect();
    let sampled: Vec<u64> = (0..samples).map(|_| pool[(next() % distinct) as usize]).collect();

    let began = Instant::now();
    // What a caller does with samples: each address is asked for once.
    let mut numbers: HashMap<u64, usize> = HashMap::new();
    let mut addresses = Vec::new();
    for address in &sampled {
        numbers.entry(*address).or_insert_with(|| {
            addresses.push(*address);
            addresses.len() - 1
        });
    }
    let resolved = Symbolizer::default().resolve(&Module::file(&path, &[]), &addresses);
    let named =
        sampled.iter().filter(|address| numbers.get(address).is_some_and(|at| !resolved.frames[*at].is_empty()));
    let named = named.count();
    let inlined = resolved.frames.iter().filter(|frames| frames.len() > 1).count();
    println!(
        "{} bytes, {samples} samples, {} addresses: {named} samples named, {inlined} addresses with inlined functions, {:.2} s",
        bytes.len(),
        addresses.len(),
        began.elapsed().as_secs_f64()
    );
    Ok(())
}
