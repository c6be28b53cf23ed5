//! One region of the JSON record, in any of the ways that it was ever written.

use super::scalar::{Scalar, seed, small, unsigned};
use damo_model::human::Number;
use damo_model::{Addr, Age, Intervals, NrAccesses, Region};
use serde::Deserialize;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// What a region says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Read {
    Region {
        region: Region,
        /// Bytes that passed the scheme's filters.
        filter_passed: u64,
        /// Without accesses it is an address range that a user gave.
        has_accesses: bool,
    },
    /// The mark of where one more snapshot would have ended: see [`crate::PerfScriptWriter`].
    Fake,
}

/// More probes than any kernel has.
const MAX_PROBES: usize = 256;

/// Reads a region; hits of data probes go to `probe_hits`.
pub(super) struct RegionSeed<'a> {
    pub(super) intervals: Option<Intervals>,
    pub(super) probe_hits: &'a mut Vec<u64>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    Start,
    End,
    NrAccesses,
    Age,
    ProbeHits,
    SzFilterPassed,
    #[serde(other)]
    Other,
}

seed!(RegionSeed<'_>, deserialize_map, Read);
seed!(PairSeed, deserialize_any, Option<[Option<Number>; 2]>);
seed!(Which, deserialize_identifier, Option<usize>);
seed!(Hits<'_>, deserialize_any, ());

impl<'de> Visitor<'de> for RegionSeed<'_> {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a region with start and end")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
        let (mut start, mut end, mut filter_passed) = (None, None, 0);
        let (mut accesses, mut age) = (None, None);
        self.probe_hits.clear();
        while let Some(key) = map.next_key()? {
            match key {
                Key::Start => start = map.next_value_seed(Scalar::Bytes)?,
                Key::End => end = map.next_value_seed(Scalar::Bytes)?,
                Key::NrAccesses => accesses = map.next_value_seed(PairSeed { keys: ["samples", "percent"] })?,
                Key::Age => age = map.next_value_seed(PairSeed { keys: ["aggr_intervals", "usec"] })?,
                Key::ProbeHits => map.next_value_seed(Hits(self.probe_hits))?,
                Key::SzFilterPassed => {
                    let bytes = map.next_value_seed(Scalar::Bytes)?;
                    filter_passed = bytes.map_or(Ok(0), |bytes| unsigned(bytes, "sz_filter_passed"))?;
                }
                Key::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let start = start.ok_or_else(|| A::Error::missing_field("start"))?;
        let end = end.ok_or_else(|| A::Error::missing_field("end"))?;
        if let (Some([Some(samples), _]), Some([Some(age), _])) = (accesses, age)
            && [samples.trunc(), age.trunc()] == [-1, -1]
            && start.trunc() == 0
            && end.trunc() == 0
        {
            return Ok(Read::Fake);
        }
        let nr_accesses = accesses.map(|accesses| samples(accesses, self.intervals)).transpose()?.flatten();
        let region = Region {
            start: Addr(unsigned(start, "start")?),
            end: Addr(unsigned(end, "end")?),
            nr_accesses: nr_accesses.unwrap_or_default(),
            age: age.map(|age| aggregations(age, self.intervals)).transpose()?.flatten(),
        };
        Ok(Read::Region { region, filter_passed, has_accesses: nr_accesses.is_some() })
    }
}

/// `samples`, or what `percent` of the possible samples are.
fn samples<E: Error>(
    [samples, percent]: [Option<Number>; 2],
    intervals: Option<Intervals>,
) -> Result<Option<NrAccesses>, E> {
    let number = samples.or_else(|| {
        let max = f64::from(intervals?.max_nr_accesses().0);
        Some(Number::Float(percent?.as_f64() * max / 100.0))
    });
    number.map(|number| small(number, "nr_accesses").map(NrAccesses)).transpose()
}

/// `aggr_intervals`, or how many of them `usec` are.
fn aggregations<E: Error>(
    [aggregations, usec]: [Option<Number>; 2],
    intervals: Option<Intervals>,
) -> Result<Option<Age>, E> {
    let number = aggregations.or_else(|| {
        let aggregation = intervals?.aggregation.as_micros();
        (aggregation > 0).then_some(Number::Float(usec?.as_f64() / aggregation as f64))
    });
    number.map(|number| small(number, "age").map(Age)).transpose()
}

/// An object of two optional numbers, or null. Of `usec`, text may have units.
struct PairSeed {
    keys: [&'static str; 2],
}

impl<'de> Visitor<'de> for PairSeed {
    type Value = Option<[Option<Number>; 2]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with {} and {}, or a number", self.keys[0], self.keys[1])
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    // A bare number is the first of the two.
    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some([Some(Number::Int(number.into())), None]))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some([Some(Number::Int(number.into())), None]))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pair = [None, None];
        while let Some(which) = map.next_key_seed(Which(self.keys))? {
            match which {
                Some(0) => pair[0] = map.next_value_seed(Scalar::Plain)?,
                Some(_) if self.keys[1] == "usec" => pair[1] = map.next_value_seed(Scalar::Micros)?,
                Some(_) => pair[1] = map.next_value_seed(Scalar::Percent)?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Some(pair))
    }
}

/// Which of two keys.
struct Which([&'static str; 2]);

impl Visitor<'_> for Which {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|key| *key == name))
    }
}

/// Hits of data probes: a list of numbers.
struct Hits<'a>(&'a mut Vec<u64>);

impl<'de> Visitor<'de> for Hits<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of probes' hits")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(hits) = seq.next_element_seed(Scalar::Plain)? {
            if self.0.len() == MAX_PROBES {
                return Err(A::Error::custom("more probes than any kernel has"));
            }
            self.0.push(hits.map_or(Ok(0), |hits| unsigned(hits, "probe_hits"))?);
        }
        Ok(())
    }
}
