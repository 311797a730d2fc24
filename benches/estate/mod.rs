//! A layered estate, generated: each job of a layer reads three datasets of it
//! and writes one of the next, with schemas and column lineage. The same arguments
//! always give the same events.
use std::fmt::Write as _;

pub struct Estate {
    pub layers: usize,
    pub width: usize,
    pub columns: usize,
    /// Which pass over the jobs: its run ids.
    pub pass: i64,
    /// When its first event is, in minutes after 2018-01-01.
    pub minute: i64,
}

const WORDS: [&str; 8] = ["customer", "order", "invoice", "shipment", "payment", "product", "region", "account"];
const TYPES: [&str; 4] = ["BIGINT", "VARCHAR(255)", "TIMESTAMP", "DECIMAL(18,2)"];
const FACET: &str = "\"_producer\":\"https://ledgerline.example/bench\",\"_schemaURL\":\"https://openlineage.io/spec/facets/1-0-1/";

fn below(seed: u64, n: usize) -> usize {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (((z ^ (z >> 31)) as u128 * n as u128) >> 64) as usize
}

pub fn dataset(layer: usize, i: usize) -> String {
    format!("l{layer:03}.{}_{i:06}", WORDS[i % WORDS.len()])
}

pub fn column(c: usize) -> String {
    format!("c{c:02}_{}", WORDS[c % WORDS.len()])
}

impl Estate {
    pub fn jobs(&self) -> usize {
        self.layers * self.width
    }

    fn side(&self, out: &mut String, layer: usize, i: usize, made_from: Option<&[usize]>) {
        write!(out, "{{\"namespace\":\"bench\",\"name\":\"{}\",\"facets\":{{", dataset(layer, i)).unwrap();
        write!(
            out,
            "\"dataSource\":{{{FACET}DatasourceDatasetFacet.json\",\"name\":\"bench\",\"uri\":\"postgres://bench.example:5432/warehouse\"}}"
        )
        .unwrap();
        write!(out, ",\"schema\":{{{FACET}SchemaDatasetFacet.json\",\"fields\":[").unwrap();
        for c in 0..self.columns {
            let comma = if c == 0 { "" } else { "," };
            write!(
                out,
                "{comma}{{\"name\":\"{0}\",\"type\":\"{1}\",\"description\":\"{0} of the record\"}}",
                column(c),
                TYPES[c % TYPES.len()]
            )
            .unwrap();
        }
        out.push_str("]}");
        if let Some(inputs) = made_from {
            write!(out, ",\"columnLineage\":{{{FACET}ColumnLineageDatasetFacet.json\",\"fields\":{{").unwrap();
            for c in 0..self.columns {
                let comma = if c == 0 { "" } else { "," };
                write!(out, "{comma}\"{}\":{{\"inputFields\":[", column(c)).unwrap();
                for n in 0..if c % 3 == 0 { 2 } else { 1 } {
                    let comma = if n == 0 { "" } else { "," };
                    let from = dataset(layer - 1, inputs[(c + n) % inputs.len()]);
                    let subtype = if n == 0 { "IDENTITY" } else { "TRANSFORMATION" };
                    write!(out, "{comma}{{\"namespace\":\"bench\",\"name\":\"{from}\",\"field\":\"{}\",\"transformations\":[{{\"type\":\"DIRECT\",\"subtype\":\"{subtype}\",\"description\":\"\",\"masking\":false}}]}}", column((c + n) % self.columns)).unwrap();
                }
                out.push_str("]}");
            }
            out.push_str("}}");
        }
        out.push('}');
        if made_from.is_some() {
            write!(out, ",\"outputFacets\":{{\"outputStatistics\":{{{FACET}OutputStatisticsOutputDatasetFacet.json\",\"rowCount\":{},\"size\":{}}}}}", 1000 + i, 100_000 + 17 * i).unwrap();
        }
        out.push('}');
    }

    /// The COMPLETE event of job `n` on the estate's day.
    pub fn event(&self, n: usize) -> String {
        let (layer, i) = (n / self.width, n % self.width);
        let mut inputs: Vec<usize> = (0..3).map(|k| below((n * 3 + k) as u64 + 1, self.width)).collect();
        inputs.sort_unstable();
        inputs.dedup();
        let start = chrono::NaiveDate::from_ymd_opt(2018, 1, 1).unwrap().and_hms_opt(0, 0, 0).unwrap();
        let time = start + chrono::Duration::minutes(self.minute) + chrono::Duration::seconds((n as i64 * 7) % 86_000);
        let at = time.format("%Y-%m-%dT%H:%M:%S.000Z");
        let mut e = format!(
            "{{\"eventType\":\"COMPLETE\",\"eventTime\":\"{at}\",\"run\":{{\"runId\":\"{:08x}-0000-4000-8000-{n:012x}\",\"facets\":{{\"nominalTime\":{{{FACET}NominalTimeRunFacet.json\",\"nominalStartTime\":\"{at}\",\"nominalEndTime\":\"{at}\"}},\"processing_engine\":{{{FACET}ProcessingEngineRunFacet.json\",\"name\":\"bench\",\"version\":\"1.0.0\"}}}}}},\"job\":{{\"namespace\":\"bench\",\"name\":\"l{layer:03}_build_{i:06}\",\"facets\":{{\"jobType\":{{{FACET}JobTypeJobFacet.json\",\"processingType\":\"BATCH\",\"integration\":\"BENCH\",\"jobType\":\"QUERY\"}},\"sql\":{{{FACET}SQLJobFacet.json\",\"query\":\"INSERT INTO {} SELECT * FROM {}\"}}}}}},\"inputs\":[",
            self.pass,
            dataset(layer + 1, i),
            dataset(layer, inputs[0]),
        );
        for (k, x) in inputs.iter().enumerate() {
            if k > 0 {
                e.push(',');
            }
            self.side(&mut e, layer, *x, None);
        }
        e.push_str("],\"outputs\":[");
        self.side(&mut e, layer + 1, i, Some(&inputs));
        e.push_str("],\"producer\":\"https://ledgerline.example/bench\",\"schemaURL\":\"https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent\"}");
        e
    }
}
