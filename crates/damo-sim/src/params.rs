//! The simulated kdamond's parameters as JSON, in the schema in which the Python tool keeps those of a real one.

use crate::options::Options;
use damo_model::{Intervals, Ops};

/// One kdamond with its context. Beside schemes, all values are numbers or words: nothing needs escaping.
pub(crate) fn kdamond_json(options: &Options, intervals: &Intervals, nr_processes: usize) -> String {
    let regions: Vec<String> =
        options.ranges.iter().map(|r| format!("{{\"start\":{},\"end\":{}}}", r.start.0, r.end.0)).collect();
    let regions = regions.join(",");
    let targets: Vec<String> = match options.ops {
        Ops::Paddr => vec![format!("{{\"pid\":null,\"obsolete\":false,\"regions\":[{regions}]}}")],
        Ops::Vaddr | Ops::Fvaddr => (0..nr_processes)
            .map(|i| format!("{{\"pid\":{},\"obsolete\":false,\"regions\":[{regions}]}}", crate::tell::pid(i)))
            .collect(),
    };
    let ops = options.ops;
    let (bp, aggrs, min, max) = options.intervals_goal.map_or((0, 0, 0, 0), |goal| {
        (goal.access_bp, goal.aggregations, goal.min_sample.as_micros(), goal.max_sample.as_micros())
    });
    // Schemes hold no map keys that are no text: this cannot fail.
    let schemes = serde_json::to_string(&options.schemes).unwrap_or_else(|_| "[]".to_owned());
    format!(
        "{{\"state\":null,\"pid\":null,\"refresh_ms\":0,\"contexts\":[{{\"ops\":\"{ops}\",\"addr_unit\":1,\
         \"targets\":[{}],\"intervals\":{{\"sample_us\":{},\"aggr_us\":{},\"ops_update_us\":{},\
         \"intervals_goal\":{{\"access_bp\":{bp},\"aggrs\":{aggrs},\"min_sample_us\":{min},\"max_sample_us\":{max}}}}},\
         \"nr_regions\":{{\"min\":{},\"max\":{}}},\"probes\":[],\"pause\":false,\"schemes\":{schemes}}}]}}",
        targets.join(","),
        intervals.sample.as_micros(),
        intervals.aggregation.as_micros(),
        intervals.update.as_micros(),
        options.nr_regions.min,
        options.nr_regions.max,
    )
}
